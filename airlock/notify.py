"""Whoever's turn it is hears of it, on their page and by mail; it says where to look, never what is in a file.

It is written down in the act that it tells of, and mailed by the house's postman.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from airlock import asks, queries, states
from airlock.states import FileState, State
from airlock.tables import FileRow, RequestRow
from policies.facts import Role
from tre.governance import notices
from tre.records.tables import NoticeRow, RoleRow


def turn(session: Session, row: RequestRow, *, now: datetime) -> None:
    """Tell those whose turn it is: approvers when there is something to decide, else the author."""
    session.flush()
    voters = {vote.approver for vote in asks.votes_of(session, row)}
    people: Iterable[str] = (row.requester,)
    if row.state == State.IN_REVIEW:
        people = _approvers(session, row, now)
    elif row.state == State.CONSOLIDATING:
        people = [person for person in _approvers(session, row, now) if person in voters]
    said = (row.trouble or states.says(State(row.state)), _which(asks.files_of(session, row.id, row.round)))
    _tell(session, people, row, states.words(State(row.state)), *said, now=now)


def third(session: Session, row: RequestRow, *, now: datetime) -> None:
    """Tell the approvers who have not voted that two differ, and that one of them decides."""
    session.flush()
    voters = {vote.approver for vote in asks.votes_of(session, row)}
    people = [person for person in _approvers(session, row, now) if person not in voters]
    said = "Two approvers have said again, and still differ: a third one decides, seeing what both said."
    _tell(session, people, row, "in need of a third approver", said, now=now)


def reminder(session: Session, row: RequestRow, *, now: datetime) -> None:
    """Tell those whose turn it is that a request will end by itself."""
    people = _approvers(session, row, now) if row.state in _VOTED else (row.requester,)
    until = f"It ends by itself on {row.expires_at:%d %B %Y} unless somebody moves it."
    said = states.says(State(row.state))
    _tell(session, people, row, f"waiting, {states.words(State(row.state))}", until, said, key=_ends(row), now=now)


def reminded(session: Session, row: RequestRow) -> bool:
    """Whether somebody was told already that it will end."""
    return session.scalars(select(NoticeRow.id).where(NoticeRow.key == _ends(row)).limit(1)).first() is not None


def alarm(session: Session, row: RequestRow, *, now: datetime) -> None:
    """Tell the admins that a request cannot go on by itself."""
    admins = session.scalars(select(RoleRow.person).where(RoleRow.role == Role.ADMIN).order_by(RoleRow.person)).all()
    key = f"export/{row.id}/alarm/{now.isoformat()}"
    _say(session, admins, row, f"Export request {row.id} needs an admin.", row.trouble, key=key, now=now)


def url(request: int) -> str:
    """Return where a request's page is."""
    return f"/services/airlock/requests/{request}"


_VOTED = (State.IN_REVIEW, State.CONSOLIDATING)
_ENDINGS = {
    FileState.RELEASED: "released",
    FileState.BLOCKED: "blocked by a check",
    FileState.RETURNED: "sent back",
    FileState.REJECTED: "refused",
}


def _which(files: Iterable[FileRow]) -> str:
    """Say what became of which file, by its number: a name may say too much."""
    at = {state: [str(file.position + 1) for file in files if file.state == state] for state in _ENDINGS}
    said = [f"{word}: file {', '.join(at[state])}" for state, word in _ENDINGS.items() if at[state]]
    return f"{'; '.join(said).capitalize()}." if said else ""


def _tell(
    session: Session, people: Iterable[str], row: RequestRow, how: str, *said: str, now: datetime, key: str = ""
) -> None:
    head = f"Export request {row.id} of project {row.project} is {how}."
    _say(session, people, row, head, *said, key=key or f"export/{row.id}/{how}/{now.isoformat()}", now=now)


def _say(session: Session, people: Iterable[str], row: RequestRow, *said: str, key: str, now: datetime) -> None:
    for person in people:
        notices.tell(session, person, key=key, text=" ".join(filter(None, said)), url=url(row.id), now=now)


def _ends(row: RequestRow) -> str:
    return f"export/{row.id}/ends/{row.expires_at.isoformat() if row.expires_at else ''}"


def _approvers(session: Session, row: RequestRow, now: datetime) -> tuple[str, ...]:
    people = session.scalars(select(RoleRow.person).where(RoleRow.role == Role.APPROVER).order_by(RoleRow.person))
    return tuple(person for person in people if queries.votes(session, row, person, now=now))
