"""A project is a piece of research with a purpose, an end, and people who belong to it for a while."""

from datetime import datetime
from typing import Final

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from policies.facts import Role
from tre.errors import NotFound, Refused, StepRefused
from tre.governance import accounts, text
from tre.records import audit
from tre.records.tables import ApplicationRow, MemberRow, ProjectRow
from tre.settings import NAME, checked_name

FIRST_UID: Final = 200_000
"""Users of rooms on the host begin here, above those of people and of services."""


def create(
    session: Session,
    name: str,
    *,
    title: str,
    purpose: str,
    approved_until: datetime,
    retained_until: datetime,
    actor: str,
    now: datetime,
) -> ProjectRow:
    """Open a project that may work until one date and keep its data until another."""
    if session.get(ProjectRow, checked_name(name, "project")):
        raise StepRefused(f"there is already a project {name}: choose another name")
    text.ahead(approved_until, f"project {name}", now=now)
    if retained_until < approved_until:
        raise StepRefused(f"project {name} would lose its data before its approval ends: retain them longer")
    row = ProjectRow(
        name=name,
        title=text.line(title, "title", longest=200),
        purpose=text.line(purpose, "purpose", longest=2000),
        uid=_next_uid(session),
        approved_until=approved_until,
        retained_until=retained_until,
        created_at=now,
    )
    session.add(row)
    session.flush()
    facts: dict[str, audit.Fact] = {
        "uid": row.uid,
        "until": audit.stamp(approved_until),
        "retained": audit.stamp(retained_until),
    }
    audit.append(session, "project.create", actor=actor, subject=f"project/{name}", at=now, **facts)
    return row


def get(session: Session, name: str) -> ProjectRow:
    """Return a project's row, or say that there is none."""
    row = session.get(ProjectRow, name) if NAME.fullmatch(name) else None
    if row is None:
        raise NotFound(f"there is no project {name[:40]!r}: see `tre project list`")
    return row


def suspend(session: Session, name: str, *, why: str, actor: str, now: datetime) -> None:
    """Stop all work in a project until it is resumed."""
    row = _open(session, name, "suspend")
    if row.suspended:
        raise StepRefused(f"cannot suspend project {name}, which is suspended already")
    row.suspended = True
    why = text.line(why, "reason")
    audit.append(session, "project.suspend", actor=actor, subject=f"project/{name}", at=now, why=why)


def resume(session: Session, name: str, *, actor: str, now: datetime) -> None:
    """Let work in a suspended project go on."""
    row = _open(session, name, "resume")
    if not row.suspended:
        raise StepRefused(f"cannot resume project {name}, which is not suspended")
    if (application := stopped_by(session, row)) is not None:
        raise StepRefused(f"cannot resume project {name}: the committee stopped it (application {application})")
    row.suspended = False
    audit.append(session, "project.resume", actor=actor, subject=f"project/{name}", at=now)


def stopped_by(session: Session, row: ProjectRow) -> int | None:
    """Return an application for whose sake the committee lets a project rest, or None: only they let it go on."""
    rests = select(ApplicationRow.id).where(
        ApplicationRow.project == row.name,
        or_(
            ApplicationRow.state == "suspended",
            and_(ApplicationRow.state == "revoked", ApplicationRow.id == row.application),
        ),
    )
    return session.scalars(rests.limit(1)).first()


def rotate(session: Session, name: str, *, why: str, actor: str, now: datetime) -> int:
    """Give a project new keys: from its next extract on every person has a new pseudonym; return the epoch."""
    row = _open(session, name, "rotate the keys of")
    why = text.line(why, "reason")
    row.epoch += 1
    audit.append(session, "project.rotate", actor=actor, subject=f"project/{name}", at=now, why=why, epoch=row.epoch)
    return row.epoch


def close(session: Session, name: str, *, why: str, actor: str, now: datetime) -> None:
    """End a project for good; what it was and who was in it stays known."""
    row = _open(session, name, "close")
    row.closed_at = now
    why = text.line(why, "reason")
    audit.append(session, "project.close", actor=actor, subject=f"project/{name}", at=now, why=why)


# --- members ----------------------------------------------------------------------------------------------------------
def add_member(
    session: Session, project: str, person: str, *, actor: str, now: datetime, until: datetime | None = None
) -> None:
    """Let a person belong to a project, or belong for longer; at most until the project's approval ends."""
    row = _open(session, project, "add a member to")
    accounts.person(session, person)
    if Role.ADMIN in accounts.roles_of(session, person):
        raise Refused(
            f"{person} is an admin, and admins read no data",
            rules=("R29",),
            remedies=("name a person who is not an admin",),
        )
    until = text.ahead(until or row.approved_until, f"membership of {person}", now=now)
    if until > row.approved_until:
        raise StepRefused(
            f"membership of {person} would outlast the project's approval ({row.approved_until:%Y-%m-%d})"
        )
    if any(until <= held.until for held in _held(session, project, person)):
        raise StepRefused(f"{person} is a member of {project} until then already: remove first, or name a later date")
    session.add(MemberRow(project=project, person=person, since=now, until=until))
    facts = {"person": person, "until": audit.stamp(until)}
    audit.append(session, "member.add", actor=actor, subject=f"project/{project}", at=now, **facts)


def remove_member(session: Session, project: str, person: str, *, actor: str, now: datetime) -> None:
    """End a membership now. That there was one stays known."""
    get(session, project)
    accounts.person(session, person)
    held = _held(session, project, person)
    if not held:
        raise StepRefused(f"cannot remove {person} from {project}: not a member")
    for row in held:
        row.removed_at = now
    audit.append(session, "member.remove", actor=actor, subject=f"project/{project}", at=now, person=person)


def of_person(session: Session, person: str, *, now: datetime, lapsed: bool = False) -> tuple[ProjectRow, ...]:
    """Projects, not closed, that a person belongs to; `lapsed` adds those where only their time ran out."""
    mine = select(MemberRow.project).where(MemberRow.person == person, MemberRow.removed_at.is_(None))
    if not lapsed:
        mine = mine.where(MemberRow.until > now)
    rows = select(ProjectRow).where(ProjectRow.name.in_(mine), ProjectRow.closed_at.is_(None))
    return tuple(session.scalars(rows.order_by(ProjectRow.name)))


def members(session: Session, project: str) -> tuple[MemberRow, ...]:
    """Every membership there was in a project, oldest first."""
    return tuple(session.scalars(select(MemberRow).where(MemberRow.project == project).order_by(MemberRow.id)))


def is_member(session: Session, project: str, person: str, *, now: datetime) -> bool:
    """Whether a person belongs to a project at this moment."""
    return any(row.until > now for row in _held(session, project, person))


def ever_member(session: Session, project: str, person: str) -> bool:
    """Whether a person belongs to a project or ever did, removed or lapsed."""
    rows = select(MemberRow.id).where(MemberRow.project == project, MemberRow.person == person)
    return session.scalars(rows.limit(1)).first() is not None


def _held(session: Session, project: str, person: str) -> tuple[MemberRow, ...]:
    rows = select(MemberRow).where(
        MemberRow.project == project, MemberRow.person == person, MemberRow.removed_at.is_(None)
    )
    return tuple(session.scalars(rows))


def _open(session: Session, name: str, verb: str) -> ProjectRow:
    row = get(session, name)
    if row.closed_at:
        raise StepRefused(f"cannot {verb} project {name}, which is closed")
    return row


def _next_uid(session: Session) -> int:
    """Projects are never deleted, so one more than the greatest was never anybody's."""
    return (session.scalar(select(func.max(ProjectRow.uid))) or FIRST_UID - 1) + 1
