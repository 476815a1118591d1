"""Attempts from the browser's side: to carry files out, to enter another's room, to go on when one may not."""

import asyncio
import json
import os
import socket
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from tre.governance import accounts
from tre.rooms import probing

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def alice(house):
    alice = house.person("alice")
    alice.open("sunrise")
    alice.run("sunrise", "open('/home/analyst/rows.csv', 'w').write('a,b\\n1,2\\n')")
    alice.run("sunrise", "open('/home/analyst/rows.bin', 'wb').write(bytes(range(256)))")
    yield alice
    alice.leave("sunrise")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "files/rows.csv"),
        ("GET", "files/rows.csv?download=1"),
        ("GET", "%66iles/rows.csv"),
        ("GET", "lab/../files/rows.csv"),
        ("GET", "lab/%2e%2e/files/rows.csv"),
        ("GET", "lab/..%2ffiles/rows.csv"),
        ("GET", "/files/rows.csv"),
        ("GET", "static/../files/rows.csv"),
        ("GET", "FILES/rows.csv"),
        ("GET", "view/rows.csv"),
        ("GET", "nbconvert/html/welcome.ipynb"),
        ("GET", "nbconvert/html/welcome.ipynb?download=true"),
        ("GET", "api/nbconvert"),
        ("GET", "api/contents/rows.csv?download=1"),
        ("GET", "api/contents/rows.csv?format=base64&type=file"),
        ("GET", "api/contents/rows.csv?FORMAT=BASE64"),
        ("GET", "api/contents/rows.csv?format=%62ase64"),
        ("GET", "api/contents/rows.csv?type=file&format=text&download"),
        ("GET", "api/terminals"),
        ("POST", "api/terminals"),
        ("GET", "terminals/websocket/1"),
        ("GET", "metrics"),
        ("POST", "api/shutdown"),
        ("GET", "lab/api/extensions"),
        ("GET", "lsp/status"),
        ("GET", "api/spec.yaml"),
        ("GET", "proxy/8080/"),
        ("GET", "api/collaboration/room/x"),
        ("TRACE", "api/contents"),
    ],
)
def test_a_way_that_is_not_on_the_list_is_refused_with_a_reason(alice, method, path):
    answer = alice.ask(method, "sunrise", path)
    assert answer.status_code in {403, 404}, (path, answer.status_code)
    assert "1,2" not in answer.text
    if answer.status_code == 403:
        assert answer.json()["message"]


def test_a_binary_file_does_not_leave_in_base64_even_when_nobody_named_the_format(alice):
    answer = alice.ask("GET", "sunrise", "api/contents/rows.bin?type=file&content=1")
    assert answer.status_code == 403
    assert "release" in answer.json()["message"]


def test_a_file_cannot_be_carried_in(alice):
    for model in (
        {"type": "file", "format": "base64", "content": "AAAA"},
        {"type": "file", "format": "text", "content": "x", "chunk": 1},
    ):
        assert alice.ask("PUT", "sunrise", "api/contents/in.bin", json=model).status_code == 403


def test_text_can_be_edited_and_saved(alice):
    model = {"type": "file", "format": "text", "content": "typed"}
    saved = alice.ask("PUT", "sunrise", "api/contents/typed 100%25.txt", json=model)
    assert saved.status_code in {200, 201}, saved.text
    assert alice.ask("GET", "sunrise", "api/contents/typed 100%25.txt").json()["content"] == "typed"


def test_a_stranger_gets_no_further_than_the_sign_in(house):
    stranger = house.stranger()
    try:
        stranger.name = "alice"
        assert stranger.ask("GET", "sunrise", "api/contents").status_code == 403
        assert "/hub/login" in str(stranger.page(stranger.url("sunrise", "lab")).url)
    finally:
        stranger.close()


def test_another_persons_room_stays_shut(alice, house):
    bob = house.person("bob")
    assert bob.ask("GET", "sunrise", "api/contents", owner="alice").status_code == 403
    page = bob.page(bob.url("sunrise", "lab", owner="alice"))
    assert page.status_code == 403
    assert bob.hub_api("POST", "/users/alice/servers/sunset").status_code in {403, 404}
    assert bob.hub_api("DELETE", "/users/alice/servers/sunrise").status_code in {403, 404}


def test_a_stolen_cookie_is_worth_nothing_in_another_room(alice, house):
    bob = house.person("bob")
    bob.open("sunset")
    try:
        mine = bob.cookies(bob.url("sunset"))
        answer = bob.http.get(
            bob.url("sunrise", "api/contents", owner="alice"), headers={"Cookie": mine}, follow_redirects=False
        )
        assert answer.status_code == 403
    finally:
        bob.leave("sunset")


def test_a_question_from_another_page_is_refused(alice):
    for origin in ("null", "http://evil.example", alice.hub, alice.origin("sunset"), alice.origin(owner="bob")):
        answer = alice.ask("POST", "sunrise", "api/kernels", headers={"Origin": origin}, json={})
        assert answer.status_code == 403, origin


def test_a_channel_from_another_page_is_refused(alice):
    async def knock():
        try:
            async with alice.channel("sunrise", str(uuid.uuid4()), asked_by="http://evil.example"):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status

    assert asyncio.run(knock()) == 403


def test_another_host_name_is_refused(alice, house):
    answer = alice.http.get(
        alice.url("sunrise", "api/contents"),
        headers={"Host": f"bob.localhost:{house.settings.port}"},
        follow_redirects=False,
    )
    assert answer.status_code in {302, 404, 421}  # the proxy gives it to the Hub, or the gateway says no
    assert "content" not in answer.text
    direct = alice.http.get(
        f"http://127.0.0.1:{house.settings.gateway_port}/user/alice/sunrise/lab", follow_redirects=False
    )
    assert direct.status_code == 421


def test_every_answer_of_a_room_runs_under_the_gateways_policy(alice):
    for path in ("lab", "api/contents", "api/status", "files/x"):
        answer = alice.ask("GET", "sunrise", path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert f"connect-src {alice.url('sunrise')} " in policy
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "Set-Cookie" not in answer.headers


def test_a_service_worker_is_refused(alice):
    assert alice.ask("GET", "sunrise", "static/lab/x.js", headers={"Service-Worker": "script"}).status_code == 403


def test_labs_own_files_are_served_and_not_counted(alice, house):
    from tre.host import image

    files = image.current(house.settings).static
    scripts = (url for url in files if url.startswith("static/lab/") and url.endswith(".js"))
    name = max(scripts, key=lambda url: files[url].stat().st_size)
    before = _seen(alice)
    answer = alice.ask("GET", "sunrise", name)
    assert answer.status_code == 200
    assert answer.content == files[name].read_bytes()
    assert _seen(alice) - before < len(answer.content)


def _seen(visitor) -> int:
    return json.loads(visitor.run("sunrise", ME))["meter"]["hour_bytes"]


ME = """
import http.client, socket
class Door(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/run/tre/api/tre.sock")
door = Door("tre")
door.request("GET", "/v1/me")
print(door.getresponse().read().decode())
"""


def test_what_a_kernel_prints_is_counted(alice):
    before = _seen(alice)
    alice.run("sunrise", "print('x' * 200_000)")
    until = time.monotonic() + 20  # what was printed may still be on its way when the cell has run
    while _seen(alice) - before < 200_000 and time.monotonic() < until:
        time.sleep(0.2)
    assert _seen(alice) - before >= 200_000


# --- the room's own end replaced ------------------------------------------------------------------------------------
@pytest.fixture
def decoy(house, tmp_path):
    """A socket of the host that counts who came; and Docker's, for the attempt by name."""
    place = Path("/var/tmp") / f"decoy-{uuid.uuid4().hex[:8]}.sock"
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(place))
    door.listen()
    door.settimeout(0.5)
    yield place, door
    door.close()
    place.unlink()


@pytest.mark.parametrize("what", ["link to docker", "link to decoy", "fifo", "folder", "file", "nothing", "hard link"])
def test_a_replaced_jupyter_sock_leads_nowhere(alice, house, decoy, what):
    """A room owns its socket folder and may put anything there. The host opens a socket of the room, or nothing."""
    place, door = decoy
    docker = house.settings.docker_url.removeprefix("unix://")
    folder = house.settings.room_sockets("sunrise", "alice") / "in"
    real, aside = folder / "jupyter.sock", folder / "aside"
    time.sleep(6)  # pooled connections to the real socket are let go
    real.rename(aside)
    try:
        match what:
            case "link to docker":
                real.symlink_to(docker)
            case "link to decoy":
                real.symlink_to(place)
            case "fifo":
                os.mkfifo(real)
            case "folder":
                real.mkdir()
            case "file":
                real.write_text("x")
            case "hard link":
                os.link(place, real)
            case _:
                pass
        answer = alice.ask("GET", "sunrise", "api/contents")
        assert answer.status_code == 502, answer.text
        with pytest.raises(TimeoutError):
            door.accept()
    finally:
        if what == "folder":
            real.rmdir()
        else:
            real.unlink(missing_ok=True)
        aside.rename(real)
    assert alice.ask("GET", "sunrise", "api/contents").status_code == 200


# --- when a person may not be here any more -------------------------------------------------------------------------
def test_a_suspended_persons_open_room_is_shut_in_a_minute_and_their_session_at_once(house):
    house.add("mallory")
    with house.act("member.add") as session:
        from tre.governance import projects

        until = projects.get(session, "sunset").approved_until
        projects.add_member(session, "sunset", "mallory", until=until, actor="host/test", now=datetime.now(UTC))
    mallory = house.person("mallory")
    mallory.open("sunset")
    assert mallory.run("sunset", "print(1)") == "1\n"
    with house.act("person.suspend") as session:
        accounts.suspend(session, "mallory", why="a test", actor="host/test", now=datetime.now(UTC))
    began = time.monotonic()
    while mallory.ask("GET", "sunset", "api/contents").status_code == 200:
        assert time.monotonic() - began < 15, "the browser still gets in"
        time.sleep(0.5)
    while house.running("sunset", "mallory"):
        assert time.monotonic() - began < 60, "the room still runs"
        time.sleep(0.5)
    closing = house.entries("session.lapse")[-1]
    assert closing["subject"] == "room/sunset/mallory"
    assert "R01" in closing["facts"]["rules"]


def test_a_room_that_the_rules_refuse_does_not_open_and_the_refusal_is_recorded(house):
    house.add("nobody")
    nobody = house.person("nobody")
    answer = nobody.hub_api("POST", "/users/nobody/servers/sunrise")
    assert answer.status_code == 403
    assert "member" in answer.json()["message"]
    assert not house.running("sunrise", "nobody")
    entry = house.entries("session.open.refused")[-1]
    assert (entry["actor"], entry["subject"]) == ("nobody", "room/sunrise/nobody")
    assert "R00" in entry["facts"]["rules"]


def test_there_is_no_unnamed_server(alice):
    answer = alice.hub_api("POST", "/users/alice/server")
    assert answer.status_code == 403
    assert "project" in answer.json()["message"]


def test_a_person_cannot_mint_a_token_at_the_hub(alice):
    assert alice.hub_api("POST", "/users/alice/tokens", json={"note": "mine"}).status_code in {403, 404}


def test_a_person_cannot_bring_an_image_or_an_option(alice, house):
    answer = alice.hub_api("POST", "/users/alice/servers/sunset", json={"image": "evil:latest", "privileged": True})
    try:
        if answer.status_code in {201, 202}:
            until = time.monotonic() + 60
            while not alice.ready("sunset"):
                assert time.monotonic() < until
                time.sleep(0.3)
            assert house.state("sunset", "alice").image == house.state("sunrise", "alice").image
            assert all(one.ok for one in probing.open_rooms(house.settings, house.records))
    finally:
        alice.leave("sunset")
