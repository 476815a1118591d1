"""Inside a room, one socket leads out: it can say who is here, and ask for exports. Which socket it is says who asks.

The gateway serves one listener a room, so nothing that a room says about itself is believed or needed. What concerns
exports is passed on to the airlock over loopback, with the room's identity.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import monotonic

import aiohttp
from aiohttp import web

from tre.rooms import sockets
from tre.settings import Settings

NAME = "tre.sock"
LARGEST_QUESTION = 64 * 1024
LARGEST_ANSWER = 1024 * 1024
CONNECTIONS = 16
ASKS_A_MINUTE = 30
TIMEOUT = aiohttp.ClientTimeout(total=30)
# Method and path as the room asks; the airlock has the same below /room.
PASSED = (
    ("GET", re.compile(r"/v1/outbox")),
    ("GET", re.compile(r"/v1/requests")),
    ("POST", re.compile(r"/v1/requests")),
    ("GET", re.compile(r"/v1/requests/[0-9]{1,12}")),
    ("POST", re.compile(r"/v1/requests/[0-9]{1,12}/(?:resubmit|withdraw)")),
)
Me = Callable[[], Awaitable[Mapping[str, object]]]
"""Says who is in the room, with what, and how much they have seen."""


class _Full(asyncio.Protocol):
    """Hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say nothing, and keep nothing."""
        transport.close()


class Listener:
    """The host's end of `/run/tre/api/tre.sock` in one room."""

    def __init__(self, settings: Settings, *, person: str, project: str, uid: int, me: Me) -> None:
        """Serve one room."""
        self._settings = settings
        self._person = person
        self._project = project
        self._uid = uid
        self._me = me
        self._airlock: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self._door: asyncio.Server | None = None
        self._asked: deque[float] = deque()

    async def start(self, folder: Path) -> None:
        """Listen in the folder that the room sees as /run/tre/api."""
        door = sockets.listen(folder, NAME, uid=self._uid)  # first: where there is no folder, nothing is begun
        self._airlock = aiohttp.ClientSession(timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
        await self._runner.setup()
        self._door = await asyncio.get_running_loop().create_unix_server(self._receive, sock=door)

    async def stop(self) -> None:
        """Stop listening; what is being asked is cut off."""
        if self._door is not None:
            self._door.close()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._airlock is not None:
            await self._airlock.close()

    def _receive(self) -> asyncio.BaseProtocol:
        """Speak with who knocks, unless the room has as many connections as one room may: all rooms share ours."""
        server = self._runner.server if self._runner else None
        return _Full() if server is None or len(server.connections) >= CONNECTIONS else server()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        door = request.transport.get_extra_info("socket") if request.transport else None
        if door is None or sockets.peer_uid(door) != self._uid:
            return fault(403, "this socket is another room's")
        if (request.method, request.path) == ("GET", "/v1/me"):
            return web.json_response(await self._me())
        return await self.pass_on(request, request.path)

    async def pass_on(self, request: web.Request, path: str) -> web.StreamResponse:
        """Ask the airlock what this room asks, from its socket or from its page in the person's browser."""
        if not any(request.method == method and known.fullmatch(path) for method, known in PASSED):
            return fault(404, "there is no such question; see tre.notebook")
        if request.method == "POST" and not self._may_ask():
            return fault(429, f"more than {ASKS_A_MINUTE} asks in a minute: wait a little")
        body = await _read(request)
        return fault(413, "the question is too long") if body is None else await self._pass(request.method, path, body)

    def _may_ask(self) -> bool:
        """Count an ask: each may be an entry in the log, and a room may not write the log full."""
        now = monotonic()
        while self._asked and self._asked[0] < now - 60:
            self._asked.popleft()
        if len(self._asked) >= ASKS_A_MINUTE:
            return False
        self._asked.append(now)
        return True

    async def _pass(self, method: str, path: str, body: bytes) -> web.StreamResponse:
        assert self._airlock is not None  # noqa: S101 -- `start` came before
        url = f"http://127.0.0.1:{self._settings.airlock_port}/room{path}"
        headers = {
            "Authorization": f"Bearer {self._settings.secret('rooms-airlock')}",
            "X-Tre-Person": self._person,
            "X-Tre-Project": self._project,
            "Content-Type": "application/json",
        }
        try:
            async with self._airlock.request(
                method, url, data=body or None, headers=headers, allow_redirects=False
            ) as answer:
                said = await answer.content.read(LARGEST_ANSWER + 1)
                while len(said) <= LARGEST_ANSWER and (more := await answer.content.read(LARGEST_ANSWER)):
                    said += more
        except (aiohttp.ClientError, TimeoutError):
            return fault(503, "the airlock does not answer; nothing was asked, try again in a moment")
        if len(said) > LARGEST_ANSWER or not _is_json(said):
            return fault(502, "the airlock's answer cannot be read; tell an admin")
        return web.Response(status=answer.status, body=said, content_type="application/json")


async def _read(request: web.Request) -> bytes | None:
    """Read what was sent; None if it is longer than any question."""
    body = b""
    while part := await request.content.read(LARGEST_QUESTION):
        body += part
        if len(body) > LARGEST_QUESTION:
            return None
    return body


def _is_json(said: bytes) -> bool:
    try:
        json.loads(said)
    except ValueError:
        return False
    return True


def fault(status: int, message: str) -> web.Response:
    """Say no in the words of the house."""
    return web.json_response({"error": message, "rules": [], "remedies": []}, status=status)
