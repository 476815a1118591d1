-- `medication[x]` became one `medication` with a concept or a reference in R5.
INSERT INTO event BY NAME
SELECT
    'MedicationStatement' AS source, id, 0 AS part,
    local_id(subject.reference, 'Patient') AS person,
    local_id(coalesce(encounter.reference, context.reference), 'Encounter') AS encounter,
    coalesce(effectiveDateTime, effectivePeriod.start, dateAsserted) AS begun,
    effectivePeriod."end" AS ended,
    coalesce(medicationCodeableConcept.coding, medication.concept.coding) AS codings,
    'Drug' AS domain,
    status,
    NULL AS quantity,
    NULL AS days,
    NULL AS refills,
    dosage[1].route.coding AS route,
    local_id(coalesce(medicationReference.reference, medication.reference.reference), 'Medication') AS medication
FROM read_json($path, format = 'newline_delimited', columns = {
    id: 'VARCHAR', status: 'VARCHAR', subject: 'STRUCT(reference VARCHAR)', context: 'STRUCT(reference VARCHAR)',
    medicationCodeableConcept: 'STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[])',
    medicationReference: 'STRUCT(reference VARCHAR)',
    medication: 'STRUCT(
        concept STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[]), reference STRUCT(reference VARCHAR)
    )',
    encounter: 'STRUCT(reference VARCHAR)', effectiveDateTime: 'VARCHAR', effectivePeriod: 'STRUCT(start VARCHAR, "end" VARCHAR)',
    dateAsserted: 'VARCHAR', dosage: 'STRUCT(route STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[]))[]'
});
