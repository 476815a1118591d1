"""The sentinel against the real rules and records; the Hub is a fake with the same interface, the moment is given."""

import json
import subprocess
from datetime import timedelta

import pytest

from tests.builders import HOST, a_dataset, a_person, a_project, an_approval
from tests.house import an_extract
from tre.errors import Refused, Unavailable
from tre.governance import accounts, committee, projects
from tre.records import audit
from tre.records.tables import CheckpointRow, ConditionRow, EntryRow, ProjectRow, RoomRow
from tre.rooms import folders, visits
from tre.rooms import sentinel as watching
from tre.rooms.room import room_for
from tre.rooms.sentinel import Sentinel


class FakeHub:
    def __init__(self):
        self.answers, self.stopped, self.forgotten, self.on = True, [], [], {("sunrise", "ann")}

    def running(self):
        return frozenset(self.on) if self.answers else None

    def stop(self, project, person):
        self.stopped.append((project, person))
        return self.answers

    def forget(self, person):
        self.forgotten.append(person)


@pytest.fixture
def hub():
    return FakeHub()


@pytest.fixture
def ended(monkeypatch):
    """Containers that were ended without the Hub: Docker is outside this test."""
    found = []
    monkeypatch.setattr(watching, "end_container", lambda settings, project, person: found.append((project, person)))
    return found


@pytest.fixture
def application(records, settings, now):
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_project(session, "sunrise", ("ann",), now=now)
        number = an_approval(session, "sunrise", "trial", settings=settings, now=now)
        an_extract(session, settings, "sunrise", now=now)
    return number


@pytest.fixture
def sentinel(records, settings, hub, now, application, ended):
    visits.opened(records, "sunrise", "ann", image="sha256:1", now=now)
    return Sentinel(settings, records, hub, began=now)


def acts(records):
    from sqlalchemy import select

    with records.read() as session:
        return list(session.scalars(select(EntryRow.act).order_by(EntryRow.seq)))


def room(records):
    with records.read() as session:
        return session.get(RoomRow, 1)


def test_a_room_whose_facts_hold_stays_open(sentinel, hub, now):
    sentinel.round(now + timedelta(seconds=10))
    assert hub.stopped == []


def suspend(session, now, application):
    accounts.suspend(session, "ann", why="a test", actor=HOST, now=now)


def remove(session, now, application):
    projects.remove_member(session, "sunrise", "ann", actor=HOST, now=now)


def rest(session, now, application):
    projects.suspend(session, "sunrise", why="a test", actor=HOST, now=now)


def revoke(session, now, application):
    committee.revoke(session, application, why="a test", actor="erin", now=now)


@pytest.mark.parametrize(
    ("change", "rule", "grace"),
    [(suspend, "R01", 0), (remove, "R00", 20), (rest, "R06", 0), (revoke, "R09", 0)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_room_whose_fact_lapsed_is_stopped_and_the_log_says_which(
    sentinel, hub, records, now, application, change, rule, grace
):
    with records.act(HOST, "test.change", "home") as session:
        change(session, now, application)
    sentinel.round(now + timedelta(seconds=10))
    assert hub.stopped == ([] if grace else [("sunrise", "ann")])
    sentinel.round(now + timedelta(seconds=10 + grace))
    assert ("sunrise", "ann") in hub.stopped
    with records.read() as session:
        from sqlalchemy import select

        body = session.scalars(select(EntryRow.body).where(EntryRow.act == "session.lapse")).one()
    assert rule in json.loads(body)["facts"]["rules"]


@pytest.mark.parametrize("days", [366, 400])
def test_a_room_is_stopped_when_its_time_is_over(sentinel, hub, now, days):
    sentinel.round(now + timedelta(days=days))
    assert hub.stopped == [("sunrise", "ann")]


def test_the_reason_of_the_lapse_is_the_reason_of_the_closing(sentinel, records, now, application):
    with records.act(HOST, "test.change", "home") as session:
        remove(session, now, application)
    sentinel.round(now)
    sentinel.round(now + timedelta(seconds=20))
    visits.closed(records, "sunrise", "ann", actor="hub", because="the person stopped it", now=now)
    assert "member" in room(records).closed_because
    assert acts(records)[-1] == "session.close"


def test_a_hub_that_does_not_stop_a_room_is_not_waited_for(sentinel, hub, records, ended, now, application):
    hub.answers = False
    with records.act(HOST, "test.change", "home") as session:
        rest(session, now, application)
    sentinel.round(now)
    assert ended == [("sunrise", "ann")]
    assert room(records).closed_at == now


def test_a_suspended_persons_tokens_are_deleted(sentinel, hub, records, now, application):
    with records.act(HOST, "test.change", "home") as session:
        suspend(session, now, application)
    sentinel.round(now)
    assert hub.forgotten == ["ann"]


def test_rules_that_cannot_be_asked_close_the_room(sentinel, hub, now, monkeypatch):
    def broken(*_, **__):
        raise Refused("the rules are unfit")

    monkeypatch.setattr(watching.access, "standing", broken)
    sentinel.round(now)
    assert hub.stopped == [("sunrise", "ann")]


def test_records_that_are_silent_for_a_moment_close_nothing_and_for_longer_close_all(sentinel, hub, now, monkeypatch):
    sentinel.round(now)

    def silent(_records):
        raise Unavailable("the records do not answer")

    monkeypatch.setattr(visits, "open_now", silent)
    sentinel.round(now + timedelta(seconds=10))
    sentinel.round(now + timedelta(seconds=20))
    assert hub.stopped == []
    sentinel.round(now + timedelta(seconds=30))
    assert hub.stopped == [("sunrise", "ann")]


def test_a_room_that_is_gone_at_the_hub_is_written_down(sentinel, hub, records, ended, now):
    hub.on = set()
    sentinel.round(now + timedelta(seconds=30))
    assert room(records).closed_at is None  # it may still be opening
    sentinel.round(now + timedelta(seconds=150))
    assert room(records).closed_because == "it was found closed"
    assert ended == [("sunrise", "ann")]


def test_a_silent_hub_says_nothing_about_what_runs(sentinel, hub, records, now):
    hub.answers = False
    sentinel.round(now + timedelta(seconds=150))
    assert room(records).closed_at is None


def test_the_log_is_signed_once_a_minute_when_it_grew(sentinel, records, now, application):
    def signed():
        from sqlalchemy import func, select

        with records.read() as session:
            return session.scalar(select(func.count()).select_from(CheckpointRow))

    sentinel.round(now)
    assert signed() == 1
    sentinel.round(now + timedelta(seconds=61))
    assert signed() == 1  # nothing was added but the checkpoint itself
    with records.act(HOST, "test.change", "home") as session:
        rest(session, now, application)
    sentinel.round(now + timedelta(seconds=90))
    assert signed() == 1
    sentinel.round(now + timedelta(seconds=122))
    assert signed() == 2


def test_a_condition_past_its_day_closes_the_room_whoever_watches(sentinel, hub, records, now, application):
    due = now + timedelta(minutes=5)
    with records.act(HOST, "test.change", "home") as session:
        session.add(ConditionRow(application=application, text="a data protection officer", due=due))
        audit.append(session, "test.change", actor=HOST, subject="home", at=now)
    sentinel.round(now + timedelta(seconds=10))
    assert room(records).until == due
    sentinel.round(due + timedelta(seconds=1))  # the project comes to rest by the record, too
    assert hub.stopped == [("sunrise", "ann")]
    with pytest.raises(Refused):
        visits.opened(records, "sunrise", "ann", image="sha256:1", now=due + timedelta(seconds=2))


def test_a_condition_past_its_day_opens_no_room_while_the_sentinel_is_dead(records, now, application):
    with records.act(HOST, "test.change", "home") as session:
        session.add(ConditionRow(application=application, text="an officer", due=now - timedelta(minutes=5)))
        audit.append(session, "test.change", actor=HOST, subject="home", at=now)
    with pytest.raises(Refused, match="condition"):
        visits.opened(records, "sunrise", "ann", image="sha256:1", now=now)


def test_a_room_is_open_for_so_long_at_most_and_can_be_opened_again(sentinel, hub, records, settings, now):
    end = now + timedelta(hours=settings.room_hours)
    assert room(records).until == end  # its own end: it closes though nobody watches
    sentinel.round(end - timedelta(seconds=30))
    assert (hub.stopped, room(records).until) == ([], end)
    sentinel.round(end)
    assert hub.stopped == [("sunrise", "ann")]
    assert room(records).closed_because == visits.AGE
    assert visits.opened(records, "sunrise", "ann", image="sha256:1", now=end).until > end


def test_records_that_are_busy_with_somebody_elses_act_close_nothing(sentinel, hub, now, monkeypatch):
    """Whether a room may be open is read, and reading waits for nobody who writes."""

    def busy(*_, **__):
        raise Unavailable("the records are too busy")

    monkeypatch.setattr(watching.active, "look_round", busy)
    for seconds in range(10, 120, 10):
        sentinel.round(now + timedelta(seconds=seconds))
    assert hub.stopped == []


def test_a_room_that_cannot_be_ended_is_tried_again_without_haste(sentinel, now):
    sentinel.round(now)
    assert sentinel.pause(now + timedelta(days=500)) == watching.SHORTEST_PAUSE


# --- visits ---------------------------------------------------------------------------------------------------------
def test_a_closing_is_recorded_once(sentinel, records, now):
    for _ in range(3):
        visits.closed(records, "sunrise", "ann", actor="hub", because="the person stopped it", now=now)
    assert acts(records).count("session.close") == 1


def test_an_opening_that_the_rules_refuse_leaves_a_refusal_and_no_room(records, now, application):
    with pytest.raises(Refused):
        visits.opened(records, "sunrise", "bob", image="sha256:1", now=now)
    assert acts(records)[-1] == "session.open.refused"
    assert visits.open_now(records) == ()


def test_a_room_that_opens_again_closes_what_was_left_open(sentinel, records, now):
    visits.opened(records, "sunrise", "ann", image="sha256:1", now=now + timedelta(hours=1))
    assert len(visits.open_now(records)) == 1
    assert acts(records)[-2:] == ["session.close", "session.open"]


@pytest.fixture
def small_disk(settings, tmp_path):
    """The same house on a disk of 8 MB, of which a quarter must stay free."""
    place = tmp_path / "small"
    place.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", place], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no tmpfs can be mounted here")
    yield settings.model_copy(update={"home": place, "database": settings.database_url, "disk_floor": 2_000_000})
    subprocess.run(["umount", place], check=True)


def test_a_room_that_fills_the_disk_is_closed_before_the_records_have_no_place(sentinel, hub, records, now, small_disk):
    watching.spare_disk(small_disk, records, now=now)
    assert not room(records).closed_because
    (small_disk.home / "outbox").write_bytes(bytes(7_000_000))
    watching.spare_disk(small_disk, records, now=now)
    sentinel.round(now)
    assert (hub.stopped, room(records).closed_because) == ([("sunrise", "ann")], folders.FULL)
    with pytest.raises(Unavailable, match="nearly full"):
        folders.make(small_disk, room_for(small_disk, "sha256:1", ProjectRow(name="sunrise", uid=70000), "ann", ()))
