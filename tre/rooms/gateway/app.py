"""The one way from a browser into a room. A request passes five questions; each can only say no."""

import asyncio
import html
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

import aiohttp
from aiohttp import web
from jupyterhub import __version__ as hub_version

from tre.errors import Refused, TREError
from tre.rooms.gateway import filter as paths
from tre.rooms.gateway import me, static
from tre.rooms.gateway.books import ACTOR, Books, News, utc
from tre.rooms.gateway.channel import channel
from tre.rooms.gateway.filter import Denied, Kind
from tre.rooms.gateway.forward import forward, probe
from tre.rooms.gateway.login import sealer
from tre.rooms.gateway.meter import Cut, Key, Meter
from tre.rooms.gateway.open_room import OpenRoom
from tre.rooms.gateway.registry import Registration, Registry
from tre.rooms.room import CALLBACK, landing
from tre.settings import Settings

SAVE_SECONDS = 5
SAVE_AT_LATEST_SECONDS = 60
ACTIVITY_SECONDS = 60
ASK_ACCOUNT_SECONDS = 5
TOLD_SECONDS = 20
READY_SECONDS = 3
READY_TICK_SECONDS = 0.05
LARGEST_UPLOAD = 32 * 1024 * 1024
log = logging.getLogger("gateway")
KNOWN = web.RequestKey("known", bool)
"""Set on a request once it is known who asks."""
READS = frozenset({"GET", "HEAD"})
_OWN_SITE = frozenset({"same-origin", "none"})


class Gateway:
    """All rooms, in one process."""

    def __init__(self, settings: Settings, books: Books, files: Mapping[str, Path]) -> None:
        """Hold the rooms; `start` opens those that were open before."""
        self._settings = settings
        self._books = books
        self._files = files
        self._seal = sealer(settings)
        self._landing = f"{landing(settings)}:{settings.port}"
        self._registry = Registry(settings.sockets)
        self._rooms: dict[Key, OpenRoom] = {}
        self._meter = Meter(utc)
        self._saving = asyncio.Lock()
        self._refusals: Counter[tuple[Key, str, str]] = Counter()
        self._suspended: dict[str, tuple[float, bool]] = {}
        self._told: dict[Key, tuple[float, list[dict[str, str]]]] = {}

    # --- rooms come and go ---------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Open every room that was open when the last process ended."""
        for given in self._registry:
            try:
                await self._open(given)
            except OSError as error:  # its folders are gone, so the room is
                log.warning("room %s of %s is not there any more: %s", given.project, given.person, error)
                self._registry.drop(given.person, given.project)

    async def register(self, given: Registration) -> None:
        """Open a room, or take its new token."""
        await self._close(Key(*given.key), "the room starts anew")
        self._registry.put(given)
        await self._open(given)

    async def deregister(self, person: str, project: str) -> bool:
        """Close a room: from here on, nothing passes."""
        gone = self._registry.drop(person, project)
        await self._close(Key(person, project), "the room is closed")
        await self.save()
        return gone is not None

    def registered(self, person: str, project: str) -> bool:
        """Tell whether a room is open here."""
        return self._registry.get(person, project) is not None

    def move(self, person: str, project: str, until: datetime, why: str) -> bool:
        """Give a room another end, after a restart too; tell whether it is open here."""
        given, room = self._registry.get(person, project), self._rooms.get(Key(person, project))
        if given is None or room is None:
            return False
        self._registry.put(replace(given, until=until.isoformat(), why=why))
        room.move(until, why)
        return True

    async def stop(self) -> None:
        """End this process; rooms live on, and are open again when the next one starts."""
        for key in tuple(self._rooms):
            await self._close(key, "the gateway restarts")
        await self.save()

    async def _open(self, given: Registration) -> None:
        room = OpenRoom(self._settings, given, self._seal)
        await self._know(room.key)
        await room.open(lambda: me.answer(room.key, self._meter, self._books))
        self._rooms[room.key] = room

    async def _close(self, key: Key, why: str) -> None:
        room = self._rooms.pop(key, None)
        if room is not None:
            await room.close(why)

    # --- a request -------------------------------------------------------------------------------------------------
    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one browser."""
        room = self._room_of(request)
        if request.host == self._landing:
            return self._land(request, room)
        if room is None:
            return said(request, 404, "This room is not open.", {}, self._settings.hub_origin)
        if self._is_probe(request, room):
            return await self._ready(room)
        if request.host != room.host:
            return said(request, 421, "This host name is not the room's.", room.guards, self._settings.hub_origin)
        try:
            return await self._inside(request, room)
        except (Denied, Cut, TREError, aiohttp.ClientError, TimeoutError) as no:
            return self._no(request, room, no)

    def _land(self, request: web.Request, room: OpenRoom | None) -> web.Response:
        """Send a browser that comes from the Hub on to the room's own host; to the projects if it is not open."""
        if request.method != "GET" or not _navigates(request):
            return said(request, 421, "This host name is not the room's.", {}, self._settings.hub_origin)
        home = f"{self._settings.hub_origin}/hub/home"
        return web.Response(status=302, headers={"Location": f"{room.origin}{request.raw_path}" if room else home})

    def _no(self, request: web.Request, room: OpenRoom, no: Exception) -> web.Response:
        """Say why not, and remember that it was said."""
        status, why = _status(no)
        if isinstance(no, Denied | Refused):
            who = room.key.person if request.get(KNOWN, False) else ACTOR
            self._refusals[room.key, who, why] += 1
        return said(request, status, why, room.guards, self._settings.hub_origin)

    def _room_of(self, request: web.Request) -> OpenRoom | None:
        try:
            path, _ = paths.split(request.raw_path)
        except Denied:
            path = request.raw_path  # refused below, when the room is known
        parts = path.split("/")
        if len(parts) < 4 or parts[1] != "user":  # noqa: PLR2004 -- /user/<person>/<project>
            return None
        return self._rooms.get(Key(parts[2], parts[3]))

    def _is_probe(self, request: web.Request, room: OpenRoom) -> bool:
        """Tell the Hub's own question whether the room is up: on loopback, under no public name."""
        return (
            request.method == "GET"
            and request.host == f"127.0.0.1:{self._settings.gateway_port}"
            and request.raw_path == f"{room.prefix}api"
        )

    async def _ready(self, room: OpenRoom) -> web.Response:
        """Answer once the room does. The Hub asks ever more rarely, so a question that waits is answered sooner."""
        until = monotonic() + READY_SECONDS
        while not (up := await probe(room)) and monotonic() < until:
            await asyncio.sleep(READY_TICK_SECONDS)
            if self._rooms.get(room.key) is not room:
                break
        return web.json_response({}, status=200 if up else 503, headers={"X-JupyterHub-Version": hub_version})

    async def _inside(self, request: web.Request, room: OpenRoom) -> web.StreamResponse:
        if room.left <= 0:
            raise Refused(room.over())
        if request.raw_path.partition("?")[0] == room.prefix + CALLBACK and request.method == "GET":
            answer = await room.login.finish(request)
            answer.headers.update(room.guards)
            return answer
        # 1. Who asks?
        token = room.login.token(request)
        if token is None or not await self._may(room, token):
            return self._stranger(request, room)
        request[KNOWN] = True
        # 2. From where?
        _check_origin(request, room)
        below = request.raw_path.partition("?")[0].removeprefix(room.prefix)
        if below.startswith(me.OURS):
            return await self._ours(request, room, below)
        # 3. What for?
        passage = paths.judge(request.method, request.raw_path, room.prefix)
        below = paths.split(request.raw_path)[0].removeprefix(room.prefix)
        if below in self._files and request.method in READS:
            return static.answer(self._files[below], room.guards)
        # 4. Is anything left for this hour and day?
        self._meter.check(room.key)
        # 5. Is there a room?
        if passage.kind in {Kind.KERNEL, Kind.EVENTS}:
            return await channel(request, room, passage, self._meter, lambda: self._may(room, token))
        if request.method not in READS or _navigates(request):
            room.touch()
        return await forward(request, room, passage, self._meter)

    async def _ours(self, request: web.Request, room: OpenRoom, below: str) -> web.StreamResponse:
        """Answer what the room's page asks of us, not of the room."""
        if below == me.PATH and request.method == "GET":
            return await self._me(room)
        if request.method not in READS:
            room.touch()
        return await room.pass_on(request, f"/{below.removeprefix(me.OURS)}")

    async def _me(self, room: OpenRoom) -> web.Response:
        """Say how the room stands: answered here, whatever the room would say. It is not counted: it is not of it."""
        standing = me.standing(room.key, self._meter, until=room.until, why=room.why, left=room.left)
        standing |= {"home": f"{self._settings.hub_origin}/hub/home", "notices": await self._notices(room.key)}
        return web.json_response(standing, headers=room.guards)

    async def _notices(self, key: Key) -> list[dict[str, str]]:
        """Read what the person must know, and remember it for a little while: every open page asks each few seconds."""
        until, told = self._told.get(key, (0.0, []))
        if monotonic() >= until:
            told = await asyncio.to_thread(self._books.told, key)
            self._told[key] = (monotonic() + TOLD_SECONDS, told)
        return told

    def _stranger(self, request: web.Request, room: OpenRoom) -> web.Response:
        if request.method != "GET" or not _navigates(request):
            raise Refused("you are not signed in to this room; open it from the Hub's home page")
        paths.judge("GET", request.raw_path, room.prefix)  # come back only to what is on the list
        answer = room.login.begin(request.raw_path)
        answer.headers.update(room.guards)
        return answer

    async def _may(self, room: OpenRoom, token: str) -> bool:
        """Ask the Hub and our own table whether this person may be here now."""
        if self._rooms.get(room.key) is not room or room.left <= 0 or await self._is_suspended(room.key.person):
            return False
        return await room.login.allowed(token)

    async def _is_suspended(self, person: str) -> bool:
        until, known = self._suspended.get(person, (0.0, True))
        if monotonic() < until:
            return known
        fresh = await asyncio.to_thread(self._books.suspended, person)
        self._suspended[person] = (monotonic() + ASK_ACCOUNT_SECONDS, fresh)
        return fresh

    # --- keeping ---------------------------------------------------------------------------------------------------
    async def save(self) -> None:
        """Write counts, cuts and refusals to the records; what cannot be written now is kept for the next time."""
        async with self._saving:
            news = News(sizes=self._meter.take_unsaved(), cuts=self._meter.take_cuts(), refusals=dict(self._refusals))
            self._refusals.clear()
            try:
                if news:
                    await asyncio.to_thread(self._books.keep, news)
            except TREError as error:
                log.warning("%s", error)
                self._meter.failed(news.sizes, news.cuts)
                self._refusals.update(news.refusals)
            else:
                self._meter.saved()

    async def _know(self, key: Key) -> None:
        async with self._saving:
            limits, hours = await asyncio.to_thread(self._books.spent, key, now=utc())
            self._meter.know(key, limits, hours)

    async def keep_saving(self) -> None:
        """Save refusals, cuts and many bytes within seconds, few bytes within a minute; and take new limits."""
        saved = monotonic()
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            if self._refusals or self._meter.due() or monotonic() - saved >= SAVE_AT_LATEST_SECONDS:
                await self.save()
                saved = monotonic()
            for key in tuple(self._rooms):
                try:
                    await self._know(key)
                except TREError:
                    break

    async def keep_telling(self) -> None:
        """Tell the Hub when each room's person was last active."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            while True:
                await asyncio.sleep(ACTIVITY_SECONDS)
                for room in tuple(self._rooms.values()):
                    await self._tell(session, room)

    async def _tell(self, session: aiohttp.ClientSession, room: OpenRoom) -> None:
        if room.active_at is None or utc() - room.active_at > timedelta(seconds=2 * ACTIVITY_SECONDS):
            return
        at = _stamp(room.active_at)
        body = {"last_activity": at, "servers": {room.key.project: {"last_activity": at}}}
        url = f"{self._settings.hub_api}/users/{room.key.person}/activity"
        try:
            async with session.post(url, json=body, headers={"Authorization": f"token {room.given.token}"}):
                pass
        except (aiohttp.ClientError, TimeoutError):
            return  # the next minute tells more


def _stamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _check_origin(request: web.Request, room: OpenRoom) -> None:
    if "Service-Worker" in request.headers:
        raise Denied("a room has no service workers")
    upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
    if (request.method not in READS or upgrade) and request.headers.get("Origin") != room.origin:
        raise Denied("this was asked from another page")
    if request.headers.get("Sec-Fetch-Site", "none") not in _OWN_SITE and not _navigates(request):
        raise Denied("this was asked from another page")


def _navigates(request: web.Request) -> bool:
    """Tell whether a person follows a link, or a page's script asks."""
    mode, aim = request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest")
    if mode is not None or aim is not None:
        return mode == "navigate" and aim in {None, "document"}
    return "text/html" in request.headers.get("Accept", "")


def _status(no: Exception) -> tuple[int, str]:
    if isinstance(no, Denied):
        return 403, str(no)
    if isinstance(no, Cut):
        return 429, str(no)
    if isinstance(no, TREError):
        return no.status, str(no)
    return 502, "the room does not answer: stop it on the Hub's home page and open it again"


def said(request: web.Request, status: int, why: str, guards: Mapping[str, str], home: str) -> web.Response:
    """Answer in words: a page for a person, JSON for a script."""
    if not _navigates(request):
        return web.json_response({"message": why, "reason": why}, status=status, headers=guards)
    page = (
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'><title>Room</title>"
        "<body style='font:1.1rem/1.5 system-ui;max-width:34rem;margin:12vh auto;padding:0 1rem'>"
        f"<h1 style='font-size:1.4rem'>Not here</h1><p>{html.escape(why)}</p>"
        f"<p><a href='{html.escape(home)}/hub/home'>Back to my projects</a></p>"
    )
    return web.Response(text=page, status=status, content_type="text/html", headers=guards)
