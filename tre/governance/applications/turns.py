"""Whose turn it is with an application, since when, and what happens next."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.governance.applications import active, independence, papers, states
from tre.governance.applications.states import GRANTED, OPEN, Kind, State
from tre.records.tables import ApplicationRow


class Turn(NamedTuple):
    """Who must do something, since when, and what."""

    whose: tuple[str, ...]
    """Names; empty if nobody has to do anything."""
    since: datetime
    days: int
    next: str


def turn(session: Session, row: ApplicationRow, *, now: datetime) -> Turn:
    """Say whose turn it is, and for how many whole days."""
    since = row.moved_at or row.created_at
    whose, what = _WHOSE.get(State(row.state), _nobody)(session, row, now)
    return Turn(whose, since, max((now - since).days, 0), what)


def queue(session: Session, *, now: datetime) -> tuple[tuple[ApplicationRow, Turn], ...]:
    """Return what is not settled, longest waiting first; drafts are their authors' own."""
    open_ = [state.value for state in OPEN - {State.DRAFT}]
    rows = session.scalars(select(ApplicationRow).where(ApplicationRow.state.in_(open_)))
    found = [(row, turn(session, row, now=now)) for row in rows]
    return tuple(sorted(found, key=lambda one: (one[1].since, one[0].id)))


def _applicant(session: Session, row: ApplicationRow, now: datetime) -> tuple[tuple[str, ...], str]:
    del session, now
    waiting = papers.of(row).waiting(row.applicant)
    if waiting:
        return (row.applicant, *waiting), f"{', '.join(waiting)} must accept; then {row.applicant} submits it"
    return (row.applicant,), states.says(State(row.state))


def _committee(session: Session, row: ApplicationRow, now: datetime) -> tuple[tuple[str, ...], str]:
    del now
    return independence.free(session, row), states.says(State(row.state))


def _panel(session: Session, row: ApplicationRow, now: datetime) -> tuple[tuple[str, ...], str]:
    """Who has not voted; with a quorum, who decides."""
    del now
    if independence.count(session, row).total() >= papers.numbers(session).quorum:
        chairs = independence.chairs(session, row)
        deciders = chairs or tuple(name for name in _independent(session, row))
        return deciders, "the votes are in: it can be decided"
    voted = {one.person for one in papers.cast(session, row.id) if one.form_sha256 == row.form_sha256}
    whose = tuple(name for name in _independent(session, row) if name not in voted)
    if row.kind == Kind.DATASETS and not whose:
        whose = tuple(name for name in independence.free(session, row) if name not in voted)
    return whose, "the panel declares its interests and votes; nobody sees another's vote before their own"


def _independent(session: Session, row: ApplicationRow) -> tuple[str, ...]:
    panel = independence.panel(session, row.id)
    return tuple(one.person for one in panel if independence.why_not(session, row, one.person) is None)


def _pending(session: Session, row: ApplicationRow, now: datetime) -> tuple[tuple[str, ...], str]:
    """Who shows that conditions are met, or accepts it."""
    open_ = [one for one in papers.conditions(session, row.id) if one.due is None and not one.accepted_at]
    if any(not one.evidence for one in open_):
        return (row.applicant,), "show that each condition is met"
    if open_:
        return independence.free(session, row), "look at the evidence of each condition, and accept it"
    wait = active.outstanding(session, row, now=now)
    return (), "; ".join(wait) or "it begins with the house's next round"


def _nobody(session: Session, row: ApplicationRow, now: datetime) -> tuple[tuple[str, ...], str]:
    del session
    if State(row.state) in GRANTED and row.approved_until is not None and row.approved_until <= now:
        return (row.applicant,), states.says(State.EXPIRED)
    return (), states.says(State(row.state))


_WHOSE = {
    State.DRAFT: _applicant,
    State.RETURNED: _applicant,
    State.SUBMITTED: _committee,
    State.IN_REVIEW: _panel,
    State.APPROVED_PENDING: _pending,
}
