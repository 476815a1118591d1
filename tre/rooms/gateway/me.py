"""What a person in a room may know of the room itself: who they are here, which data, how much they have seen."""

import asyncio
import json
from datetime import datetime

from tre.errors import TREError
from tre.rooms.gateway.books import Books, utc
from tre.rooms.gateway.meter import Key, Meter

NOTICE_FROM = 0.8
OURS = "tre/"
"""Below a room's prefix: what its page asks of the gateway, and through it of the airlock; the room never sees it."""
PATH = f"{OURS}me"


def standing(key: Key, meter: Meter, *, until: datetime | None, why: str, left: float) -> dict[str, object]:
    """Say how long the room is open, why it closes if it does, and how much was seen of it."""
    return {
        "person": key.person,
        "project": key.project,
        "until": until.isoformat() if until else None,
        "seconds_left": max(0, round(left)) if until else None,
        "closing_at": until.isoformat() if until and why else None,
        "why": why,
        "meter": _spent(key, meter),
    }


def _spent(key: Key, meter: Meter) -> dict[str, int]:
    now, count = utc(), meter.of(key)
    return {
        "hour_bytes": count.hour(now),
        "hour_limit": count.limits.hour,
        "day_bytes": count.day(now),
        "day_limit": count.limits.day,
    }


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
        "meter": _spent(key, meter),
        "notices": notices,
    }
