import os
import signal
import subprocess
import sys
import time

import pytest
from sqlalchemy import select

from airlock import worker
from airlock.checks import run
from airlock.states import State
from tests.airlock.house import SAFE
from tre.errors import Unavailable, Unreadable
from tre.governance import projects
from tre.records.tables import MailRow
from tre.settings import load


def in_this_process(house):
    return lambda settings, request: worker.check(house.records, settings, request, now=house.now)


def mails(house):
    """To whom a mail about an export waits, in order."""
    about = MailRow.body.contains("/services/airlock/requests/")
    with house.records.read() as session:
        return [row.person for row in session.scalars(select(MailRow).where(about).order_by(MailRow.id))]


def test_the_worker_checks_and_releases_and_tells(house):
    request = house.submit()
    assert worker.step(house.records, house.settings, now=house.now, check=in_this_process(house)) == 1
    assert house.state(request) is State.IN_REVIEW
    assert mails(house) == ["bob", "carol", "dave"]
    house.vote(request, "bob")
    house.vote(request, "carol")
    worker.step(house.records, house.settings, now=house.now)
    assert house.state(request) is State.RELEASED
    assert mails(house) == ["bob", "carol", "dave", "ann", "ann"]  # approved, and released
    assert worker.step(house.records, house.settings, now=house.now) == 0


def test_a_step_and_the_mail_that_tells_of_it_are_kept_together_or_not_at_all(house, monkeypatch):
    def broken(*_, **__):
        raise Unavailable("the records do not answer")

    monkeypatch.setattr(worker.notify, "turn", broken)
    request = house.submit()
    with pytest.raises(Unavailable):
        worker.step(house.records, house.settings, now=house.now, check=in_this_process(house))
    assert house.state(request) is State.CHECKING
    assert mails(house) == []


def test_checks_run_in_a_process_of_their_own(house):
    request = house.submit()
    worker.step(house.records, house.settings, now=house.now)
    assert house.state(request) is State.IN_REVIEW, house.findings(request)


def test_checks_that_die_send_the_round_back(house):
    request = house.submit()
    worker.step(house.records, house.settings, now=house.now, check=lambda settings, request: None)
    assert house.state(request) is State.RETURNED
    assert {name for name, *_ in house.findings(request)} == set(run.of_kind("csv"))
    assert all("did not run" in message for *_, message in house.findings(request))


def test_a_check_that_raises_did_not_run_and_blocks(home, monkeypatch):
    def broken(*_):
        raise RuntimeError

    monkeypatch.setattr("tre.data.evidence.Evidence.leaks", broken)
    request = home.submit()
    home.check(request)
    assert home.state(request) is State.RETURNED
    assert ("leaks", "block") in {finding[:2] for finding in home.findings(request)}


def test_a_stored_file_that_changed_stops_the_release_and_calls_the_admin(house):
    request = house.approved()
    place = house.stored(SAFE)
    place.chmod(0o600)
    place.write_bytes(SAFE.replace(b"30", b"31"))
    worker.step(house.records, house.settings, now=house.now)
    assert house.state(request) is State.APPROVED
    assert "export.alarm" in house.acts()
    assert "not what was stored" in house.row(request).trouble
    assert mails(house)[-1] == "adam"
    assert worker.step(house.records, house.settings, now=house.now) == 0


def test_a_release_the_rules_refuse_waits_and_is_tried_again(house):
    request = house.approved()
    with house.act("project.suspend") as session:
        projects.suspend(session, "sunrise", why="a test", actor="host/test", now=house.now)
    worker.step(house.records, house.settings, now=house.now)
    assert house.state(request) is State.APPROVED
    assert "R06" in house.row(request).trouble
    assert worker.step(house.records, house.settings, now=house.now) == 0
    with house.act("project.resume") as session:
        projects.resume(session, "sunrise", actor="host/test", now=house.now)
    house.later(hours=2)
    worker.step(house.records, house.settings, now=house.now)
    assert house.state(request) is State.RELEASED
    assert house.row(request).trouble == ""


def test_a_home_has_one_worker(home):
    with worker._alone(home.settings), pytest.raises(Unavailable), worker._alone(home.settings):
        pass
    with worker._alone(home.settings):
        pass


def test_a_worker_that_is_killed_while_it_checks_leaves_nothing_half_done(home):
    requests = [home.submit({f"table{n}.csv": SAFE}) for n in range(3)]
    environment = {**os.environ, "TRE_HOME": str(home.settings.home)}
    states = []
    for _ in range(3):
        command = [sys.executable, "-m", "airlock.cli", "work"]
        killed = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
        time.sleep(2)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        states.append([home.state(request) for request in requests])
    while worker.step(home.records, home.settings, now=home.now):
        pass
    assert {home.state(request) for request in requests} == {State.IN_REVIEW}, states
    assert home.acts().count("export.check") == len(requests)


def test_a_worker_with_unreadable_thresholds_does_not_begin(home):
    with pytest.raises(Unreadable, match="profile of thresholds: no"):
        worker.work(load(home.settings.home, thresholds="none"), stop=lambda: True)


def test_a_worker_that_stumbles_goes_on(home, monkeypatch):
    looks = []

    def stumble(*_, **__):
        looks.append(1)
        raise RuntimeError

    monkeypatch.setattr(worker, "_releases", stumble)
    monkeypatch.setattr(worker, "EVERY", 0)
    worker.work(home.settings, stop=lambda: len(looks) == 3)
    assert len(looks) == 3


def test_a_request_whose_facts_lapsed_rests_and_says_so_once(house):
    request = house.submit()
    worker.step(house.records, house.settings, now=house.now, check=in_this_process(house))
    assert worker.look(house.records, now=house.now) == 0
    with house.act("project.suspend") as session:
        projects.suspend(session, "sunrise", why="a test", actor="host/test", now=house.now)
    assert [worker.look(house.records, now=house.now) for _ in range(3)] == [1, 0, 0]
    assert house.acts().count("export.frozen") == 1
    assert house.row(request).trouble.startswith("It rests.")
    assert mails(house)[-1] == "ann"
    with house.act("project.resume") as session:
        projects.resume(session, "sunrise", actor="host/test", now=house.now)
    assert [worker.look(house.records, now=house.now) for _ in range(2)] == [1, 0]
    assert house.acts()[-2:].count("export.thawed") == 1
    assert house.row(request).trouble == ""
