INSERT INTO event BY NAME
SELECT
    'Condition' AS source, id, 0 AS part,
    local_id(subject.reference, 'Patient') AS person,
    local_id(encounter.reference, 'Encounter') AS encounter,
    coalesce(onsetDateTime, onsetPeriod.start, recordedDate) AS begun,
    coalesce(abatementDateTime, abatementPeriod."end") AS ended,
    code.coding AS codings,
    'Condition' AS domain,
    verificationStatus.coding[1].code AS verification,
    category[1].coding[1] AS category
FROM read_json($path, format = 'newline_delimited', columns = {
    id: 'VARCHAR', subject: 'STRUCT(reference VARCHAR)', encounter: 'STRUCT(reference VARCHAR)',
    onsetDateTime: 'VARCHAR', onsetPeriod: 'STRUCT(start VARCHAR)', recordedDate: 'VARCHAR',
    abatementDateTime: 'VARCHAR', abatementPeriod: 'STRUCT("end" VARCHAR)',
    code: 'STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[])',
    verificationStatus: 'STRUCT(coding STRUCT(code VARCHAR)[])',
    category: 'STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[])[]'
});
