"""What a project used of the house, month by month, and what it asked to take out."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import column, func, inspect, select, table
from sqlalchemy.orm import Session

from tre.records.tables import MeterRow, Moment, RoomRow

MONTHS = 6
MOST = 50
# The airlock's own tables, read by their names: the core knows what the records hold, and nothing of the airlock.
_requests = table("export_request", *map(column, ("id", "project", "requester", "state")), column("moved_at", Moment))
_files = table("export_file", *map(column, ("request", "round", "size")))
_released = table("release", *map(column, ("request", "round")), column("released_at", Moment))


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """A request to take results out."""

    number: int
    requester: str
    state: str
    moved_at: datetime


@dataclass(frozen=True, kw_only=True)
class Month:
    """What was used in a month."""

    name: str
    hours: float
    seen: int
    """Bytes that browsers got from its rooms."""
    released: int
    """Bytes that left."""


def exports(session: Session, project: str) -> tuple[Leaving, ...]:
    """Return the requests of a project, newest first; none where the house has no airlock."""
    if not _airlock(session):
        return ()
    rows = select(_requests).where(_requests.c.project == project).order_by(_requests.c.id.desc()).limit(MOST)
    return tuple(
        Leaving(number=each.id, requester=each.requester, state=each.state, moved_at=each.moved_at)
        for each in session.execute(rows)
    )


def months(session: Session, project: str, *, now: datetime) -> tuple[Month, ...]:
    """Return what was used in each of the last months, this one last."""
    names = _last_months(now)
    first = datetime.strptime(names[0], "%Y-%m").replace(tzinfo=UTC)
    hours = _hours(session, project, first, now)
    seen, left = _seen(session, project, first), _left(session, project, first)
    return tuple(
        Month(name=name, hours=round(hours[name], 1), seen=round(seen[name]), released=round(left[name]))
        for name in names
    )


def _airlock(session: Session) -> bool:
    return inspect(session.connection()).has_table(_requests.name)


def _last_months(now: datetime) -> tuple[str, ...]:
    first, found = now.replace(day=1), []
    for _ in range(MONTHS):
        found.append(f"{first:%Y-%m}")
        first = (first - timedelta(days=1)).replace(day=1)
    return tuple(reversed(found))


def _hours(session: Session, project: str, first: datetime, now: datetime) -> Mapping[str, float]:
    """Hours that rooms were open, each in the month in which it passed."""
    rows = select(RoomRow.opened_at, RoomRow.closed_at).where(
        RoomRow.project == project, (RoomRow.closed_at.is_(None)) | (RoomRow.closed_at > first)
    )
    spent: dict[str, float] = defaultdict(float)
    for opened, closed in session.execute(rows):
        at, end = max(opened, first), min(closed or now, now)
        while at < end:
            upto = min(end, _next_month(at))
            spent[f"{at:%Y-%m}"] += (upto - at) / timedelta(hours=1)
            at = upto
    return spent


def _next_month(at: datetime) -> datetime:
    return (at.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)


def _seen(session: Session, project: str, first: datetime) -> Mapping[str, float]:
    rows = select(MeterRow.hour, func.sum(MeterRow.bytes)).where(MeterRow.project == project, MeterRow.hour >= first)
    spent: dict[str, float] = defaultdict(float)
    for hour, count in session.execute(rows.group_by(MeterRow.hour)):
        spent[f"{hour:%Y-%m}"] += int(count)
    return spent


def _left(session: Session, project: str, first: datetime) -> Mapping[str, float]:
    """Bytes of all files that were released, by the month of their release."""
    spent: dict[str, float] = defaultdict(float)
    if not _airlock(session):
        return spent
    rows = (
        select(_released.c.released_at, func.sum(_files.c.size))
        .join(_requests, _requests.c.id == _released.c.request)
        .join(_files, (_files.c.request == _released.c.request) & (_files.c.round == _released.c.round))
        .where(_requests.c.project == project)
        .group_by(_released.c.request, _released.c.released_at)
    )
    for at, size in session.execute(rows):
        if at >= first:
            spent[f"{at:%Y-%m}"] += int(size)
    return spent
