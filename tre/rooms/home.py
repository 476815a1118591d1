"""What a person sees first: their projects, which rooms are open, and why a door is closed and what opens it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from policies import book
from policies.engine import Decision
from tre.errors import TREError
from tre.governance import access, accounts, projects, superseded
from tre.records.db import Records
from tre.records.tables import ProjectRow
from tre.rooms.room import origin, prefix
from tre.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Reason:
    """A rule that said no, and what to do."""

    rule: str
    sentence: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Closed:
    """A dataset that is not in the room, and why."""

    dataset: str
    reasons: tuple[Reason, ...]


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
    reasons: tuple[Reason, ...]
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


def _door(
    session: Session, settings: Settings, row: ProjectRow, person: str, *, now: datetime, running: Sequence[str]
) -> Door:
    is_open = row.name in running
    try:
        opening = access.opening(session, row.name, person, now=now)
    except TREError as error:
        broken = (Reason(rule="E00", sentence=str(error), remedy="Tell an admin."),)
        return _as_door(settings, row, person, is_open=is_open, datasets=(), closed=(), reasons=broken)
    return _as_door(
        settings,
        row,
        person,
        is_open=is_open,
        datasets=tuple(mount.dataset for mount in opening.mounts),
        closed=tuple(Closed(dataset=name, reasons=_reasons(no)) for name, no in opening.refused),
        reasons=() if opening.decision.allowed else _reasons(opening.decision),
        notices=tuple(superseded.notices(session, row.name, _mounted(session, row, person, opening, is_open=is_open))),
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
    reasons: tuple[Reason, ...],
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


def _reasons(decision: Decision) -> tuple[Reason, ...]:
    known = book.book()
    return tuple(
        Reason(rule=rule, sentence=known[rule].sentence if rule in known else rule, remedy=remedy)
        for rule, remedy in zip(decision.rules, decision.remedies, strict=False)
    )
