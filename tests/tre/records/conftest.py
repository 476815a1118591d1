"""A log in which something happened."""

import pytest

from tre.records import audit, checkpoint


@pytest.fixture
def happen(records, now):
    """Let `count` things happen, each in an act of its own."""

    def happen(count, *, act="project.create", actor="ann"):
        for number in range(count):
            with records.act(actor, act, "project/sunrise") as session:
                audit.append(session, act, actor=actor, subject="project/sunrise", at=now, number=number)

    return happen


@pytest.fixture
def sign(records, settings, now):
    """Sign the log; return the checkpoint."""

    def sign():
        with records.act("sentinel", "audit.checkpoint", "audit/log") as session:
            return checkpoint.sign(session, settings, now)

    return sign
