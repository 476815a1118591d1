-- What every record of FHIR is first told as, whatever its type: who, when, which codes, which value.
CREATE TYPE coding AS STRUCT(system VARCHAR, code VARCHAR);

CREATE TABLE patient (
    id VARCHAR, born VARCHAR, gender VARCHAR, races coding[], ethnicities coding[], died VARCHAR, dead BOOLEAN
);
CREATE TABLE encounter (id VARCHAR, person VARCHAR, begun VARCHAR, ended VARCHAR, class coding, status VARCHAR);
CREATE TABLE medication (id VARCHAR, codings coding[]);
CREATE TABLE event (
    source VARCHAR, id VARCHAR, part INTEGER, person VARCHAR, encounter VARCHAR, begun VARCHAR, ended VARCHAR,
    codings coding[], domain VARCHAR, status VARCHAR, verification VARCHAR, category coding,
    number DOUBLE, comparator VARCHAR, unit coding, value_codings coding[], low DOUBLE, high DOUBLE,
    quantity DOUBLE, days DOUBLE, refills BIGINT, route coding[], medication VARCHAR
);

CREATE TABLE double (source VARCHAR, records BIGINT);

-- `Patient/x` -> x, and nothing for a reference of any other kind.
CREATE MACRO local_id(reference, kind) AS
    CASE WHEN starts_with(reference, kind || '/') THEN substr(reference, length(kind) + 2) END;
-- A date of which only the year or the month is known is no date; one with a time is read as it stands on the wall.
CREATE MACRO day(said) AS CASE WHEN length(said) >= 10 THEN TRY_CAST(said[:10] AS DATE) END;
CREATE MACRO moment(said) AS CASE WHEN length(said) >= 19 THEN TRY_CAST(said[:19] AS TIMESTAMP) END;
CREATE MACRO only_one(list) AS CASE WHEN len(list) = 1 THEN list[1] END;
CREATE MACRO number_of(kind, id, part, nth) AS greatest(1, (
    ('0x' || substr(sha256(concat_ws('|', getvariable('secret'), kind, id, part, nth)), 1, 16))::UBIGINT >> 1
)::BIGINT);
