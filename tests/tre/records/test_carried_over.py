"""What the committee decided stands after the tables were changed, and after they are changed back."""

import pytest
from alembic import command
from sqlalchemy import text

from tests.builders import HOST, a_dataset, a_person, a_project, an_approval
from tre.governance import committee
from tre.governance.applications import papers
from tre.records import schema

WAS = {"in_review": "submitted", "active": "approved", "revoked": "revoked", "withdrawn": "withdrawn"}


@pytest.fixture
def decided(records, settings, now):
    """Four applications: waiting, approved, revoked, withdrawn."""
    with records.act(HOST, "test.build", "home") as session:
        for name in ("ann", "ben"):
            a_person(session, name, settings=settings, now=now)
        a_project(session, "sunrise", ("ann",), now=now)
        for name in ("one", "two", "three", "four"):
            a_dataset(session, name, now=now)
        committee.apply(session, "sunrise", "one", applicant="ann", purpose="p", now=now)
        an_approval(session, "sunrise", "two", settings=settings, now=now)
        committee.revoke(session, an_approval(session, "sunrise", "three", settings=settings, now=now), why="w",
                         actor="erin", now=now)  # fmt: skip
        last = committee.apply(session, "sunrise", "four", applicant="ann", purpose="p", now=now)
        committee.withdraw(session, last, person="ann", now=now)
    return records


def states(records):
    with records.engine.connect() as connection:
        return [row[0] for row in connection.execute(text("SELECT state FROM application ORDER BY id"))]


def test_applications_keep_their_meaning_there_and_back(decided, now):
    with schema.migrating(decided) as config:
        command.downgrade(config, "0002")
    assert states(decided) == list(WAS.values())
    schema.create(decided)
    assert states(decided) == list(WAS)
    with decided.read() as session:
        old = papers.get(session, 2)
        assert papers.form_of(old).purpose == "to compare treatments"
        assert [(one.dataset, one.version) for one in papers.datasets(session, 2)] == [("two", 1)]
        assert committee.using(session, "two", now=now) == ("sunrise",)
        assert committee.using(session, "three", now=now) == ()
    with decided.act(HOST, "test.step", "home") as session:
        for name in ("erin", "frank"):
            committee.vote(session, 1, name, "approve", reason="r", now=now)
        assert committee.decide(session, 1, actor="erin", until=papers.get(session, 2).approved_until, now=now)
