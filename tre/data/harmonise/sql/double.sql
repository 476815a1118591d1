-- A resource that stands twice (two exports hold it) is told once: what is said first holds.
DROP TABLE fact;
CREATE TABLE later AS
SELECT rowid AS place, source, part FROM event
QUALIFY row_number() OVER (PARTITION BY source, id, part ORDER BY rowid) > 1;
INSERT INTO double SELECT source, count(*) FROM later GROUP BY source;
DELETE FROM event WHERE rowid IN (SELECT place FROM later);
