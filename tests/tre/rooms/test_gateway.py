"""The gateway against a room that lies, floods and dies; the Hub is the one fake, and says yes to one token."""

import asyncio
import json
import os
import random
import time
from contextlib import asynccontextmanager

import aiohttp
import psutil
import pytest
from aiohttp import web

import tre.settings
from tests.builders import a_person, a_project
from tests.house import free_ports, packed
from tests.tre.rooms.hostile import a_door, as_user, hostile_room, says
from tre.governance import accounts
from tre.records.db import opened
from tre.rooms import control
from tre.rooms.gateway import frames
from tre.rooms.gateway.app import LARGEST_UPLOAD, Gateway
from tre.rooms.gateway.books import Books
from tre.rooms.gateway.control import serve
from tre.rooms.gateway.login import COOKIE, sealer
from tre.rooms.gateway.registry import Registration

PREFIX = "/user/ann/sunrise/"
UID = 64_001
TOKEN = "ann-at-the-hub"


@pytest.fixture
def settings(settings, now):
    return tre.settings.load(settings.home, port=free_ports())


@pytest.fixture
def records(settings, now):
    found = opened(settings)
    with found.act("host/test", "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now)
        a_project(session, "sunrise", ("ann",), now=now)
    yield found
    found.close()


class Hub:
    """Says who a token is."""

    def __init__(self) -> None:
        self.valid = True
        self.activity = []

    async def user(self, request: web.Request) -> web.Response:
        if not self.valid or request.headers["Authorization"] != f"token {TOKEN}":
            return web.json_response({"message": "no"}, status=403)
        scopes = ["access:servers!server=ann/sunrise"]
        return web.json_response({"name": "ann", "kind": "user", "scopes": scopes})


class Around:
    """A gateway with one open room, and a browser with its cookie."""

    def __init__(self, settings, gateway, hub, session) -> None:
        self.settings, self.gateway, self.hub, self.session = settings, gateway, hub, session
        self.folder = settings.room_sockets("sunrise", "ann")
        self.host = f"ann--sunrise.localhost:{settings.port}"
        sealed = sealer(settings).encrypt(json.dumps({"for": PREFIX, "kind": "token", "token": TOKEN}).encode())
        self.headers = {"Host": self.host, "Cookie": f"{COOKIE}={sealed.decode()}", "Origin": f"http://{self.host}"}

    def room(self, answer):
        return hostile_room(self.folder, UID, answer)

    async def ask(self, path="api/status", method="GET", **headers) -> tuple[int, str, dict]:
        url = f"http://127.0.0.1:{self.settings.gateway_port}{PREFIX}{path}"
        async with self.session.request(method, url, headers={**self.headers, **headers}, allow_redirects=False) as got:
            return got.status, (await got.read()).decode("utf-8", "replace"), got.headers

    def channel(self, **given):
        url = f"http://127.0.0.1:{self.settings.gateway_port}{PREFIX}api/kernels/{KERNEL}/channels"
        given.setdefault("protocols", (frames.PROTOCOL,))
        return self.session.ws_connect(url, headers=self.headers, max_msg_size=2**27, **given)


KERNEL = "0b1f3a52-9c1d-4b73-8a55-5f4a1f0e9c11"


@asynccontextmanager
async def around(settings, records):
    folder = settings.room_sockets("sunrise", "ann")
    for name in ("in", "api"):
        (folder / name).mkdir(parents=True)
    os.chown(folder / "in", UID, UID)
    hub, runners = Hub(), []
    hub_app = web.Application()
    hub_app.router.add_get("/hub/api/user", hub.user)
    gateway = Gateway(settings, Books(records, settings), {"static/lab/a.js": settings.home / "a.js"})
    (settings.home / "a.js").write_text("of the image")
    app = web.Application(client_max_size=LARGEST_UPLOAD)
    app.router.add_route("*", "/{rest:.*}", gateway.answer)
    for served, port in ((hub_app, settings.hub_port), (app, settings.gateway_port)):
        runner = web.AppRunner(served, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        runners.append(runner)
    runners.append(await serve(gateway, settings))
    await control.put(settings, "ann", "sunrise", uid=UID, token="server-token", client_id="client", until=None)
    session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
    try:
        yield Around(settings, gateway, hub, session)
    finally:
        await session.close()
        await gateway.stop()
        for runner in runners:
            await runner.cleanup()
        from jupyterhub.httpclient import JupyterHubHTTPClient

        await JupyterHubHTTPClient.instance()._session.close()
        JupyterHubHTTPClient.clear_instance()


def tried(settings, records, story):
    async def run():
        async with around(settings, records) as there:
            return await story(there)

    return asyncio.run(run())


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2"


def test_an_honest_answer_passes(settings, records):
    async def story(there):
        async with there.room(says(OK, b"hi")):
            return await there.ask()

    status, body, headers = tried(settings, records, story)
    assert (status, body) == (200, "hi")
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (OK + b"\r\nSet-Cookie: a=b; Path=/hub/\r\nSet-Cookie: tre-room=x; Domain=localhost", 200),
        (OK + b"\r\nContent-Security-Policy: default-src *\r\nService-Worker-Allowed: /", 200),
        (OK + b"\r\nX-Big: " + b"x" * 100_000, 502),
        (OK + b"".join(b"\r\nX-%d: y" % nth for nth in range(100_000)), 502),
        (b"HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 2", 403),
        (b"HTTP/1.1 302 Found\r\nLocation: /hub/home\r\nContent-Length: 2", 403),
        (b"HTTP/1.1 302 Found\r\nLocation: /user/ann/sunrise/%2e%2e/x\r\nContent-Length: 2", 403),
        (b"HTTP/1.1 302 Found\r\nLocation: /user/ann/sunrise/lab\r\nContent-Length: 2", 302),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\nTransfer-Encoding: chunked", 502),
        (b"\x00\x01\x02 nonsense", 502),
        (b"SSH-2.0-OpenSSH_9.2", 502),
    ],
    ids=[
        "cookies",
        "policy",
        "long header",
        "many headers",
        "elsewhere",
        "hub",
        "dots",
        "in the room",
        "negative length",
        "two lengths",
        "length and chunks",
        "nonsense",
        "ssh",
    ],
)
def test_a_hostile_head_sets_nothing(settings, records, head, status):
    async def story(there):
        async with there.room(says(head, b"hi")):
            return await there.ask()

    got, _, headers = tried(settings, records, story)
    assert got == status
    assert headers.getall("Content-Security-Policy") == [there_policy(headers)]
    assert not {"Set-Cookie", "Service-Worker-Allowed", "Link", "Refresh"} & set(headers)


PARTS = (
    b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/0.9", b"HTTP/9.9 200 OK", b"HTTP/1.1 101 Switching Protocols",
    b"HTTP/1.1 100 Continue", b"HTTP/1.1 103 Early Hints", b"HTTP/1.1 204 No Content", b"HTTP/1.1 999 x",
    b"HTTP/1.1 -1 x",
    b"Content-Length: 2", b"Content-Length: 0", b"Content-Length: +2", b"Content-Length: 2, 2", b"Content-Length : 2",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding:\x0bchunked",
    b"Content-Encoding: gzip", b"Content-Type: text/html; charset=\xff", b"Set-Cookie: tre-room=x; Path=/",
    b"Connection: Upgrade", b"Upgrade: websocket", b"Location: //evil.example/", b"Refresh: 0; url=//evil.example",
    b" folded", b"\tfolded: x", b"No colon", b": empty", b"Nul\x00: x", b"X: \r", b"5\r\nhello\r\n0",
    b"ffffffffffffffff", b"-1",
    b"", b"\n", b"hi", b"\x00" * 100, b"x" * 9000,
)  # fmt: skip


def test_no_answer_whatever_it_is_gets_more_than_its_own_answer_wrong(settings, records):
    """Two hundred answers put together of pieces that parsers read differently; after each, an honest one passes."""
    chance = random.Random(6)
    answers = [
        chance.choice((b"\r\n", b"\n")).join(chance.choices(PARTS, k=chance.randint(1, 8)))
        + chance.choice((b"\r\n\r\n", b"\n\n", b""))
        + chance.choice((b"hi", b"", b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nhi"))
        for _ in range(200)
    ]
    turn = []

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(turn[-1])
        await writer.drain()

    async def story(there):
        got = []
        async with there.room(answer):
            for one in answers:
                turn.append(one)
                got.append((one, await asyncio.wait_for(there.ask(), 10)))
                turn.append(OK + b"\r\nConnection: close\r\n\r\nhi")
                assert (await there.ask())[:2] == (200, "hi"), one
        return got

    for one, (status, _, headers) in tried(settings, records, story):
        assert status in {200, 204, 403, 502}, one
        assert headers.getall("Content-Security-Policy") == [there_policy(headers)], one
        assert not {"Set-Cookie", "Refresh", "Link", "Location"} & set(headers), one


def test_headers_without_end_are_not_held_in_memory(settings, records):
    sent = []

    async def flood(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        for at in range(2**14):
            writer.write(b"X-%d: " % at + b"x" * 65_536 + b"\r\n")
            await writer.drain()
            sent.append(at)

    async def story(there):
        async with there.room(flood):
            return await asyncio.wait_for(there.ask(), 30)

    assert tried(settings, records, story)[0] == 502
    assert len(sent) < 100  # of 16,384: a gigabyte


def test_an_answer_that_drips_holds_up_nobody_else(settings, records):
    async def drip(reader, writer):
        line = await reader.readuntil(b"\r\n\r\n")
        if b"slow" in line:
            for letter in OK:
                writer.write(bytes([letter]))
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.write(OK + b"\r\n\r\nhi")
        await writer.drain()

    async def story(there):
        async with there.room(drip):
            slow = [asyncio.create_task(there.ask("static/slow.css")) for _ in range(20)]
            await asyncio.sleep(0.1)
            began = time.monotonic()
            quick = await there.ask()
            took = time.monotonic() - began
            for one in slow:
                one.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            return quick, took

    quick, took = tried(settings, records, story)
    assert quick[:2] == (200, "hi")
    assert took < 2


def there_policy(headers):
    (policy,) = (value for name, value in headers.items() if name == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    return policy


def test_what_the_room_is_told_names_nobody(settings, records):
    heard = []

    async def answer(reader, writer):
        heard.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(OK + b"\r\n\r\nhi")
        await writer.drain()

    async def story(there):
        async with there.room(answer):
            await there.ask(Authorization="token x", Referer="http://x/")

    tried(settings, records, story)
    (request,) = heard
    names = {line.partition(":")[0].lower() for line in request.splitlines()[1:] if line}
    assert names == {"host", "accept", "accept-encoding", "user-agent"}
    assert "\r\nHost: localhost\r\n" in request


def test_a_room_cannot_pass_for_the_images_files(settings, records):
    async def story(there):
        async with there.room(says(OK, b"no")):
            return await there.ask("static/lab/a.js?v=1"), await there.ask("static/lab/b.js")

    (ours, theirs) = tried(settings, records, story)
    assert ours[:2] == (200, "of the image")
    assert theirs[:2] == (200, "no")


def test_an_answer_is_cut_at_the_limit_and_the_cut_is_recorded(settings, records):
    settings = tre.settings.load(settings.home, port=settings.port, meter_hour=300_000)

    async def flood(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100):
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()

    async def story(there):
        async with there.room(flood):
            received = 0
            url = f"http://127.0.0.1:{settings.gateway_port}{PREFIX}static/theme.css"
            with pytest.raises(aiohttp.ClientPayloadError):  # noqa: PT012 -- it breaks while it is read
                async with there.session.get(url, headers=there.headers) as answer:
                    async for chunk in answer.content.iter_any():
                        received += len(chunk)
            after = await there.ask()
            await there.gateway.save()
            return received, after

    received, (status, body, _) = tried(settings, records, story)
    assert received <= 300_000
    assert status == 429
    assert "300,000 bytes" in body
    assert _acts(records)[-2:] == ["meter.count", "meter.cut"]


def _acts(records):
    from sqlalchemy import select

    from tre.records.tables import EntryRow

    with records.read() as session:
        return list(session.scalars(select(EntryRow.act).order_by(EntryRow.seq)))


def test_a_limit_that_was_spent_before_a_restart_is_still_spent(settings, records):
    settings = tre.settings.load(settings.home, port=settings.port, meter_hour=100)

    async def story(there):
        async with there.room(says(OK, b"hi")):
            for _ in range(10):
                await there.ask()
            await there.gateway.stop()
            again = Gateway(settings, Books(records, settings), {})
            await again.start()
            there.gateway.answer = again.answer
            spent = again._meter.of(("ann", "sunrise"))
            total = sum(spent.hours.values())
            await again.stop()
            return total

    assert 80 < tried(settings, records, story) <= 100


# --- channels -------------------------------------------------------------------------------------------------------
def kernel(*payloads, wait=30.0):
    """A room whose kernel's channel sends these frames."""

    async def answer(request):
        channel = web.WebSocketResponse(protocols=(frames.PROTOCOL,), compress=False)
        await channel.prepare(request)
        for payload in payloads:
            await channel.send_bytes(payload)
        await asyncio.wait({asyncio.ensure_future(channel.receive())}, timeout=wait)
        return channel

    return answer


@asynccontextmanager
async def kernel_room(there, answer):
    app = web.Application()
    app.router.add_get("/{rest:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    place = there.folder / "in" / "jupyter.sock"
    door = a_door(place, UID)
    with as_user(UID):
        await web.SockSite(runner, door).start()
    try:
        yield
    finally:
        await runner.cleanup()
        place.unlink()


FRAME = packed([b"iopub", b'{"msg_type": "stream"}', b"{}", b"{}", b"x" * 50_000])


def test_a_channel_is_cut_at_the_limit(settings, records):
    settings = tre.settings.load(settings.home, port=settings.port, meter_hour=120_000)

    async def story(there):
        async with kernel_room(there, kernel(FRAME, FRAME, FRAME)), there.channel() as channel:
            got = [await channel.receive() for _ in range(3)]
            return [one.type for one in got], channel.close_code

    kinds, code = tried(settings, records, story)
    assert kinds == [aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.CLOSE]
    assert code == 4429


def test_a_channel_closes_at_once_when_its_room_does(settings, records):
    async def story(there):
        async with kernel_room(there, kernel(FRAME)), there.channel() as channel:
            await channel.receive()
            before = asyncio.get_running_loop().time()
            await asyncio.gather(control.drop(settings, "ann", "sunrise"), channel.receive())
            return channel.close_code, asyncio.get_running_loop().time() - before

    code, seconds = tried(settings, records, story)
    assert code == 4403
    assert seconds < 2


@pytest.mark.parametrize("how", ["token", "account"])
def test_a_channel_closes_when_its_person_may_not_stay(settings, records, now, how):
    async def story(there):
        async with kernel_room(there, kernel(FRAME)), there.channel() as channel:
            await channel.receive()
            if how == "token":
                there.hub.valid = False
            else:
                with records.act("host/test", "person.suspend", "person/ann") as session:
                    accounts.suspend(session, "ann", why="a test", actor="host/test", now=now)
            async with asyncio.timeout(17):
                await channel.receive()
            return channel.close_code, (await there.ask())[0]

    assert tried(settings, records, story) == (4403, 403)


def test_a_giant_frame_is_not_held_in_memory(settings, records):
    async def giant(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        import base64
        import hashlib

        accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
        writer.write(
            f"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
            f"Sec-WebSocket-Protocol: {frames.PROTOCOL}\r\n\r\n".encode()
        )
        writer.write(b"\x82\x7f" + (1 << 30).to_bytes(8, "big"))  # claims a gigabyte
        for _ in range(1000):
            writer.write(b"x" * 65536)
            await writer.drain()

    async def story(there):
        before = psutil.Process().memory_info().rss
        async with there.room(giant), there.channel() as channel:
            async with asyncio.timeout(20):
                await channel.receive()
        return channel.close_code, psutil.Process().memory_info().rss - before

    code, grown = tried(settings, records, story)
    assert code in {1009, 1001, 1006}
    assert grown < 60_000_000


def test_a_kernels_channel_speaks_the_protocol_that_is_counted(settings, records):
    async def story(there):
        async with kernel_room(there, kernel(FRAME)):
            try:
                async with there.channel(protocols=()):
                    return 101
            except aiohttp.WSServerHandshakeError as error:
                return error.status

    assert tried(settings, records, story) == 403


# --- who asks -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "cookie", ["", "x", "gAAAAAB", "sealed for another room", "sealed for another use", "another token"]
)
def test_a_cookie_that_is_not_this_rooms_opens_nothing(settings, records, cookie):
    content = {
        "sealed for another room": {"for": "/user/ann/sunset/", "kind": "token", "token": TOKEN},
        "sealed for another use": {"for": PREFIX, "kind": "state", "token": TOKEN},
        "another token": {"for": PREFIX, "kind": "token", "token": "bob"},
    }.get(cookie)

    async def story(there):
        value = sealer(settings).encrypt(json.dumps(content).encode()).decode() if content else cookie
        async with there.room(says(OK, b"hi")):
            return (await there.ask(Cookie=f"{COOKIE}={value}"))[0]

    assert tried(settings, records, story) == 403


def test_a_hub_that_does_not_answer_lets_nobody_in(settings, records):
    async def story(there):
        wrong = tre.settings.load(settings.home, port=settings.port)
        assert wrong.hub_port == settings.hub_port
        room = there.gateway._rooms[("ann", "sunrise")]
        room.login._hub.api_url = "http://127.0.0.1:9/hub/api"
        async with there.room(says(OK, b"hi")):
            return (await there.ask())[0]

    assert tried(settings, records, story) == 503


def test_a_person_who_follows_a_link_is_sent_to_the_hub_with_pkce(settings, records):
    async def story(there):
        status, _, headers = await there.ask("lab", Cookie="", Accept="text/html")
        return status, headers["Location"], headers["Set-Cookie"]

    status, location, cookie = tried(settings, records, story)
    assert status == 302
    assert location.startswith(f"http://localhost:{settings.port}/hub/api/oauth2/authorize?client_id=client&")
    assert "code_challenge_method=S256" in location
    assert "HttpOnly" in cookie
    assert f"Path={PREFIX}" in cookie
    assert "SameSite=Lax" in cookie


def test_over_tls_a_cookie_of_a_room_is_one_that_no_other_host_can_put_there(settings, records):
    secure = settings.model_copy(update={"scheme": "https"})

    async def story(there):
        host = {"Origin": f"https://{there.host}", "Accept": "text/html"}
        _, _, headers = await there.ask("lab", Cookie="", **host)
        sealed = there.headers["Cookie"].partition("=")[2]
        async with there.room(says(OK, b"hi")):
            plain = await there.ask(**{**host, "Cookie": f"{COOKIE}={sealed}"})
            ours = await there.ask(**{**host, "Cookie": f"__Host-{COOKIE}={sealed}"})
        return headers["Set-Cookie"], plain[0], ours[0]

    cookie, plain, ours = tried(secure, records, story)
    assert cookie.startswith("__Host-tre-room-login=")
    assert "; Path=/;" in cookie
    assert "; Secure" in cookie
    assert "Domain" not in cookie
    assert (plain != 200, ours) == (True, 200)


def test_a_callback_that_this_browser_did_not_begin_ends_nowhere(settings, records):
    async def story(there):
        _, _, headers = await there.ask("lab", Cookie="", Accept="text/html")
        state = headers["Location"].partition("state=")[2].partition("&")[0]
        return await there.ask(f"oauth_callback?code=stolen&state={state}", Cookie="")

    status, _, headers = tried(settings, records, story)
    assert (status, headers["Location"]) == (302, PREFIX)
    assert "tre-room=" not in headers.get("Set-Cookie", "")


def test_only_the_hub_may_ask_whether_a_room_is_up(settings, records):
    async def story(there):
        async with there.room(says(OK, b"hi")):
            up = await there.ask("api", Cookie="", Host=f"127.0.0.1:{settings.gateway_port}")
            more = await there.ask("api/status", Cookie="", Host=f"127.0.0.1:{settings.gateway_port}")
        down = await there.ask("api", Cookie="", Host=f"127.0.0.1:{settings.gateway_port}")
        return up[0], more[0], down[0]

    assert tried(settings, records, story) == (200, 421, 503)


# --- coming and going -----------------------------------------------------------------------------------------------
def test_the_next_gateway_knows_the_rooms_of_the_last(settings, records):
    async def story(there):
        file = settings.sockets / "gateway.json"
        return file.stat().st_mode & 0o777, json.loads(file.read_text())

    mode, rooms = tried(settings, records, story)
    assert mode == 0o600
    assert [(room["person"], room["project"]) for room in rooms] == [("ann", "sunrise")]


def test_a_registered_room_whose_folders_are_gone_does_not_keep_the_gateway_from_starting(settings, records):
    async def story(there):
        await there.gateway.stop()
        (there.folder / "api" / "tre.sock").unlink()
        (there.folder / "api").rmdir()
        again = Gateway(settings, Books(records, settings), {})
        await again.start()
        known = again.registered("ann", "sunrise")
        await again.stop()
        return known

    assert tried(settings, records, story) is False


def test_a_strangers_refusal_is_not_put_down_to_the_rooms_person(settings, records):
    async def story(there):
        await there.ask(Cookie="")
        await there.ask("files/x")
        await there.gateway.save()

    tried(settings, records, story)
    from sqlalchemy import select

    from tre.records.tables import EntryRow

    with records.read() as session:
        actors = list(session.scalars(select(EntryRow.actor).where(EntryRow.act == "room.refuse")))
    assert actors == ["gateway", "ann"]


def test_the_control_socket_is_for_the_houses_own_user(settings, records):
    async def story(there):
        mode = (settings.sockets / "control.sock").stat().st_mode & 0o777
        return mode, await control.known(settings, "ann", "sunset")

    assert tried(settings, records, story) == (0o600, False)


@pytest.mark.parametrize("odd", [{"uid": 0}, {"token": ""}, {"person": "../x"}, {"more": 1}])
def test_a_registration_that_is_not_whole_is_refused(settings, records, odd):
    from tre.errors import TREError

    async def story(there):
        body = {"person": "ann", "project": "sunset", "uid": UID, "token": "t", "client_id": "c", **odd}
        try:
            await asyncio.to_thread(control._ask, settings, "PUT", "/rooms/ann/sunset", body)
        except TREError:
            return there.gateway.registered("ann", "sunset")
        return True

    assert tried(settings, records, story) is False


def test_a_registration_keeps_its_token_out_of_its_name():
    given = Registration(person="ann", project="sunrise", uid=UID, token="secret", client_id="c")
    assert "secret" not in given.prefix
