-- `class` is a Coding in R4 and a list of CodeableConcepts in R5; `period` became `actualPeriod`.
INSERT INTO encounter BY NAME
SELECT
    id,
    local_id(subject.reference, 'Patient') AS person,
    coalesce(period.start, actualPeriod.start) AS begun,
    coalesce(period."end", actualPeriod."end") AS ended,
    {
        'system': coalesce(class ->> '$.system', class ->> '$[0].coding[0].system'),
        'code': coalesce(class ->> '$.code', class ->> '$[0].coding[0].code')
    } AS class,
    status
FROM read_json($path, format = 'newline_delimited', columns = {
    id: 'VARCHAR', status: 'VARCHAR', class: 'JSON', subject: 'STRUCT(reference VARCHAR)',
    period: 'STRUCT(start VARCHAR, "end" VARCHAR)', actualPeriod: 'STRUCT(start VARCHAR, "end" VARCHAR)'
});
