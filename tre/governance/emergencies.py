"""In an emergency two people open a closed door for a few hours; everyone concerned hears of it in the same act.

One of them is an admin, the other sits on the committee; neither goes through the door. It lifts training, agreement,
membership that ran out, the project's end and the network, and nothing else. Afterwards a third person reviews it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from policies.facts import MOMENTS, Emergency, Role
from tre.errors import NotFound, Refused, StepRefused
from tre.governance import access, accounts, identities, notices, projects, text
from tre.governance.known import LONGEST_EMERGENCY
from tre.records import audit
from tre.records.tables import EmergencyRow, MemberRow, RoleRow

RULE = "R30"
MOST_HOURS = int(LONGEST_EMERGENCY / timedelta(hours=1))
WAITS = timedelta(hours=4)
"""How long after it was asked for a second person may still agree."""
REVIEWED_WITHIN = timedelta(days=3)
SITS = frozenset({Role.COMMITTEE, Role.CHAIR})
OPENS = SITS | {Role.ADMIN}
REVIEWS = SITS | {Role.AUDITOR}


def ask(
    session: Session, project: str, person: str, *, hours: int, why: str, actor: str, now: datetime
) -> EmergencyRow:
    """Ask that a person may work in a project for some hours although a rule says no; nothing opens yet."""
    projects.get(session, project)
    accounts.person(session, person)
    if not 0 < hours <= MOST_HOURS:
        raise _no(f"an emergency lasts 1 to {MOST_HOURS} hours, not {hours}", "ask for fewer hours")
    _may_open(session, actor, person)
    _stranger(session, project, person, now=now)
    _reviewed_before(session, project, now=now)
    _not_open(session, project, person, now=now)
    row = EmergencyRow(
        project=project, person=person, reason=text.line(why, "reason", longest=2000), asked_by=actor, asked_at=now,
        hours=hours,
    )  # fmt: skip
    session.add(row)
    session.flush()
    facts: dict[str, audit.Fact] = {"project": project, "person": person, "hours": hours, "why": row.reason}
    audit.append(session, "emergency.ask", actor=actor, subject=_subject(row), at=now, **facts)
    return row


def second(session: Session, number: int, *, actor: str, now: datetime) -> EmergencyRow:
    """Open the door as the second of two, and tell everyone concerned."""
    row = get(session, number)
    if row.seconded_by is not None or row.ended_at is not None:
        raise StepRefused(f"emergency {number} is {state(row, now=now)} already")
    if now >= row.asked_at + WAITS:
        raise StepRefused(f"emergency {number} was asked for too long ago: ask anew")
    _may_open(session, actor, row.person)
    _reviewed_before(session, row.project, now=now)
    _not_open(session, row.project, row.person, now=now)
    _two(session, row, actor)
    until = now + timedelta(hours=row.hours)
    told = concerned(session, row, now=now)
    _require(session, row, actor, until=until, told=bool(told), now=now)
    row.seconded_by, row.since, row.until = actor, now, until
    facts: dict[str, audit.Fact] = {"project": row.project, "person": row.person, "until": audit.stamp(until)}
    audit.append(session, "emergency.open", actor=actor, subject=_subject(row), at=now, told=sorted(told), **facts)
    said = (
        f"Emergency access to {row.project} for {row.person} until {until:%Y-%m-%d %H:%M} UTC, opened by"
        f" {row.asked_by} and {actor}. Reason: {row.reason}"
    )
    _tell(session, told, row, "opened", said, now=now)
    return row


def end(session: Session, number: int, *, actor: str, now: datetime) -> EmergencyRow:
    """Close the door again before its time; whoever could open one may, and whoever it is open to."""
    row = get(session, number)
    if state(row, now=now) not in {"asked", "open"}:
        raise StepRefused(f"emergency {number} is {state(row, now=now)} already")
    if actor != row.person:
        _one_of(session, actor, OPENS, "end an emergency")
    row.ended_at = now
    audit.append(session, "emergency.end", actor=actor, subject=_subject(row), at=now)
    return row


def review(session: Session, number: int, *, actor: str, said: str, now: datetime) -> EmergencyRow:
    """Say afterwards whether it was right, as somebody who had no part in it."""
    row = get(session, number)
    if state(row, now=now) != "ended":
        raise StepRefused(f"cannot review emergency {number}, which is {state(row, now=now)}")
    _one_of(session, actor, REVIEWS, "review an emergency")
    if _same({row.person, row.asked_by, row.seconded_by or ""}, session, actor):
        raise _no(f"{actor} had a part in emergency {number}", "a member of the committee who had none reviews it")
    row.reviewed_by, row.reviewed_at, row.review = actor, now, text.line(said, "review", longest=4000)
    audit.append(session, "emergency.review", actor=actor, subject=_subject(row), at=now, text=row.review)
    told = concerned(session, row, now=now)
    _tell(session, told, row, "reviewed", f"Emergency {number} in {row.project} was reviewed: {row.review}", now=now)
    return row


# --- looking ----------------------------------------------------------------------------------------------------------
def get(session: Session, number: int) -> EmergencyRow:
    """Return an emergency, or say that there is none of this number."""
    row = session.get(EmergencyRow, number) if 0 < number < 2**31 else None
    if row is None:
        raise NotFound(f"there is no emergency {number}: see `tre emergency list`")
    return row


def listed(session: Session) -> tuple[EmergencyRow, ...]:
    """Every emergency there was, oldest first."""
    return tuple(session.scalars(select(EmergencyRow).order_by(EmergencyRow.id)))


def running(session: Session, *, now: datetime) -> tuple[EmergencyRow, ...]:
    """Return the emergencies by which a door is open now."""
    return tuple(row for row in listed(session) if state(row, now=now) == "open")


def state(row: EmergencyRow, *, now: datetime) -> str:
    """Return where an emergency stands: asked, open, ended, dropped (never opened) or reviewed."""
    if row.reviewed_at is not None:
        return "reviewed"
    if row.until is None:
        return "dropped" if row.ended_at is not None or now >= row.asked_at + WAITS else "asked"
    return "ended" if row.ended_at is not None or now >= row.until else "open"


def confirms(row: EmergencyRow, verb: str) -> str:
    """Say what a second person's code confirms, down to who, where and why."""
    asked = audit.digest([row.project, row.person, row.hours, row.reason])
    return f"emergency/{row.id} {verb} {asked}"


def concerned(session: Session, row: EmergencyRow, *, now: datetime) -> frozenset[str]:
    """Return who is told: the project's people, the committee, the admins, the auditors, and whom it is for."""
    current = select(MemberRow.person).where(
        MemberRow.project == row.project, MemberRow.removed_at.is_(None), MemberRow.until > now
    )
    deciding = select(RoleRow.person).where(RoleRow.role.in_([role.value for role in (*OPENS, Role.AUDITOR)]))
    lead = projects.get(session, row.project).lead
    return frozenset({row.person, *session.scalars(current), *session.scalars(deciding)} | ({lead} if lead else set()))


# --- what must hold ---------------------------------------------------------------------------------------------------
def _require(session: Session, row: EmergencyRow, actor: str, *, until: datetime, told: bool, now: datetime) -> None:
    """Ask the rules, which look at all of it once more."""
    if "break_glass" not in MOMENTS:
        return
    emergency = Emergency(
        number=str(row.id),
        proposer=row.asked_by,
        beneficiary=row.person,
        roles=accounts.roles_of(session, row.asked_by) | accounts.roles_of(session, actor),
        proposer_fit=accounts.active(session, row.asked_by),
        reason=bool(row.reason),
        until=until,
        told=told,
    )
    access.require(
        session,
        access.ask(
            session, "break_glass", actor, now=now, second_factor=True, project=row.project, emergency=emergency
        ),
    )


def _may_open(session: Session, actor: str, person: str) -> None:
    _one_of(session, actor, OPENS, "open a door in an emergency")
    if _same({person}, session, actor):
        raise _no(f"{actor} cannot open a door for themselves", "an admin and a member of the committee open it")


def _two(session: Session, row: EmergencyRow, actor: str) -> None:
    """Refuse what two people of one kind, or one person twice, would open."""
    if _same({row.asked_by}, session, actor):
        raise _no(f"{actor} asked for emergency {row.id}", "a second person opens it")
    first, other = accounts.roles_of(session, row.asked_by), accounts.roles_of(session, actor)
    fit = accounts.active(session, row.asked_by)
    if not fit or not ((Role.ADMIN in first and other & SITS) or (Role.ADMIN in other and first & SITS)):
        raise _no("an emergency needs an admin and a member of the committee", "one of each opens it")


def _one_of(session: Session, actor: str, roles: Iterable[Role], verb: str) -> None:
    if not accounts.active(session, actor) or not accounts.roles_of(session, actor) & frozenset(roles):
        raise _no(f"{actor} cannot {verb}", f"{' or '.join(sorted(roles))} does this")


def _same(names: set[str], session: Session, actor: str) -> bool:
    """Whether somebody is one of these, under whichever of their names."""
    return bool(({actor} | identities.also_accounts(session, actor)) & names)


def _stranger(session: Session, project: str, person: str, *, now: datetime) -> None:
    """Refuse a door that would stay closed: an emergency lifts a membership that ran out, not one that never was."""
    held = [row for row in projects.members(session, project) if row.person == person and row.removed_at is None]
    if not any(row.since <= now for row in held):
        raise _no(f"{person} is no member of {project}", f"`tre member add {project} {person}` first")


def _reviewed_before(session: Session, project: str, *, now: datetime) -> None:
    """Refuse the next emergency of a project while one is not reviewed; and of any, while a review is late."""
    for row in listed(session):
        if state(row, now=now) != "ended":
            continue
        ended = min(row.ended_at or row.until or now, row.until or now)
        if row.project == project or now >= ended + REVIEWED_WITHIN:
            raise _no(f"emergency {row.id} in {row.project} is not reviewed", f"`tre emergency review {row.id}` first")


def _not_open(session: Session, project: str, person: str, *, now: datetime) -> None:
    """Refuse what would go on where another emergency of the same person ends."""
    if any(row.person == person and row.project == project for row in running(session, now=now)):
        raise StepRefused(f"{project} is open to {person} in an emergency already")


def _tell(session: Session, people: Iterable[str], row: EmergencyRow, what: str, said: str, *, now: datetime) -> None:
    for person in sorted(people):
        notices.tell(session, person, key=f"emergency/{row.id}/{what}", text=said, url="/hub/home", now=now)


def _no(why: str, remedy: str) -> Refused:
    return Refused(why, rules=(RULE,), remedies=(remedy,))


def _subject(row: EmergencyRow) -> str:
    return f"emergency/{row.id}"
