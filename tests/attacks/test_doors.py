"""Attempts to get through a door that the rules keep shut."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import update

from airlock import asks
from airlock.states import FileState, State
from airlock.tables import FileRow, RequestRow, RoundRow, VoteRow
from policies import book
from policies.facts import Role
from tests.builders import HOST, a_committee, a_dataset, a_person, a_project, an_approval, rules_only
from tre.errors import Refused
from tre.governance import access, committee, emergencies, known, proposals
from tre.records import audit, checkpoint
from tre.records.tables import EntryRow, ExtractRow, HeadRow, RoomRow, RulebookRow

pytestmark = rules_only
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def house(records, settings, now):
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now)
        for name in ("bob", "cat"):
            a_person(session, name, Role.APPROVER, settings=settings, now=now)
        for name in ("grace", "heidi"):
            a_person(session, name, Role.ADMIN, settings=settings, now=now)
        a_committee(session, settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_project(session, "sunrise", ("ann",), now=now)
        a_project(session, "harbour", (), now=now)
        an_approval(session, "sunrise", "trial", settings=settings, now=now)
        session.add(
            ExtractRow(
                project="sunrise", dataset="trial", version=1, number=1, manifest="{}", report="{}", assessed=True,
                prepared_at=now,
            )
        )  # fmt: skip
        audit.append(session, "extract.prepare", actor=HOST, subject="extract/sunrise/trial/1", at=now)
    return records


def changing(house):
    return house.act(HOST, "test.change", "home")


def facts_of(house, now):
    with house.read() as session:
        return known.house(session, now)


def an_approved_export(house, now):
    """A request of ann's, approved by bob and cat."""
    with changing(house) as session:
        row = RequestRow(
            project="sunrise", requester="ann", state=State.APPROVED, round=1, created_at=now, moved_at=now, trouble=""
        )
        session.add(row)
        session.flush()
        session.add(
            RoundRow(
                request=row.id, number=1, why="a test", manifest="{}", manifest_sha256="m", submitted_at=now,
                checked_at=now, checks=json.dumps({"ran": ["row_level"]}),
            )
        )  # fmt: skip
        session.flush()
        session.add(
            FileRow(
                request=row.id, round=1, position=0, name="a.csv", sha256="0" * 64, size=10, kind="csv", about="{}",
                state=FileState.APPROVED, leaves_sha256="1" * 64, leaves_size=10, evidence="{}",
            )
        )  # fmt: skip
        for name in ("bob", "cat"):
            session.add(
                VoteRow(
                    request=row.id, round=1, manifest_sha256="m", approver=name, verdict="approve", reason="fine",
                    position=0, turn=1, at=now,
                )
            )  # fmt: skip
        audit.append(session, "test.export", actor=HOST, subject=f"export/{row.id}", at=now)
        return row.id


def export_facts(house, number, now):
    with house.read() as session:
        return asks.of(session, session.get_one(RequestRow, number), FileState.APPROVED, seen="m", now=now)


def test_a_clock_set_back_before_the_newest_checkpoint_is_seen(house, settings, now):
    with house.act("sentinel", "audit.checkpoint", "audit/log") as session:
        checkpoint.sign(session, settings, now)
    assert facts_of(house, now).clock_sound
    assert facts_of(house, now - timedelta(minutes=4)).clock_sound
    assert not facts_of(house, now - HOUR).clock_sound


def test_a_log_whose_head_is_not_that_of_its_newest_entry_is_seen(house, now):
    assert facts_of(house, now).log_stands
    with house.engine.begin() as connection:
        connection.execute(update(HeadRow).values(size=HeadRow.size + 1))
    assert not facts_of(house, now).log_stands


def test_a_revocation_takes_the_data_behind_an_approved_export_away(house, now):
    number = an_approved_export(house, now)
    before = export_facts(house, number, now)
    assert (before.data_in_force, before.approvals) == (True, frozenset({"bob", "cat"}))
    with changing(house) as session:
        committee.revoke(session, 1, why="a test", actor="erin", now=now)
    assert not export_facts(house, number, now).data_in_force


def test_approvals_of_an_export_do_not_count_for_ever(house, now):
    number = an_approved_export(house, now)
    assert export_facts(house, number, now).approvals_until == now + 30 * DAY


def test_an_emergency_by_one_person_opens_nothing(house, now):
    with house.act("grace", "emergency.ask", "project/sunrise") as session:
        number = emergencies.ask(session, "sunrise", "ann", hours=4, why="now", actor="grace", now=now).id
    with house.read() as session:
        assert access.project_facts(session, "sunrise", "ann", now=now).emergency_until <= now
    with pytest.raises(Refused), house.act("grace", "emergency.open", f"emergency/{number}") as session:
        emergencies.second(session, number, actor="grace", now=now)


def test_an_emergency_written_longer_than_four_hours_ends_after_four(house, now):
    with house.act("grace", "emergency.ask", "project/sunrise") as session:
        row = emergencies.ask(session, "sunrise", "ann", hours=4, why="now", actor="grace", now=now)
        row.seconded_by, row.since, row.until = "erin", now, now + 400 * DAY
    with house.read() as session:
        found = access.project_facts(session, "sunrise", "ann", now=now + HOUR)
    assert found.emergency_until == now + 4 * HOUR


def test_rules_that_one_admin_wrote_into_a_folder_have_no_effect(house, monkeypatch, now):
    with house.read() as session:
        before = access.opening(session, "sunrise", "ann", now=now).decision.policy_hash
    files = book.bundle() | {"trainings.toml": book.bundle()["trainings.toml"] + "\n# open\n"}
    monkeypatch.setattr(book, "bundle", lambda: files)
    with house.read() as session:
        assert access.opening(session, "sunrise", "ann", now=now).decision.policy_hash == before
    with house.act("grace", "rules.propose", "rules") as session:
        row = proposals.propose(session, files, why="mine", actor="grace", now=now)
    with pytest.raises(Refused), house.act("grace", "rules.adopt", "rules") as session:
        proposals.adopt(session, row.number, actor="grace", seen=row.sha256, now=now)
    with house.read() as session:
        assert session.get_one(RulebookRow, row.number).state == "proposed"


def test_a_room_of_another_project_that_holds_an_extract_shares_it(house, now):
    with house.read() as session:
        assert access.project_facts(session, "sunrise", "ann", now=now).alone
    with changing(house) as session:
        mounts = json.dumps([{"dataset": "trial", "version": 1, "number": 1}])
        session.add(RoomRow(project="harbour", person="bob", mounts=mounts, opened_at=now))
        audit.append(session, "session.open", actor="bob", subject="room/harbour/bob", at=now)
    with house.read() as session:
        assert not access.project_facts(session, "sunrise", "ann", now=now).alone


def test_a_refusal_at_a_door_is_in_the_log_with_its_rules(house, now):
    with pytest.raises(Refused), house.act("bob", "session.open", "project/sunrise") as session:
        access.require_open(session, "sunrise", "bob", now=now)
    with house.read() as session:
        last = session.query(EntryRow).order_by(EntryRow.seq.desc()).first()
    assert "R00" in json.loads(last.body)["facts"]["rules"]
