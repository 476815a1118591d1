"""A whole TRE that runs, once for all tests that need one, and people who use it as their browsers would.

`house` is a home with people, two projects and data; `tre up` runs on it as a process. `house.person("alice")` signs
in with password and code over the real proxy; `.open("sunrise")` opens a room; `.run("sunrise", "1 + 1")` runs code
in a kernel through proxy and gateway. Names below *.localhost resolve in browsers only, so connections go to
127.0.0.1 with the Host header.
"""

import asyncio
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from http.cookies import SimpleCookie
from itertools import pairwise
from pathlib import Path

import aiohttp
import docker
import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tre.settings
from policies.facts import Role
from tests.builders import HOST, PASSWORD, a_dataset, a_person, a_project, an_approval
from tre.errors import Unavailable
from tre.governance import accounts
from tre.host import engine, image, proxy, tls
from tre.records import audit, schema
from tre.records.db import Records, opened
from tre.records.tables import ExtractRow, PersonRow
from tre.rooms.builders import Builder, State, choice
from tre.rooms.gateway import frames
from tre.rooms.room import container_name, house_of, origin
from tre.settings import Settings

READY_SECONDS = 120
ROOT = Path(__file__).resolve().parents[1]
ANALYSTS = ("alice", "bob")
APPROVERS = ("carol", "dave")


class House:
    """A running TRE. alice and bob are analysts: alice in sunrise and sunset, bob in sunset. carol and dave approve."""

    def __init__(self, settings: Settings, records: Records) -> None:
        self.settings = settings
        self.records = records
        self.process: subprocess.Popen | None = None
        self._people: dict[str, Visitor] = {}

    # --- the process -------------------------------------------------------------------------------------------------
    def start(self) -> None:
        environment = {**os.environ, "TRE_HOME": str(self.settings.home), "TRE_PORT": str(self.settings.port)}
        log = (self.settings.logs / "up.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tre", "up"], env=environment, stdout=log, stderr=log, cwd=ROOT
            )
        until = time.monotonic() + READY_SECONDS
        while "The house is open" not in self.log("up"):
            if self.process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"tre up did not get ready:\n{self.log('up')[-3000:]}")
            time.sleep(0.2)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
            self.process = None

    def close(self) -> None:
        for visitor in self._people.values():
            visitor.close()
        self.stop()
        self.records.close()
        for name in self.builder.names(house_of(self.settings)):
            self.builder.end(name, seconds=0)

    def log(self, part: str) -> str:
        file = self.settings.logs / f"{part}.log"
        return file.read_text("utf-8", "replace") if file.exists() else ""

    # --- people -----------------------------------------------------------------------------------------------------
    def person(self, name: str) -> "Visitor":
        """Somebody at a browser, signed in; the same browser each time."""
        if name not in self._people:
            self._people[name] = self.stranger()
            self._people[name].sign_in(name)
        return self._people[name]

    def stranger(self) -> "Visitor":
        """A new browser in which nobody is signed in. Close it."""
        return Visitor(self)

    def add(self, name: str, *roles: Role, **given) -> str:
        """Add a person who can sign in."""
        with self.act("person.add") as session:
            a_person(session, name, *roles, settings=self.settings, now=datetime.now(UTC), **given)
        return name

    def code(self, name: str) -> str:
        """A code that was not used yet: a used one waits for the next half minute."""
        while True:
            now = datetime.now(UTC)
            with self.records.read() as session:
                if session.get(PersonRow, name).totp_step < int(now.timestamp()) // 30:
                    return accounts.code_now(session, self.settings, name, now)
            time.sleep(1)

    def act(self, act: str = "test.build", actor: str = HOST, subject: str = "home"):
        return self.records.act(actor, act, subject)

    # --- rooms from outside -----------------------------------------------------------------------------------------
    def inspect(self, project: str, person: str) -> dict:
        """What Docker says of a room's container."""
        with self.docker() as client:
            return client.api.inspect_container(container_name(self.settings, project, person))

    def running(self, project: str, person: str) -> bool:
        return self.state(project, person) is not None

    def state(self, project: str, person: str) -> State | None:
        """What the builder says of a room: its first process, its image."""
        return self.builder.state(container_name(self.settings, project, person))

    @property
    def builder(self) -> Builder:
        return choice.chosen(self.settings)

    @contextmanager
    def docker(self) -> Iterator[docker.DockerClient]:
        client = docker.DockerClient(base_url=self.settings.docker_url, timeout=60)
        try:
            yield client
        finally:
            client.close()

    def entries(self, act: str) -> list[dict]:
        """Audit entries of one act, oldest first."""
        from sqlalchemy import select

        from tre.records.tables import EntryRow

        with self.records.read() as session:
            rows = session.scalars(select(EntryRow).where(EntryRow.act == act).order_by(EntryRow.seq))
            return [json.loads(row.body) for row in rows]


class Loopback(httpx.BaseTransport):
    """Connects to 127.0.0.1 whatever the host's name, and keeps cookies by that name and path, as browsers do there.

    (The standard library's jar refuses what browsers take: a cookie that localhost sets for localhost.)
    """

    def __init__(self, trusting: ssl.SSLContext | None = None) -> None:
        self.inner = httpx.HTTPTransport(verify=trusting or ssl.create_default_context())
        self.jar: dict[tuple[str, str, str], str] = {}

    def cookies(self, url: httpx.URL) -> str:
        mine = {
            name: value
            for (host, path, name), value in sorted(self.jar.items(), key=lambda item: len(item[0][1]))
            if host == url.host and url.path.startswith(path)
        }
        return "; ".join(f"{name}={value}" for name, value in mine.items())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        headers = httpx.Headers(request.headers)
        if cookies := self.cookies(request.url):
            headers["Cookie"] = cookies
        wire = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1"),
            headers=headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        answer = self.inner.handle_request(wire)
        for line in answer.headers.get_list("Set-Cookie"):
            self._keep(request.url, line)
        return answer

    def _keep(self, url: httpx.URL, line: str) -> None:
        for name, morsel in SimpleCookie(line).items():
            place = (url.host, morsel["path"] or "/", name)
            ended = morsel["expires"] and parsedate_to_datetime(morsel["expires"]) < datetime.now(UTC)
            if ended or morsel["max-age"] == "0":
                self.jar.pop(place, None)
            else:
                self.jar[place] = morsel.coded_value

    def close(self) -> None:
        self.inner.close()


class Visitor:
    """A browser: cookies by host name, redirects followed, one person at most."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.name = ""
        self.trusting = _trusting(house.settings)
        self.loopback = Loopback(self.trusting)
        none = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        self.http = httpx.Client(transport=self.loopback, cookies=none, follow_redirects=True, timeout=90)
        self.hub = house.settings.hub_origin

    def close(self) -> None:
        self.http.close()

    # --- the Hub ----------------------------------------------------------------------------------------------------
    def sign_in(self, name: str, *, password: str = PASSWORD, code: str | None = None) -> httpx.Response:
        page = self.page(f"{self.hub}/hub/login")
        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', page.text)[1]
        form = {"username": name, "password": password, "otp": code or self.house.code(name), "_xsrf": xsrf}
        answer = self.http.post(f"{self.hub}/hub/login", data=form, headers=_from(self.hub, "navigate"))
        self.name = name
        return answer

    def page(self, url: str) -> httpx.Response:
        """Follow a link, as a person does."""
        return self.http.get(
            url, headers={"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        )

    def hub_api(self, method: str, path: str, **given) -> httpx.Response:
        """Ask the Hub's interface as its own pages do."""
        home = self.page(f"{self.hub}/hub/home")
        xsrf = re.search(r'xsrf_token: "([^"]+)"', home.text)[1]
        headers = {**_from(self.hub, "cors"), "X-XSRFToken": xsrf}
        return self.http.request(method, f"{self.hub}/hub/api{path}", headers=headers, **given)

    def open(self, project: str) -> "Visitor":
        """Open a room and go in; fail with the Hub's words if it stays closed."""
        answer = self.hub_api("POST", f"/users/{self.name}/servers/{project}")
        assert answer.status_code in {201, 202, 400}, answer.text  # 400: it is open already
        until = time.monotonic() + 90
        while not self.ready(project):
            assert time.monotonic() < until, "the room did not open"
            time.sleep(0.3)
        came = self.page(self.url(project, "lab"))
        assert came.status_code == 200, came.text[:500]
        return self

    def ready(self, project: str) -> bool:
        model = self.hub_api("GET", f"/users/{self.name}").json()
        return bool(model.get("servers", {}).get(project, {}).get("ready"))

    def leave(self, project: str) -> None:
        """Close a room, and wait until it is."""
        self.hub_api("DELETE", f"/users/{self.name}/servers/{project}")
        until = time.monotonic() + 60
        while self.house.running(project, self.name) or project in self._servers():
            assert time.monotonic() < until, "the room did not close"
            time.sleep(0.3)

    def _servers(self) -> dict:
        return self.hub_api("GET", f"/users/{self.name}").json().get("servers", {})

    # --- a room -----------------------------------------------------------------------------------------------------
    def origin(self, project: str = "sunrise", owner: str = "") -> str:
        return origin(self.house.settings, project, owner or self.name)

    def url(self, project: str, path: str = "", *, owner: str = "") -> str:
        return f"{self.origin(project, owner)}/user/{owner or self.name}/{project}/{path}"

    def ask(self, method: str, project: str, path: str, *, owner: str = "", **given) -> httpx.Response:
        """Ask a room as a script of its own page does; no redirect is followed."""
        headers = {**_from(self.origin(project, owner), "cors"), **given.pop("headers", {})}
        given.setdefault("follow_redirects", False)
        return self.http.request(method, self.url(project, path, owner=owner), headers=headers, **given)

    def cookies(self, url: str) -> str:
        """What a browser would send to an address."""
        return self.loopback.cookies(httpx.URL(url))

    def run(self, project: str, code: str, *, seconds: float = 60) -> str:
        """Run code in a new kernel and return what it printed; an error's traceback is printed too."""
        made = self.ask("POST", project, "api/kernels", json={"name": "python3"})
        assert made.status_code == 201, made.text
        kernel = made.json()["id"]
        try:
            return asyncio.run(asyncio.wait_for(self._execute(project, kernel, code), seconds))
        finally:
            self.ask("DELETE", project, f"api/kernels/{kernel}")

    async def _execute(self, project: str, kernel: str, code: str) -> str:
        async with self.channel(project, kernel) as channel:
            sent = await _send_execute(channel, code)
            said = []
            async for message in channel:
                if message.type is not aiohttp.WSMsgType.BINARY:
                    break
                kind, parent, content = _message(message.data)
                if parent != sent:
                    continue
                said.append(_said(kind, content))
                if kind == "status" and content["execution_state"] == "idle":
                    return "".join(said)
            raise ConnectionError(f"the channel closed with {channel.close_code}")

    def channel(self, project: str, kernel: str, *, owner: str = "", asked_by: str = ""):
        """Open a kernel's channel: `async with visitor.channel(...) as socket`."""
        path = f"/user/{owner or self.name}/{project}/api/kernels/{kernel}/channels?session_id={uuid.uuid4()}"
        address = f"{self.origin(project, owner)}{path}"
        headers = {
            "Host": self.origin(project, owner).partition("://")[2],
            "Origin": asked_by or self.origin(project, owner),
            "Cookie": self.cookies(address),
        }
        scheme = self.house.settings.scheme
        url = f"{scheme}://127.0.0.1:{self.house.settings.port}{path}"
        secure = {"ssl": self.trusting, "server_hostname": httpx.URL(address).host} if self.trusting else {}
        return _channel(url, headers, secure)


class _channel:  # noqa: N801 -- used like a function
    def __init__(self, url: str, headers: dict[str, str], secure: dict) -> None:
        self.url, self.headers, self.secure = url, headers, secure

    async def __aenter__(self) -> aiohttp.ClientWebSocketResponse:
        self.session = aiohttp.ClientSession()
        try:
            self.socket = await self.session.ws_connect(
                self.url,
                protocols=(frames.PROTOCOL,),
                headers=self.headers,
                max_msg_size=64 * 1024 * 1024,
                **self.secure,
            )
        except BaseException:
            await self.session.close()
            raise
        return self.socket

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()
        await self.session.close()


def _trusting(settings: Settings) -> ssl.SSLContext | None:
    """What a browser of this house trusts, where it speaks TLS."""
    if not settings.certificate:
        return None
    return ssl.create_default_context(cafile=tls.authority(settings))


def _from(origin: str, mode: str) -> dict[str, str]:
    """Headers that a browser adds to what a page of this origin asks."""
    return {
        "Origin": origin,
        "Sec-Fetch-Site": "same-origin",
        "Sec-Fetch-Mode": mode,
        "Sec-Fetch-Dest": "document" if mode == "navigate" else "empty",
    }


async def _send_execute(channel: aiohttp.ClientWebSocketResponse, code: str) -> str:
    header = {
        "msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "", "session": uuid.uuid4().hex,
        "date": datetime.now(UTC).isoformat(), "version": "5.3",
    }  # fmt: skip
    content = {
        "code": code,
        "silent": False,
        "store_history": False,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": True,
    }
    parts = [b"shell", *(json.dumps(part).encode() for part in (header, {}, {}, content))]
    await channel.send_bytes(packed(parts))
    return header["msg_id"]


def packed(parts: list[bytes]) -> bytes:
    """A frame of Jupyter's websocket protocol v1."""
    offsets = [8 * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(parts)


def _message(frame: bytes) -> tuple[str, str, dict]:
    (count,) = struct.unpack_from("<Q", frame)
    at = struct.unpack_from(f"<{count}Q", frame, 8)
    parts = [frame[start:end] for start, end in pairwise(at)]
    header, parent, content = json.loads(parts[1]), json.loads(parts[2]), json.loads(parts[4])
    return header["msg_type"], parent.get("msg_id", ""), content


def _said(kind: str, content: dict) -> str:
    if kind == "stream":
        return content["text"]
    if kind in {"execute_result", "display_data"}:
        return content["data"].get("text/plain", "")
    if kind == "error":
        return "\n".join(content["traceback"])
    return ""


# --- making one -------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    """The TRE that all tests of rooms, attacks, journeys and browsers share."""
    with a_house(rooms="docker") as made:
        made.start()
        yield made


@pytest.fixture(scope="session")
def bare_house() -> Iterator[House]:
    """The same where there is no engine: bubblewrap builds the rooms."""
    with a_house(rooms="bubblewrap") as made:
        made.start()
        yield made


BUILDERS = {"docker": "house", "bubblewrap": "bare_house"}


@pytest.fixture(scope="module", params=BUILDERS)
def any_house(request: pytest.FixtureRequest) -> House:
    """Each of the two, one after the other: what holds in a room holds whatever built it."""
    found: House = request.getfixturevalue(BUILDERS[request.param])
    return found


@contextmanager
def a_house(*, copied: Path | None = None, filled: Callable[[House], None] | None = None, **given) -> Iterator[House]:
    """A TRE of its own, not started; `filled` says with whom and what, unless it is `furnish`.

    It may begin as the copy of a home.
    """
    home = Path(tempfile.mkdtemp(prefix="tre-", dir="/var/tmp"))  # short: Unix sockets; root's: rooms mount it
    home.chmod(0o711)
    if copied:
        shutil.copytree(copied, home / "home", symlinks=True)
    settings = tre.settings.load(home / "home", port=free_ports(), **{"rooms": "docker", **given})
    needs_docker(settings)
    if not copied:
        schema.initialise(settings)
    chosen = {"port": settings.port, "rooms": settings.rooms, **given}
    (settings.home / "tre.toml").write_text(
        "".join(f"{name} = {json.dumps(value)}\n" for name, value in chosen.items())
    )
    made = House(settings, opened(settings))
    try:
        (filled or furnish)(made)
        yield made
    finally:
        made.close()
        shutil.rmtree(home, ignore_errors=True)


def furnish(house: House) -> None:
    """People, two projects, one dataset that both may read."""
    settings, now = house.settings, datetime.now(UTC) - timedelta(minutes=5)
    with house.act() as session:
        for name in ANALYSTS:
            a_person(session, name, settings=settings, now=now)
        for name in APPROVERS:
            a_person(session, name, Role.APPROVER, settings=settings, now=now)
        a_person(session, "adam", Role.ADMIN, settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_project(session, "sunrise", ("alice",), now=now)
        a_project(session, "sunset", ("alice", "bob"), now=now)
        for project in ("sunrise", "sunset"):
            an_approval(session, project, "trial", settings=settings, now=now)
            an_extract(session, settings, project, now=now)


def an_extract(session, settings: Settings, project: str, *, now: datetime, number: int = 1) -> None:
    """A table of this project with sixty made-up persons, as `extract prepare` would leave it."""
    table = pa.table({
        "person": [f"tre1-{project}_{person:04}" for person in range(60)],
        "sex": ["f" if person % 2 else "m" for person in range(60)],
        "age": [20 + person % 40 for person in range(60)],
        "project": [project] * 60,
    })  # fmt: skip
    folder = settings.extract(project, "trial", number)
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "trial.parquet")
    manifest = {"files": [{"name": "trial.parquet", "rows": 60}], "person": "person"}
    session.add(
        ExtractRow(
            project=project, dataset="trial", version=1, number=number, manifest=json.dumps(manifest), report="{}",
            assessed=True, prepared_at=now,
        )
    )  # fmt: skip
    audit.append(session, "extract.prepare", actor=HOST, subject=f"extract/{project}/trial/{number}", at=now)


HELD_PORTS: list[int] = []


def free_ports() -> int:
    """The first of ten neighbouring ports that nobody uses now, and no other test of this machine until we end."""
    folder = Path(tempfile.gettempdir()) / "hortus-ports"
    folder.mkdir(exist_ok=True)
    for first in range(20_000, 32_000, 10):
        held = os.open(folder / str(first), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(held)
            continue
        if not any(_taken(port) for port in range(first, first + 10)):
            HELD_PORTS.append(held)
            return first
        os.close(held)
    pytest.fail("no free ports")


def _taken(port: int) -> bool:
    with socket.socket() as door:
        try:
            door.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def needs_docker(settings: Settings) -> None:
    """Go on with an engine, an image and a proxy; otherwise skip by name, or fail where all must run."""
    try:
        found = (
            engine.answers(settings) and image.present(settings, image.current(settings)) and proxy.installed(settings)
        )
    except Unavailable:
        found = False
    if found:
        return
    stop = pytest.fail if os.environ.get("CI") or os.environ.get("HORTUS_ALL") == "1" else pytest.skip
    stop("Docker Engine, notebook image or proxy missing: run `make setup`")
