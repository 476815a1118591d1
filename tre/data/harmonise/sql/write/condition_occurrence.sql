SELECT number AS condition_occurrence_id, concept_id AS condition_concept_id,
    begin_date AS condition_start_date, begin_datetime AS condition_start_datetime,
    end_date AS condition_end_date, end_datetime AS condition_end_datetime,
    type_concept_id AS condition_type_concept_id, status_concept_id AS condition_status_concept_id,
    code AS condition_source_value, source_concept_id AS condition_source_concept_id,
    status_code AS condition_status_source_value, person_id, visit_occurrence_id
FROM fact WHERE why IS NULL AND "table" = 'condition_occurrence'
