SELECT number AS observation_id, concept_id AS observation_concept_id,
    begin_date AS observation_date, begin_datetime AS observation_datetime,
    type_concept_id AS observation_type_concept_id, value_as_number, value_as_concept_id, unit_concept_id,
    code AS observation_source_value, source_concept_id AS observation_source_concept_id,
    unit_code AS unit_source_value, value_code AS value_source_value, person_id, visit_occurrence_id
FROM fact WHERE why IS NULL AND "table" = 'observation'
