SELECT number AS measurement_id, concept_id AS measurement_concept_id,
    begin_date AS measurement_date, begin_datetime AS measurement_datetime,
    strftime(begin_datetime, '%H:%M:%S') AS measurement_time, type_concept_id AS measurement_type_concept_id,
    operator_concept_id, value_as_number, value_as_concept_id, unit_concept_id, low AS range_low, high AS range_high,
    code AS measurement_source_value, source_concept_id AS measurement_source_concept_id,
    unit_code AS unit_source_value, unit_source_concept_id, value_code AS value_source_value,
    person_id, visit_occurrence_id
FROM fact WHERE why IS NULL AND "table" = 'measurement'
