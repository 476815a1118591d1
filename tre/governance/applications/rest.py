"""A project rests while the committee wants it to, and goes on when they say so; what others stopped stays stopped."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.governance import projects
from tre.governance.applications import papers
from tre.governance.applications.states import By, State
from tre.records import audit
from tre.records.tables import ApplicationRow, EntryRow

HOUSE = "sentinel"


def suspend(session: Session, row: ApplicationRow, by: By, *, actor: str, why: str, now: datetime) -> None:
    """Let all work of an application's project rest; what rests for another reason rests for this one from now on."""
    papers.move(row, "suspend", by, now=now)
    row.why, row.moved_at = why, now
    stop_work(session, row, now=now)
    audit.append(session, "committee.suspend", actor=actor, subject=papers.subject(row), at=now, why=why)


def resume(session: Session, row: ApplicationRow, by: By, *, actor: str, why: str, now: datetime) -> None:
    """Let it go on."""
    papers.move(row, "resume", by, now=now)
    row.why = why
    let_work(session, row, now=now)
    audit.append(session, "committee.resume", actor=actor, subject=papers.subject(row), at=now, why=why)


def until_decided(session: Session, child: ApplicationRow, *, now: datetime) -> None:
    """Let a project rest whose purpose is to change: what was approved is not what it is for any more."""
    parent = _parent(session, child)
    if parent is not None and parent.state == State.ACTIVE:
        suspend(session, parent, By.SYSTEM, actor=HOUSE, why=_changes(child), now=now)


def go_on(session: Session, child: ApplicationRow, *, now: datetime) -> None:
    """Let it go on as it was, if its purpose does not change after all."""
    parent = _parent(session, child)
    if parent is not None and parent.state == State.SUSPENDED and parent.why == _changes(child):
        why = f"application {child.id} is {child.state}"
        resume(session, parent, By.SYSTEM, actor=HOUSE, why=why, now=now)


def stop_work(session: Session, row: ApplicationRow, *, now: datetime) -> None:
    """Suspend the project in the name of the application."""
    project = papers.project(session, row)
    if project is not None and not project.suspended and not project.closed_at:
        projects.suspend(session, project.name, why=row.why[:500], actor=papers.subject(row), now=now)


def let_work(session: Session, row: ApplicationRow, *, now: datetime) -> None:
    """Resume the project, if it was this application that stopped it."""
    project = papers.project(session, row)
    if project is None or not project.suspended or project.closed_at or projects.stopped_by(session, project):
        return
    stopped = select(EntryRow.actor).where(
        EntryRow.act == "project.suspend", EntryRow.subject == f"project/{project.name}"
    )
    if session.scalars(stopped.order_by(EntryRow.seq.desc())).first() == papers.subject(row):
        projects.resume(session, project.name, actor=papers.subject(row), now=now)


def _parent(session: Session, child: ApplicationRow) -> ApplicationRow | None:
    return session.get(ApplicationRow, child.parent) if child.parent else None


def _changes(child: ApplicationRow) -> str:
    return f"application {child.id} changes its purpose"
