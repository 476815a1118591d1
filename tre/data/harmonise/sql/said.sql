-- Each different list of codings, and each different code in them.
CREATE TABLE said AS
SELECT codings AS list FROM event WHERE codings IS NOT NULL
UNION SELECT value_codings FROM event WHERE value_codings IS NOT NULL
UNION SELECT route FROM event WHERE route IS NOT NULL;

CREATE TABLE code AS
SELECT coding.system AS system, coding.code AS code FROM (SELECT unnest(list) AS coding FROM said)
UNION SELECT unit.system, unit.code FROM event WHERE unit IS NOT NULL
UNION SELECT category.system, category.code FROM event WHERE category IS NOT NULL
UNION SELECT class.system, class.code FROM encounter
UNION SELECT coding.system, coding.code FROM (SELECT unnest(races || ethnicities) AS coding FROM patient);
