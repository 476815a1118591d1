-- Which concept each coding stands for. Needs `shaped` (codes that can be of their system), `mapping`, and of a loaded
-- vocabulary `concept`, `relation`. A site's own mapping (rank 0) comes before the vocabulary (1), that before ours (2).
CREATE TABLE known AS
SELECT system, code, vocabulary FROM shaped AS s
WHERE vocabulary NOT IN (SELECT DISTINCT vocabulary_id FROM concept)
    OR EXISTS (FROM concept AS c WHERE c.vocabulary_id = s.vocabulary AND c.concept_code = s.code)
UNION
SELECT m.system, m.code, coalesce(s.vocabulary, m.system) FROM mapping AS m LEFT JOIN system AS s USING (system);

CREATE TABLE means AS
WITH found AS (
    SELECT system, code, rank, concept_id, domain, CASE WHEN exact THEN concept_id ELSE 0 END AS source_concept_id,
        NULL::BIGINT AS value_concept_id
    FROM mapping
    UNION ALL
    SELECT k.system, k.code, 1, coalesce(t.concept_id, 0), t.domain_id, c.concept_id, v.concept_id
    FROM known AS k
    JOIN concept AS c ON c.vocabulary_id = k.vocabulary AND c.concept_code = k.code
    LEFT JOIN relation AS r ON r.concept_id_1 = c.concept_id AND r.relationship_id = 'Maps to'
    LEFT JOIN concept AS t ON t.concept_id = r.concept_id_2 AND t.standard_concept = 'S'
    LEFT JOIN (
        SELECT concept_id_1, min(concept_id_2) AS concept_id FROM relation
        WHERE relationship_id = 'Maps to value' GROUP BY ALL
    ) AS v ON v.concept_id_1 = c.concept_id
),
best AS (
    SELECT DISTINCT * FROM found
    QUALIFY rank = min(rank) OVER (PARTITION BY system, code)
)
SELECT k.system, k.code, k.vocabulary, coalesce(b.concept_id, 0) AS concept_id, b.domain,
    coalesce(b.source_concept_id, 0) AS source_concept_id, b.value_concept_id,
    row_number() OVER (PARTITION BY k.system, k.code ORDER BY b.concept_id DESC, b.value_concept_id) - 1 AS nth
FROM known AS k LEFT JOIN best AS b USING (system, code)
-- A second row that leads nowhere says nothing.
QUALIFY nth = 0 OR b.concept_id > 0;

-- Of several codings of one thing, the first that has a standard concept, or else the first that is a known code.
CREATE TABLE resolved AS
WITH coded AS (
    SELECT list, unnest(list) AS coding, generate_subscripts(list, 1) AS place FROM said
),
chosen AS (
    SELECT c.list, c.coding.system AS system, c.coding.code AS code FROM coded AS c
    JOIN means AS m ON m.system = c.coding.system AND m.code = c.coding.code AND m.nth = 0
    QUALIFY row_number() OVER (PARTITION BY c.list ORDER BY m.concept_id = 0, c.place) = 1
)
SELECT list, m.* FROM chosen JOIN means AS m USING (system, code);
