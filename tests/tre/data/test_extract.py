import csv
import json
import tomllib
from datetime import date, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import select

from tests.builders import HOST, rules_only
from tests.tre.data import made
from tre.data import catalogue, extract, risk, silo
from tre.data.deid import dates, pseudonyms
from tre.errors import NotFound, Refused, Tampered
from tre.governance import committee
from tre.records.tables import EntryRow, ExtractRow


def table(settings, name, project="sunrise", number=1):
    path = settings.extract(project, "trial", number) / f"{name}.parquet"
    with duckdb.connect() as con:
        found = con.execute(f"SELECT * FROM '{path}'")
        heads = [column[0] for column in found.description]
        return [dict(zip(heads, row, strict=True)) for row in found.fetchall()]


def source(folder, name):
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@rules_only
def test_each_action_does_what_the_plan_says(settings, records, now, tmp_path):
    """The whole extract once more, by hand from the source: no row more, none less."""
    made.an_extract(records, settings, now, tmp_path)
    keys = pseudonyms.keys_of(settings, "sunrise")
    expected = []
    for row in source(tmp_path, "visits"):
        age = int(row["age"])
        decade = age // 10 * 10
        expected.append(
            {
                "id": pseudonyms.pseudonym(row["id"], keys.pseudonym),
                "day": date.fromisoformat(row["day"]) + timedelta(days=dates.shift(row["id"], keys.date)),
                "place": row["place"][:9],
                "age": "under 20" if age < 20 else "60 and over" if age >= 60 else f"{decade}-{decade + 9}",
                "dose": min(int(row["dose"]), 90),
            }
        )
    assert table(settings, "visits") == sorted(expected, key=lambda row: tuple(row.values()))
    people = {row["id"]: row for row in table(settings, "people")}
    assert people == {
        who: {"id": who, "born": int(row["born"][:4]), "sex": row["sex"], "note": row["note"]}
        for row in source(tmp_path, "people")
        for who in [pseudonyms.pseudonym(row["id"], keys.pseudonym)]
    }


@rules_only
def test_a_missing_value_stays_missing_under_every_action(settings, records, now, tmp_path):
    people = list(made.some_people())
    visits = [{**visit, "day": "", "place": "", "age": "", "dose": ""} for visit in made.some_visits(people)]
    made.an_extract(records, settings, now, tmp_path, people=people, visits=visits)
    for row in table(settings, "visits"):
        assert [row[name] for name in ("day", "place", "age", "dose")] == [None] * 4


@rules_only
def test_intervals_of_a_person_stay_what_they_were(settings, records, now, tmp_path):
    made.an_extract(records, settings, now, tmp_path)
    by_person = {}
    for row in table(settings, "visits"):
        by_person.setdefault(row["id"], []).append(row["day"])
    gaps = {tuple(b - a for a, b in pairwise(days)) for days in by_person.values()}
    assert gaps == {(), (timedelta(30),), (timedelta(30),) * 2}


@rules_only
def test_two_projects_cannot_be_linked_by_pseudonym_order_or_date(settings, records, now, tmp_path):
    made.an_extract(records, settings, now, tmp_path)
    made.let_use(records, settings, now, "moonrise")
    made.prepare(records, settings, now, "moonrise")
    mine, theirs = table(settings, "people"), table(settings, "people", "moonrise")
    assert not {row["id"] for row in mine} & {row["id"] for row in theirs}
    assert [row["born"] for row in mine] != [row["born"] for row in theirs]
    days = {row["day"] for row in table(settings, "visits")}
    assert days != {row["day"] for row in table(settings, "visits", "moonrise")}
    assert sorted(row["born"] for row in mine) == sorted(row["born"] for row in theirs)


@rules_only
def test_the_same_input_gives_the_same_bytes_and_the_order_of_the_source_is_gone(settings, records, now, tmp_path):
    people = list(made.some_people())
    first = made.an_extract(records, settings, now, tmp_path, people=people)
    again = made.prepare(records, settings, now)
    (tmp_path / "b").mkdir()
    paths = made.files(tmp_path / "b", people[::-1], list(made.some_visits(people))[::-1])
    made.bring_in(records, settings, now, paths)
    made.let_use(records, settings, now)
    third = made.prepare(records, settings, now)
    assert json.loads(first.manifest)["files"] == json.loads(again.manifest)["files"]
    assert json.loads(first.manifest)["files"] == json.loads(third.manifest)["files"]
    assert [row.number for row in (first, again, third)] == [1, 2, 3]


@rules_only
def test_an_extract_is_readable_by_all_and_writable_by_none(settings, records, now, tmp_path):
    row = made.an_extract(records, settings, now, tmp_path)
    folder = settings.extract("sunrise", "trial", row.number)
    assert folder.stat().st_mode & 0o777 == 0o755
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        ".contacts.parquet": 0o444,
        "LABEL.md": 0o444,
        "label.json": 0o444,
        "people.parquet": 0o444,
        "visits.parquet": 0o444,
    }
    assert folder.with_name("1.identifiers").stat().st_mode & 0o777 == 0o600
    beside = ["1", "1.identifiers", "1.report.html", "1.report.json"]
    assert sorted(path.name for path in folder.parent.iterdir()) == beside
    assert {(folder.parent / name).stat().st_mode & 0o777 for name in beside[1:]} == {0o600}


def test_prepare_and_assess_are_in_the_log_with_hashes_and_no_value(settings, records, now, tmp_path):
    row = made.an_extract(records, settings, now, tmp_path)
    with records.read() as session:
        wanted = select(EntryRow).where(EntryRow.act.in_(["extract.prepare", "extract.assess"])).order_by(EntryRow.seq)
        prepared, assessed = [json.loads(entry.body) for entry in session.scalars(wanted)]
    assert prepared["subject"] == assessed["subject"] == "extract/sunrise/trial/1"
    assert prepared["facts"]["manifest_sha256"] == sha256(row.manifest.encode()).hexdigest()
    searched = {"files": 5, "files_unread": 0, "files_with_identifiers": 0, "identifiers": 240}
    assert assessed["facts"] == {"k": 30, "leaks": [], "passed": True, "persons": 60, "smallest": 5, **searched}


def test_without_an_approval_nothing_is_made_and_the_refusal_is_recorded(settings, records, now, tmp_path):
    made.bring_in(records, settings, now, made.files(tmp_path))
    made.let_use(records, settings, now)
    with records.act(HOST, "committee.revoke", "application/1") as session:
        committee.revoke(session, 1, why="a test", actor="erin", now=now)
    with pytest.raises(Refused, match="no approval in force") as caught:
        made.prepare(records, settings, now)
    assert "tre application submit sunrise trial" in caught.value.remedies[0]
    with records.read() as session:
        assert session.scalars(select(EntryRow).where(EntryRow.act == "extract.prepare.refused")).one()
        assert not session.scalars(select(ExtractRow)).all()


def test_an_approval_that_lapsed_is_none(settings, records, now, tmp_path):
    made.bring_in(records, settings, now, made.files(tmp_path))
    made.let_use(records, settings, now)
    with pytest.raises(Refused, match="no approval in force"):
        made.prepare(records, settings, now + timedelta(days=366))


def test_a_version_that_nobody_approved_is_not_prepared(settings, records, now, tmp_path):
    made.an_extract(records, settings, now, tmp_path)
    made.bring_in(records, settings, now, made.files(tmp_path, list(made.some_people(50))))
    assert made.prepare(records, settings, now).version == 1


def test_a_version_keeps_the_plan_it_came_in_under(settings, records, now, tmp_path):
    made.an_extract(records, settings, now, tmp_path)
    made.register(records, now, plan=made.PLAN.replace("name: {action: drop", "name: {action: keep"))
    made.prepare(records, settings, now)
    assert "name" not in table(settings, "people", number=2)[0]


@rules_only
def test_groups_that_are_too_small_are_refused_with_a_remedy(settings, records, now, tmp_path):
    made.bring_in(records, settings, now, made.files(tmp_path))
    made.let_use(records, settings, now, smallest=31)
    row = made.prepare(records, settings, now)
    refused = extract.refusal(row)
    assert not row.assessed
    assert "60 persons are in groups smaller than 31 (smallest: 30): generalise people.sex" in refused.remedies[0]
    assert not settings.extract("sunrise", "trial", 1).exists()
    with records.read() as session:
        assert json.loads(extract.newest(session, "trial", "sunrise").report)["risk"]["k"] == 30


def test_the_committee_may_ask_more_of_an_extract_than_the_project(settings, records, now, tmp_path):
    made.bring_in(records, settings, now, made.files(tmp_path))
    made.let_use(records, settings, now, smallest_k=31)
    assert "smaller than 31" in extract.refusal(made.prepare(records, settings, now)).remedies[0]


@rules_only
def test_what_the_committee_asks_beside_k_stops_an_extract(settings, records, now, tmp_path):
    made.bring_in(records, settings, now, made.files(tmp_path))
    made.let_use(records, settings, now, asked=committee.Asked.PARTNERS)
    row = made.prepare(records, settings, now)
    assert row.assessed
    assert json.loads(row.report)["risk"]["thresholds"]["average"] == risk.thresholds("partners").average


def test_every_set_of_thresholds_can_be_asked_for():
    known = tomllib.loads((Path(risk.__file__).parent / "risk.toml").read_text())
    assert set(known) == set(committee.Asked)


@rules_only
def test_risk_counts_persons_not_rows(settings, records, now, tmp_path):
    """One woman with forty visits is one person."""
    people = list(made.some_people())
    for at, person in enumerate(people):
        person["sex"] = "f" if at == 0 else "m"
    visits = [visit for visit in made.some_visits(people[:1]) for _ in range(40)]
    made.bring_in(records, settings, now, made.files(tmp_path, people, visits))
    made.let_use(records, settings, now)
    measured = json.loads(made.prepare(records, settings, now).report)["risk"]
    assert (measured["k"], measured["uniques"], measured["below"], measured["persons"]) == (1, 1, 1, 60)
    assert measured["classes"] == 2


@rules_only
def test_a_person_with_several_rows_stands_in_the_group_of_all_their_values(settings, records, now, tmp_path):
    people = list(made.some_people())
    visits = [
        {**v, "age": age} for v in made.some_visits(people) for age in (["25"] if v["id"] != "40000" else ["25", "45"])
    ]
    plan = made.PLAN.replace("[people.sex]", "[visits.age]")
    made.bring_in(records, settings, now, made.files(tmp_path, people, visits), plan=plan)
    made.let_use(records, settings, now)
    measured = json.loads(made.prepare(records, settings, now).report)["risk"]
    assert (measured["k"], measured["classes"], measured["persons"]) == (1, 2, 60)


@rules_only
def test_an_edited_silo_gives_no_extract(settings, records, now, tmp_path):
    made.bring_in(records, settings, now, made.files(tmp_path))
    made.let_use(records, settings, now)
    path = silo.path_of(settings, "trial", 1, "visits")
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(Tampered, match=r"trial/1/visits\.sealed in the silo"):
        made.prepare(records, settings, now)
    with records.read() as session:
        assert not session.scalars(select(ExtractRow)).all()
    assert not list((settings.extracts / "sunrise" / "trial").iterdir())


def test_a_dataset_that_was_never_prepared_has_no_report(records, settings, now):
    with records.read() as session, pytest.raises(NotFound, match="tre extract prepare trial sunrise"):
        extract.newest(session, "trial", "sunrise")


def test_a_withdrawn_dataset_is_not_prepared(settings, records, now, tmp_path):
    made.bring_in(records, settings, now, made.files(tmp_path))
    made.let_use(records, settings, now)
    with records.act(HOST, "dataset.withdraw", "dataset/trial") as session:
        catalogue.withdraw(session, "trial", why="a test", actor=HOST, now=now)
    with pytest.raises(Refused, match="withdrawn"):
        made.prepare(records, settings, now)


@rules_only
def test_another_person_in_a_row_has_the_same_pseudonym_everywhere(settings, records, now, tmp_path):
    """A mother is a subject too: `of: subject` on a second column."""
    plan = made.PLAN.replace("place: {action: generalise, prefix: 9,", "place: {action: pseudonym, of: subject,")
    people = list(made.some_people())
    visits = [{**visit, "place": people[0]["id"] if visit["age"] > "30" else ""} for visit in made.some_visits(people)]
    made.bring_in(records, settings, now, made.files(tmp_path, people, visits), plan=plan)
    made.let_use(records, settings, now)
    made.prepare(records, settings, now)
    mother = pseudonyms.pseudonym(people[0]["id"], pseudonyms.keys_of(settings, "sunrise").pseudonym)
    assert {row["place"] for row in table(settings, "visits")} == {mother, None}
