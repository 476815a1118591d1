-- `medication[x]` became one `medication` with a concept or a reference in R5.
INSERT INTO event BY NAME
SELECT
    'MedicationDispense' AS source, id, 0 AS part,
    local_id(subject.reference, 'Patient') AS person,
    local_id(coalesce(encounter.reference, context.reference), 'Encounter') AS encounter,
    whenHandedOver AS begun,
    NULL AS ended,
    coalesce(medicationCodeableConcept.coding, medication.concept.coding) AS codings,
    'Drug' AS domain,
    status,
    quantity.value AS quantity,
    CASE WHEN daysSupply.code = 'd' THEN daysSupply.value END AS days,
    NULL AS refills,
    dosageInstruction[1].route.coding AS route,
    local_id(coalesce(medicationReference.reference, medication.reference.reference), 'Medication') AS medication
FROM read_json($path, format = 'newline_delimited', columns = {
    id: 'VARCHAR', status: 'VARCHAR', subject: 'STRUCT(reference VARCHAR)', context: 'STRUCT(reference VARCHAR)',
    medicationCodeableConcept: 'STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[])',
    medicationReference: 'STRUCT(reference VARCHAR)',
    medication: 'STRUCT(
        concept STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[]), reference STRUCT(reference VARCHAR)
    )',
    encounter: 'STRUCT(reference VARCHAR)', whenHandedOver: 'VARCHAR', quantity: 'STRUCT("value" DOUBLE)',
    daysSupply: 'STRUCT("value" DOUBLE, code VARCHAR)', dosageInstruction: 'STRUCT(route STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[]))[]'
});
