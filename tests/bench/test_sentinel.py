"""How much of a processor it takes to ask the rules about 200 open rooms every ten seconds."""

import json
import time
from datetime import timedelta
from statistics import median

import pytest

from tests.builders import HOST, a_dataset, a_person, a_project, an_approval
from tests.house import an_extract
from tests.tre.rooms.test_sentinel import FakeHub
from tre.records import audit
from tre.records.db import opened
from tre.records.tables import RoomRow
from tre.rooms import control
from tre.rooms.sentinel import ROUND_SECONDS, Sentinel

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]
PROJECTS, MEMBERS, ROUNDS = 20, 10, 6
MOUNTS = json.dumps([{"dataset": "trial", "version": 1, "number": 1}])


@pytest.fixture
def busy(settings, now):
    """Twenty projects of ten people each, all of them at work."""
    found = opened(settings)
    with found.act(HOST, "test.build", "home") as session:
        a_dataset(session, "trial", now=now)
    for number in range(PROJECTS):
        fill(found, settings, f"study-{chr(97 + number)}", now)
    yield found
    found.close()


def fill(records, settings, project, now):
    names = [f"{project}-{chr(97 + member)}" for member in range(MEMBERS)]
    with records.act(HOST, "test.build", "home") as session:
        for name in names:
            a_person(session, name, settings=settings, now=now)
        a_project(session, project, names, now=now)
        an_approval(session, project, "trial", settings=settings, now=now)
        an_extract(session, settings, project, now=now)
        for name in names:
            session.add(RoomRow(project=project, person=name, mounts=MOUNTS, opened_at=now))
        audit.append(session, "test.build", actor=HOST, subject=project, at=now)


def test_two_hundred_rooms_cost_little(busy, settings, now, monkeypatch, report):
    monkeypatch.setattr(control, "move_now", lambda *_, **__: True)
    hub, took = FakeHub(), []
    sentinel = Sentinel(settings, busy, hub, began=now)
    for number in range(ROUNDS + 1):  # the first gives each room its end, and is not counted
        began = time.process_time()
        sentinel.round(now + timedelta(seconds=10 + number * ROUND_SECONDS))
        took.append(time.process_time() - began)
    assert hub.stopped == []
    with busy.read() as session:
        assert all(row.until is not None and not row.closed_because for row in session.query(RoomRow))
    share = 100 * median(took[1:]) / ROUND_SECONDS
    report("sentinel: 200 rooms, one round", 1000 * median(took[1:]), "ms", of="processor time")
    report("sentinel: 200 rooms", share, "% of a core", 5.0)
