-- An encounter that stands twice is told once: what is said first holds.
INSERT INTO double SELECT 'Encounter', count(*) - count(DISTINCT id) FROM encounter HAVING count(*) > count(DISTINCT id);

CREATE TABLE visit AS
SELECT e.id, e.person, p.person_id, number_of('Encounter', e.id, 0, 0) AS number,
    day(e.begun) AS begin_date, moment(e.begun) AS begin_datetime,
    day(e.ended) AS end_date, moment(e.ended) AS end_datetime,
    coalesce(m.concept_id, 0) AS concept_id, m.code AS code, coalesce(m.vocabulary, '') AS vocabulary,
    CASE
        WHEN e.status IN (SELECT value FROM left_out WHERE type = 'Encounter') THEN 'planned, not done, or an error'
        WHEN p.person_id IS NULL THEN 'of nobody who is in the person table'
        WHEN day(e.begun) IS NULL THEN 'no full date'
    END AS why
FROM encounter AS e
LEFT JOIN person AS p ON p.pseudonym = e.person
LEFT JOIN means AS m ON m.system = e.class.system AND m.code = e.class.code AND m.nth = 0
QUALIFY row_number() OVER (PARTITION BY e.id ORDER BY e.rowid) = 1;
