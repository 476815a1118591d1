"""The house as an admin runs it: people, roles to second, training that lapses, projects, rules, emergencies.

No data, no votes, and nothing of what is done in a room: an admin provisions, and sees what that needs.
"""

import difflib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from policies.facts import NEVER
from tre.errors import NotFound
from tre.governance import endings, training
from tre.records.tables import (
    AgreementTextRow,
    EmergencyRow,
    MemberRow,
    PersonRow,
    ProjectRow,
    RoleChangeRow,
    RoleRow,
    RoomRow,
    RulebookRow,
)

AHEAD = timedelta(days=30)
LAST = 10


@dataclass(frozen=True, kw_only=True)
class Account:
    """A person, as far as an admin needs to know them."""

    name: str
    full_name: str
    email: str
    roles: tuple[str, ...]
    state: str
    """active, invited or suspended."""


@dataclass(frozen=True, kw_only=True)
class Lapse:
    """A course that a person must have, and that ends soon, has ended or was never recorded."""

    person: str
    course: str
    until: datetime | None
    over: bool


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A project in a line."""

    name: str
    title: str
    state: str
    until: datetime
    members: int
    rooms: int


@dataclass(frozen=True, kw_only=True)
class Change:
    """A rulebook that an admin proposed."""

    number: int
    why: str
    proposed_by: str
    proposed_at: datetime
    sha256: str
    files: tuple[tuple[str, tuple[str, ...]], ...]
    """Name -> lines that it takes away (-) and adds (+)."""


@dataclass(frozen=True, kw_only=True)
class Rulebook:
    """Which rules are in force, and which somebody proposed."""

    number: int
    sha256: str
    since: datetime | None
    adopted_by: str
    proposed: tuple[Change, ...]


@dataclass(frozen=True, kw_only=True)
class Agreements:
    """Versions of the user agreement."""

    in_force: AgreementTextRow | None
    coming: tuple[AgreementTextRow, ...]


@dataclass(frozen=True, kw_only=True)
class Office:
    """All of it."""

    people: tuple[Account, ...]
    changes: tuple[RoleChangeRow, ...]
    lapses: tuple[Lapse, ...]
    projects: tuple[Standing, ...]
    rules: Rulebook
    emergencies: tuple[EmergencyRow, ...]
    """Asked for, running, or not yet reviewed; the newest first."""
    agreements: Agreements


def office(session: Session, *, now: datetime) -> Office:
    """Gather what an admin works with."""
    people = _people(session)
    proposed = select(RoleChangeRow).where(RoleChangeRow.state == "proposed").order_by(RoleChangeRow.id)
    return Office(
        people=people,
        changes=tuple(session.scalars(proposed)),
        lapses=lapses(session, tuple(each.name for each in people if each.state != "suspended"), now=now),
        projects=_projects(session, now=now),
        rules=rulebook(session),
        emergencies=_emergencies(session),
        agreements=_agreements(session, now=now),
    )


def lapses(session: Session, names: tuple[str, ...], *, now: datetime) -> tuple[Lapse, ...]:
    """Return who must renew a course within thirty days, or should have; those that are over first."""
    found = [
        Lapse(
            person=person,
            course=each.what,
            until=None if each.until == NEVER else each.until,
            over=each.until <= now,
        )
        for person, known in endings.of_people(session, names, now).items()
        for each in known
        if each.kind == "course" and each.until <= now + AHEAD
    ]
    return tuple(sorted(found, key=lambda each: (each.until or NEVER, each.person, each.course)))


def rulebook(session: Session) -> Rulebook:
    """Say which rules are in force and what is proposed, line by line."""
    rows = tuple(session.scalars(select(RulebookRow).order_by(RulebookRow.number)))
    present = next((row for row in reversed(rows) if row.state == "adopted"), None)
    before = json.loads(present.files) if present else {}
    return Rulebook(
        number=present.number if present else 0,
        sha256=present.sha256 if present else "",
        since=present.settled_at or present.proposed_at if present else None,
        adopted_by=(present.settled_by or present.proposed_by) if present else "",
        proposed=tuple(_change(row, before) for row in rows if row.state == "proposed"),
    )


def _change(row: RulebookRow, before: dict[str, str]) -> Change:
    after: dict[str, str] = json.loads(row.files)
    named = ((name, _lines(before.get(name, ""), after.get(name, ""))) for name in sorted({*before, *after}))
    return Change(
        number=row.number,
        why=row.why,
        proposed_by=row.proposed_by,
        proposed_at=row.proposed_at,
        sha256=row.sha256,
        files=tuple((name, lines) for name, lines in named if lines),
    )


def _lines(before: str, after: str) -> tuple[str, ...]:
    found = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
    return tuple(line for line in found if not line.startswith(("---", "+++", "@@")))


def _people(session: Session) -> tuple[Account, ...]:
    held: dict[str, list[str]] = {}
    for row in session.scalars(select(RoleRow).order_by(RoleRow.role)):
        held.setdefault(row.person, []).append(row.role)
    rows = session.scalars(select(PersonRow).order_by(PersonRow.name))
    return tuple(
        Account(
            name=row.name,
            full_name=row.full_name,
            email=row.email,
            roles=tuple(held.get(row.name, ())),
            state="suspended" if row.suspended else "active" if row.enrolled_at else "invited",
        )
        for row in rows
    )


def _projects(session: Session, *, now: datetime) -> tuple[Standing, ...]:
    members = select(MemberRow.project, func.count(func.distinct(MemberRow.person)))
    members = members.where(MemberRow.removed_at.is_(None), MemberRow.until > now).group_by(MemberRow.project)
    rooms = select(RoomRow.project, func.count(RoomRow.id)).where(RoomRow.closed_at.is_(None)).group_by(RoomRow.project)
    people, open_now = dict(session.execute(members).all()), dict(session.execute(rooms).all())
    return tuple(
        Standing(
            name=row.name,
            title=row.title,
            state=_state(row, now),
            until=row.approved_until,
            members=people.get(row.name, 0),
            rooms=open_now.get(row.name, 0),
        )
        for row in session.scalars(select(ProjectRow).order_by(ProjectRow.name))
    )


def _state(row: ProjectRow, now: datetime) -> str:
    if row.closed_at:
        return "closed"
    if row.suspended:
        return "suspended"
    return "over" if row.approved_until <= now else "open"


def _emergencies(session: Session) -> tuple[EmergencyRow, ...]:
    rows = select(EmergencyRow).where(EmergencyRow.reviewed_at.is_(None)).order_by(EmergencyRow.id.desc())
    return tuple(session.scalars(rows.limit(LAST)))


def _agreements(session: Session, *, now: datetime) -> Agreements:
    try:
        present = training.agreement(session, now)
    except NotFound:
        present = None
    coming = select(AgreementTextRow).where(AgreementTextRow.since > now).order_by(AgreementTextRow.since)
    return Agreements(in_force=present, coming=tuple(session.scalars(coming)))
