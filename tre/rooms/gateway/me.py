"""What a person in a room may know of the room itself: who they are here, which data, how much they have seen."""

import asyncio
import json

from tre.errors import TREError
from tre.rooms.gateway.books import Books, utc
from tre.rooms.gateway.meter import Key, Meter

NOTICE_FROM = 0.8


async def answer(key: Key, meter: Meter, books: Books) -> dict[str, object]:
    """Answer GET /v1/me of the room's socket."""
    now, count = utc(), meter.of(key)
    notices: list[str] = []
    try:
        mounts = json.loads(await asyncio.to_thread(books.mounts, key))
        notices += await asyncio.to_thread(books.notices, key)
    except TREError:
        mounts = []
    if count.hour(now) > NOTICE_FROM * count.limits.hour or count.day(now) > NOTICE_FROM * count.limits.day:
        notices.append("Little is left of what this project's rooms may show today; print less, or aggregate.")
    return {
        "person": key.person,
        "project": key.project,
        "datasets": [
            {"name": one["dataset"], "version": one["version"], "path": f"/data/{one['dataset']}"} for one in mounts
        ],
        "meter": {
            "hour_bytes": count.hour(now),
            "hour_limit": count.limits.hour,
            "day_bytes": count.day(now),
            "day_limit": count.limits.day,
        },
        "notices": notices,
    }
