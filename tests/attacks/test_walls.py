"""Somebody who rules the host opens a wall by hand: it is found, named by its promise, and the room ends."""

import contextlib
import json
import socket
import stat
import subprocess
import tempfile
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import select

import tre.settings
from tests.house import free_ports
from tre import proving
from tre.cli import build, run
from tre.errors import Tampered
from tre.records import audit, schema
from tre.records.tables import EntryRow, NoticeRow
from tre.rooms import attempts, perimeter, probing, sentinel

pytestmark = pytest.mark.docker
SATRE = {"1.5.05", "2.1.14", "2.2.09", "2.2.10", "2.2.11", "2.5.03", "2.8.05", "3.1.06", "3.1.12", "3.1.14", "3.2.03"}


@pytest.fixture(scope="module")
def house(any_house):
    """On either builder."""
    return any_house


@pytest.fixture
def carol(house):
    """Somebody whose room is spoilt here, and closed in the end."""
    bob = house.person("bob")
    bob.open("sunset")
    yield bob
    with contextlib.suppress(AssertionError):
        bob.leave("sunset")


@pytest.fixture
def pid(house, carol):
    return house.state("sunset", "bob").pid


def mount(pid, source, target, kind, flags):
    """Mount something in a room, as somebody who rules the host."""
    call = f"ctypes.CDLL(None, use_errno=True).mount({source!r}, {target!r}, {kind!r}, {flags}, None)"
    code = f"import ctypes, sys; sys.exit({call})"
    done = subprocess.run(["nsenter", "-t", str(pid), "-m", probing.PYTHON, "-I", "-c", code], check=False)
    return done.returncode == 0


def found(house):
    """What is said of the room."""
    name = "the room of bob in sunset"
    return {(one.promise, one.says) for one in probing.open_rooms(house.settings, house.records) if one.name == name}


def deep(house, monkeypatch, capsys, *more):
    monkeypatch.setenv("TRE_HOME", str(house.settings.home))
    code = run(build(), ["doctor", "--deep", *more])
    return code, capsys.readouterr().out


AS_IT_SHOULD = {("P1", "is as it should be, seen from outside")}


def test_on_a_house_that_holds_everything_is_refused_and_the_report_is_signed_and_recorded(
    house, carol, monkeypatch, capsys
):
    began = time.monotonic()
    code, said = deep(house, monkeypatch, capsys)
    assert (code, time.monotonic() - began < 60) == (0, True), said
    tried = len(attempts.ATTEMPTS) + len(perimeter.ATTEMPTS) + 2
    assert said.startswith(f"ok  {tried} of {tried} attempts were refused")
    with house.records.read() as session:
        entry = session.scalars(
            select(EntryRow).where(EntryRow.act == proving.ACT).order_by(EntryRow.seq.desc())
        ).first()
    facts = json.loads(entry.body)["facts"]
    place = house.settings.reports / facts["file"]
    report = proving.read(house.settings, place)
    assert (facts["tried"], facts["lost"], stat.S_IMODE(place.stat().st_mode)) == (tried, [], 0o400)
    assert audit.digest(report) == facts["sha256"]
    assert {one["satre"] for one in report["tried"]} <= SATRE | {"2.4.03"}
    place.chmod(0o600)
    place.write_bytes(place.read_bytes().replace(b'"refused"', b'"got in!"', 1))
    with pytest.raises(Tampered):
        proving.read(house.settings, place)


def test_a_network_given_by_hand_is_found_told_and_ends_the_room(house, carol, pid, monkeypatch, capsys):
    subprocess.run(
        ["ip", "link", "add", "tre-hand", "type", "veth", "peer", "name", "eth0", "netns", str(pid)], check=True
    )
    try:
        assert found(house) == {("P1", "it has a network: eth0")}
        code, said = deep(house, monkeypatch, capsys)
        assert code == 1
        assert said.startswith("NO  P1  the room of bob in sunset: it has a network: eth0 (SATRE 2.4.03)")
        with house.records.read() as session:
            told = session.scalars(select(NoticeRow.text).where(NoticeRow.person == "adam")).all()
        assert any("the room of bob in sunset: it has a network: eth0" in text for text in told)
        sentinel.close_breached(house.settings, house.records, now=datetime.now(UTC))
        until = time.monotonic() + 60
        while house.running("sunset", "bob"):
            assert time.monotonic() < until
            time.sleep(0.2)
    finally:
        subprocess.run(["ip", "link", "del", "tre-hand"], check=False, capture_output=True)
    assert not found(house)
    with house.records.read() as session:
        why = [
            json.loads(body)["facts"].get("why", "")
            for body in session.scalars(
                select(EntryRow.body).where(EntryRow.act == "session.lapse", EntryRow.subject == "room/sunset/bob")
            )
        ]
    assert "a wall of the room did not hold (P1: it has a network: eth0); an admin sees to it" in why


def test_a_folder_mounted_by_hand_is_found(house, pid):
    assert found(house) == AS_IT_SHOULD
    assert mount(pid, b"none", b"/mnt", b"tmpfs", 0)
    assert found(house) == {("P5", "it has a folder that is not its own: /mnt")}


def test_data_made_writable_by_hand_are_found(house, pid):
    remount, bind = 0x20, 0x1000
    done = mount(pid, b"none", b"/data/trial", b"", remount | bind)
    assert done or house.builder.kind == "bubblewrap"  # there the kernel has locked it, for root as well
    assert found(house) == ({("P5", "/data/trial can be written")} if done else AS_IT_SHOULD)


def test_a_process_put_into_a_room_by_hand_is_found(house, pid):
    words = ["nsenter", "-t", str(pid), "-m", "-n", "-p", "-i", "-u", "/usr/bin/sleep", "60"]
    by_hand = subprocess.Popen(words, env={"X": house.settings.secret("gateway-cookie")})
    try:
        time.sleep(0.3)
        says = {what for _, what in found(house)}
    finally:
        subprocess.run(["pkill", "-KILL", "-P", str(by_hand.pid)], check=False)
        by_hand.kill()
        by_hand.wait()
    assert any(what.startswith("a process runs as uid 0") for what in says)
    assert "a secret of the house stands in the environment or command line of a process" in says


# --- the doors of the house -------------------------------------------------------------------------------------------
LOCAL = [one.name for one in perimeter.ATTEMPTS if not one.needs_house]
NETWORK = [one.name for one in perimeter.ATTEMPTS if one.needs_house]


@pytest.fixture(scope="module")
def opened_up(tmp_path_factory):
    """A home whose every file is open to everybody."""
    home = Path(tempfile.mkdtemp(prefix="tre-", dir="/var/tmp"))
    engine = home / "docker.sock"
    settings = tre.settings.load(home, docker=f"unix://{engine}")
    schema.initialise(settings)
    for path in (
        settings.workspace("sun"),
        settings.extract("sun", "trial", 1),
        settings.released,
        settings.sockets,
        settings.room_sockets("sun", "ann") / "api",
    ):
        path.mkdir(parents=True, exist_ok=True)
    (settings.home / "hub.sqlite").touch()
    doors = []
    for place in (engine, settings.sockets / "control.sock", settings.room_sockets("sun", "ann") / "api" / "tre.sock"):
        door = socket.socket(socket.AF_UNIX)
        door.bind(str(place))
        door.listen()
        doors.append(door)
    subprocess.run(["chmod", "-R", "a+rwX", str(home)], check=True)
    yield settings
    for door in doors:
        door.close()
    subprocess.run(["rm", "-rf", str(home)], check=True)


@pytest.mark.parametrize("name", LOCAL)
def test_where_files_are_open_to_everybody_another_account_gets_through(opened_up, name):
    """So that an attempt which could never succeed is found out."""
    attempt = next(one for one in perimeter.ATTEMPTS if one.name == name)
    assert attempt.does(opened_up)


@pytest.fixture(scope="module")
def careless(tmp_path_factory):
    """Five ports that answer everybody with everything; one also where it should not listen."""

    class Yes(BaseHTTPRequestHandler):
        def answer(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            return

    Yes.do_GET = Yes.do_POST = Yes.answer
    settings = tre.settings.load(tmp_path_factory.mktemp("careless"), port=free_ports())
    places = [("127.0.0.1", port) for port in range(settings.port, settings.airlock_port + 1)]
    servers = [ThreadingHTTPServer(place, Yes) for place in (*places, ("127.0.0.2", settings.hub_port))]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield settings
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("name", NETWORK)
def test_where_everybody_is_answered_a_stranger_gets_through(careless, name):
    attempt = next(one for one in perimeter.ATTEMPTS if one.name == name)
    assert attempt.does(careless)


def test_a_house_that_does_not_run_is_not_called_safe(opened_up):
    said = {one.name: one for one in probing.from_outside(opened_up)}
    assert all("could not be tried" in said[name].says and not said[name].ok for name in NETWORK)
