"""How much of what came in could be said with standard concepts: counted, so that an analyst knows what is not there.

Codes that few persons have are counted together and not named.
"""

import json
from pathlib import Path

import duckdb

from tre.data.deid.stored import Summary
from tre.data.harmonise import cdm

SMALLEST = 10
FACTS = """
SELECT "table", vocabulary, code, concept_id, person_id FROM fact WHERE why IS NULL
UNION ALL SELECT 'visit_occurrence', vocabulary, code, concept_id, person_id FROM visit WHERE why IS NULL
"""
LEFT = """
SELECT source, why, count(*) AS records FROM (
    SELECT source, why FROM fact WHERE why IS NOT NULL
    UNION ALL SELECT 'Encounter', why FROM visit WHERE why IS NOT NULL
    UNION ALL SELECT 'Patient', 'without a year of birth, or without a number' FROM someone
        WHERE pseudonym NOT IN (SELECT pseudonym FROM person)
    UNION ALL SELECT 'Patient', 'dead, but without a full date' FROM person WHERE dead AND death_date IS NULL
) GROUP BY ALL
UNION ALL SELECT source, 'stands twice', records FROM double
ORDER BY ALL
"""


def write(con: duckdb.DuckDBPyConnection, path: Path, *, read: dict[str, bool], smallest: int) -> None:
    """Write coverage.json beside the tables."""
    con.execute(f"CREATE VIEW told AS {FACTS}")
    con.execute(f"CREATE VIEW left_behind AS {LEFT}")
    said = {
        "cdm": cdm.VERSION,
        "tables": {name: _table(con, name, smallest) for name in cdm.tables() if name in _told(con)},
        "left_out": [
            {"resource": source, "why": why, "records": records}
            for source, why, records in con.execute("FROM left_behind").fetchall()
        ],
        "resources_not_harmonised": sorted(name for name, taken in read.items() if not taken),
    }
    path.write_text(json.dumps(said, indent=1, sort_keys=True) + "\n", "utf-8")
    path.chmod(0o444)


def sum_up(con: duckdb.DuckDBPyConnection, made: Summary) -> None:
    """Say the same in counts."""
    made.persons = {str(row[0]) for row in con.execute("SELECT pseudonym FROM person").fetchall()}
    for table, records, mapped in con.execute(
        'SELECT "table", count(*), count(*) FILTER (concept_id > 0) FROM told GROUP BY ALL'
    ).fetchall():
        made.records += records
        made.counts[f"omop {table}, with a standard concept"] = mapped
    made.records += made.counts["omop person"]
    for source, why, records in con.execute("FROM left_behind").fetchall():
        made.held[f"omop, {source}: {why}"] += records
    astray = con.execute("SELECT count(*) FROM fact WHERE why IS NULL AND astray").fetchone()
    if astray is not None and astray[0]:
        made.counts["omop, reference to an encounter that is not this person's or not there: dropped"] = astray[0]


def _told(con: duckdb.DuckDBPyConnection) -> set[str]:
    return {str(row[0]) for row in con.execute('SELECT DISTINCT "table" FROM told').fetchall()}


def _table(con: duckdb.DuckDBPyConnection, name: str, smallest: int) -> dict[str, object]:
    """Return what is known of one table: of all records, by vocabulary, and the codes without a concept."""
    smallest = max(smallest, 1)
    vocabularies = con.execute(
        "SELECT vocabulary, count(*), count(*) FILTER (concept_id > 0) FROM told"
        ' WHERE "table" = ? GROUP BY 1 ORDER BY 1',
        [name],
    ).fetchall()
    unmapped = con.execute(
        "SELECT vocabulary, code, count(DISTINCT person_id) FROM told"
        ' WHERE "table" = ? AND concept_id = 0 AND code IS NOT NULL GROUP BY ALL ORDER BY ALL',
        [name],
    ).fetchall()
    return {
        "records": sum(records for _, records, _ in vocabularies),
        "mapped": sum(mapped for *_, mapped in vocabularies),
        "vocabularies": {
            vocabulary or "none that is known": {"records": records, "mapped": mapped}
            for vocabulary, records, mapped in vocabularies
        },
        "unmapped": [
            {"vocabulary": vocabulary, "code": code, "persons": persons // smallest * smallest}
            for vocabulary, code, persons in unmapped
            if persons >= smallest
        ],
        "unmapped_codes_of_few_persons": sum(persons < smallest for *_, persons in unmapped),
    }
