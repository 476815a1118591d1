import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tre.data import made
from tre.cli import build, run
from tre.data import commands
from tre.records import db
from tre.show import as_json


@pytest.fixture
def tre(settings, monkeypatch, capsys) -> Iterator[object]:
    """Run one command in the test's home; return its exit code, what it said and what it complained of."""
    monkeypatch.setenv("TRE_HOME", str(settings.home))

    def command(*words):
        as_json.set(False)
        code = run(build(), [*map(str, words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    yield command
    as_json.set(False)


@pytest.fixture
def plan(tmp_path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(made.PLAN, "utf-8")
    return path


def test_a_dataset_goes_from_file_to_extract_by_commands(tre, settings, now, tmp_path, plan, monkeypatch):
    assert tre("dataset", "list")[:2] == (0, "no dataset yet: `tre dataset register NAME --plan PLAN.yaml`\n")
    code, said, _ = tre("dataset", "register", "trial", "--plan", plan, "--title", "A trial")
    assert (code, said) == (0, "trial is registered; next: `tre dataset ingest trial FILE...`\n")
    code, said, _ = tre("dataset", "ingest", "trial", *made.files(tmp_path))
    assert (code, said.splitlines()[-1]) == (0, "trial version 1: 60 persons, 180 rows in 2 files")
    assert said.splitlines()[1].split() == ["csv", "2", "180", "60", "0", "0", "0"]
    (listed,) = json.loads(tre("dataset", "list", "--json")[1])
    assert (listed["name"], listed["title"], listed["version"], listed["persons"]) == ("trial", "A trial", 1, 60)
    shown = json.loads(tre("--json", "dataset", "show", "trial")[1])
    assert (shown["plan"], len(shown["versions"])) == (made.PLAN, 1)
    code, _, complaint = tre("extract", "prepare", "trial", "sunrise")
    assert (code, complaint.split(":")[0]) == (4, "not found")
    records = db.opened(settings)
    made.let_use(records, settings, now)
    records.close()
    monkeypatch.setattr("tre.governance.operator.datetime", _At(now))
    code, said, _ = tre("extract", "prepare", "trial", "sunrise")
    assert (code, said) == (0, "extract 1 of trial for sunrise is ready; 60 persons, smallest group 30\n")
    report = json.loads(tre("extract", "risk", "trial", "sunrise", "--json")[1])
    assert (report["assessed"], report["report"]["risk"]["k"]) == (True, 30)
    said = tre("extract", "risk", "trial", "sunrise")[1]
    assert "no identifier of the source was found" in said
    assert "1.report.html" in said


def test_a_dataset_is_shown_with_what_is_held_and_who_uses_it(tre, settings, now, tmp_path, monkeypatch):
    plan = tmp_path / "plan.yaml"
    plan.write_text(made.PLAN + "about: {source: St Elsewhere, duo: [GRU]}\n", "utf-8")
    tre("dataset", "register", "trial", "--plan", plan)
    assert "nothing ingested yet" in tre("dataset", "show", "trial")[1]
    tre("dataset", "ingest", "trial", *made.files(tmp_path))
    records = db.opened(settings)
    made.let_use(records, settings, now)
    records.close()
    monkeypatch.setattr("tre.governance.operator.datetime", _At(now))
    lines = [" ".join(line.split()) for line in tre("dataset", "show", "trial")[1].splitlines()]
    for line in (
        "source St Elsewhere",
        "data use GRU: general research use",
        "used by sunrise",
        "table people - about 60",
        "visits place text generalise for leaks",
    ):
        assert line in lines
    said = json.loads(tre("dataset", "show", "trial", "--json")[1])
    assert (said["projects"], said["entry"]["persons"]) == (["sunrise"], "about 60")


def test_an_extract_that_did_not_pass_is_refused_with_its_remedies(tre, settings, now, tmp_path, monkeypatch):
    records = db.opened(settings)
    people = [{**person, "note": person["name"]} for person in made.some_people()]
    made.bring_in(records, settings, now, made.files(tmp_path, people))
    made.let_use(records, settings, now)
    records.close()
    monkeypatch.setattr("tre.governance.operator.datetime", _At(now))
    code, said, complaint = tre("extract", "prepare", "trial", "sunrise")
    first, *remedies = complaint.splitlines()
    assert (code, said) == (3, "")
    assert first == "refused: extract 1 of trial for sunrise is not mounted: it did not pass its checks"
    assert remedies[0] == "  - people.note holds an identifier of a person in 60 cells: drop it"
    assert "Quillfeather" not in complaint


def test_a_withdrawn_dataset_takes_no_new_plan(tre, plan):
    tre("dataset", "register", "trial", "--plan", plan)
    assert tre("dataset", "withdraw", "trial", "--why", "consent ended")[0] == 0
    code, _, complaint = tre("dataset", "register", "trial", "--plan", plan)
    assert (code, complaint) == (3, "refused: dataset trial is withdrawn: register another name\n")


BAD = [
    (("dataset", "register", "Trial", "--plan", "{plan}"), 5, "dataset name 'Trial'"),
    (("dataset", "register", "trial", "--plan", "{folder}/none.yaml"), 5, "cannot be read"),
    (("dataset", "register", "trial", "--plan", "{folder}"), 5, "cannot be read"),
    (("dataset", "register", "trial"), 5, "--plan"),
    (("dataset", "ingest", "trial", "x.csv"), 4, "no dataset trial"),
    (("dataset", "show", "trial"), 4, "no dataset trial"),
    (("dataset", "withdraw", "trial", "--why", "x"), 4, "no dataset trial"),
    (("extract", "prepare", "trial", "sunrise"), 4, "no project 'sunrise'"),
    (("extract", "risk", "trial", "sunrise"), 4, "no extract of trial for sunrise"),
]


@pytest.mark.parametrize(("words", "code", "said"), BAD)
def test_a_command_that_cannot_be_done_is_one_line(tre, tmp_path, plan, words, code, said):
    words = [word.format(plan=plan, folder=tmp_path) for word in words]
    got, out, complaint = tre(*words)
    assert (got, out) == (code, "")
    assert said in complaint
    assert complaint.count("\n") == 1


class _At:
    """The clock, standing still."""

    def __init__(self, moment):
        self.moment = moment

    def now(self, _zone):
        return self.moment


def test_what_any_search_found_is_told_in_one_table():
    report = {
        "leaks": {"found": [{"table": "labs", "column": "note", "how": "an identifier of a person", "cells": 2}]},
        "search": {"found": [{"file": "fhir/Patient.ndjson", "how": "", "places": 3}], "unread": ["a.gz: cut short"]},
        "short": {"found": [["dicom/1.dcm", 1]]},
    }
    assert [(one["where"], one["how"], one["places"]) for one in commands._places(report)] == [
        ("labs.note", "an identifier of a person", 2),
        ("fhir/Patient.ndjson", "as it stands", 3),
        ("dicom/1.dcm", "short, of its own person", 1),
        ("a.gz: cut short", "not read", 0),
    ]
