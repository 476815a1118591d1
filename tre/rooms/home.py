"""What a person sees first: their projects, which rooms are open, and why a door is closed and what opens it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.errors import TREError
from tre.governance import access, accounts, notices, projects, superseded
from tre.governance.desk import person as desk
from tre.governance.desk.person import Due
from tre.governance.desk.reasons import Why, against, points, why
from tre.governance.uses import Point
from tre.records.db import Records
from tre.records.tables import NoticeRow, ProjectRow, RoomRow
from tre.rooms.room import origin, prefix
from tre.settings import Settings

MOST = 3
"""Endings and notices at the head of the page; a person's own page has all."""


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """What a person should know before they begin: what ends next, and what they were told."""

    now: datetime | None = None
    due: tuple[Due, ...] = ()
    unread: tuple[NoticeRow, ...] = ()
    more: int = 0
    """Notices beside these."""


@dataclass(frozen=True, kw_only=True)
class Closed:
    """A dataset that is not in the room, and why."""

    dataset: str
    reasons: tuple[Why, ...]
    points: tuple[Point, ...] = ()
    """What its use limitation has against this work."""


@dataclass(frozen=True, kw_only=True)
class Door:
    """One project on the home page."""

    name: str
    title: str
    until: datetime
    open: bool
    url: str
    datasets: tuple[str, ...]
    closed: tuple[Closed, ...]
    reasons: tuple[Why, ...]
    next: str
    notices: tuple[str, ...] = ()
    """What whoever works here must know of the data."""


def doors(records: Records, settings: Settings, person: str, *, running: Sequence[str]) -> tuple[Door, ...]:
    """List a person's projects, also those whose membership lapsed, with the answer of the rules now."""
    now = datetime.now(UTC)
    with records.read() as session:
        rows = projects.of_person(session, person, now=now, lapsed=True)
        return tuple(_door(session, settings, row, person, now=now, running=running) for row in rows)


def roles(records: Records, person: str) -> frozenset[str]:
    """Return what a person is here to do."""
    with records.read() as session:
        return frozenset(str(role) for role in accounts.roles_of(session, person))


def ahead(records: Records, person: str) -> Ahead:
    """Return what ends within thirty days, and the newest that the person was told and has not read."""
    now = datetime.now(UTC)
    with records.read() as session:
        unread = notices.of(session, person)
        due = tuple(each for each in desk.due(session, person, now=now) if each.soon)
    return Ahead(now=now, due=due[:MOST], unread=unread[:MOST], more=max(0, len(unread) - MOST))


def closings(records: Records, person: str) -> Mapping[str, str]:
    """Return for each project of a person why their last room there closed."""
    asked = select(RoomRow).where(RoomRow.person == person, RoomRow.closed_at.is_not(None)).order_by(RoomRow.id)
    with records.read() as session:
        return {row.project: row.closed_because for row in session.scalars(asked)}


def _door(
    session: Session, settings: Settings, row: ProjectRow, person: str, *, now: datetime, running: Sequence[str]
) -> Door:
    is_open = row.name in running
    try:
        opening = access.opening(session, row.name, person, now=now)
    except TREError as error:
        broken = (Why(rule="E00", sentence=str(error), remedy="Tell an admin.", ask="an admin"),)
        return _as_door(settings, row, person, is_open=is_open, datasets=(), closed=(), reasons=broken)
    return _as_door(
        settings,
        row,
        person,
        is_open=is_open,
        datasets=tuple(mount.dataset for mount in opening.mounts),
        closed=_closed(session, row.name, person, opening, now),
        reasons=() if opening.decision.allowed else why(session, opening.decision),
        notices=tuple(superseded.notices(session, row.name, _mounted(session, row, person, opening, is_open=is_open))),
    )


def _closed(session: Session, project: str, person: str, opening: access.Opening, now: datetime) -> tuple[Closed, ...]:
    said = points(session, project, person, now=now) if opening.refused else {}
    return tuple(
        Closed(dataset=name, reasons=why(session, no), points=against(said.get(name, ())))
        for name, no in opening.refused
    )


def _mounted(session: Session, row: ProjectRow, person: str, opening: access.Opening, *, is_open: bool) -> str:
    """Return what an open room holds, which may be older than what it would get now; else what it would get."""
    if is_open:
        return superseded.mounted(session, row.name, person)
    return json.dumps([vars(mount) for mount in opening.mounts])


def _as_door(
    settings: Settings,
    row: ProjectRow,
    person: str,
    *,
    is_open: bool,
    datasets: tuple[str, ...],
    closed: tuple[Closed, ...],
    reasons: tuple[Why, ...],
    notices: tuple[str, ...] = (),
) -> Door:
    return Door(
        name=row.name,
        title=row.title,
        until=row.approved_until,
        open=is_open,
        url=f"{origin(settings, row.name, person)}{prefix(row.name, person)}lab"
        if is_open
        else f"/hub/spawn/{person}/{row.name}",
        datasets=datasets,
        closed=closed,
        reasons=reasons,
        next=_next(is_open=is_open, refused=bool(reasons), datasets=datasets),
        notices=notices,
    )


def _next(*, is_open: bool, refused: bool, datasets: tuple[str, ...]) -> str:
    """Say whose turn it is, and what comes next."""
    if refused:
        return "The room closes within a minute." if is_open else "The room stays closed until this is done:"
    if is_open:
        return "Your room is open. Your turn: work in it, and ask for an export from the outbox."
    if not datasets:
        return "No data yet: an admin prepares them once the committee has approved. The room can be opened without."
    return "Ready. Your turn: open the room."
