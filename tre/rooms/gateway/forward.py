"""A request goes to the room without its sender's name, and the answer comes back counted."""

import aiohttp
from aiohttp import web
from yarl import URL

from tre.rooms.gateway import headers
from tre.rooms.gateway.filter import Denied, Kind, Passage, check_contents, check_upload
from tre.rooms.gateway.meter import Cut, Meter
from tre.rooms.gateway.open_room import OpenRoom

CHUNK = 64 * 1024
LARGEST_CONTENTS = 5_000_000
FINAL = range(200, 600)
"""Statuses that are an answer. After 101 whoever stands between would pass on anything, both ways."""
PROBE_SECONDS = aiohttp.ClientTimeout(total=5)
HERE = "http://localhost"  # any other Host gets 403 from Jupyter


async def probe(room: OpenRoom) -> bool:
    """Tell whether the room's own server answers."""
    try:
        async with room.session.get(f"{HERE}{room.prefix}api", timeout=PROBE_SECONDS) as answer:
            return answer.status == 200  # noqa: PLR2004 -- HTTP's own number
    except (aiohttp.ClientError, TimeoutError):
        return False


async def forward(request: web.Request, room: OpenRoom, passage: Passage, meter: Meter) -> web.StreamResponse:
    """Pass one request on, and its answer back."""
    body = await request.read()
    if passage.kind is Kind.CONTENTS and request.method != "GET":
        check_upload(body)
    async with room.session.request(
        request.method,
        URL(f"{HERE}{passage.target}", encoded=True),
        headers=headers.to_room(request.headers),
        data=body or None,
        allow_redirects=False,
    ) as answer:
        if answer.status not in FINAL:
            raise aiohttp.ClientPayloadError(f"the room answers {answer.status}, which ends nothing")
        kept = headers.from_room(answer.status, answer.headers, room.prefix)
        if kept is None:
            raise Denied("the room tried to send the browser elsewhere")
        out = web.StreamResponse(status=answer.status, headers={**kept, **room.guards})
        meter.spend(room.key, sum(len(name) + len(value) for name, value in kept.items()))
        if passage.kind is Kind.CONTENTS and request.method == "GET":
            return await _whole(request, answer, out, room, meter)
        return await _stream(request, answer, out, room, meter)


async def _whole(
    request: web.Request,
    answer: aiohttp.ClientResponse,
    out: web.StreamResponse,
    room: OpenRoom,
    meter: Meter,
) -> web.StreamResponse:
    """Look at a file before it is shown: not too long, and not in base64."""
    body = bytearray()  # grows in place, while bytes would be copied with every chunk
    async for chunk in answer.content.iter_chunked(CHUNK):
        body += chunk
        if len(body) > LARGEST_CONTENTS:
            raise Denied(f"files above {LARGEST_CONTENTS:,} bytes are not shown in the browser; read them in a cell")
    check_contents(body)
    meter.spend(room.key, len(body), label="contents")
    await out.prepare(request)
    await out.write(body)
    return out


async def _stream(
    request: web.Request,
    answer: aiohttp.ClientResponse,
    out: web.StreamResponse,
    room: OpenRoom,
    meter: Meter,
) -> web.StreamResponse:
    try:
        async for chunk in answer.content.iter_chunked(CHUNK):
            meter.spend(room.key, len(chunk))
            if not out.prepared:
                await out.prepare(request)
            await out.write(chunk)
    except (Cut, aiohttp.ClientError):
        if not out.prepared:
            raise
        if request.transport is not None:
            request.transport.abort()  # a cut answer must not look like a whole one
        return out
    if not out.prepared:
        await out.prepare(request)
    return out
