"""What an admin does at their desk: each act asks the rules whether they administer, in the act's own transaction."""

from datetime import datetime

from sqlalchemy.orm import Session

from tre.governance import access, accounts, projects, training
from tre.records.tables import ProjectRow


def as_admin(session: Session, person: str, *, now: datetime) -> None:
    """Refuse whoever does not administer, with every reason; their code was asked for before."""
    access.require(session, access.plain_ask(session, "administer", person, now=now, second_factor=True))


def add_member(
    session: Session, project: str, member: str, *, until: datetime | None, actor: str, now: datetime
) -> None:
    """Let a person belong to a project, or for longer."""
    as_admin(session, actor, now=now)
    projects.add_member(session, project, member, until=until, actor=actor, now=now)


def remove_member(session: Session, project: str, member: str, *, actor: str, now: datetime) -> None:
    """End a membership."""
    as_admin(session, actor, now=now)
    projects.remove_member(session, project, member, actor=actor, now=now)


def suspend_project(session: Session, project: str, *, why: str, actor: str, now: datetime) -> None:
    """Stop all work in a project."""
    as_admin(session, actor, now=now)
    projects.suspend(session, project, why=why, actor=actor, now=now)


def resume_project(session: Session, project: str, *, actor: str, now: datetime) -> None:
    """Let it go on."""
    as_admin(session, actor, now=now)
    projects.resume(session, project, actor=actor, now=now)


def close_project(session: Session, project: str, *, why: str, actor: str, now: datetime) -> None:
    """End a project for good."""
    as_admin(session, actor, now=now)
    projects.close(session, project, why=why, actor=actor, now=now)


def open_project(
    session: Session,
    project: str,
    *,
    title: str,
    purpose: str,
    approved_until: datetime,
    retained_until: datetime,
    actor: str,
    now: datetime,
) -> ProjectRow:
    """Open a project."""
    as_admin(session, actor, now=now)
    return projects.create(
        session,
        project,
        title=title,
        purpose=purpose,
        approved_until=approved_until,
        retained_until=retained_until,
        actor=actor,
        now=now,
    )


def suspend_person(session: Session, person: str, *, why: str, actor: str, now: datetime) -> None:
    """Keep a person out from now on."""
    as_admin(session, actor, now=now)
    accounts.suspend(session, person, why=why, actor=actor, now=now)


def resume_person(session: Session, person: str, *, actor: str, now: datetime) -> None:
    """Let a person in again."""
    as_admin(session, actor, now=now)
    accounts.resume(session, person, actor=actor, now=now)


def record_training(
    session: Session, person: str, course: str, until: datetime, *, evidence: str, actor: str, now: datetime
) -> None:
    """Note a course that somebody passed."""
    as_admin(session, actor, now=now)
    training.record(session, person, course, until, evidence=evidence, actor=actor, now=now)


def publish_agreement(session: Session, text: str, *, since: datetime, actor: str, now: datetime) -> int:
    """Make a text the user agreement from a day on."""
    as_admin(session, actor, now=now)
    return training.publish(session, text, since=since, actor=actor, now=now)
