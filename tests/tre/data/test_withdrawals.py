import asyncio
import io
import json
from datetime import timedelta

import duckdb
import pytest

from tests.builders import HOST, rules_only
from tests.tre.data import linked, made
from tests.tre.data.test_commands import _At, tre  # noqa: F401 -- a fixture
from tre.data import evidence, extract, linkage, persons, withdrawals
from tre.data.deid.pseudonyms import Naming, PatientId, keys_of
from tre.errors import NotFound, StepRefused
from tre.governance import projects, superseded
from tre.records import audit, db
from tre.records.tables import EntryRow, RoomRow, WithdrawalRow
from tre.rooms.gateway import me
from tre.rooms.gateway.books import Books
from tre.rooms.gateway.meter import Key, Limits

LATER = timedelta(hours=1)


def withdraw(records, settings, now, id_=("ehr", "mrn", "503"), dataset=""):
    linkage.withdraw(
        records, settings, "hospital", id_, dataset=dataset, reason="consent ended", actor=HOST, now=now + LATER
    )


def people(settings, number, project="sunrise", name="labs", column="mrn"):
    path = settings.extract(project, "trial", number) / f"{name}.parquet"
    return {who for (who,) in duckdb.sql(f"SELECT {column} FROM read_parquet('{path}')").fetchall()}


def gone(settings, at, project="sunrise"):
    return Naming(keys_of(settings, project)).pseudonym(PatientId(f"hospital:p{at}"))


def test_whoever_withdrew_is_in_no_table_of_the_next_extract(records, settings, now, tmp_path):
    linked.an_extract(records, settings, now, tmp_path)
    withdraw(records, settings, now)
    row = made.prepare(records, settings, now + 2 * LATER)
    assert gone(settings, 3) in people(settings, 1)
    assert gone(settings, 3) not in people(settings, 2) | people(settings, 2, column="mother")
    assert gone(settings, 3) not in people(settings, 2, name="images", column="patient")
    held = {one["name"]: one["held"] for one in json.loads(row.manifest)["files"] if "held" in one}
    assert held == {"labs.parquet": {"a person who withdrew": 2}, "images.parquet": {"a person who withdrew": 1}}
    assert len(people(settings, 2)) == linked.COUNT - 1


@rules_only
def test_whoever_withdrew_from_one_dataset_stays_in_others(records, settings, now, tmp_path):
    linked.an_extract(records, settings, now, tmp_path)
    withdraw(records, settings, now, dataset="other")
    made.prepare(records, settings, now + 2 * LATER)
    assert gone(settings, 3) in people(settings, 2)
    withdraw(records, settings, now, dataset="trial")
    made.prepare(records, settings, now + 3 * LATER)
    assert gone(settings, 3) not in people(settings, 3)


@rules_only
def test_a_withdrawal_is_recorded_without_the_person(records, settings, now, tmp_path):
    linked.load(records, settings, now, tmp_path, [("ehr", "mrn", "QX4711", "subject-QX"), ("ehr", "mrn", "2", "b")])
    withdraw(records, settings, now, ("ehr", "mrn", "QX4711"))
    with records.read() as session:
        entry = json.loads(session.query(EntryRow).order_by(EntryRow.seq.desc()).first().body)
        rows = session.query(WithdrawalRow).all()
    assert (entry["act"], entry["subject"]) == ("linkage.withdraw", "linkage/hospital")
    assert entry["facts"] == {"dataset": "", "reason": "consent ended"}
    assert "QX" not in json.dumps(entry)
    assert not [row for row in rows if "QX" in f"{row.mark}{row.linkage}{row.dataset}{row.reason}"]


def test_nobody_withdraws_twice_and_no_stranger_does(records, settings, now, tmp_path):
    linked.load(records, settings, now, tmp_path)
    withdraw(records, settings, now)
    with pytest.raises(StepRefused, match="withdrew already"):
        withdraw(records, settings, now, ("pacs", "patient", "504"))  # the same person
    with pytest.raises(NotFound) as refused:
        withdraw(records, settings, now, ("ehr", "mrn", "999777"))
    assert "999777" not in str(refused.value)


def test_a_merge_does_not_undo_a_withdrawal(records, settings, now, tmp_path):
    linked.an_extract(records, settings, now, tmp_path)
    withdraw(records, settings, now)
    linked.load(records, settings, now, tmp_path, [*linked.ids(), ("subject", "subject", "p3", "p5")])
    made.prepare(records, settings, now + 2 * LATER)
    assert not {gone(settings, 3), gone(settings, 5)} & people(settings, 2)
    assert len(people(settings, 2)) == linked.COUNT - 2


def test_an_extract_from_before_is_out_of_date_until_the_next(records, settings, now, tmp_path):
    linked.an_extract(records, settings, now, tmp_path)
    with records.read() as session:
        assert [why for _, why in extract.listed(session)] == [""]
    withdraw(records, settings, now)
    with records.read() as session:
        assert [why for _, why in extract.listed(session)] == ["a person withdrew"]
    made.prepare(records, settings, now + 2 * LATER)
    with records.read() as session:
        assert [(row.number, why) for row, why in extract.listed(session)] == [(2, "")]


def test_a_renewed_linkage_makes_no_new_notice(records, settings, now, tmp_path):
    linked.load(records, settings, now, tmp_path)
    withdraw(records, settings, now - 3 * LATER)
    linked.an_extract(records, settings, now, tmp_path)
    linked.load(records, settings, now + LATER, tmp_path, [*linked.ids(), ("ehr", "mrn", "9999", "p3")])
    with records.read() as session:
        assert [why for _, why in extract.listed(session)] == [""]
    linked.load(records, settings, now + LATER, tmp_path, [*linked.ids(), ("subject", "subject", "p3", "p5")])
    with records.read() as session:
        assert [why for _, why in extract.listed(session)] == ["a person withdrew"]  # under another number


@rules_only
def test_an_open_room_is_told(records, settings, now, tmp_path):
    linked.an_extract(records, settings, now, tmp_path)
    key, books = Key("ann-sunrise", "sunrise"), Books(records, settings)
    mounts = json.dumps([{"dataset": "trial", "version": 1, "number": 1}])
    with records.act(HOST, "test.room", "home") as session:
        session.add(RoomRow(project="sunrise", person="ann-sunrise", mounts=mounts, opened_at=now))
        audit.append(session, "session.open", actor=HOST, subject="room/sunrise/ann-sunrise", at=now)
    assert books.notices(key) == ()
    withdraw(records, settings, now)
    assert books.notices(key) == (superseded.said("trial"),)
    assert superseded.said("trial") in asyncio.run(me.answer(key, _Meter(), books))["notices"]


class _Meter:
    """A room that has shown nothing yet."""

    limits = Limits(hour=10, day=10)

    def of(self, _key):
        return self

    def hour(self, _now):
        return 0

    day = hour


# --- a dataset with a table of its own --------------------------------------------------------------------------------
@rules_only
def test_a_dataset_that_lists_its_persons_lets_one_withdraw(records, settings, now, tmp_path):
    made.an_extract(records, settings, now, tmp_path)
    persons.withdraw(records, settings, "trial", "40007", reason="consent ended", actor=HOST, now=now + LATER)
    row = made.prepare(records, settings, now + 2 * LATER)
    who = Naming(keys_of(settings, "sunrise")).pseudonym(PatientId("40007"))
    assert who in people(settings, 1, name="people", column="id")
    assert who not in people(settings, 2, name="people", column="id") | people(settings, 2, name="visits", column="id")
    assert json.loads(row.report)["risk"]["persons"] == 59
    with pytest.raises(NotFound) as refused:
        persons.withdraw(records, settings, "trial", "55555", reason="x", actor=HOST, now=now)
    assert "55555" not in str(refused.value)


@rules_only
def test_persons_of_a_linkage_withdraw_there(records, settings, now, tmp_path):
    linked.an_extract(records, settings, now, tmp_path)
    with pytest.raises(StepRefused, match="the linkage hospital says who is who"):
        persons.withdraw(records, settings, "trial", "503", reason="x", actor=HOST, now=now)


# --- epochs -----------------------------------------------------------------------------------------------------------
@rules_only
def test_new_keys_give_new_pseudonyms_and_old_ones_are_still_known(records, settings, now, tmp_path):
    linked.an_extract(records, settings, now, tmp_path)
    with records.act(HOST, "project.rotate", "project/sunrise") as session:
        assert projects.rotate(session, "sunrise", why="a list was lost", actor=HOST, now=now) == 2
    with records.read() as session:
        assert [why for _, why in extract.listed(session)] == ["the project has new keys"]
    made.prepare(records, settings, now)
    before, after = people(settings, 1), people(settings, 2)
    assert not before & after
    assert len(before) == len(after)
    with records.read() as session:
        seen = evidence.of(session, settings, "sunrise")
    for who in (min(before), min(after)):
        leaks = seen.leaks(f"see {who}".encode())
        assert {(leak.kind, leak.detail) for leak in leaks} == {("pseudonym", "a pseudonym of project sunrise")}


@rules_only
def test_identifiers_of_every_epoch_are_still_found(records, settings, now, tmp_path):
    made.an_extract(records, settings, now, tmp_path)
    with records.act(HOST, "project.rotate", "project/sunrise") as session:
        projects.rotate(session, "sunrise", why="a list was lost", actor=HOST, now=now)
    made.prepare(records, settings, now)
    with records.read() as session:
        found = evidence.of(session, settings, "sunrise").leaks(b"nhs 9990007919")
    assert {leak.kind for leak in found} == {"identifier"}


# --- commands ---------------------------------------------------------------------------------------------------------
def test_a_person_withdraws_by_commands_and_the_id_is_read_from_input(tre, settings, now, tmp_path, monkeypatch):  # noqa: F811
    path = linked.a_file(tmp_path, linked.ids())
    assert tre("linkage", "list")[:2] == (0, "no linkage yet: `tre linkage load NAME FILE`\n")
    code, said, _ = tre("linkage", "load", "hospital", path)
    assert (code, said) == (0, "linkage hospital version 1: 60 ids of 30 persons, 0 merged\n")
    shown = json.loads(tre("linkage", "show", "hospital", "--json")[1])
    assert shown["ids"] == {"ehr/mrn": 30, "pacs/patient": 30}
    records = db.opened(settings)
    linked.bring_in(records, settings, now, tmp_path)
    made.let_use(records, settings, now)
    made.prepare(records, settings, now)
    records.close()
    monkeypatch.setattr("tre.governance.operator.datetime", _At(now + LATER))
    monkeypatch.setattr("sys.stdin", io.StringIO("503\n"))
    code, said, _ = tre("linkage", "withdraw", "hospital", "ehr", "mrn", "--reason", "consent ended")
    assert (code, said) == (0, withdrawals.SAID + "\n")
    (listed,) = json.loads(tre("extract", "list", "--json")[1])
    assert (listed["out_of_date"], listed["run"]) == ("a person withdrew", "tre extract prepare trial sunrise")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    code, _, complaint = tre("linkage", "withdraw", "hospital", "ehr", "mrn", "--reason", "x")
    assert (code, complaint.split(":")[0]) == (5, "unreadable")
    monkeypatch.setattr("sys.stdin", io.StringIO("503\n"))
    assert tre("dataset", "withdraw-person", "trial", "--reason", "x")[0] == 3
    assert tre("project", "rotate", "sunrise", "--reason", "a list was lost")[0] == 0
    (listed,) = json.loads(tre("extract", "list", "--json")[1])
    assert listed["out_of_date"] == "a person withdrew; the project has new keys"
