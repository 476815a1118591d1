"""Attempts to be somebody else through an id, to come back after a withdrawal, to learn who is behind a pseudonym."""

import json
import sqlite3
from collections import Counter
from datetime import timedelta
from hashlib import sha256

import duckdb
import pytest

from policies.facts import Role
from tests.builders import HOST, a_person
from tests.tre.data import found, linked, made
from tre.data import linkage, persons, recontact, withdrawals
from tre.data.deid.pseudonyms import Domain, Naming, PatientId, keys_of, pseudonym
from tre.data.deid.who import Absent
from tre.data.recontact_answer import answer
from tre.data.recontact_states import State
from tre.errors import Refused, StepRefused, TREError, Unreadable
from tre.governance import accounts, projects

LATER = timedelta(hours=1)


@pytest.fixture
def database():
    """One database is enough here."""
    return ""


def the(settings, subject, project="sunrise"):
    return pseudonym(PatientId(subject), keys_of(settings, project).pseudonym)


def column(settings, table, name, number=1, project="sunrise"):
    path = settings.extract(project, "trial", number) / f"{table}.parquet"
    return [one for (one,) in duckdb.sql(f"SELECT \"{name}\" FROM read_parquet('{path}')").fetchall()]


def withdraw(records, settings, now, id_=("ehr", "mrn", "503"), **more):
    linkage.withdraw(records, settings, "hospital", id_, reason="consent ended", actor=HOST, now=now, **more)


# --- ids --------------------------------------------------------------------------------------------------------------
def test_an_id_that_is_not_linked_is_not_hashed_blindly(records, settings, now, tmp_path):
    rows = [*linked.labs(), {"mrn": "666", "mother": "667", "visit": "v", "day": "2021-01-11", "value": "666"}]
    rows[0]["mother"] = "668"
    linked.an_extract(records, settings, now, tmp_path, rows=rows)
    assert 666 not in column(settings, "labs", "value")
    known = {the(settings, f"hospital:p{at}") for at in range(linked.COUNT)}
    assert set(column(settings, "labs", "mrn")) == known
    assert set(column(settings, "labs", "mother")) <= {*known, None}
    assert column(settings, "labs", "mother").count(None) == 1


def test_one_number_in_two_systems_is_two_persons(records, settings, now, tmp_path):
    """Each image number is the next person's record number."""
    linked.an_extract(records, settings, now, tmp_path)
    labs = dict(zip(column(settings, "labs", "mrn"), column(settings, "labs", "value"), strict=True))
    by_visit = dict(zip(column(settings, "labs", "visit"), column(settings, "labs", "mrn"), strict=True))
    images = zip(column(settings, "images", "patient"), column(settings, "images", "visit"), strict=True)
    assert len(labs) == linked.COUNT
    assert all(by_visit[visit] == person for person, visit in images)


def test_one_number_as_record_and_as_accession_has_unrelated_names(settings):
    naming = Naming(keys_of(settings, "sunrise"))
    names = {naming.code(domain, "12345") for domain in Domain}
    names |= {naming.code(domain, "12345", system="pacs") for domain in Domain}
    names |= {naming.code(domain, "5", system="pacs|5|1234") for domain in Domain}
    assert len(names) == 3 * len(Domain)
    assert not any(naming.pseudonym(PatientId("12345"))[5:].startswith(name[:20]) for name in names)


def test_equal_subjects_of_two_linkages_are_two_persons(records, settings, now, tmp_path):
    linked.load(records, settings, now, tmp_path, [("ehr", "mrn", "1", "a")])
    linked.load(records, settings, now, tmp_path, [("ehr", "mrn", "1", "a")], name="clinic")
    naming = Naming(keys_of(settings, "sunrise"))
    here, there = (linked.newest(records, settings, name).who(naming) for name in ("hospital", "clinic"))
    assert here.person("ehr", "mrn", "1").pseudonym != there.person("ehr", "mrn", "1").pseudonym


def test_twins_with_one_number_do_not_become_one(records, settings, now, tmp_path):
    twins = [*linked.ids(), ("ehr", "mrn", "503", "twin-of-p3")]
    with pytest.raises(Unreadable, match="another subject's already"):
        linked.load(records, settings, now, tmp_path, twins)
    assert not list(settings.silo.rglob("*.sealed"))


def test_a_circle_of_merges_ends(records, settings, now, tmp_path):
    ring = [("subject", "subject", f"p{at}", f"p{(at + 1) % 20}") for at in range(20)]
    with pytest.raises(Unreadable, match="leads back to its own subject"):
        linked.load(records, settings, now, tmp_path, [*linked.ids(), *ring])


def test_a_long_chain_of_merges_does_not_break_the_stack(records, settings, now, tmp_path):
    chain = [("subject", "subject", f"q{at}", f"q{at + 1}") for at in range(5000)]
    rows = [("ehr", "mrn", "1", "q0"), ("ehr", "mrn", "2", "q5000"), *chain]
    linked.load(records, settings, now, tmp_path, rows)
    assert linked.newest(records, settings).subject("ehr", "mrn", "1") == "hospital:q5000"


@pytest.mark.parametrize("name", ["../out", "a/b", ".linkage", "", "A", "x" * 31])
def test_a_linkage_is_not_loaded_outside_the_silo(records, settings, now, tmp_path, name):
    with pytest.raises(TREError):
        linked.load(records, settings, now, tmp_path, name=name)
    assert not list(settings.home.rglob("*.sealed"))
    with pytest.raises(TREError):
        linked.newest(records, settings, name)


def test_names_in_the_wrong_column_are_not_told_to_the_log(records, settings, now, tmp_path):
    swapped = [(f"Quill{at}", "mrn", "ehr", f"p{at}") for at in range(linkage.linkage_file.KINDS + 1)]
    with pytest.raises(Unreadable) as refused:
        linked.load(records, settings, now, tmp_path, swapped)
    assert "Quill" not in str(refused.value)
    assert b"Quill" not in (settings.home / "records.sqlite").read_bytes()


def test_sql_in_an_id_is_an_id(records, settings, now, tmp_path):
    evil = "x'); DROP TABLE met; --"
    rows = [*linked.labs(), {"mrn": evil, "mother": evil, "visit": evil, "day": "2021-01-11", "value": "5"}]
    linked.an_extract(records, settings, now, tmp_path, rows=rows, linked=[*linked.ids(), ("ehr", "mrn", evil, "p3")])
    assert Counter(column(settings, "labs", "mrn"))[the(settings, "hospital:p3")] == 3


# --- withdrawn, and back ----------------------------------------------------------------------------------------------
BACK = {
    "as who they were": [("subject", "subject", "p3", "p5")],
    "as a new subject with their record number": [],
    "as a new subject with an old image number": [],
    "through two merges": [("subject", "subject", "p3", "p5"), ("subject", "subject", "p5", "p6")],
}


def _rows(way):
    rows = [row for row in linked.ids() if row[3] != "p3"] if BACK[way] == [] else list(linked.ids())
    if way.endswith("record number"):
        rows += [("ehr", "mrn", "503", "new"), ("pacs", "patient", "504", "other")]
    if way.endswith("image number"):
        rows += [("ehr", "mrn", "503-b", "new"), ("pacs", "patient", "504", "new")]
    return rows + BACK[way]


@pytest.mark.parametrize("way", BACK)
def test_a_person_who_withdrew_does_not_come_back(records, settings, now, tmp_path, way):
    linked.an_extract(records, settings, now, tmp_path)
    withdraw(records, settings, now)
    linked.load(records, settings, now, tmp_path, _rows(way))
    links = linked.newest(records, settings)
    with records.read() as session:
        gone = withdrawals.of(session, settings, "hospital", "trial", links.subjects.to_pylist())
    who = links.who(Naming(keys_of(settings, "sunrise")), gone)
    known = [links.subject("ehr", "mrn", "503"), links.subject("pacs", "patient", "504")]
    assert gone >= {one for one in known if one}
    assert who.person("pacs", "patient", "504") is Absent.WITHDRAWN


def test_a_person_who_withdrew_does_not_come_back_after_a_loading_without_them(records, settings, now, tmp_path):
    linked.load(records, settings, now, tmp_path)
    withdraw(records, settings, now)
    linked.load(records, settings, now, tmp_path, [row for row in linked.ids() if row[3] != "p3"])
    linked.load(records, settings, now, tmp_path, _rows("as a new subject with an old image number"))
    with records.read() as session:
        assert withdrawals.of(session, settings, "hospital", "trial", [PatientId("hospital:new")])


def test_an_older_linkage_brought_again_does_not_undo_a_withdrawal(records, settings, now, tmp_path):
    linked.an_extract(records, settings, now, tmp_path)
    withdraw(records, settings, now)
    linked.load(records, settings, now, tmp_path)
    made.prepare(records, settings, now + LATER)
    assert the(settings, "hospital:p3") not in column(settings, "labs", "mrn", 2)


def test_who_withdrew_is_not_read_out_of_the_records(records, settings, now, tmp_path):
    linked.an_extract(records, settings, now, tmp_path)
    withdraw(records, settings, now)
    found.approvers(records, settings, now)
    found.a_contact(records, settings, now)
    found.an_approved(records, settings, now, the(settings, "hospital:p7"))
    with sqlite3.connect(settings.home / "records.sqlite") as database:
        dumped = "\n".join(database.iterdump())
    for told in ("hospital:p", "'503'", '"503"', '"507"', "p3'"):
        assert told not in dumped
    with records.read() as session:
        marks = withdrawals.gather(session, settings, "hospital", "trial").marks
    guesses = {
        sha256(text.encode()).hexdigest() for at in range(600) for text in (f"{at}", f"p{at}", f"hospital:p{at}")
    }
    assert marks
    assert not marks & guesses


def test_the_same_person_has_unrelated_marks_in_two_scopes(settings):
    both = [withdrawals.withdrawal_marks(settings, scope, ["subject|1"]) for scope in ("hospital", "dataset/trial")]
    assert len({next(iter(one)) for one in both}) == 2


def test_an_own_table_does_not_bring_one_back_in_a_new_version(records, settings, now, tmp_path):
    made.an_extract(records, settings, now, tmp_path)
    persons.withdraw(records, settings, "trial", "40007", reason="x", actor=HOST, now=now)
    made.bring_in(records, settings, now, made.files(tmp_path))
    made.let_use(records, settings, now)
    made.prepare(records, settings, now + LATER)
    assert the(settings, "40007") not in column(settings, "people", "id", 2)


# --- who is behind a pseudonym ----------------------------------------------------------------------------------------
@pytest.fixture
def world(records, settings, now, tmp_path):
    return found.a_world(records, settings, now, tmp_path)


@pytest.mark.parametrize("asked", ["another's", "tre1-" + "A" * 26, "", "507", "hospital:p7", "tre1-", "' OR 1=1 --"])
def test_what_is_not_the_projects_pseudonym_is_not_looked_for(records, settings, now, world, asked):
    asked = the(settings, "hospital:p7", "moonrise") if asked == "another's" else asked
    with pytest.raises(Refused, match="not a pseudonym of project sunrise") as refused:
        found.ask(records, settings, now, asked)
    assert asked not in str(refused.value) or not asked
    with records.read() as session:
        assert recontact.listed(session) == ()


def test_one_approver_does_not_vote_twice(records, settings, now, world):
    number = found.ask(records, settings, now, the(settings, "hospital:p7"))
    found.vote(records, now, number, "carol")
    with pytest.raises(StepRefused, match="has voted"):
        found.vote(records, now, number, "carol")
    with pytest.raises(StepRefused, match="cannot answer a re-contact that is in review"):
        answer(records, settings, number, actor=HOST, now=now)


@pytest.mark.parametrize("still", [True, False])
def test_an_approver_who_is_or_was_in_the_project_does_not_vote(records, settings, now, world, still):
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "eve", Role.APPROVER, settings=settings, now=now)
        projects.add_member(session, "sunrise", "eve", actor=HOST, now=now)
        if not still:
            projects.remove_member(session, "sunrise", "eve", actor=HOST, now=now)
    number = found.ask(records, settings, now, the(settings, "hospital:p7"))
    with pytest.raises(StepRefused, match="is or was a member of sunrise"):
        found.vote(records, now, number, "eve")


def test_an_approver_who_joins_the_project_takes_their_vote_with_them(records, settings, now, world):
    number = found.an_approved(records, settings, now, the(settings, "hospital:p7"))
    with records.act(HOST, "test.build", "home") as session:
        projects.add_member(session, "sunrise", "dave", actor=HOST, now=now)
    with pytest.raises(StepRefused, match="no longer the votes of 2"):
        answer(records, settings, number, actor=HOST, now=now)


@pytest.mark.parametrize("role", [Role.ANALYST, Role.ADMIN, Role.COMMITTEE])
def test_nobody_but_approvers_votes(records, settings, now, world, role):
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "eve", role, settings=settings, now=now)
    number = found.ask(records, settings, now, the(settings, "hospital:p7"))
    with pytest.raises(StepRefused, match="not an approver"):
        found.vote(records, now, number, "eve")


def test_whoever_is_not_in_the_project_does_not_ask(records, settings, now, world):
    with pytest.raises(StepRefused, match="not a member"):
        found.ask(records, settings, now, the(settings, "hospital:p7"), requester="carol")
    with records.act(HOST, "project.close", "project/sunrise") as session:
        projects.close(session, "sunrise", why="done", actor=HOST, now=now)
    with pytest.raises(StepRefused, match="closed"):
        found.ask(records, settings, now, the(settings, "hospital:p7"))


def test_an_operator_who_swaps_the_contacts_key_is_not_told(records, settings, now, world):
    number = found.an_approved(records, settings, now, the(settings, "hospital:p7"))
    found.a_contact(records, settings, now)
    with pytest.raises(StepRefused, match="not the one that was agreed to"):
        answer(records, settings, number, actor=HOST, now=now)
    assert not recontact.answer_path(settings, number).exists()


def test_an_answer_is_given_once(records, settings, now, world):
    number = found.an_approved(records, settings, now, the(settings, "hospital:p7"))
    assert answer(records, settings, number, actor=HOST, now=now) is State.ANSWERED
    with pytest.raises(StepRefused, match="cannot answer a re-contact that is answered"):
        answer(records, settings, number, actor=HOST, now=now)


def test_nothing_in_the_house_leads_from_a_pseudonym_back(records, settings, now, world):
    """After an answer no file and no table of the house holds a pseudonym beside an id."""
    number = found.an_approved(records, settings, now, the(settings, "hospital:p7"))
    answer(records, settings, number, actor=HOST, now=now)
    with records.read() as session:
        told = [json.dumps(vars(row), default=str) for row in recontact.listed(session)]
    assert not [one for one in told if "507" in one or "hospital:p7" in one]
    files = [path for path in settings.home.rglob("*") if path.is_file() and path.suffix not in {".parquet", ".key"}]
    assert not [path for path in files if b"hospital:p7" in path.read_bytes()]


def test_a_wrong_code_is_no_vote(records, settings, now, world):
    with pytest.raises(Refused):
        accounts.check_code(records, settings, "carol", "000000", now=now, purpose="recontact/1 approve")
