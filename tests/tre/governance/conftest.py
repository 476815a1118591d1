"""A small house: people of every role, one dataset, one project."""

import json

import pytest
from sqlalchemy import select

from policies.facts import Role
from tests.builders import HOST, a_committee, a_dataset, a_person, a_project
from tre.records.tables import EntryRow


@pytest.fixture
def sunrise(records, settings, now):
    """Records with ann in the project sunrise; dave approves, grace is admin, erin and frank are the committee."""
    with records.act(HOST, "test.build", "home") as session:
        for name, role in (
            ("ann", Role.ANALYST),
            ("ben", Role.ANALYST),
            ("dave", Role.APPROVER),
            ("grace", Role.ADMIN),
        ):
            a_person(session, name, role, settings=settings, now=now)
        a_committee(session, settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_project(session, "sunrise", ("ann",), now=now)
    return records


@pytest.fixture
def said(records):
    """Entries of the log for one act, oldest first."""

    def entries(act):
        with records.read() as session:
            rows = session.scalars(select(EntryRow).where(EntryRow.act == act).order_by(EntryRow.seq))
            return [json.loads(row.body) for row in rows]

    return entries
