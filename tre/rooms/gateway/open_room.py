"""One open room, as the gateway holds it: its sign-in, its socket, the browsers that are connected now."""

import asyncio
import math
from datetime import UTC, datetime
from time import monotonic

import aiohttp
from aiohttp import web
from cryptography.fernet import Fernet

from tre.rooms.api import Listener, Me, fault
from tre.rooms.gateway import headers, upstream
from tre.rooms.gateway.login import Login
from tre.rooms.gateway.meter import Key
from tre.rooms.gateway.registry import Registration
from tre.rooms.room import origin
from tre.settings import Settings

CLOSED = 4403
CLOSE_SECONDS = 2
LOOK_SECONDS = 1.0
OVER = "something that it stands on has ended; the home page says what"


class OpenRoom:
    """What belongs to one registration while it lasts."""

    def __init__(self, settings: Settings, given: Registration, seal: Fernet) -> None:
        """Make the room's sign-in; nothing is opened yet."""
        self.given = given
        self.key = Key(given.person, given.project)
        self.prefix = given.prefix
        self.origin = origin(settings, given.project, given.person)
        self.host = self.origin.partition("://")[2]
        self.login = Login(settings, given, seal)
        self.guards = headers.guards(self.origin, self.prefix)
        self.channels: set[asyncio.Task[object]] = set()
        """The tasks that serve a browser's channel each."""
        self._end = math.inf
        self.move(given.end, given.why)
        self._closing: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.active_at: datetime | None = None
        self._settings = settings
        self._folder = settings.room_sockets(given.project, given.person)
        self._session: aiohttp.ClientSession | None = None
        self._listener: Listener | None = None

    def move(self, until: datetime | None, why: str = "") -> None:
        """Take another end. It is held by two clocks: one that is set back makes nothing longer."""
        self.until, self.why = until, why
        left = (until - datetime.now(UTC)).total_seconds() if until else math.inf
        self._end = monotonic() + left

    @property
    def left(self) -> float:
        """Seconds until it is over, by the clock that says fewer; negative afterwards."""
        wall = (self.until - datetime.now(UTC)).total_seconds() if self.until else math.inf
        return min(wall, self._end - monotonic())

    async def until_over(self) -> tuple[int, str]:
        """Wait for the room's own end, which may be moved meanwhile."""
        while self.left > 0:  # noqa: ASYNC110 -- a time that may be moved, in a clock that may be set
            await asyncio.sleep(min(max(self.left, 0.01), LOOK_SECONDS))
        return CLOSED, self.over()

    def over(self) -> str:
        """Say that its time is over."""
        return f"this room is closed: {self.why or OVER}"

    def touch(self) -> None:
        """Note that a person did something."""
        self.active_at = datetime.now(UTC)

    async def open(self, me: Me) -> None:
        """Serve the room's socket to us, and be ready to call on its own."""
        given = self.given
        listener = Listener(self._settings, person=given.person, project=given.project, uid=given.uid, me=me)
        await listener.start(self._folder / "api")
        self._listener = listener
        self._session = upstream.session(self._folder / "in", given.uid)

    async def pass_on(self, request: web.Request, path: str) -> web.StreamResponse:
        """Ask the airlock what the room's page asks: only as JSON, which no other site's page can send here unasked."""
        assert self._listener is not None  # noqa: S101 -- `open` came before
        if request.method == "POST" and request.content_type != "application/json":
            return fault(415, "send JSON, with Content-Type: application/json")
        answer = await self._listener.pass_on(request, path)
        answer.headers.update(self.guards)
        return answer

    @property
    def session(self) -> aiohttp.ClientSession:
        """Speak HTTP with the room."""
        assert self._session is not None  # noqa: S101 -- `open` came before
        return self._session

    async def close(self, why: str) -> None:
        """Cut every browser off, at once, and let go of the sockets."""
        self._closing.set_result(why)
        if self.channels:
            await asyncio.wait(tuple(self.channels), timeout=CLOSE_SECONDS)
        if self._listener is not None:
            await self._listener.stop()
        if self._session is not None:
            await self._session.close()

    async def until_closed(self) -> tuple[int, str]:
        """Wait for the room's end; return the code and the reason for whoever is connected."""
        return CLOSED, await asyncio.shield(self._closing)


async def end(channel: web.WebSocketResponse, code: int, why: str) -> None:
    """Close a websocket with a reason; a browser that does not answer waits for nobody."""
    try:
        await asyncio.wait_for(channel.close(code=code, message=why.encode()[:120]), timeout=CLOSE_SECONDS)
    except (TimeoutError, ConnectionError):
        return
