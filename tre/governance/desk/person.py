"""What one person has here, what of it lapses when, and what they can do about it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from policies.facts import NEVER, Role
from tre.errors import NotFound
from tre.governance import accounts, endings, issuing, notices, projects, training
from tre.governance.endings import Ending
from tre.governance.issuing import Shown
from tre.records.tables import (
    AgreementRow,
    AgreementTextRow,
    IdentityRow,
    NoticeRow,
    RecoveryCodeRow,
    RoleChangeRow,
    TrainingRow,
)

YEAR = timedelta(days=365)
SOON = timedelta(days=30)
# kind of ending -> what a person calls it
SAYS = {
    "course": "course {what}",
    "agreement": "{what} must be signed",
    "membership": "your membership of {what}",
    "emergency": "emergency access to {what}",
    "project": "the approval of project {what}",
    "retention": "the data of project {what} are kept until then",
    "approval": "{what} in project {project}",
    "ethics": "the ethics vote for {project}",
    "condition": "condition for {project}: {what}",
    "duty": "duty of {project}: {what}",
}


@dataclass(frozen=True, kw_only=True)
class Course:
    """A course, and how much of its last year is left."""

    name: str
    until: datetime | None
    """None: a role demands it, and it was never recorded."""
    source: str = ""
    needed: bool = True
    """A role that this person holds demands it."""
    lapsed: bool = False
    soon: bool = False
    share: int = 0
    """Part of a year that is left, in percent: the length of its bar."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Which words a person has put their name under."""

    number: int | None
    """Version that they signed last; None if they signed none."""
    signed_at: datetime | None
    in_force: int
    stands: bool
    """What they signed is what is in force."""


@dataclass(frozen=True, kw_only=True)
class Belonging:
    """A project that a person is, or was, a member of."""

    project: str
    title: str
    since: datetime
    until: datetime
    lead: bool
    state: str
    """in force, lapsed, at rest (the project is suspended), or over."""


@dataclass(frozen=True, kw_only=True)
class Due:
    """The known end of something, and how far away it is."""

    what: str
    until: datetime
    remedy: str
    rule: str
    url: str
    soon: bool
    """It comes within thirty days."""
    share: int
    """How far into the coming year it lies, in percent; 100 if beyond it."""


@dataclass(frozen=True, kw_only=True)
class Mine:
    """All of it."""

    name: str
    full_name: str
    email: str
    suspended: bool
    roles: tuple[str, ...]
    pending: tuple[RoleChangeRow, ...]
    """Roles that one admin proposed; a second has not settled them."""
    courses: tuple[Course, ...]
    agreement: Agreement
    identities: tuple[IdentityRow, ...]
    recovery_codes: int
    """How many are left."""
    belongings: tuple[Belonging, ...]
    issued: tuple[Shown, ...]
    """Visas of this house that hold."""
    due: tuple[Due, ...]
    """Everything that ends, soonest first."""
    unread: tuple[NoticeRow, ...]
    read: tuple[NoticeRow, ...]


def of(session: Session, name: str, *, now: datetime) -> Mine:
    """Gather what a person may see of themselves."""
    row = accounts.person(session, name)
    told = notices.of(session, name, unread=False)
    return Mine(
        name=name,
        full_name=row.full_name,
        email=row.email,
        suspended=row.suspended,
        roles=tuple(sorted(accounts.roles_of(session, name))),
        pending=_pending(session, name),
        courses=courses(session, name, now=now),
        agreement=agreement(session, name, now=now),
        identities=_identities(session, name),
        recovery_codes=_codes_left(session, name),
        belongings=_belongings(session, name, now=now),
        issued=issuing.of(session, name, now=now),
        due=due(session, name, now=now),
        unread=tuple(each for each in told if each.read_at is None),
        read=tuple(each for each in told if each.read_at is not None)[:10],
    )


def due(session: Session, name: str, *, now: datetime) -> tuple[Due, ...]:
    """Return what will end for a person, their projects included, soonest first and each once."""
    mine = [row.name for row in projects.of_person(session, name, now=now)]
    found = {_due(each, now) for each in endings.of_person(session, name, now)}
    for project, ahead in endings.of_projects(session, mine, now).items():
        found |= {_due(each, now, project) for each in ahead if each.until > now}
    return tuple(sorted(found, key=lambda each: (each.until, each.what)))


def _due(ending: Ending, now: datetime, project: str = "") -> Due:
    said = SAYS.get(ending.kind, ending.kind).format(what=ending.what, project=project)
    share = round(100 * ((ending.until - now) / YEAR))
    return Due(
        what=said,
        until=ending.until,
        remedy=ending.remedy,
        rule=ending.rule,
        url=ending.url,
        soon=ending.until - SOON <= now,
        share=max(0, min(100, share)),
    )


def courses(session: Session, name: str, *, now: datetime) -> tuple[Course, ...]:
    """Return each course that a person passed or must pass, the one that ends first before the others."""
    newest = _newest(session.scalars(select(TrainingRow).where(TrainingRow.person == name).order_by(TrainingRow.until)))
    needed = needed_courses(session, name, now=now)
    found = [_course(each, newest.get(each), now, needed=each in needed) for each in sorted({*newest, *needed})]
    return tuple(sorted(found, key=lambda each: (each.until or NEVER, each.name)))


def needed_courses(session: Session, name: str, *, now: datetime) -> frozenset[str]:
    """Return the courses that the roles of a person demand."""
    known = endings.of_people(session, (name,), now)[name]
    return frozenset(each.what for each in known if each.kind == "course")


def agreement(session: Session, name: str, *, now: datetime) -> Agreement:
    """Say which agreement a person signed, and which is in force."""
    try:
        present = training.agreement(session, now)
    except NotFound:
        return Agreement(number=None, signed_at=None, in_force=0, stands=False)
    last = select(AgreementRow).where(AgreementRow.person == name).order_by(AgreementRow.id.desc()).limit(1)
    row = session.scalars(last).one_or_none()
    if row is None:
        return Agreement(number=None, signed_at=None, in_force=present.number, stands=False)
    number = session.scalars(select(AgreementTextRow.number).where(AgreementTextRow.sha256 == row.text_sha256)).first()
    stands = row.text_sha256 == present.sha256
    return Agreement(number=number, signed_at=row.signed_at, in_force=present.number, stands=stands)


def _newest(rows: Iterable[TrainingRow]) -> dict[str, TrainingRow]:
    return {row.course: row for row in rows}


def _course(name: str, row: TrainingRow | None, now: datetime, *, needed: bool) -> Course:
    if row is None:
        return Course(name=name, until=None, needed=needed, lapsed=True)
    left = row.until - now
    return Course(
        name=name,
        until=row.until,
        source=row.source,
        needed=needed,
        lapsed=row.until <= now,
        soon=row.until - SOON <= now,
        share=max(0, min(100, round(100 * (left / YEAR)))),
    )


def _pending(session: Session, name: str) -> tuple[RoleChangeRow, ...]:
    rows = select(RoleChangeRow).where(RoleChangeRow.person == name, RoleChangeRow.state == "proposed")
    return tuple(session.scalars(rows.order_by(RoleChangeRow.id)))


def _identities(session: Session, name: str) -> tuple[IdentityRow, ...]:
    rows = select(IdentityRow).where(IdentityRow.person == name).order_by(IdentityRow.issuer, IdentityRow.subject)
    return tuple(session.scalars(rows))


def _codes_left(session: Session, name: str) -> int:
    unused = select(func.count(RecoveryCodeRow.id)).where(
        RecoveryCodeRow.person == name, RecoveryCodeRow.used_at.is_(None)
    )
    return session.scalar(unused) or 0


def _belongings(session: Session, name: str, *, now: datetime) -> tuple[Belonging, ...]:
    return tuple(_each_belonging(session, name, now=now))


def _each_belonging(session: Session, name: str, *, now: datetime) -> Iterator[Belonging]:
    for row in projects.of_person(session, name, now=now, lapsed=True):
        held = [each for each in projects.members(session, row.name) if each.person == name and not each.removed_at]
        until = max(each.until for each in held)
        yield Belonging(
            project=row.name,
            title=row.title,
            since=min(each.since for each in held),
            until=until,
            lead=row.lead == name,
            state="at rest" if row.suspended else "lapsed" if min(until, row.approved_until) <= now else "in force",
        )


def may_see_log(roles: frozenset[Role], *, lead: bool) -> bool:
    """Whether a link to a project's log is worth showing; the rules are asked when it is followed."""
    return lead or Role.AUDITOR in roles
