CREATE TABLE fact AS
SELECT e.source, e.person, p.person_id, number_of(e.source, e.id, e.part, coalesce(r.nth, 0)) AS number,
    v.number AS visit_occurrence_id,
    e.encounter IS NOT NULL AND v.number IS NULL AS astray,
    day(e.begun) AS begin_date, moment(e.begun) AS begin_datetime,
    day(e.ended) AS end_date, moment(e.ended) AS end_datetime,
    coalesce(r.concept_id, 0) AS concept_id, coalesce(r.source_concept_id, 0) AS source_concept_id,
    r.code, coalesce(r.vocabulary, '') AS vocabulary,
    coalesce(t.concept_id, y.concept_id) AS type_concept_id,
    s.concept_id AS status_concept_id, s.code AS status_code,
    o.concept_id AS operator_concept_id, e.number AS value_as_number,
    coalesce(r.value_concept_id, w.concept_id) AS value_as_concept_id, w.code AS value_code,
    u.concept_id AS unit_concept_id, u.source_concept_id AS unit_source_concept_id, u.code AS unit_code,
    e.low, e.high, e.quantity, e.refills,
    CASE WHEN e.days BETWEEN 1 AND 36500 THEN e.days::BIGINT END AS days,
    x.concept_id AS route_concept_id, x.code AS route_code,
    CASE WHEN coalesce(r.concept_id, 0) = 0 THEN e.domain ELSE r.domain END AS domain,
    d."table",
    CASE
        WHEN l.type IS NOT NULL THEN 'planned, not done, or an error'
        WHEN p.person_id IS NULL THEN 'of nobody who is in the person table'
        WHEN day(e.begun) IS NULL THEN 'no full date'
        WHEN d."table" IS NULL THEN 'of a domain that has no table here'
    END AS why
FROM event AS e
LEFT JOIN person AS p ON p.pseudonym = e.person
LEFT JOIN visit AS v ON v.id = e.encounter AND v.person = e.person AND v.why IS NULL
LEFT JOIN resolved AS r ON r.list = e.codings
LEFT JOIN domain_table AS d
    ON d.domain = CASE WHEN coalesce(r.concept_id, 0) = 0 THEN e.domain ELSE r.domain END
LEFT JOIN left_out AS l
    ON l.type = e.source AND l.value = CASE l.field WHEN 'status' THEN e.status ELSE e.verification END
LEFT JOIN resolved AS w ON w.list = e.value_codings AND w.nth = 0
LEFT JOIN resolved AS x ON x.list = e.route AND x.nth = 0
LEFT JOIN means AS u ON u.system = e.unit.system AND u.code = e.unit.code AND u.nth = 0
LEFT JOIN means AS t ON t.system = e.category.system AND t.code = e.category.code AND t.domain = 'Type Concept'
LEFT JOIN means AS y ON y.system = 'http://hl7.org/fhir' AND y.code = e.source
LEFT JOIN means AS s
    ON s.system = 'http://terminology.hl7.org/CodeSystem/condition-ver-status' AND s.code = e.verification
LEFT JOIN means AS o ON o.system = 'http://hl7.org/fhir/quantity-comparator' AND o.code = e.comparator;
