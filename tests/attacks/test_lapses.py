"""Going on in a room whose facts have lapsed: by killing whoever watches, setting the clock back, silencing notices."""

import asyncio
import json
import signal
import time
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from sqlalchemy import update

from tests.builders import HOST, a_dataset, a_person, a_project, an_approval
from tests.house import an_extract
from tests.tre.rooms.hostile import says
from tests.tre.rooms.test_gateway import KERNEL, around, records, settings  # noqa: F401 -- fixtures of the gateway
from tests.tre.rooms.test_sentinel import FakeHub
from tre.governance import nudge, training
from tre.records import audit
from tre.records.db import opened
from tre.records.tables import TrainingRow
from tre.rooms import control, visits
from tre.rooms import sentinel as watching
from tre.rooms.gateway import open_room
from tre.rooms.sentinel import Sentinel

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2"


# --- real processes ---------------------------------------------------------------------------------------------------
def course_ends(house, person, until):
    with house.act("training.record", subject=f"person/{person}") as session:
        course = (TrainingRow.person == person) & (TrainingRow.course == "gdpr")
        session.execute(update(TrainingRow).where(course).values(until=until))
        audit.append(session, "training.record", actor=HOST, subject=f"person/{person}", course="gdpr")


def gone_by(house, project, person, until):
    while house.running(project, person):
        assert datetime.now(UTC) < until, "the room still runs"
        time.sleep(0.3)


def lapse_of(house, project, person):
    return [entry for entry in house.entries("session.lapse") if entry["subject"] == f"room/{project}/{person}"][-1]


def sentinel_of(house):
    children = psutil.Process(house.process.pid).children(recursive=True)
    return next(child for child in children if "tre.rooms.sentinel" in child.cmdline())


@pytest.fixture
def member(house):
    """Somebody in a project of their own, with an approval for its data that ends as told."""
    numbers = iter("xyz")

    def make(*, ends):
        name, now = f"una-{next(numbers)}{int(time.time()) % 1000}", datetime.now(UTC)
        with house.act() as session:
            a_person(session, name, settings=house.settings, now=now)
            a_project(session, f"{name}-p", (name,), now=now)
            an_approval(session, f"{name}-p", "trial", settings=house.settings, now=now, until=ends)
            an_extract(session, house.settings, f"{name}-p", now=now)
        return name, f"{name}-p"

    return make


@pytest.mark.docker
def test_a_training_that_lapses_in_the_middle_of_a_session_ends_it(house, member):
    name, project = member(ends=datetime.now(UTC) + timedelta(days=9))
    visitor = house.person(name).open(project)
    end = datetime.now(UTC) + timedelta(seconds=8)
    course_ends(house, name, end)
    nudge.sentinel(house.settings)
    gone_by(house, project, name, end + timedelta(seconds=60))
    assert lapse_of(house, project, name)["facts"]["rules"] == ["R03"]
    again = visitor.hub_api("POST", f"/users/{name}/servers/{project}")
    assert again.status_code == 403 or not visitor.ready(project)


@pytest.mark.docker
def test_an_approval_that_ends_while_the_sentinel_is_dead_ends_the_room(house, member):
    """The sentinel hangs, so that nobody starts another; gateway and Hub hold the end that the room was opened with."""
    end = datetime.now(UTC) + timedelta(seconds=40)
    name, project = member(ends=end)
    sentinel = sentinel_of(house)
    sentinel.send_signal(signal.SIGSTOP)
    try:
        visitor = house.person(name).open(project)
        assert visitor.ask("GET", project, "api/status").status_code == 200
        assert datetime.now(UTC) < end, "this machine is too slow for the test"
        time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()))
        answer = visitor.ask("GET", project, "api/status")
        assert answer.status_code in {403, 404, 424, 503}, answer.text
        gone_by(house, project, name, end + timedelta(seconds=30))
    finally:
        sentinel.send_signal(signal.SIGCONT)
    lapse = lapse_of(house, project, name)
    assert (lapse["actor"], lapse["facts"]["rules"]) == ("hub", ["R09"])


# --- the gateway alone ------------------------------------------------------------------------------------------------
def tried(settings, records, story):  # noqa: F811
    async def run():
        async with around(settings, records) as there:
            return await story(there)

    return asyncio.run(run())


def ends(settings, seconds, why=""):  # noqa: F811
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    return asyncio.to_thread(control.move_now, settings, "ann", "sunrise", until=until, why=why)


def test_nothing_passes_at_or_after_a_rooms_end(settings, records):  # noqa: F811
    async def story(there):
        async with there.room(says(EMPTY, b"{}")):
            before, _, _ = await there.ask()
            await ends(settings, 0, "Take the training.")
            after, said, _ = await there.ask()
            return before, after, said

    before, after, said = tried(settings, records, story)
    assert (before, after) == (200, 403)
    assert "Take the training." in said


def test_an_open_channel_is_cut_at_the_rooms_end(settings, records):  # noqa: F811
    async def story(there):
        room = next(iter(there.gateway._rooms.values()))
        waiting = asyncio.create_task(room.until_over())
        await ends(settings, 0.3)
        return await asyncio.wait_for(waiting, 5)

    code, why = tried(settings, records, story)
    assert code == open_room.CLOSED
    assert "closed" in why


def test_a_room_that_is_over_stays_so_when_the_gateway_restarts(settings, records):  # noqa: F811
    async def story(there):
        await ends(settings, 0)
        (given,) = tuple(there.gateway._registry)
        return open_room.OpenRoom(settings, given, there.gateway._seal).left

    assert tried(settings, records, story) <= 0


def test_a_clock_that_is_set_back_makes_no_room_last_longer(settings, records, monkeypatch):  # noqa: F811
    class Yesterday(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(days=1)

    async def story(there):
        room = next(iter(there.gateway._rooms.values()))
        await ends(settings, 100)
        monkeypatch.setattr(open_room, "datetime", Yesterday)
        return room.left

    assert tried(settings, records, story) <= 100


def test_a_room_cannot_suppress_what_its_person_is_told(settings, records):  # noqa: F811
    """What the page asks is answered by the gateway, whatever the room would say; it does not hear the question."""
    heard = []

    async def liar(reader, writer):
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        body = json.dumps({"seconds_left": None, "why": "", "notices": []}).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        await writer.drain()

    async def story(there):
        async with there.room(liar):
            await ends(settings, 90, "The project rests.")
            return [await there.ask(path, method) for path, method in (("tre/me", "GET"), ("tre/me?x=1", "GET"))]

    for status, said, _ in tried(settings, records, story):
        assert status == 200
        assert json.loads(said)["why"] == "The project rests."
        assert json.loads(said)["seconds_left"] > 80
    assert heard == []


def test_what_a_person_is_told_is_not_told_to_a_stranger(settings, records):  # noqa: F811
    async def story(there):
        return await there.ask("tre/me", Cookie="tre-room=nothing", Accept="application/json")

    status, said, _ = tried(settings, records, story)
    assert status == 403
    assert "meter" not in said


@pytest.mark.parametrize(("method", "status"), [("POST", 415), ("PUT", 404), ("DELETE", 404)])
def test_nobody_tells_the_gateway_anything_there(settings, records, method, status):  # noqa: F811
    async def story(there):
        return await there.ask("tre/me", method)

    assert tried(settings, records, story)[0] == status


# --- the clock of the house -------------------------------------------------------------------------------------------
@pytest.fixture
def watched(settings, now, monkeypatch):  # noqa: F811
    found = opened(settings)
    with found.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_project(session, "sunrise", ("ann",), now=now)
    visits.opened(found, "sunrise", "ann", image="sha256:1", now=now)
    monkeypatch.setattr(watching, "end_container", lambda *_: None)
    hub = FakeHub()
    yield Sentinel(settings, found, hub, began=now), hub, found
    found.close()


def test_a_clock_that_is_set_back_before_the_log_closes_rooms(watched, now):
    sentinel, hub, _ = watched
    sentinel.round(now + timedelta(hours=1))  # signs the log
    assert hub.stopped == []
    sentinel.round(now - timedelta(hours=5))
    assert hub.stopped == [("sunrise", "ann")]


def test_a_course_that_was_renewed_carries_the_room_on_and_nobody_else_does(watched, now):
    sentinel, hub, found = watched
    with found.act(HOST, "test.change", "home") as session:
        session.execute(update(TrainingRow).values(until=now + timedelta(minutes=5)))
        audit.append(session, "test.change", actor=HOST, subject="home", at=now)
    sentinel.round(now + timedelta(seconds=10))
    assert visits.row_of(found, "sunrise", "ann").until == now + timedelta(minutes=5)
    assert sentinel.pause(now + timedelta(seconds=10)) == watching.ROUND_SECONDS
    assert 0 < sentinel.pause(now + timedelta(minutes=4, seconds=58)) < 3
    with found.act(HOST, "test.change", "home") as session:
        for course in ("gdpr", "safe-researcher"):
            training.record(session, "ann", course, now + timedelta(days=2), actor=HOST, now=now)
    sentinel.round(now + timedelta(minutes=4))
    assert visits.row_of(found, "sunrise", "ann").until == now + timedelta(days=2)
    assert hub.stopped == []
