"""What a person is here to do is decided by two admins: one proposes, another makes it so.

Until a house has two admins, its operator says who is what; after that the operator can only propose, and the first
admin to agree takes the proposal over. Roles stand in this house's own table. What the Hub calls a group or an admin
has no part in them.
"""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from policies.facts import Change, Role
from tre.errors import NotFound, Refused, StepRefused, Unreadable
from tre.governance import access, accounts, identities, projects, text
from tre.records import audit
from tre.records.tables import PersonRow, RoleChangeRow, RoleRow

GRANT, REMOVE = "grant", "remove"
PROPOSED, MADE, REFUSED = "proposed", "made", "refused"
ENOUGH = 2
"""Admins; with fewer the operator founds the house."""
HOST = "host/"


def founding(session: Session) -> bool:
    """Whether the house still has fewer than two admins who could decide."""
    return len(admins(session)) < ENOUGH


def admins(session: Session) -> frozenset[str]:
    """Admins who could decide now: none who is suspended, or whose invitation is open."""
    held = select(RoleRow.person).join(PersonRow, PersonRow.name == RoleRow.person)
    able = held.where(RoleRow.role == Role.ADMIN.value, PersonRow.suspended.is_(False))
    return frozenset(session.scalars(able.where(PersonRow.enrolled_at.is_not(None))))


def propose(
    session: Session, person: str, role: Role, change: str, *, why: str, actor: str, now: datetime
) -> RoleChangeRow:
    """Propose that a person gets or loses a role; `actor` is an admin, or the operator (`host/...`)."""
    accounts.person(session, person)
    if not actor.startswith(HOST):
        must_be_admin(session, actor)
        access.require(session, access.ask(session, "administer", actor, now=now, second_factor=True))
    _fits(session, person, role, change, now=now)
    if _waiting(session, person, role, change):
        raise StepRefused(f"it is proposed already to {change} {role} for {person}: see `tre role list`")
    row = RoleChangeRow(
        person=person, role=role.value, change=change, why=text.line(why, "reason"), proposed_by=actor,
        proposed_at=now, state=PROPOSED,
    )  # fmt: skip
    session.add(row)
    session.flush()
    facts = {"person": person, "role": role.value, "change": change, "why": row.why}
    audit.append(session, "role.propose", actor=actor, subject=f"role-change/{row.id}", at=now, **facts)
    return row


def settle(session: Session, number: int, *, actor: str, now: datetime, agree: bool = True) -> RoleChangeRow:
    """Make a proposed change so as a second admin, or refuse it; a proposal of the operator is taken over first."""
    row = get(session, number)
    if row.state != PROPOSED:
        raise StepRefused(f"role change {number} is {row.state} already")
    must_be_admin(session, actor)
    if not agree:
        return _end(session, row, REFUSED, actor=actor, now=now)
    _not_own(session, row, actor)
    _fits(session, row.person, Role(row.role), row.change, now=now)
    if row.proposed_by.startswith(HOST):
        audit.append(session, "role.propose", actor=actor, subject=f"role-change/{number}", at=now, of=row.proposed_by)
        row.proposed_by, row.proposed_at = actor, now
        return row
    if row.proposed_by not in admins(session):
        raise Refused(
            f"{row.proposed_by}, who proposed role change {number}, is no admin any more",
            rules=("R28",),
            remedies=("an admin refuses it, and proposes it anew",),
        )
    access.require(
        session, access.ask(session, "change_role", actor, now=now, second_factor=True, change=_as_fact(session, row))
    )
    _make(session, row)
    return _end(session, row, MADE, actor=actor, now=now)


def get(session: Session, number: int) -> RoleChangeRow:
    """Return a proposed change, or say that there is none of this number."""
    row = session.get(RoleChangeRow, number)
    if row is None:
        raise NotFound(f"there is no role change {number}: see `tre role list`")
    return row


def waiting(session: Session) -> tuple[RoleChangeRow, ...]:
    """Return what is proposed and not settled, oldest first."""
    rows = select(RoleChangeRow).where(RoleChangeRow.state == PROPOSED).order_by(RoleChangeRow.id)
    return tuple(session.scalars(rows))


def enter(
    session: Session, name: str, roles: Iterable[Role], *, actor: str, now: datetime
) -> tuple[RoleChangeRow, ...]:
    """Propose all roles of somebody new."""
    why = "the account was made with it"
    return tuple(
        propose(session, name, role, GRANT, why=why, actor=actor, now=now) for role in sorted(frozenset(roles))
    )


def confirms(row: RoleChangeRow, agree: bool = True) -> str:  # noqa: FBT001, FBT002 -- the one choice there is
    """Say what a second admin's code confirms, down to who, what and why."""
    return f"role-change/{row.id} {'agree' if agree else 'refuse'} {row.change} {row.role} {row.person}"


def must_be_admin(session: Session, actor: str) -> None:
    """Refuse whoever is no admin that could decide now."""
    if actor not in admins(session):
        raise Refused(f"{actor} is no admin", rules=("R28",), remedies=("an admin does this",))


# --- what must hold ---------------------------------------------------------------------------------------------------
def _not_own(session: Session, row: RoleChangeRow, actor: str) -> None:
    """Refuse the proposer and whoever it is about, under whichever of their names."""
    self_made = {row.proposed_by, row.person}
    if actor in self_made or identities.also_accounts(session, actor) & self_made:
        raise Refused(
            f"{actor} proposed role change {row.id}, or it is about them",
            rules=("R28",),
            remedies=("an admin decides who neither proposed it nor is meant",),
        )


def _fits(session: Session, person: str, role: Role, change: str, *, now: datetime) -> None:
    """Refuse what cannot be: a role that is held already, or does not go with another that this human being has."""
    held = accounts.roles_of(session, person)
    if change == GRANT:
        _fits_beside(session, person, role, held, now=now)
    elif change == REMOVE:
        _can_go(session, person, role, held)
    else:
        raise Unreadable(f"change {change[:20]!r}: it is grant or remove")


def _fits_beside(session: Session, person: str, role: Role, held: frozenset[Role], *, now: datetime) -> None:
    if role in held:
        raise StepRefused(f"{person} is {role} already")
    others = [accounts.roles_of(session, name) for name in sorted(identities.also_accounts(session, person))]
    accounts.checked_roles(held.union({role}, *others))
    if role is Role.ADMIN and projects.of_person(session, person, now=now):
        raise Refused(f"{person} is a member of a project", rules=("R29",), remedies=("end the membership first",))


def _can_go(session: Session, person: str, role: Role, held: frozenset[Role]) -> None:
    if role not in held:
        raise StepRefused(f"{person} is not {role}")
    if role is Role.ADMIN and len(admins(session) - {person}) < ENOUGH:
        raise StepRefused(f"{person} is one of the last two admins: grant another the role first")


def _as_fact(session: Session, row: RoleChangeRow) -> Change:
    """Give the rules what they judge; a code confirmed the words of the change, so what was seen is what is there."""
    digest = sha256(f"{confirms(row)}\n{row.why}".encode()).hexdigest()
    return Change(
        what=f"role-change/{row.id}",
        proposer=row.proposed_by,
        proposer_fit=row.proposed_by in admins(session),
        beneficiary=row.person,
        manifest=digest,
        seen_manifest=digest,
    )


def _waiting(session: Session, person: str, role: Role, change: str) -> bool:
    return any((row.person, row.role, row.change) == (person, role.value, change) for row in waiting(session))


def _make(session: Session, row: RoleChangeRow) -> None:
    if row.change == GRANT:
        session.add(RoleRow(person=row.person, role=row.role))
    else:
        held = session.get(RoleRow, (row.person, row.role))
        session.delete(held)
    session.flush()


def _end(session: Session, row: RoleChangeRow, state: str, *, actor: str, now: datetime) -> RoleChangeRow:
    row.state, row.settled_by, row.settled_at = state, actor, now
    facts = {"person": row.person, "role": row.role, "change": row.change, "by": row.proposed_by}
    audit.append(session, f"role.{state}", actor=actor, subject=f"role-change/{row.id}", at=now, **facts)
    return row
