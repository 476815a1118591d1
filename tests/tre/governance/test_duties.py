"""A duty that came with data is done when the project has shown it and somebody without an interest has accepted it."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.builders import HOST, a_committee, a_dataset, a_person, a_project, an_approval
from tre.errors import NotFound, StepRefused
from tre.governance.applications import duties
from tre.records.tables import ApprovalRow, DutyRow, EntryRow


@pytest.fixture
def database():
    """One database is enough here."""
    return ""


@pytest.fixture
def duty(records, settings, now):
    """What project sunrise owes: to publish, and to wait."""
    with records.act(HOST, "test.build", "home") as session:
        for name in ("ann", "cyd"):
            a_person(session, name, settings=settings, now=now)
        a_committee(session, settings=settings, now=now, names=("erin", "frank"))
        a_project(session, "sunrise", ("ann",), now=now)
        a_dataset(session, "trial", now=now)
        an_approval(session, "sunrise", "trial", settings=settings, now=now)
        approval = session.scalars(select(ApprovalRow)).one()
        rows = [
            DutyRow(approval=approval.id, code="PUB", text="Publish it.", due=now + timedelta(days=90)),
            DutyRow(approval=approval.id, code="MOR", text="Wait.", due=now + timedelta(days=30)),
        ]
        session.add_all(rows)
        session.flush()
        return {row.code: row.id for row in rows}


@pytest.fixture
def do(records, now):
    def act(verb, *args, at=now, **given):
        with records.act(HOST, "test.step", "home") as session:
            return verb(session, *args, now=at, **given)

    return act


def seen(records, number):
    with records.read() as session:
        return duties.digest(duties.get(session, number).duty)


def test_the_project_shows_it_and_the_committee_accepts_it(records, duty, do):
    do(duties.show, duty["PUB"], "ann", "doi 10.1/2")
    do(duties.accept, duty["PUB"], "erin", seen=seen(records, duty["PUB"]))
    with records.read() as session:
        row = duties.get(session, duty["PUB"]).duty
        said = session.scalars(select(EntryRow.act).where(EntryRow.act.startswith("duty.")).order_by(EntryRow.seq))
        assert (row.evidence, row.done_by, list(said)) == ("doi 10.1/2", "erin", ["duty.show", "duty.accept"])
    with pytest.raises(StepRefused, match="erin accepted it on"):
        do(duties.show, duty["PUB"], "ann", "something else")


def test_who_is_not_of_the_project_shows_nothing(duty, do):
    with pytest.raises(StepRefused, match="only people of project sunrise"):
        do(duties.show, duty["PUB"], "cyd", "doi 10.1/2")


@pytest.mark.parametrize("person", ["ann", "cyd"])
def test_who_is_not_of_the_committee_accepts_nothing(records, duty, do, person):
    do(duties.show, duty["PUB"], "ann", "doi 10.1/2")
    with pytest.raises(StepRefused, match=f"{person} cannot accept a duty"):
        do(duties.accept, duty["PUB"], person, seen=seen(records, duty["PUB"]))


def test_nothing_is_accepted_that_was_not_shown_or_not_read(records, duty, do):
    before = seen(records, duty["PUB"])
    with pytest.raises(StepRefused, match="nobody showed yet"):
        do(duties.accept, duty["PUB"], "erin", seen=before)
    do(duties.show, duty["PUB"], "ann", "doi 10.1/2")
    with pytest.raises(StepRefused, match="not as you read it"):
        do(duties.accept, duty["PUB"], "erin", seen=before)


def test_waiting_is_not_done_before_its_day(duty, do, now):
    with pytest.raises(StepRefused, match="to wait until"):
        do(duties.show, duty["MOR"], "ann", "we waited")
    do(duties.show, duty["MOR"], "ann", "we waited", at=now + timedelta(days=31))


@pytest.mark.parametrize("number", [0, -1, 99, 2**63])
def test_a_duty_that_is_not_there(duty, do, number):
    del duty
    with pytest.raises(NotFound, match="there is no duty"):
        do(duties.show, number, "ann", "x")
