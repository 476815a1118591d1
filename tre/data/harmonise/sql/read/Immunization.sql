INSERT INTO event BY NAME
SELECT
    'Immunization' AS source, id, 0 AS part,
    local_id(patient.reference, 'Patient') AS person,
    local_id(encounter.reference, 'Encounter') AS encounter,
    occurrenceDateTime AS begun,
    vaccineCode.coding AS codings,
    'Drug' AS domain,
    status,
    doseQuantity.value AS quantity,
    route.coding AS route
FROM read_json($path, format = 'newline_delimited', columns = {
    id: 'VARCHAR', status: 'VARCHAR', patient: 'STRUCT(reference VARCHAR)', encounter: 'STRUCT(reference VARCHAR)',
    occurrenceDateTime: 'VARCHAR', vaccineCode: 'STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[])',
    doseQuantity: 'STRUCT("value" DOUBLE)', route: 'STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[])'
});
