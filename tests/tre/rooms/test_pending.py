"""What waits for a decision rests when a fact it stands on lapses: recorded once, told to those concerned."""

import pytest
from sqlalchemy import select

from tests.builders import HOST, a_committee, a_dataset, a_person, a_project, an_application
from tre.governance import accounts, frozen, notices, projects
from tre.records.tables import EntryRow, RecontactRow
from tre.rooms import pending


@pytest.fixture
def waiting(records, settings, now):
    """An application that is in review, and a re-contact."""
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now)
        a_committee(session, settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_project(session, "sunrise", ("ann",), now=now)
        an_application(session, "sunrise", "trial", now=now)
        session.add(
            RecontactRow(
                project="sunrise", dataset="trial", pseudonym="tre1-x", reason="a finding", requester="ann",
                contact="clinic", state="in_review", asked_at=now,
            )
        )  # fmt: skip
    return records


def acts(records):
    with records.read() as session:
        rows = select(EntryRow.subject, EntryRow.act).where(
            EntryRow.act.like("%.frozen") | EntryRow.act.like("%.thawed")
        )
        return [(row.subject, row.act) for row in session.execute(rows.order_by(EntryRow.seq))]


def change(records, verb, **given):
    with records.act(HOST, "test.change", "home") as session:
        verb(session, **given)


def test_what_holds_is_left_alone(waiting, now):
    assert pending.look(waiting, now=now) == 0
    assert acts(waiting) == []


def test_what_lapsed_is_recorded_once_and_told(waiting, now):
    change(waiting, lambda session: accounts.suspend(session, "ann", why="a test", actor=HOST, now=now))
    for _ in range(3):
        pending.look(waiting, now=now)
    assert acts(waiting) == [("application/1", "application.frozen"), ("recontact/1", "recontact.frozen")]
    with waiting.read() as session:
        told = {person: [row.text for row in notices.of(session, person)] for person in ("ann", "erin")}
    assert any("The application 1 rests." in text for text in told["ann"])
    assert any("The application 1 rests." in text for text in told["erin"])


def test_what_holds_again_goes_on_and_that_is_said_too(waiting, now):
    change(waiting, lambda session: projects.suspend(session, "sunrise", why="a test", actor=HOST, now=now))
    pending.look(waiting, now=now)
    change(waiting, lambda session: projects.resume(session, "sunrise", actor=HOST, now=now))
    pending.look(waiting, now=now)
    pending.look(waiting, now=now)
    assert [act for about, act in acts(waiting) if about == "recontact/1"] == ["recontact.frozen", "recontact.thawed"]
    with waiting.read() as session:
        assert not frozen.frozen(session, "recontact", ("recontact/1",))
