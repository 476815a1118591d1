-- A visit without an end ended on the day it began.
SELECT number AS visit_occurrence_id, person_id, concept_id AS visit_concept_id,
    begin_date AS visit_start_date, begin_datetime AS visit_start_datetime,
    coalesce(end_date, begin_date) AS visit_end_date, end_datetime AS visit_end_datetime,
    (SELECT concept_id FROM means WHERE system = 'http://hl7.org/fhir' AND code = 'Encounter') AS visit_type_concept_id,
    code AS visit_source_value, 0 AS visit_source_concept_id
FROM visit WHERE why IS NULL
