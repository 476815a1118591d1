"""Who decides on an application has nothing to gain by it: not named in it, never in the project, of another house."""

from collections import Counter

from sqlalchemy import select
from sqlalchemy.orm import Session

from policies.facts import Role
from tre.governance import accounts, identities, projects
from tre.governance.applications import papers
from tre.governance.applications.states import Vote
from tre.records.tables import ApplicationRow, PanelRow, PersonRow, RoleRow

SITTING = frozenset({Role.COMMITTEE, Role.CHAIR})


def why_not(session: Session, row: ApplicationRow, person: str) -> str | None:
    """Return what keeps a person from having a say in an application, or None."""
    if not SITTING & accounts.roles_of(session, person):
        return "not on the committee"
    if not accounts.active(session, person):
        return "suspended"
    return _interest(session, row, person)


def _interest(session: Session, row: ApplicationRow, person: str) -> str | None:
    """Return what they have to gain or to lose by it, declared or not."""
    if person == row.applicant:
        return "they applied"
    if person in papers.form_of(row).named:
        return "the application names them"
    if row.project and projects.ever_member(session, row.project, person):
        return f"is or was a member of {row.project}"
    if _colleague(session, row, person):
        return "works where the applicant does, or the lead"
    if identities.also_accounts(session, person) & named(session, row):
        return "has another account, which it is about"
    return "declared an interest" if declared(session, row, person) else None


def declared(session: Session, row: ApplicationRow, person: str) -> str:
    """Return the interest that somebody declared; empty if none."""
    said = session.get(PanelRow, (row.id, person))
    return said.conflict if said else ""


def named(session: Session, row: ApplicationRow) -> frozenset[str]:
    """Return everybody whose application it is: applicant, lead and members, and whoever is or was in the project."""
    were = {member.person for member in projects.members(session, row.project)} if row.project else set()
    return frozenset({row.applicant, *papers.form_of(row).named, *were})


def panel(session: Session, number: int) -> tuple[PanelRow, ...]:
    """Return who was named to decide, by name."""
    rows = select(PanelRow).where(PanelRow.application == number)
    return tuple(session.scalars(rows.order_by(PanelRow.person)))


def free(session: Session, row: ApplicationRow) -> tuple[str, ...]:
    """Return everybody of the committee who could decide on an application."""
    sitting = select(RoleRow.person).where(RoleRow.role.in_([role.value for role in SITTING])).distinct()
    return tuple(name for name in sorted(session.scalars(sitting)) if why_not(session, row, name) is None)


def chairs(session: Session, row: ApplicationRow) -> tuple[str, ...]:
    """Return the chairs who may decide on an application; none if the house has none, or none without an interest."""
    names = session.scalars(select(RoleRow.person).where(RoleRow.role == Role.CHAIR.value))
    return tuple(name for name in sorted(names) if why_not(session, row, name) is None)


def presides(session: Session, row: ApplicationRow, person: str) -> bool:
    """Whether a person decides: a chair, or one of the panel if no chair can."""
    can = chairs(session, row)
    return person in can if can else session.get(PanelRow, (row.id, person)) is not None


def count(session: Session, row: ApplicationRow) -> "Counter[Vote]":
    """Count the votes on the form as it stands, of those who may still vote."""
    return Counter(
        Vote(one.vote)
        for one in papers.cast(session, row.id)
        if one.form_sha256 == row.form_sha256 and why_not(session, row, one.person) is None
    )


def _colleague(session: Session, row: ApplicationRow, person: str) -> bool:
    mine = session.get(PersonRow, person)
    theirs = [session.get(PersonRow, name) for name in (row.applicant, papers.form_of(row).lead) if name]
    return bool(mine and mine.institution and mine.institution in {one.institution for one in theirs if one})
