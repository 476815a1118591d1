SELECT *, pseudonym AS person_source_value, 0 AS gender_source_concept_id, 0 AS race_source_concept_id,
    0 AS ethnicity_source_concept_id
FROM person
