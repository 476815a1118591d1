"""What an admin does at their desk: each act asks the rules whether they administer, in the act's own transaction."""

from datetime import datetime

from sqlalchemy.orm import Session

from policies.facts import Role
from tre.errors import Refused
from tre.governance import access, accounts, enrolment, projects, proposals, roles, training
from tre.governance.applications import papers
from tre.records.tables import ProjectRow, RoleChangeRow, RulebookRow
from tre.settings import Settings


def as_admin(session: Session, person: str, *, now: datetime) -> None:
    """Refuse whoever does not administer, with every reason; their code was asked for before."""
    access.require(session, access.plain_ask(session, "administer", person, now=now, second_factor=True))


def add_member(
    session: Session, project: str, member: str, *, until: datetime | None, actor: str, now: datetime
) -> None:
    """Let a person belong to a project, or for longer."""
    as_admin(session, actor, now=now)
    papers.must_name(session, project, member)
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


# --- people and their roles -------------------------------------------------------------------------------------------
def invite_person(
    session: Session,
    person: str,
    *,
    full_name: str,
    email: str,
    wanted: frozenset[Role],
    actor: str,
    now: datetime,
    settings: Settings,
) -> str:
    """Give somebody an account without a role, propose their roles, and return the link by which they come in."""
    as_admin(session, actor, now=now)
    accounts.add(
        session,
        person,
        full_name=full_name,
        email=email,
        roles=wanted,
        actor=actor,
        now=now,
        settings=settings,
        invited=True,
        granted=False,
    )
    roles.enter(session, person, wanted, actor=actor, now=now)
    return enrolment.url(settings, enrolment.invite(session, person, actor=actor, now=now))


def invite_again(session: Session, person: str, *, actor: str, now: datetime, settings: Settings) -> str:
    """Make a new link for somebody whose old one ended before they came in; older links end.

    Never into an account that can do something already: one admin alone would be whoever they like.
    """
    as_admin(session, actor, now=now)
    if accounts.person(session, person).enrolled_at is not None or accounts.roles_of(session, person):
        raise Refused(
            f"{person} has an account that works or a role already: no admin alone makes a way into it",
            rules=("R28",),
            remedies=(f"a recovery code, or the operator at the host: `tre person invite {person}`",),
        )
    return enrolment.url(settings, enrolment.invite(session, person, actor=actor, now=now))


def propose_role(
    session: Session, person: str, role: Role, change: str, *, why: str, actor: str, now: datetime
) -> RoleChangeRow:
    """Propose that somebody gets or loses a role; another admin settles it."""
    as_admin(session, actor, now=now)
    return roles.propose(session, person, role, change, why=why, actor=actor, now=now)


def settle_role(session: Session, number: int, *, agree: bool, actor: str, now: datetime) -> RoleChangeRow:
    """Make it so, or refuse it."""
    as_admin(session, actor, now=now)
    return roles.settle(session, number, agree=agree, actor=actor, now=now)


# --- rules ------------------------------------------------------------------------------------------------------------
def settle_rules(session: Session, number: int, *, seen: str, agree: bool, actor: str, now: datetime) -> RulebookRow:
    """Make proposed rules those in force, if they are the ones that were seen; or turn them down."""
    as_admin(session, actor, now=now)
    if agree:
        return proposals.adopt(session, number, actor=actor, seen=seen, now=now)
    return proposals.refuse(session, number, actor=actor, now=now)
