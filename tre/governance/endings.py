"""Everything that lets a person work has an end, and most ends are known beforehand: they stand in the records.

Nothing here decides; the rules do. This says what will lapse when, for pages, for warnings and for a room's own end.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from policies.facts import NEVER
from tre.governance import rulebook
from tre.governance.rulebook import InForce
from tre.records.tables import (
    AgreementRow,
    AgreementTextRow,
    ApplicationRow,
    ApprovalRow,
    ConditionRow,
    DutyRow,
    EmergencyRow,
    MemberRow,
    ProjectRow,
    RoleRow,
    TrainingRow,
)

HOME = "/hub/me"
ACTIVE = "active"
"""State of an application that is in force."""
LIFTED = frozenset({"R03", "R04", "R05", "R07", "R19"})
"""Rules that an emergency lifts while it lasts (R30)."""
RULES = {"membership": "R05", "project": "R07", "retention": "R08", "course": "R03", "approval": "R09"}
"""What a room cannot be without, and the rule that says so."""


class Mounted(Protocol):
    """A dataset version in a room."""

    @property
    def dataset(self) -> str:
        """Name of the dataset."""

    @property
    def version(self) -> int:
        """Version of the dataset."""


class Ending(NamedTuple):
    """The known end of one fact."""

    kind: str
    """course, agreement, membership, emergency; project, retention, approval, ethics, condition, duty."""
    what: str
    """Name of the course, project or dataset."""
    until: datetime
    rule: str = ""
    """The rule that says no from then on; empty if none does, and something is only due."""
    remedy: str = ""
    url: str = HOME
    version: int = 0
    """Of an approval, the version of the dataset."""


class Standing(NamedTuple):
    """A room, by what it stands on."""

    project: str
    person: str
    mounts: tuple[Mounted, ...] = ()


def of_person(session: Session, person: str, now: datetime) -> tuple[Ending, ...]:
    """Return what will end for a person, soonest first."""
    return _ahead(of_people(session, (person,), now)[person], now)


def of_project(session: Session, project: str, now: datetime) -> tuple[Ending, ...]:
    """Return what will end for a project, soonest first."""
    return _ahead(of_projects(session, (project,), now)[project], now)


def first(session: Session, project: str, person: str, mounts: Iterable[Mounted], now: datetime) -> datetime:
    """Return the earliest known end of anything that a room stands on; in the past if something is missing."""
    return firsts(session, (Standing(project, person, tuple(mounts)),), now)[project, person]


def firsts(session: Session, rooms: Collection[Standing], now: datetime) -> dict[tuple[str, str], datetime]:
    """Return the earliest end for each of many rooms, in as many questions as for one."""
    people = of_people(session, {room.person for room in rooms}, now)
    projects = of_projects(session, {room.project for room in rooms}, now)
    rules = rulebook.in_force(session)
    return {
        (room.project, room.person): min(_stands_on(rules, room, people[room.person], projects[room.project]))
        for room in rooms
    }


def rests(session: Session, projects: Collection[str], now: datetime) -> dict[str, datetime]:
    """Return when projects come to rest by a date: a condition that is due, or the end of the ethics vote."""
    found: dict[str, datetime] = {}
    rules = rulebook.in_force(session)
    for gather in (_ethics, _conditions):
        for project, ending in gather(session, rules, projects, now):
            found[project] = min(ending.until, found.get(project, ending.until))
    return found


# --- gathering --------------------------------------------------------------------------------------------------------
def of_people(session: Session, names: Collection[str], now: datetime) -> Mapping[str, tuple[Ending, ...]]:
    """Return everything about people that ends or ended, for many at once."""
    rules = rulebook.in_force(session)
    found: defaultdict[str, list[Ending]] = defaultdict(list)
    for gather in (_courses, _agreement, _memberships, _emergencies):
        for person, ending in gather(session, rules, names, now):
            found[person].append(ending)
    return {name: tuple(found[name]) for name in names}


def of_projects(session: Session, names: Collection[str], now: datetime) -> Mapping[str, tuple[Ending, ...]]:
    """Return everything about projects that ends or ended, for many at once."""
    rules = rulebook.in_force(session)
    found: defaultdict[str, list[Ending]] = defaultdict(list)
    for gather in (_project, _approvals, _ethics, _conditions, _duties):
        for project, ending in gather(session, rules, names, now):
            found[project].append(ending)
    return {name: tuple(found[name]) for name in names}


Found = Iterator[tuple[str, Ending]]


def _courses(session: Session, rules: InForce, names: Collection[str], now: datetime) -> Found:
    """Courses that a role of theirs demands; one that was never taken has ended long ago."""
    del now
    latest = select(TrainingRow.person, TrainingRow.course, func.max(TrainingRow.until))
    taken = {
        (person, course): until
        for person, course, until in session.execute(
            latest.where(TrainingRow.person.in_(names)).group_by(TrainingRow.person, TrainingRow.course)
        )
    }
    roles = session.execute(select(RoleRow.person, RoleRow.role).where(RoleRow.person.in_(names)))
    needed = {(person, course) for person, role in roles for course in rules.by_role.get(role, ())}
    for person, course in sorted(needed):
        yield person, _ending(rules, "course", course, taken.get((person, course), NEVER), "R03")


def _agreement(session: Session, rules: InForce, names: Collection[str], now: datetime) -> Found:
    """Give the day from which a newer text of the agreement must be signed."""
    coming = select(AgreementTextRow).where(AgreementTextRow.since > now).order_by(AgreementTextRow.since)
    texts = tuple(session.scalars(coming))
    if not texts:
        return
    rows = select(AgreementRow.person, AgreementRow.text_sha256).where(AgreementRow.person.in_(names))
    signed = dict(session.execute(rows.order_by(AgreementRow.id)).all())
    for person in names:
        for text in texts:
            if signed.get(person) != text.sha256:
                yield person, _ending(rules, "agreement", f"user agreement {text.number}", text.since, "R04")


def _memberships(session: Session, rules: InForce, names: Collection[str], now: datetime) -> Found:
    rows = (
        select(MemberRow.person, MemberRow.project, func.max(MemberRow.until))
        .join(ProjectRow, ProjectRow.name == MemberRow.project)
        .where(MemberRow.person.in_(names), MemberRow.removed_at.is_(None), MemberRow.since <= now)
        .where(ProjectRow.closed_at.is_(None))
        .group_by(MemberRow.person, MemberRow.project)
    )
    for person, project, until in session.execute(rows):
        yield person, _ending(rules, "membership", project, until, "R05")


def _emergencies(session: Session, rules: InForce, names: Collection[str], now: datetime) -> Found:
    rows = select(EmergencyRow).where(
        EmergencyRow.person.in_(names), EmergencyRow.until > now, EmergencyRow.ended_at.is_(None)
    )
    for row in session.scalars(rows):
        assert row.until is not None  # noqa: S101 -- asked for
        yield row.person, _ending(rules, "emergency", row.project, row.until, "R30")


def _project(session: Session, rules: InForce, names: Collection[str], now: datetime) -> Found:
    del now
    rows = select(ProjectRow).where(ProjectRow.name.in_(names), ProjectRow.closed_at.is_(None))
    for row in session.scalars(rows):
        yield row.name, _ending(rules, "project", row.name, row.approved_until, "R07")
        yield row.name, _ending(rules, "retention", row.name, row.retained_until, "R08")


def _approvals(session: Session, rules: InForce, names: Collection[str], now: datetime) -> Found:
    """Of each dataset version, the newest approval, unless it was revoked."""
    del now
    rows = session.scalars(select(ApprovalRow).where(ApprovalRow.project.in_(names)).order_by(ApprovalRow.id))
    newest = {(row.project, row.dataset, row.version): row for row in rows}
    for (project, dataset, version), row in newest.items():
        if row.revoked_at is None:
            yield project, _ending(rules, "approval", dataset, row.until, "R09")._replace(version=version)


def _ethics(session: Session, rules: InForce, names: Collection[str], now: datetime) -> Found:
    del now
    rows = select(ApplicationRow).where(ApplicationRow.project.in_(names), ApplicationRow.state == ACTIVE)
    for row in session.scalars(rows.where(ApplicationRow.ethics_until.is_not(None))):
        assert row.ethics_until is not None  # noqa: S101 -- asked for
        yield row.project, _ending(rules, "ethics", f"application {row.id}", row.ethics_until, "R16")


def _conditions(session: Session, rules: InForce, names: Collection[str], now: datetime) -> Found:
    del rules, now
    rows = (
        select(ApplicationRow.project, ConditionRow)
        .join(ConditionRow, ConditionRow.application == ApplicationRow.id)
        .where(ApplicationRow.project.in_(names), ApplicationRow.state == ACTIVE)
        .where(ConditionRow.due.is_not(None), ConditionRow.accepted_at.is_(None))
    )
    for project, row in session.execute(rows):
        assert row.due is not None  # noqa: S101 -- asked for
        yield project, Ending("condition", row.text, row.due, "R06", "Show the committee that it is met.")


def _duties(session: Session, rules: InForce, names: Collection[str], now: datetime) -> Found:
    del rules, now
    rows = (
        select(ApprovalRow.project, DutyRow)
        .join(DutyRow, DutyRow.approval == ApprovalRow.id)
        .where(ApprovalRow.project.in_(names), DutyRow.due.is_not(None), DutyRow.done_at.is_(None))
        .where(DutyRow.code != "MOR")  # nothing is due on the day a moratorium ends
    )
    for project, row in session.execute(rows):
        assert row.due is not None  # noqa: S101 -- asked for
        yield project, Ending("duty", row.text, row.due, remedy="Do it, and show the evidence.")


# --- a room -----------------------------------------------------------------------------------------------------------
def _stands_on(
    rules: InForce, room: Standing, person: Iterable[Ending], project: Iterable[Ending]
) -> Iterator[datetime]:
    """Give the end of each fact that this room needs; what an emergency lifts ends with the emergency."""
    mine = tuple(person)
    lifted = max((e.until for e in mine if (e.kind, e.what) == ("emergency", room.project)), default=NEVER)
    known = {(e.kind, e.what, e.version): e for e in (*mine, *project)}
    needed = [("membership", room.project, 0), ("project", room.project, 0), ("retention", room.project, 0)]
    needed += [("course", course, 0) for course in rules.courses.get("open_session", ())]
    needed += [("approval", mount.dataset, mount.version) for mount in room.mounts]
    for key in needed:
        until = known[key].until if key in known else NEVER
        yield max(until, lifted) if RULES[key[0]] in LIFTED else until
    yield from (max(e.until, lifted) for e in mine if e.kind == "agreement")


# --- words ------------------------------------------------------------------------------------------------------------
def _ending(rules: InForce, kind: str, what: str, until: datetime, rule: str) -> Ending:
    known = rules.book.get(rule)
    return Ending(kind, what, until, rule, known.remedy if known else "")


def _ahead(endings: Iterable[Ending], now: datetime) -> tuple[Ending, ...]:
    return tuple(sorted((e for e in endings if e.until > now), key=lambda e: (e.until, e.kind, e.what)))
