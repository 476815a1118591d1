"""A kernel's channel stays open for hours, so who may hold it is asked again and again, and each frame is counted."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp import WSMsgType, web
from yarl import URL

from tre.errors import TREError
from tre.rooms.gateway import frames, headers
from tre.rooms.gateway.filter import Denied, Kind, Passage
from tre.rooms.gateway.forward import HERE
from tre.rooms.gateway.meter import Cut, Meter
from tre.rooms.gateway.open_room import CLOSED, OpenRoom, end

LARGEST_FROM_ROOM = 16 * 1024 * 1024
LARGEST_FROM_BROWSER = 64 * 1024 * 1024
ASK_AGAIN_SECONDS = 5
SPENT = 4429
TOO_LONG = 1009
GONE = 1001
End = tuple[int, str]


async def channel(
    request: web.Request,
    room: OpenRoom,
    passage: Passage,
    meter: Meter,
    may_stay: Callable[[], Awaitable[bool]],
) -> web.StreamResponse:
    """Join a browser and a room until one leaves, the limit is spent, or the person may not stay."""
    protocols = (frames.PROTOCOL,) if passage.kind is Kind.KERNEL else ()
    asked = [word.strip() for word in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    if protocols and frames.PROTOCOL not in asked:
        raise Denied(f"a kernel's channel speaks {frames.PROTOCOL}")
    async with room.session.ws_connect(
        URL(f"{HERE}{passage.target}", encoded=True),
        protocols=protocols,
        headers=headers.to_room({}),
        max_msg_size=LARGEST_FROM_ROOM,
        compress=0,
    ) as inner:
        outer = web.WebSocketResponse(
            protocols=protocols, max_msg_size=LARGEST_FROM_BROWSER, compress=False, heartbeat=30
        )
        outer.headers.update(room.guards)
        await outer.prepare(request)
        here = asyncio.current_task()
        assert here is not None  # noqa: S101 -- aiohttp runs each request in a task
        room.channels.add(here)
        try:
            code, why = await _first(
                _out(inner, outer, room, meter),
                _in(outer, inner, room),
                _watch(may_stay),
                room.until_closed(),
                room.until_over(),
            )
            await end(outer, code, why)
        finally:
            room.channels.discard(here)
        return outer


async def _first(*ways: Awaitable[End]) -> End:
    """Run until the first way ends; end the others."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(done)).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _out(
    inner: aiohttp.ClientWebSocketResponse,
    outer: web.WebSocketResponse,
    room: OpenRoom,
    meter: Meter,
) -> End:
    """From the room to the browser: counted before it is sent."""
    try:
        async for message in inner:
            if message.type is WSMsgType.BINARY:
                meter.spend(room.key, len(message.data), label=frames.label(message.data))
                await outer.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                meter.spend(room.key, len(message.data.encode()), label="events")
                await outer.send_str(message.data)
    except Cut as cut:
        return SPENT, str(cut)
    except ConnectionError:
        return GONE, "the browser left"
    if inner.close_code == TOO_LONG:
        return TOO_LONG, f"the room sent a message above {LARGEST_FROM_ROOM:,} bytes"
    return GONE, "the room closed the channel"


async def _in(
    outer: web.WebSocketResponse,
    inner: aiohttp.ClientWebSocketResponse,
    room: OpenRoom,
) -> End:
    """From the browser to the room: what a person does there is their activity."""
    try:
        async for message in outer:
            room.touch()
            if message.type is WSMsgType.BINARY:
                await inner.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                await inner.send_str(message.data)
    except (ConnectionError, aiohttp.ClientError):
        return GONE, "the room left"
    return GONE, "the browser left"


async def _watch(may_stay: Callable[[], Awaitable[bool]]) -> End:
    """Ask again every few seconds; an error in asking is a no."""
    while True:
        await asyncio.sleep(ASK_AGAIN_SECONDS)
        try:
            if not await may_stay():
                return CLOSED, "you are signed out, or may not be here any more"
        except TREError as error:
            return CLOSED, str(error)
