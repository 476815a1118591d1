SELECT person_id, death_date, death_datetime,
    (SELECT concept_id FROM means WHERE system = 'http://hl7.org/fhir' AND code = 'Patient') AS death_type_concept_id
FROM person WHERE death_date IS NOT NULL
