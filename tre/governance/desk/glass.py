"""Emergencies as those see them who open doors in one, who review it, and whose door it was."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from tre.governance import accounts, emergencies
from tre.governance.emergencies import OPENS, REVIEWS
from tre.records.tables import EmergencyRow


@dataclass(frozen=True, kw_only=True)
class Glass:
    """One emergency, and what its reader may do about it; the verbs ask again."""

    row: EmergencyRow
    state: str
    may: frozenset[str]
    seconds: str
    """What the code of a second person confirms."""


def listed(session: Session, reader: str, *, now: datetime) -> tuple[Glass, ...]:
    """Return the emergencies that somebody may see, newest first: all of them, or those that opened their own door."""
    held = accounts.roles_of(session, reader)
    every = bool(held & (OPENS | REVIEWS))
    rows = reversed(emergencies.listed(session))
    return tuple(_glass(session, row, reader, now) for row in rows if every or row.person == reader)


def may_ask(session: Session, reader: str) -> bool:
    """Whether somebody is of those who open doors in an emergency."""
    return bool(accounts.roles_of(session, reader) & OPENS)


def _glass(session: Session, row: EmergencyRow, reader: str, now: datetime) -> Glass:
    state = emergencies.state(row, now=now)
    may = frozenset(_may(session, row, reader, state))
    return Glass(row=row, state=state, may=may, seconds=emergencies.confirms(row, "second"))


def _may(session: Session, row: EmergencyRow, reader: str, state: str) -> Iterator[str]:
    held = accounts.roles_of(session, reader)
    if state == "asked" and held & OPENS and reader not in {row.asked_by, row.person}:
        yield "second"
    if state in {"asked", "open"} and (held & OPENS or reader == row.person):
        yield "end"
    if state == "ended" and held & REVIEWS and reader not in {row.person, row.asked_by, row.seconded_by}:
        yield "review"
