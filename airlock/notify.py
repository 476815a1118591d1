"""Whoever's turn it is hears of it; a mail says where to look, never what is in a file.

It is queued in the act that it tells of, and sent by the house's postman.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from airlock import queries, states
from airlock.states import State
from airlock.tables import RequestRow
from policies.facts import Role
from tre.governance import mail
from tre.records.tables import RoleRow


def turn(session: Session, row: RequestRow, *, now: datetime) -> None:
    """Write to those whose turn it is: approvers when there is something to decide, else the author."""
    session.flush()
    people = _approvers(session, row, now) if row.state == State.IN_REVIEW else (row.requester,)
    said = f"Export request {row.id} of project {row.project} is {states.words(State(row.state))}."
    _write(session, people, row, said, row.trouble or states.says(State(row.state)), now=now)


def alarm(session: Session, row: RequestRow, *, now: datetime) -> None:
    """Write to the admins that a request cannot go on by itself."""
    admins = session.scalars(select(RoleRow.person).where(RoleRow.role == Role.ADMIN).order_by(RoleRow.person))
    _write(session, tuple(admins), row, f"Export request {row.id} needs an admin.", row.trouble, now=now)


def url(request: int) -> str:
    """Return where a request's page is."""
    return f"/services/airlock/requests/{request}"


def _write(session: Session, people: tuple[str, ...], row: RequestRow, *said: str, now: datetime) -> None:
    for person in people:
        mail.queue(session, person, said[0], "\n".join((*said, "", url(row.id), "")), now)


def _approvers(session: Session, row: RequestRow, now: datetime) -> tuple[str, ...]:
    people = session.scalars(select(RoleRow.person).where(RoleRow.role == Role.APPROVER).order_by(RoleRow.person))
    return tuple(person for person in people if row in queries.queue(session, person, now=now))
