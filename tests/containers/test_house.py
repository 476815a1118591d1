"""The house falls over in parts and as a whole; rooms stay, and nothing is opened by it."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import tre.settings
from tests.house import ROOT, House, a_house
from tre.rooms import visits

pytestmark = pytest.mark.docker

KEEP = "open('/home/analyst/kept', 'w').write('kept')"


@pytest.fixture(scope="module")
def own():
    """A house of this module's own: it is killed here."""
    with a_house() as made:
        made.start()
        yield made


@pytest.fixture(scope="module")
def alice(own):
    return own.person("alice").open("sunrise")


def child(house: House, words: str) -> psutil.Process:
    found = [one for one in psutil.Process(house.process.pid).children() if words in " ".join(one.cmdline())]
    assert len(found) == 1, (words, found)
    return found[0]


def wait(true, seconds: float, what: str) -> float:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, what
        time.sleep(0.2)
    return time.monotonic() - began


def answers(visitor) -> bool:
    return visitor.ask("GET", "sunrise", "api/status").status_code == 200


def registered(house: House) -> list[dict]:
    """Rooms that the gateway would let a browser into."""
    file = house.settings.sockets / "gateway.json"
    return json.loads(file.read_text()) if file.exists() else []


def container_id(house: House) -> str:
    return house.inspect("sunrise", "alice")["Id"]


def test_a_second_tre_up_on_the_same_home_is_refused_in_one_line(own):
    done = subprocess.run(
        [sys.executable, "-m", "tre", "up", "--home", str(own.settings.home)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert "already runs" in done.stderr


def test_a_gateway_that_is_killed_comes_back_and_the_same_browser_goes_on(own, alice):
    before = container_id(own)
    child(own, "tre.rooms.gateway").send_signal(signal.SIGKILL)
    wait(lambda: not answers(alice), 10, "the gateway did not die")
    wait(lambda: answers(alice), 20, "the gateway did not come back")
    assert alice.run("sunrise", "print(2)") == "2\n"
    assert container_id(own) == before
    assert "gateway ended (-9)" in own.log("up")


def test_a_gateway_that_forgot_everything_is_told_again(own, alice):
    (own.settings.sockets / "gateway.json").unlink()
    child(own, "tre.rooms.gateway").send_signal(signal.SIGKILL)
    wait(lambda: not answers(alice), 10, "the gateway did not die")
    wait(lambda: answers(alice), 30, "the spawner did not register the room again")


def test_a_hub_that_is_killed_comes_back_and_rooms_did_not_notice(own, alice):
    before = container_id(own)
    child(own, "-m jupyterhub").send_signal(signal.SIGKILL)
    wait(lambda: "hub ended (-9)" in own.log("up"), 10, "the Hub did not die")
    wait(lambda: _hub_knows(alice), 60, "the Hub did not come back")
    assert container_id(own) == before
    assert alice.run("sunrise", "print(3)") == "3\n"


def _hub_knows(visitor) -> bool:
    with suppress(TypeError, OSError, ValueError):  # no page yet
        return visitor.ready("sunrise")
    return False


def test_the_whole_house_restarts_around_an_open_room(own, alice):
    before = container_id(own)
    alice.run("sunrise", KEEP)
    own.stop()
    assert own.running("sunrise", "alice")
    (own.settings.logs / "up.log").unlink()
    own.start()
    wait(lambda: _hub_knows(alice), 60, "the room is lost")
    assert container_id(own) == before
    assert alice.run("sunrise", "print(open('/home/analyst/kept').read())") == "kept\n"


def test_the_parts_end_with_a_supervisor_that_is_killed_and_the_room_stays(own, alice):
    parts = psutil.Process(own.process.pid).children()
    own.process.send_signal(signal.SIGKILL)
    own.process.wait(10)
    gone, alive = psutil.wait_procs(parts, timeout=20)
    assert (len(gone), alive) == (len(parts), [])
    assert own.running("sunrise", "alice")
    (own.settings.logs / "up.log").unlink()
    own.start()
    wait(lambda: _hub_knows(alice), 60, "the room is lost")


def test_a_room_whose_container_is_killed_is_closed_in_the_log(own, alice):
    with own.docker() as client:
        client.api.kill(container_id(own))
    wait(lambda: not visits.open_now(own.records), 30, "the closing is not in the records")
    assert own.entries("session.close")[-1]["facts"]["why"] == "it ended by itself"
    assert registered(own) == []
    alice.open("sunrise")
    assert alice.run("sunrise", "print(open('/home/analyst/kept').read())") == "kept\n"


def test_no_token_is_in_a_log_of_the_house(own):
    secrets = {file.read_text().strip() for file in own.settings.secrets.iterdir()}
    secrets |= {room["token"] for room in registered(own)}
    for log in own.settings.logs.iterdir():
        assert not [secret for secret in secrets if secret in log.read_text("utf-8", "replace")], log.name


# --- Docker goes away -----------------------------------------------------------------------------------------------
class Wire:
    """A socket that leads to the real engine, until it is cut: at once, or when a word passes."""

    def __init__(self, place: Path, engine: str) -> None:
        self.place, self.engine, self.word, self.cut = place, engine, b"", False
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(str(place))
        self.door.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.door.accept()
            except OSError:
                return
            if self.cut:
                client.close()
                continue
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.engine)
            for one, other, watched in ((client, far, b"yes"), (far, client, b"")):
                threading.Thread(target=self._pump, args=(one, other, watched), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket, watched: bytes) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if watched and self.word and self.word in data:
                    self.cut = True
                if self.cut:
                    break
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self.cut = True
        self.door.close()
        self.place.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def wired(tmp_path_factory):
    engine = tre.settings.Settings().docker_url.removeprefix("unix://")
    place = Path(f"/var/tmp/wire-{os.getpid()}.sock")
    place.unlink(missing_ok=True)
    wire = Wire(place, engine)
    try:
        with a_house(docker=f"unix://{place}") as made:
            made.start()
            yield made, wire
            wire.cut, wire.word = False, b""
    finally:
        wire.close()


@pytest.mark.parametrize("word", [b"GET /v", b"/containers/create", b"/start"], ids=["before", "create", "start"])
def test_docker_that_stops_mid_spawn_is_said_and_nothing_is_left(wired, word):
    house, wire = wired
    bob = house.person("bob")
    bob.page(f"{bob.hub}/hub/home")
    wire.word = word
    answer = bob.hub_api("POST", "/users/bob/servers/sunset")
    assert answer.status_code == 503, answer.text
    assert "Docker does not answer" in answer.json()["message"]
    assert registered(house) == []
    assert visits.open_now(house.records) == ()
    wire.cut, wire.word = False, b""
    bob.open("sunset")
    assert bob.run("sunset", "print(4)") == "4\n"
    bob.leave("sunset")
