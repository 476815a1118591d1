-- `medication[x]` became one `medication` with a concept or a reference in R5.
INSERT INTO event BY NAME
SELECT
    'MedicationRequest' AS source, id, 0 AS part,
    local_id(subject.reference, 'Patient') AS person,
    local_id(encounter.reference, 'Encounter') AS encounter,
    authoredOn AS begun,
    NULL AS ended,
    coalesce(medicationCodeableConcept.coding, medication.concept.coding) AS codings,
    'Drug' AS domain,
    status,
    dispenseRequest.quantity.value AS quantity,
    CASE WHEN dispenseRequest.expectedSupplyDuration.code = 'd' THEN dispenseRequest.expectedSupplyDuration.value END AS days,
    TRY_CAST(dispenseRequest.numberOfRepeatsAllowed AS BIGINT) AS refills,
    dosageInstruction[1].route.coding AS route,
    local_id(coalesce(medicationReference.reference, medication.reference.reference), 'Medication') AS medication
FROM read_json($path, format = 'newline_delimited', columns = {
    id: 'VARCHAR', status: 'VARCHAR', subject: 'STRUCT(reference VARCHAR)', encounter: 'STRUCT(reference VARCHAR)',
    medicationCodeableConcept: 'STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[])',
    medicationReference: 'STRUCT(reference VARCHAR)',
    medication: 'STRUCT(
        concept STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[]), reference STRUCT(reference VARCHAR)
    )',
    authoredOn: 'VARCHAR', dosageInstruction: 'STRUCT(route STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[]))[]',
    dispenseRequest: 'STRUCT(
        quantity STRUCT("value" DOUBLE), numberOfRepeatsAllowed DOUBLE,
        expectedSupplyDuration STRUCT("value" DOUBLE, code VARCHAR)
    )'
});
