"""Where there is no engine: rooms of bubblewrap outlive the house that opened them, and nothing outlives their end."""

import contextlib
import json
import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.house import a_house
from tre.rooms import visits
from tre.rooms.builders import bubblewrap
from tre.rooms.room import house_of

pytestmark = pytest.mark.docker  # the image of the rooms is the same


@pytest.fixture(scope="module")
def own():
    with a_house(rooms="bubblewrap") as made:
        made.start()
        yield made


@pytest.fixture(scope="module")
def alice(own):
    return own.person("alice").open("sunrise")


def wait(true, seconds, what):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.2)


def answers(visitor):
    with contextlib.suppress(httpx.ConnectError):
        return visitor.ask("GET", "sunrise", "api/status").status_code == 200
    return False


def mounted(own):
    """What the host itself sees mounted below this home: nothing, for each room lays out for itself alone."""
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(own.settings.home) in line]


def test_no_secret_and_no_path_stands_on_a_command_line_of_the_room(own, alice):
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    ours = [line for line in lines if b"bwrap" in line]
    assert ours
    assert all(b"--setenv" not in line and b"/data" not in line and b"--bind" not in line for line in ours)


def test_a_room_is_limited_and_its_user_is_the_projects(own, alice):
    state = own.state("sunrise", "alice")
    limits = {group.parent.parent.name: group for group in bubblewrap._groups(min(own.builder.names(house_id(own))))}
    assert state.uid >= 70_000
    if "pids" in limits:
        assert (limits["pids"] / "pids.max").read_text().strip() == "256"
        assert (limits["memory"] / "memory.limit_in_bytes").read_text().strip() == str(2 * 2**30)
    assert mounted(own) == []


def house_id(own):
    return house_of(own.settings)


def test_the_whole_house_is_killed_around_an_open_room_and_finds_it_again(own, alice):
    alice.run("sunrise", "open('/home/analyst/kept', 'w').write('kept')")
    before = own.state("sunrise", "alice")
    os.kill(own.process.pid, signal.SIGKILL)
    own.process.wait()
    own.process = None
    time.sleep(1)
    assert own.state("sunrise", "alice") == before
    own.start()
    wait(lambda: answers(alice), 60, "the room is not found again")
    assert own.state("sunrise", "alice") == before
    assert alice.run("sunrise", "print(open('/home/analyst/kept').read())") == "kept\n"


def test_a_room_whose_first_process_is_killed_is_closed_everywhere(own, alice):
    name = min(own.builder.names(house_id(own)))
    os.kill(own.state("sunrise", "alice").pid, signal.SIGKILL)
    wait(lambda: not visits.open_now(own.records), 60, "the records hold it for open")
    wait(lambda: not json.loads((own.settings.sockets / "gateway.json").read_text()), 30, "the gateway knows it still")
    wait(lambda: not bubblewrap._members(name), 30, "processes of it are left")


def test_after_its_end_nothing_of_a_room_is_left(own, alice):
    alice.open("sunrise")
    name = min(own.builder.names(house_id(own)))
    alice.leave("sunrise")
    assert own.builder.names(house_id(own)) == frozenset()
    assert not [group for group in bubblewrap._groups(name) if group.exists()]
    assert mounted(own) == []


def test_a_folder_that_cannot_be_mounted_opens_no_room_and_says_so(own, alice):
    data = own.settings.extract("sunrise", "trial", 1)
    aside = data.with_name("aside")
    data.rename(aside)
    try:
        answer = alice.hub_api("POST", "/users/alice/servers/sunrise")
        wait(lambda: "sunrise" not in alice._servers() or answer.status_code >= 400, 60, "it opened")
        assert visits.open_now(own.records) == ()
        assert own.builder.names(house_id(own)) == frozenset()
        assert "is not there" in answer.text or answer.status_code == 202
    finally:
        aside.rename(data)
