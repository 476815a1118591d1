"""What may happen to a request while the worker is dead, the disk is full, or what it is held to cannot be read."""

import os
import subprocess
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from airlock import exceptions, hands, queries, recalls, release, requests, worker
from airlock.states import State, Verdict
from airlock.tables import IncidentRow, ReleaseRow, RequestRow
from tests.airlock.conftest import home, house  # noqa: F401 -- fixtures
from tests.airlock.house import SAFE
from tests.airlock.test_worker import mails
from tests.attacks.test_votes_on_files import blocked, committee, grant
from tests.builders import at_once
from tre.errors import Refused, StepRefused, Unavailable, Unreadable
from tre.records import audit
from tre.records.tables import ProjectRow

LINES = b"sex,n\r\n0,30\r\n1,30\r\n"
"""What leaves instead of it is other bytes, which must be stored too."""
ARMS = b"arm,n\na,30\nb,30\n"


# --- too late ---------------------------------------------------------------------------------------------------------
def test_a_vote_on_a_request_that_ended_while_the_worker_was_dead(home):  # noqa: F811
    request = home.in_review()
    home.vote(request, "bob")
    home.now = home.row(request).expires_at
    with pytest.raises(StepRefused, match="ended by itself"):
        home.vote(request, "carol")
    assert home.state(request) is State.IN_REVIEW
    assert worker.step(home.records, home.settings, now=home.now) == 1
    assert home.state(request) is State.EXPIRED


def test_a_release_of_a_request_that_ended_while_the_worker_was_dead(home):  # noqa: F811
    request = home.approved()
    home.now = home.row(request).expires_at + timedelta(seconds=1)
    with pytest.raises(StepRefused, match="ended by itself"):
        home.release(request)
    worker._releases(home.records, home.settings, now=home.now)
    assert home.state(request) is State.APPROVED
    worker.step(home.records, home.settings, now=home.now)
    assert (home.state(request), home.files(request)) == (State.EXPIRED, {"table.csv": "withdrawn"})
    assert "export.release" not in home.acts()


def test_a_round_is_not_checked_nor_sent_again_nor_excepted_once_it_ended(home):  # noqa: F811
    committee(home, "chris")
    waits, back = home.submit(), blocked(home)
    home.now = home.row(back).expires_at
    assert hands.waiting(home.records, State.CHECKING, home.now) == ()
    with pytest.raises(StepRefused, match="ended by itself"):
        home.check(waits)
    with pytest.raises(StepRefused, match="ended by itself"):
        home.resubmit(back, {"again.csv": ARMS})
    with pytest.raises(StepRefused, match="ended by itself"):
        grant(home, back, "chris")
    assert worker.step(home.records, home.settings, now=home.now) == 2
    assert {home.state(waits), home.state(back)} == {State.EXPIRED}


# --- a full disk ------------------------------------------------------------------------------------------------------
@pytest.fixture
def disk(home):  # noqa: F811
    """Put the store on a file system of one megabyte, which can be filled and emptied."""
    store = home.settings.released
    if os.geteuid():
        pytest.skip("only root mounts a file system")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "none", store], check=False).returncode:
        pytest.skip("no mounts here")
    filler = store / "filler"

    def fill():
        with filler.open("wb", buffering=0) as file:
            while True:
                try:
                    file.write(bytes(4096))
                except OSError:
                    return

    yield SimpleNamespace(fill=fill, empty=filler.unlink)
    subprocess.run(["umount", store], check=True)


def test_a_full_disk_at_every_stage_is_said_in_words_and_the_request_goes_on(home, disk):  # noqa: F811
    home.put("table.csv", LINES)
    disk.fill()
    with pytest.raises(Unavailable, match=r"store cannot take a file .No space left on device.: call an admin"):
        home.ask("table.csv")
    disk.empty()
    request = home.ask("table.csv")

    disk.fill()
    worker.step(home.records, home.settings, now=home.now)
    assert home.state(request) is State.CHECKING
    assert home.row(request).trouble.startswith("Not checked yet")
    assert mails(home) == ["adam"]
    assert worker.step(home.records, home.settings, now=home.now) == 0
    disk.empty()
    home.later(minutes=2)
    home.check(request)
    assert (home.state(request), home.row(request).trouble) == (State.IN_REVIEW, "")

    home.vote(request, "bob")
    home.vote(request, "carol")
    disk.fill()
    with worker._alone(home.settings):  # a worker that begins now begins
        worker.step(home.records, home.settings, now=home.now)
    assert home.state(request) is State.APPROVED
    assert "No space left on device" in home.row(request).trouble
    assert "export.release" not in home.acts()
    disk.empty()
    home.later(minutes=2)
    worker.step(home.records, home.settings, now=home.now)
    assert (home.state(request), home.row(request).trouble) == (State.RELEASED, "")
    assert not list((home.settings.released / "cas").glob("??/.*"))
    home.collect(home.link(request))


# --- what the house has wrong -----------------------------------------------------------------------------------------
def test_a_profile_of_thresholds_that_is_gone_holds_a_request_up_in_words(home):  # noqa: F811
    request = home.submit()
    with home.act("test.build") as session:
        session.execute(update(ProjectRow).values(disclosure_profile="gone"))
        audit.append(session, "test.build", actor="host/test", subject="home", at=home.now)
    worker.step(home.records, home.settings, now=home.now)
    assert home.state(request) is State.CHECKING
    assert "thresholds" in home.row(request).trouble
    assert mails(home) == ["adam"]


def test_one_duty_that_cannot_be_done_keeps_no_other_from_being_done(home, monkeypatch):  # noqa: F811
    done = []

    def broken(*_, **__):
        raise Unreadable("no")

    for name in ("_releases", "_expiries"):
        monkeypatch.setattr(worker, name, broken)
    monkeypatch.setattr(worker.imports, "step", lambda *_, **__: done.append(1))
    monkeypatch.setattr(worker, "EVERY", 0)
    worker.work(home.settings, stop=lambda: len(done) == 2)
    assert done == [1, 1]


# --- recall, at the same moment ---------------------------------------------------------------------------------------
def recall(home, request, person="dave"):  # noqa: F811
    with home.act("export.recall", person, f"export/{request}") as session:
        recalls.recall(
            session, home.settings, request=request, person=person, reason="wrong", second_factor=True, now=home.now
        )


def test_a_link_that_is_used_while_its_release_is_recalled(house):  # noqa: F811
    request = house.released()
    token = house.link(request)
    acts = (lambda: house.collect(token), lambda: recall(house, request))
    collected, _ = sorted(at_once(2, lambda number: acts[number]()), key=lambda said: said is None)
    with house.records.read() as session:
        (incident,) = session.query(IncidentRow)
    assert incident.collected is not isinstance(collected, Refused)
    assert house.state(request) is State.RECALLED
    with pytest.raises(Refused):
        house.collect(token)
    with pytest.raises(Refused):
        house.link(request)


def test_a_recall_while_another_round_is_released(house):  # noqa: F811
    request = house.in_review({"a.csv": SAFE, "b.csv": ARMS})
    for person in ("bob", "carol"):
        house.vote(request, person, files={0: Verdict.APPROVE, 1: Verdict.SEND_BACK})
    house.release(request)
    house.resubmit(request, {"b.csv": ARMS})
    house.check(request)
    house.vote(request, "bob")
    house.vote(request, "carol")
    acts = (lambda: house.release(request), lambda: recall(house, request))
    at_once(2, lambda number: acts[number]())
    assert house.state(request) is State.RECALLED
    assert house.files(request)["b.csv"] in {"recalled", "withdrawn"}
    with house.records.read() as session:
        assert all(row.recalled_at for row in session.query(ReleaseRow))
    for number in (1, 2):
        with pytest.raises(Refused), house.act("export.link", "ann", "export") as session:
            release.link(session, house.settings, request=request, person="ann", now=house.now, number=number)


# --- exceptions -------------------------------------------------------------------------------------------------------
def test_an_exception_for_bytes_that_were_changed_since(home):  # noqa: F811
    committee(home, "chris")
    request = blocked(home)
    before = home.manifest(request)
    grant(home, request, "chris")
    home.vote(request, "bob", Verdict.SEND_BACK)
    home.vote(request, "carol", Verdict.SEND_BACK)
    home.resubmit(request, {"table.csv": b"sex,n\n0,30\n1,3\n"})
    home.check(request)
    assert (home.state(request), home.files(request)) == (State.RETURNED, {"table.csv": "blocked"})
    with pytest.raises(Refused) as said:
        grant(home, request, "chris", seen=before)
    assert "R23" in said.value.rules
    with home.act("export.except", "chris") as session, pytest.raises(Refused):
        exceptions.grant(
            session, request=request, person="chris", position=1, check="disclosure", reason="x",
            seen=before, second_factor=True, now=home.now,
        )  # fmt: skip


# --- who is told ------------------------------------------------------------------------------------------------------
def test_each_turn_is_told_to_those_whose_turn_it_is_and_once(home):  # noqa: F811
    step = lambda: worker.step(  # noqa: E731
        home.records, home.settings, now=home.now,
        check=lambda _, request: worker.check(home.records, home.settings, request, now=home.now),
    )  # fmt: skip
    said, told = [], []

    def turn(act):
        home.later(minutes=1)
        act()
        told.append(sorted(mails(home)[len(said) :]))
        said[:] = mails(home)

    request = home.submit({"a.csv": SAFE, "b.csv": ARMS})
    both = {0: Verdict.APPROVE, 1: Verdict.APPROVE}
    turn(step)
    turn(lambda: home.vote(request, "bob", files=both))
    turn(lambda: home.vote(request, "carol", files={0: Verdict.APPROVE, 1: Verdict.SEND_BACK}))
    turn(lambda: home.vote(request, "carol", files={1: Verdict.REJECT}))
    turn(lambda: home.vote(request, "bob", files={1: Verdict.APPROVE}))
    turn(lambda: home.vote(request, "dave", files={1: Verdict.SEND_BACK}))
    turn(step)
    turn(step)
    assert told == [["bob", "carol", "dave"], [], ["bob", "carol"], [], ["dave"], ["ann"], ["ann"], []]
    assert home.state(request) is State.RETURNED


# --- many at once -----------------------------------------------------------------------------------------------------
def test_fifty_requests_at_once_stand_in_one_line(house):  # noqa: F811
    for number in range(50):
        house.put(f"{number}.txt", b"No arm differs.\n")
    said = at_once(50, lambda number: asked(house, f"{number}.txt"))
    assert sorted(said) == list(range(1, 51)), said
    assert places(house) == list(range(50))
    for request in range(1, 6):
        house.check(request)
        assert house.state(request) is State.IN_REVIEW
    assert places(house) == list(range(45))
    with pytest.raises(Refused, match="50 rounds"):
        requests.ready(house.records, house.settings, person="ann", project="sunrise", paths=["0.txt"], now=house.now)


def asked(house, name):  # noqa: F811
    """Ask for a file as the pages do: it is copied while nobody waits."""
    files = requests.ready(house.records, house.settings, person="ann", project="sunrise", paths=[name], now=house.now)
    with house.act("export.submit", "ann", "project/sunrise") as session:
        return requests.submit(
            session, house.settings, project="sunrise", person="ann", ready=files, why="x", now=house.now
        ).id


def places(house):  # noqa: F811
    """How many are checked before each request that waits, as its page says."""
    with house.records.read() as session:
        rows = session.query(RequestRow).filter_by(state=State.CHECKING).order_by(RequestRow.id)
        said = [queries.standing(session, row) for row in rows]
    return [next((int(word) for word in each.split() if word.isdigit()), 0) for each in said]
