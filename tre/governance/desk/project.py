"""A project as those see it who have to do with it: people, data, duties, rooms, exports, and what it costs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from policies.facts import Role
from tre.errors import NotFound
from tre.governance import access, accounts, explaining, projects, superseded
from tre.governance.desk import costs
from tre.governance.desk.reasons import Why, against, points, why
from tre.governance.explaining import Said
from tre.governance.uses import Point
from tre.records.tables import (
    ApplicationRow,
    ApprovalRow,
    ConditionRow,
    DatasetRow,
    DutyRow,
    ExtractRow,
    MemberRow,
    PersonRow,
    ProjectRow,
    RoomRow,
)

MEMBER = "member"
# part of the page -> who sees it. Nobody else does: an admin sees neither data, nor votes, nor what is done in a room.
SEES: Mapping[str, frozenset[str]] = {
    "people": frozenset({MEMBER, Role.ADMIN, Role.COMMITTEE, Role.CHAIR, Role.APPROVER, Role.AUDITOR}),
    "data": frozenset({MEMBER, Role.ADMIN, Role.COMMITTEE, Role.CHAIR, Role.APPROVER, Role.AUDITOR}),
    "duties": frozenset({MEMBER, Role.ADMIN, Role.COMMITTEE, Role.CHAIR, Role.AUDITOR}),
    "rooms": frozenset({MEMBER, Role.ADMIN, Role.AUDITOR}),
    "exports": frozenset({MEMBER, Role.AUDITOR}),
    "costs": frozenset({MEMBER, Role.ADMIN, Role.AUDITOR}),
    "doors": frozenset({MEMBER}),
    "acts": frozenset({Role.ADMIN}),
    "log": frozenset({Role.AUDITOR}),
}
LAST_ROOMS = 20


@dataclass(frozen=True, kw_only=True)
class Member:
    """Somebody who is or was in the project."""

    person: str
    full_name: str
    since: datetime
    until: datetime
    lead: bool
    state: str
    """in force, lapsed, removed or suspended."""


@dataclass(frozen=True, kw_only=True)
class Datum:
    """A dataset that the project may, or might, use."""

    name: str
    title: str
    version: int
    since: datetime
    until: datetime
    application: int
    state: str
    """in force, over, revoked or withdrawn."""
    why: str = ""
    extract: str = ""
    """Where its pseudonymised copy stands."""
    points: tuple[Point, ...] = ()
    """What its use limitation says to the project's purpose, and why."""


@dataclass(frozen=True, kw_only=True)
class Owed:
    """A condition of the committee, or a duty that goes with data."""

    what: str
    of: str
    due: datetime | None
    evidence: str
    done: datetime | None
    late: bool
    application: int
    at: str
    """Where on the application's page it stands."""
    before_end: bool = False
    """With no day it is due before the project closes; else before the work begins."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """A room that is or was open."""

    person: str
    opened_at: datetime
    until: datetime | None
    closed_at: datetime | None
    because: str


@dataclass(frozen=True, kw_only=True)
class Outside:
    """A dataset that is not in the room."""

    name: str
    reasons: tuple[Why, ...]
    points: tuple[Point, ...]
    """What its use limitation has against this work, in words."""


@dataclass(frozen=True, kw_only=True)
class Doors:
    """What holds and what lacks for whoever looks."""

    open: bool
    reasons: tuple[Why, ...]
    inside: tuple[str, ...]
    outside: tuple[Outside, ...]
    notices: tuple[str, ...]
    rules: tuple[Said, ...]
    """Each rule that a room asks, whether it holds and how long."""
    exports: tuple[Said, ...]
    """What lacks to ask for an export."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A project, as far as one person may see it; a part that is None is not theirs to see."""

    name: str
    title: str
    purpose: str
    lead: str | None
    state: str
    """open, suspended, over (its approval ended) or closed."""
    approved_until: datetime
    retained_until: datetime
    closed_at: datetime | None
    deleted_at: datetime | None
    application: ApplicationRow | None
    parts: frozenset[str]
    people: tuple[Member, ...] = ()
    data: tuple[Datum, ...] = ()
    owed: tuple[Owed, ...] = ()
    rooms: tuple[Room, ...] = ()
    past: tuple[Room, ...] = ()
    exports: tuple[costs.Leaving, ...] = ()
    months: tuple[costs.Month, ...] = ()
    doors: Doors | None = None


def of(session: Session, name: str, reader: str, *, now: datetime) -> Seen:
    """Gather what this reader may see of a project; to whom none of it is, there is no such project."""
    parts = seen_by(session, name, reader, now=now)
    if not parts:
        raise NotFound("there is no such project, or it is not yours to see")
    row = projects.get(session, name)
    given = {part: gather for part, gather in _GATHER.items() if part in parts}
    found: dict[str, object] = {}
    for gather in given.values():
        found |= gather(session, row, reader, now)
    return Seen(
        name=name,
        title=row.title,
        purpose=row.purpose,
        lead=row.lead,
        state=_state(row, now),
        approved_until=row.approved_until,
        retained_until=row.retained_until,
        closed_at=row.closed_at,
        deleted_at=row.deleted_at,
        application=session.get(ApplicationRow, row.application) if row.application else None,
        parts=parts,
        **found,  # type: ignore[arg-type]  # each gatherer names the fields it fills
    )


def deletion(session: Session, name: str, reader: str, *, now: datetime) -> str:
    """Return the signed statement of what was deleted, to whoever may see the project."""
    row = session.get(ProjectRow, name)
    if row is None or row.deleted_at is None or not seen_by(session, name, reader, now=now):
        raise NotFound("there is no such statement, or it is not yours to see")
    return row.deletion


def seen_by(session: Session, name: str, reader: str, *, now: datetime) -> frozenset[str]:
    """Return the parts of a project's page that somebody may see."""
    row = session.get(ProjectRow, name)
    if row is None or not accounts.active(session, reader):
        return frozenset()
    held = {str(role) for role in accounts.roles_of(session, reader)}
    if projects.is_member(session, name, reader, now=now) or _lapsed_member(session, name, reader):
        held.add(MEMBER)
    parts = {part for part, whose in SEES.items() if whose & held}
    return frozenset(parts | ({"log"} if row.lead == reader and MEMBER in held else set()))


def _lapsed_member(session: Session, name: str, reader: str) -> bool:
    """Whether only time ended a membership: who was removed sees nothing more."""
    held = select(MemberRow.id).where(
        MemberRow.project == name, MemberRow.person == reader, MemberRow.removed_at.is_(None)
    )
    return session.scalars(held.limit(1)).first() is not None


def _state(row: ProjectRow, now: datetime) -> str:
    if row.closed_at:
        return "closed"
    if row.suspended:
        return "suspended"
    return "over" if row.approved_until <= now else "open"


# --- the parts --------------------------------------------------------------------------------------------------------
def _people(session: Session, row: ProjectRow, reader: str, now: datetime) -> dict[str, object]:
    del reader
    rows = (
        select(MemberRow, PersonRow)
        .join(PersonRow, PersonRow.name == MemberRow.person)
        .where(MemberRow.project == row.name)
        .order_by(MemberRow.until, MemberRow.id)
    )
    newest = {member.person: (member, person) for member, person in session.execute(rows)}
    found = [_member(row, member, person, now) for member, person in newest.values()]
    return {"people": tuple(sorted(found, key=lambda each: (each.state != "in force", not each.lead, each.person)))}


def _member(row: ProjectRow, member: MemberRow, person: PersonRow, now: datetime) -> Member:
    ended = "removed" if member.removed_at else "lapsed" if member.until <= now else ""
    return Member(
        person=member.person,
        full_name=person.full_name,
        since=member.since,
        until=member.removed_at or member.until,
        lead=row.lead == member.person,
        state=ended or ("suspended" if person.suspended else "in force"),
    )


def _data(session: Session, row: ProjectRow, reader: str, now: datetime) -> dict[str, object]:
    rows = (
        select(ApprovalRow, DatasetRow)
        .join(DatasetRow, DatasetRow.name == ApprovalRow.dataset)
        .where(ApprovalRow.project == row.name)
        .order_by(ApprovalRow.id)
    )
    newest = {approval.dataset: (approval, dataset) for approval, dataset in session.execute(rows)}
    extracts = select(ExtractRow).where(ExtractRow.project == row.name).order_by(ExtractRow.number)
    made = {extract.dataset: extract for extract in session.scalars(extracts)}
    said = points(session, row.name, reader, now=now)
    found = tuple(
        replace(_datum(session, approval, dataset, made.get(name), now), points=said.get(name, ()))
        for name, (approval, dataset) in sorted(newest.items())
    )
    return {"data": found}


def _datum(
    session: Session, approval: ApprovalRow, dataset: DatasetRow, extract: ExtractRow | None, now: datetime
) -> Datum:
    over = "over" if approval.until <= now else "in force"
    return Datum(
        name=dataset.name,
        title=dataset.title or dataset.name,
        version=approval.version,
        since=approval.since,
        until=approval.until,
        application=approval.application,
        state="withdrawn" if dataset.withdrawn else "revoked" if approval.revoked_at else over,
        why=approval.revoked_why,
        extract=_extract(session, approval, extract),
    )


def _extract(session: Session, approval: ApprovalRow, extract: ExtractRow | None) -> str:
    if extract is None:
        return "not prepared yet: an admin runs `tre extract prepare`"
    if not extract.assessed:
        return f"extract {extract.number} did not pass its checks and is not mounted"
    if extract.version != approval.version:
        return f"extract {extract.number} is of version {extract.version}; version {approval.version} is approved"
    if superseded.by_withdrawal(session, extract):
        return f"extract {extract.number}; a person withdrew since, and an admin prepares it anew"
    return f"extract {extract.number}, of {extract.prepared_at:%-d %B %Y}"


def _duties(session: Session, row: ProjectRow, reader: str, now: datetime) -> dict[str, object]:
    del reader
    conditions = (
        select(ConditionRow)
        .join(ApplicationRow, ApplicationRow.id == ConditionRow.application)
        .where(ApplicationRow.project == row.name)
        .order_by(ConditionRow.id)
    )
    duties = (
        select(DutyRow, ApprovalRow)
        .join(ApprovalRow, ApprovalRow.id == DutyRow.approval)
        .where(ApprovalRow.project == row.name)
        .order_by(DutyRow.id)
    )
    owed = [
        _owed(each, f"application {each.application}", each.accepted_at, each.application, now)
        for each in session.scalars(conditions)
    ]
    owed += [
        _owed(each, f"{approval.dataset} ({each.code})", each.done_at, approval.application, now)
        for each, approval in session.execute(duties)
    ]
    return {"owed": tuple(owed)}


def _owed(row: ConditionRow | DutyRow, of_: str, done: datetime | None, application: int, now: datetime) -> Owed:
    duty = isinstance(row, DutyRow)
    late = done is None and row.due is not None and row.due <= now and getattr(row, "code", "") != "MOR"
    return Owed(
        what=row.text,
        of=of_,
        due=row.due,
        evidence=row.evidence,
        done=done,
        late=late,
        application=application,
        at=f"{'duty' if duty else 'condition'}-{row.id}",
        before_end=duty,
    )


def _rooms(session: Session, row: ProjectRow, reader: str, now: datetime) -> dict[str, object]:
    del reader, now
    mine = select(RoomRow).where(RoomRow.project == row.name)
    open_now = session.scalars(mine.where(RoomRow.closed_at.is_(None)).order_by(RoomRow.opened_at))
    past = session.scalars(mine.where(RoomRow.closed_at.is_not(None)).order_by(RoomRow.id.desc()).limit(LAST_ROOMS))
    return {"rooms": tuple(map(_room, open_now)), "past": tuple(map(_room, past))}


def _room(row: RoomRow) -> Room:
    return Room(
        person=row.person,
        opened_at=row.opened_at,
        until=row.until,
        closed_at=row.closed_at,
        because=row.closed_because,
    )


def _exports(session: Session, row: ProjectRow, reader: str, now: datetime) -> dict[str, object]:
    del reader, now
    return {"exports": costs.exports(session, row.name)}


def _doors(session: Session, row: ProjectRow, reader: str, now: datetime) -> dict[str, object]:
    opening = access.opening(session, row.name, reader, now=now)
    mounts = json.dumps([{"dataset": each.dataset, "number": each.number} for each in opening.mounts])
    said = points(session, row.name, reader, now=now)
    explained = explaining.explained(session, reader, row.name, now)
    return {
        "doors": Doors(
            open=opening.decision.allowed,
            reasons=() if opening.decision.allowed else why(session, opening.decision),
            inside=tuple(mount.dataset for mount in opening.mounts),
            outside=tuple(
                Outside(name=name, reasons=why(session, no), points=against(said.get(name, ())))
                for name, no in opening.refused
            ),
            notices=tuple(superseded.notices(session, row.name, mounts)),
            rules=explained.rules,
            exports=explained.exports if opening.decision.allowed else (),
        )
    }


def _costs(session: Session, row: ProjectRow, reader: str, now: datetime) -> dict[str, object]:
    del reader
    return {"months": costs.months(session, row.name, now=now)}


_GATHER = {
    "people": _people,
    "data": _data,
    "duties": _duties,
    "rooms": _rooms,
    "exports": _exports,
    "costs": _costs,
    "doors": _doors,
}
