-- From a person's first record to their last.
SELECT number_of('period', pseudonym, 0, 0) AS observation_period_id, person_id,
    min(begin_date) AS observation_period_start_date, max(last) AS observation_period_end_date,
    (SELECT concept_id FROM means WHERE system = 'http://hl7.org/fhir' AND code = 'Patient') AS period_type_concept_id
FROM (
    SELECT person AS pseudonym, person_id, begin_date, greatest(begin_date, end_date) AS last FROM visit WHERE why IS NULL
    UNION ALL SELECT person, person_id, begin_date, greatest(begin_date, end_date) FROM fact WHERE why IS NULL
)
GROUP BY pseudonym, person_id
