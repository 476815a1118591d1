"""An act is whole or it is nothing."""

import pytest
from sqlalchemy import func, select, update, text

from tre.errors import Refused
from tre.records import audit
from tre.records.db import Records
from tre.records.tables import EntryRow, DatasetRow


def entries(records):
    with records.read() as session:
        return session.scalars(select(EntryRow).order_by(EntryRow.seq)).all()


def test_an_act_leaves_its_entry(records):
    with records.act("ann", "project.create", "project/sunrise") as session:
        audit.append(session, "project.create", actor="ann", subject="project/sunrise")
    assert [entry.act for entry in entries(records)] == ["project.create"]


def test_a_refusal_is_recorded_with_its_rules(records):
    with pytest.raises(Refused), records.act("ann", "project.create", "project/sunrise") as session:
        audit.append(session, "project.create", actor="ann", subject="project/sunrise")
        raise Refused("no", rules=["R1"])
    assert [entry.act for entry in entries(records)] == ["project.create.refused"]
