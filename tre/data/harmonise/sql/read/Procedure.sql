-- `performed` became `occurrence` in R5.
INSERT INTO event BY NAME
SELECT
    'Procedure' AS source, id, 0 AS part,
    local_id(subject.reference, 'Patient') AS person,
    local_id(encounter.reference, 'Encounter') AS encounter,
    coalesce(performedDateTime, performedPeriod.start, occurrenceDateTime, occurrencePeriod.start) AS begun,
    coalesce(performedPeriod."end", occurrencePeriod."end") AS ended,
    code.coding AS codings,
    'Procedure' AS domain,
    status
FROM read_json($path, format = 'newline_delimited', columns = {
    id: 'VARCHAR', status: 'VARCHAR', subject: 'STRUCT(reference VARCHAR)', encounter: 'STRUCT(reference VARCHAR)',
    performedDateTime: 'VARCHAR', performedPeriod: 'STRUCT(start VARCHAR, "end" VARCHAR)',
    occurrenceDateTime: 'VARCHAR', occurrencePeriod: 'STRUCT(start VARCHAR, "end" VARCHAR)',
    code: 'STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[])'
});
