SELECT number AS procedure_occurrence_id, concept_id AS procedure_concept_id,
    begin_date AS procedure_date, begin_datetime AS procedure_datetime,
    end_date AS procedure_end_date, end_datetime AS procedure_end_datetime,
    type_concept_id AS procedure_type_concept_id,
    code AS procedure_source_value, source_concept_id AS procedure_source_concept_id, person_id, visit_occurrence_id
FROM fact WHERE why IS NULL AND "table" = 'procedure_occurrence'
