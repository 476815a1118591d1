-- The end is what was written, or the last day of the supply, or the day it began (as the CDM's guide has it).
SELECT number AS drug_exposure_id, concept_id AS drug_concept_id,
    begin_date AS drug_exposure_start_date, begin_datetime AS drug_exposure_start_datetime,
    coalesce(end_date, (begin_date + (days::INTEGER - 1)), begin_date) AS drug_exposure_end_date,
    end_datetime AS drug_exposure_end_datetime, end_date AS verbatim_end_date,
    type_concept_id AS drug_type_concept_id, refills, quantity, days AS days_supply, route_concept_id,
    code AS drug_source_value, source_concept_id AS drug_source_concept_id, route_code AS route_source_value,
    person_id, visit_occurrence_id
FROM fact WHERE why IS NULL AND "table" = 'drug_exposure'
