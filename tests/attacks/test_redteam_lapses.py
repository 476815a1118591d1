"""A room that may not be open any more, when something else goes wrong in the same moment."""

from datetime import timedelta

import pytest

from tests.builders import HOST, a_dataset, a_person, a_project, an_approval
from tests.house import an_extract
from tre.errors import Unavailable
from tre.governance import committee, projects
from tre.records.tables import DatasetVersionRow, ExtractRow
from tre.rooms import sentinel as watching
from tre.rooms import visits
from tre.rooms.sentinel import Sentinel


class FakeHub:
    def __init__(self):
        self.answers, self.stopped = True, []

    def running(self):
        return frozenset({("sunrise", "ann"), ("sunrise", "ben")})

    def stop(self, project, person):
        self.stopped.append((project, person))
        return self.answers

    def forget(self, person):
        del person


@pytest.fixture
def hub():
    return FakeHub()


@pytest.fixture
def first(records, settings, now):
    """The number of the committee's approval of version 1, of which the project has an extract."""
    with records.act(HOST, "test.build", "home") as session:
        for name in ("ann", "ben"):
            a_person(session, name, settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_project(session, "sunrise", ("ann", "ben"), now=now)
        number = an_approval(session, "sunrise", "trial", settings=settings, now=now)
        an_extract(session, settings, "sunrise", now=now)
    return number


@pytest.fixture
def sentinel(records, settings, hub, now, first):
    for name in ("ann", "ben"):
        visits.opened(records, "sunrise", name, image="sha256:1", now=now)
    return Sentinel(settings, records, hub, began=now)


def newer(records, settings, now):
    """Version 2 comes in, is approved, and is extracted while the rooms are open."""
    with records.act(HOST, "test.build", "home") as session:
        kept = session.get(DatasetVersionRow, ("trial", 1))
        given = {c.name: getattr(kept, c.name) for c in DatasetVersionRow.__table__.columns}
        session.add(DatasetVersionRow(**{**given, "number": 2}))
        session.flush()
        number = an_approval(session, "sunrise", "trial", settings=settings, now=now)
        an_extract(session, settings, "sunrise", now=now, number=2)
        session.flush()
        session.query(ExtractRow).filter_by(number=2).update({"version": 2})
    return number


def test_an_old_version_that_is_revoked_is_not_hidden_by_a_newer_one(sentinel, hub, records, settings, now, first):
    newer(records, settings, now)
    sentinel.round(now + timedelta(seconds=10))
    assert hub.stopped == []  # the old approval holds
    with records.act(HOST, "test.change", "home") as session:
        committee.revoke(session, first, why="a test", actor="erin", now=now)
    sentinel.round(now + timedelta(seconds=20))
    assert sorted(hub.stopped) == [("sunrise", "ann"), ("sunrise", "ben")]


def stands(records, person, at):
    return visits.stands(visits.row_of(records, "sunrise", person), now=at)


def lapse(records, now, name="ann"):
    with records.act(HOST, "test.change", "home") as session:
        projects.remove_member(session, "sunrise", name, actor=HOST, now=now)


def test_a_room_that_nobody_could_end_stays_on_the_list(sentinel, hub, records, now, monkeypatch):
    hub.answers, tried = False, []

    def silent(_settings, project, person):
        tried.append((project, person))
        raise Unavailable("Docker does not answer")

    monkeypatch.setattr(watching, "end_container", silent)
    lapse(records, now)
    for seconds in (10, 31, 41):
        sentinel.round(now + timedelta(seconds=seconds))
    assert tried == [("sunrise", "ann")] * 2
    assert "ann" in {row.person for row in visits.open_now(records)}


def test_a_room_that_lapsed_is_not_given_back_to_its_person(sentinel, hub, records, now):
    """The spawner asks this before it registers a room again, and before it calls a new one open."""
    assert stands(records, "ann", now)
    hub.answers = False  # and the Hub does not stop it
    lapse(records, now)
    sentinel.round(now + timedelta(seconds=10))
    assert stands(records, "ann", now + timedelta(seconds=10))  # it may save what is open
    assert not stands(records, "ann", now + timedelta(seconds=31))  # whether or not the sentinel still lives
    assert stands(records, "ben", now + timedelta(seconds=31))


def test_a_room_that_was_closed_while_it_opened_does_not_stand(sentinel, records, now):
    visits.closed(records, "sunrise", "ann", actor="sentinel", because="it lapsed", now=now)
    assert not stands(records, "ann", now)


def test_all_browsers_are_cut_off_before_the_first_room_is_waited_for(sentinel, hub, records, now, monkeypatch):
    order = []
    monkeypatch.setattr(watching, "cut_off", lambda _settings, _project, person: order.append(f"cut {person}"))
    real = hub.stop
    hub.stop = lambda project, person: order.append(f"stop {person}") or real(project, person)
    with records.act(HOST, "test.change", "home") as session:
        projects.suspend(session, "sunrise", why="a test", actor=HOST, now=now)
    sentinel.round(now + timedelta(seconds=10))
    assert order == ["cut ann", "cut ben", "stop ann", "stop ben"]
