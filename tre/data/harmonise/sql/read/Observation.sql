-- A panel that has no value of its own is told by its components, each of which is a record.
-- A text (`valueString`) is never read.
INSERT INTO event BY NAME
WITH source AS (
    SELECT *,
        list_has_any(
            list_transform(flatten(list_transform(category, lambda c: c.coding)), lambda c: c.code),
            ['laboratory', 'vital-signs']
        ) AS measured
    FROM read_json($path, format = 'newline_delimited', columns = {
        id: 'VARCHAR', status: 'VARCHAR', subject: 'STRUCT(reference VARCHAR)',
        encounter: 'STRUCT(reference VARCHAR)', category: 'STRUCT(coding STRUCT(code VARCHAR)[])[]',
        effectiveDateTime: 'VARCHAR', effectiveInstant: 'VARCHAR',
        effectivePeriod: 'STRUCT(start VARCHAR, "end" VARCHAR)',
        code: 'STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[])',
        valueQuantity: 'STRUCT("value" DOUBLE, comparator VARCHAR, system VARCHAR, code VARCHAR)',
        valueInteger: 'DOUBLE', valueBoolean: 'BOOLEAN',
        valueCodeableConcept: 'STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[])',
        referenceRange: 'STRUCT(low STRUCT("value" DOUBLE), high STRUCT("value" DOUBLE))[]',
        component: 'STRUCT(
            code STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[]),
            valueQuantity STRUCT("value" DOUBLE, comparator VARCHAR, system VARCHAR, code VARCHAR),
            valueInteger DOUBLE, valueBoolean BOOLEAN,
            valueCodeableConcept STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[]),
            referenceRange STRUCT(low STRUCT("value" DOUBLE), high STRUCT("value" DOUBLE))[]
        )[]'
    })
),
part AS (
    SELECT 0 AS part, id, status, subject, encounter, measured, effectiveDateTime, effectiveInstant, effectivePeriod,
        code, valueQuantity, valueInteger, valueBoolean, valueCodeableConcept, referenceRange
    FROM source
    WHERE len(coalesce(component, [])) = 0
        OR coalesce(valueQuantity.value, valueInteger) IS NOT NULL OR valueBoolean IS NOT NULL
        OR valueCodeableConcept IS NOT NULL
    UNION ALL
    SELECT part, id, status, subject, encounter, measured, effectiveDateTime, effectiveInstant, effectivePeriod,
        c.code, c.valueQuantity, c.valueInteger, c.valueBoolean, c.valueCodeableConcept, c.referenceRange
    FROM (
        SELECT *, unnest(component) AS c, generate_subscripts(component, 1) AS part
        FROM source WHERE len(coalesce(component, [])) > 0
    )
)
SELECT
    'Observation' AS source, id, part,
    local_id(subject.reference, 'Patient') AS person,
    local_id(encounter.reference, 'Encounter') AS encounter,
    coalesce(effectiveDateTime, effectiveInstant, effectivePeriod.start) AS begun,
    effectivePeriod."end" AS ended,
    code.coding AS codings,
    CASE WHEN measured OR valueQuantity IS NOT NULL THEN 'Measurement' ELSE 'Observation' END AS domain,
    status,
    coalesce(valueQuantity.value, valueInteger) AS number,
    valueQuantity.comparator AS comparator,
    CASE WHEN valueQuantity.code IS NOT NULL
        THEN {'system': valueQuantity.system, 'code': valueQuantity.code} END AS unit,
    CASE
        WHEN valueBoolean IS NOT NULL
            THEN [{
                'system': 'http://terminology.hl7.org/CodeSystem/v2-0136',
                'code': CASE WHEN valueBoolean THEN 'Y' ELSE 'N' END
            }]
        ELSE valueCodeableConcept.coding
    END AS value_codings,
    only_one(referenceRange).low.value AS low,
    only_one(referenceRange).high.value AS high
FROM part;
