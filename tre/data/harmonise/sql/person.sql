-- A person whose resource stands twice (a merged record) is one: what is said first holds.
CREATE TABLE someone AS
SELECT p.id AS pseudonym, first(n.person_id) AS person_id,
    first(p.born ORDER BY p.rowid) FILTER (p.born IS NOT NULL) AS born,
    first(p.gender ORDER BY p.rowid) FILTER (p.gender IS NOT NULL) AS gender,
    only_one(first(p.races ORDER BY p.rowid) FILTER (len(p.races) > 0)) AS race,
    only_one(first(p.ethnicities ORDER BY p.rowid) FILTER (len(p.ethnicities) > 0)) AS ethnicity,
    first(p.died ORDER BY p.rowid) FILTER (p.died IS NOT NULL) AS died,
    bool_or(p.dead) AS dead
FROM patient AS p LEFT JOIN number AS n ON n.pseudonym = p.id
GROUP BY p.id;

CREATE TABLE person AS
SELECT s.pseudonym, s.person_id, TRY_CAST(s.born[:4] AS BIGINT) AS year_of_birth,
    CASE WHEN length(s.born) >= 7 THEN TRY_CAST(s.born[6:7] AS BIGINT) END AS month_of_birth,
    CASE WHEN day(s.born) IS NOT NULL THEN TRY_CAST(s.born[9:10] AS BIGINT) END AS day_of_birth,
    day(s.born)::TIMESTAMP AS birth_datetime,
    coalesce(g.concept_id, 0) AS gender_concept_id, g.code AS gender_source_value,
    coalesce(r.concept_id, 0) AS race_concept_id, r.code AS race_source_value,
    coalesce(e.concept_id, 0) AS ethnicity_concept_id, e.code AS ethnicity_source_value,
    day(s.died) AS death_date, moment(s.died) AS death_datetime, s.dead
FROM someone AS s
LEFT JOIN means AS g ON g.system = 'http://hl7.org/fhir/administrative-gender' AND g.code = s.gender
LEFT JOIN means AS r ON r.system = s.race.system AND r.code = s.race.code AND r.domain = 'Race'
LEFT JOIN means AS e ON e.system = s.ethnicity.system AND e.code = s.ethnicity.code AND e.domain = 'Ethnicity'
WHERE s.person_id IS NOT NULL AND TRY_CAST(s.born[:4] AS BIGINT) BETWEEN 1 AND 9999;
