"""Imports as they are shown: to whom, in which words, and what the rules are told about them."""

import json
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from airlock import staging
from airlock.states import ImportState
from airlock.tables import ImportRow
from policies.facts import Ask, Import, Role
from tre.errors import NotFound
from tre.governance import access, accounts, mail, projects
from tre.records.tables import RoleRow
from tre.settings import Settings


def locked(session: Session, number: int) -> ImportRow:
    """Return an import that nobody else can change until this transaction ends."""
    row = session.scalars(select(ImportRow).where(ImportRow.id == number).with_for_update()).one_or_none()
    if row is None:
        raise none(number)
    session.refresh(row)
    return row


def seen(session: Session, number: int, person: str, *, now: datetime) -> ImportRow:
    """Return an import to those whose it is: who asked, the project's members, and approvers of other projects."""
    row = session.get(ImportRow, number)
    if row is None or not (inside(session, row, person, now) or independent(session, row, person)):
        raise none(number)
    return row


def own(session: Session, person: str) -> tuple[ImportRow, ...]:
    """Return what somebody asked to bring in, newest first."""
    return tuple(session.scalars(select(ImportRow).where(ImportRow.requester == person).order_by(ImportRow.id.desc())))


def of_project(session: Session, project: str, person: str, *, now: datetime) -> tuple[ImportRow, ...]:
    """Return what was asked to come into a project, to its members and to approvers of others, newest first."""
    rows = session.scalars(select(ImportRow).where(ImportRow.project == project).order_by(ImportRow.id.desc()))
    return tuple(row for row in rows if inside(session, row, person, now) or independent(session, row, person))


def queue(session: Session, person: str) -> tuple[ImportRow, ...]:
    """Return what this approver could decide on, longest waiting first."""
    rows = session.scalars(select(ImportRow).where(ImportRow.state == ImportState.IN_REVIEW).order_by(ImportRow.id))
    return tuple(row for row in rows if independent(session, row, person))


def content(
    session: Session, settings: Settings, number: int, position: int, person: str, *, now: datetime
) -> tuple[str, bytes]:
    """Return name and bytes of a file as they would arrive; of one that would not, as they came."""
    files = listed(seen(session, number, person, now=now))
    if not 0 <= position < len(files):
        raise NotFound(f"import {number} has no file {position}")
    file = files[position]
    return str(file["name"]), staging.kept(settings, str(file.get("arrives_sha256") or file["sha256"]))


def as_json(session: Session, row: ImportRow, person: str) -> dict[str, object]:
    """Return an import as pages and programs show it."""
    found = json.loads(row.findings)
    files = [file | {"position": at, "findings": found[at] if found else []} for at, file in enumerate(listed(row))]
    return {
        "id": row.id, "project": row.project, "requester": row.requester, "state": row.state, "why": row.why,
        "manifest_sha256": row.manifest_sha256, "files": files, "checked": row.checked_at is not None,
        "decided_by": row.decided_by, "reason": row.reason, "arrived_at": row.arrived_at,
        "place": f"/imports/{row.id}" if row.arrived_at else "", "says": says(row),
        "may": sorted(may(session, row, person)),
    }  # fmt: skip


def may(session: Session, row: ImportRow, person: str) -> frozenset[str]:
    """Return what somebody can do with an import now; the verb asks again."""
    if row.requester == person and row.state in {ImportState.CHECKING, ImportState.IN_REVIEW}:
        return frozenset({"withdraw"})
    if row.state == ImportState.IN_REVIEW and independent(session, row, person):
        return frozenset({"vote"})
    return frozenset()


def says(row: ImportRow) -> str:
    """Say where an import stands and what happens next."""
    if row.state == ImportState.APPROVED:
        there = f"The files are in the rooms of {row.project} as /imports/{row.id}, read-only."
        return there if row.arrived_at else row.trouble or "An approver agreed; the airlock brings the files in next."
    return SAYS[ImportState(row.state)]


SAYS = {
    ImportState.DRAFT: "This is not submitted yet.",
    ImportState.CHECKING: "The airlock looks through the files; an approver is asked next.",
    ImportState.IN_REVIEW: "An approver who is not of the project decides.",
    ImportState.RETURNED: "This does not come in as it is: read findings and reason, mend the files and ask anew.",
    ImportState.REJECTED: "An approver said no; nothing follows.",
    ImportState.WITHDRAWN: "Who asked for it took it back; nothing follows.",
}


def listed(row: ImportRow) -> list[dict[str, object]]:
    """Return the files of an import, as its manifest has them."""
    return list(json.loads(row.manifest)["files"])


def tell(session: Session, row: ImportRow, *, now: datetime) -> None:
    """Write to whose turn it is: approvers of other projects when there is something to decide, else who asked."""
    people: tuple[str, ...] = (row.requester,)
    if row.state == ImportState.IN_REVIEW:
        roles = select(RoleRow.person).where(RoleRow.role == Role.APPROVER).order_by(RoleRow.person)
        people = tuple(name for name in session.scalars(roles) if independent(session, row, name))
    said = f"Import {row.id} into project {row.project} is {row.state.replace('_', ' ')}."
    look = f"Look at it in the airlock, under Imports, or by: airlock import show {row.id}"
    for name in people:
        mail.queue(session, name, said, "\n".join((said, says(row), "", look, "")), now)


def subject_of(number: int) -> str:
    """Name an import in the log."""
    return f"import/{number}"


# --- facts ------------------------------------------------------------------------------------------------------------
def ask(session: Session, verb: str, project: str, person: str, kinds: frozenset[str], *, now: datetime) -> Ask:
    """Ask of what is not there yet; the session's sign-in had a second factor."""
    wish = Import(request="new", requester=person, kinds=kinds)
    return access.ask(session, verb, person, now=now, second_factor=True, project=project, arriving=wish)


def facts(session: Session, row: ImportRow, *, seen: str) -> Import:
    """Gather what the rules are told about an import; `seen` is the list that somebody saw, or that arrives."""
    decided = row.decided_by if row.state == ImportState.APPROVED else None
    fit = decided is not None and independent(session, row, decided)
    return Import(
        request=str(row.id),
        requester=row.requester,
        manifest=row.manifest_sha256,
        seen_manifest=seen,
        kinds=frozenset(str(file["kind"]) for file in listed(row)),
        checked=row.checked_at is not None and row.state in {ImportState.IN_REVIEW, ImportState.APPROVED},
        approvals=frozenset({decided}) if decided and fit else frozenset(),
    )


def inside(session: Session, row: ImportRow, person: str, now: datetime) -> bool:
    """Whether it is this person's own, or of a project of theirs."""
    return person == row.requester or row.project in {one.name for one in projects.of_person(session, person, now=now)}


def independent(session: Session, row: ImportRow, person: str) -> bool:
    """Whether this person is an approver who never was in the project."""
    return (
        accounts.active(session, person)
        and Role.APPROVER in accounts.roles_of(session, person)
        and not projects.ever_member(session, row.project, person)
    )


def none(number: int) -> NotFound:
    """Say that there is none, or none that they may know of."""
    return NotFound(f"no import {number}, or none that you may know of")
