"""Whoever's turn it is hears of it; nobody hears how somebody voted."""

from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from tre.governance import notices
from tre.governance.applications import independence, papers
from tre.records.tables import ApplicationRow, ConditionRow, DutyRow, PersonRow

PAGE: Final = "/hub/applications/{}"


def accepted(session: Session, row: ApplicationRow, person: str, *, now: datetime) -> None:
    """Tell the applicant that somebody agreed, and whom the form still waits for."""
    waiting = papers.of(row).waiting(row.applicant)
    rest = f"it waits for {', '.join(waiting)}" if waiting else "everybody has; submit it"
    _tell(session, row, (row.applicant,), f"accepted/{person}", f"{person} accepted {_title(row)}; {rest}.", now=now)


def submitted(session: Session, row: ApplicationRow, *, now: datetime) -> None:
    """Tell those of the committee who may take it up."""
    text = f"{_title(row)} waits for a panel: name it, or return the application with reasons."
    _tell(session, row, independence.free(session, row), "submitted", text, now=now)


def returned(session: Session, row: ApplicationRow, *, now: datetime) -> None:
    """Tell the applicant why it came back."""
    text = f"{_title(row)} was returned: {row.why}. Correct the form and submit it again."
    _tell(session, row, (row.applicant,), "returned", text, now=now)


def named(session: Session, row: ApplicationRow, people: tuple[str, ...], *, now: datetime) -> None:
    """Tell the panel that it is their turn."""
    text = f"{_title(row)} waits for you: declare whether you have an interest in it, then vote."
    _tell(session, row, people, "panel", text, now=now)


def voted(session: Session, row: ApplicationRow, *, now: datetime) -> None:
    """Tell those who decide that enough votes are in."""
    deciders = independence.chairs(session, row) or tuple(one.person for one in independence.panel(session, row.id))
    text = f"{_title(row)} has the votes that it needs: decide it."
    _tell(session, row, deciders, "quorum", text, now=now)


def decided(session: Session, row: ApplicationRow, *, now: datetime) -> None:
    """Tell everybody named what became of it, and the applicant what is left to do."""
    people = tuple(dict.fromkeys((row.applicant, *papers.form_of(row).named)))
    if row.state == "rejected":
        text = f"{_title(row)} was rejected: {row.why or 'the panel voted against it'}."
    elif row.state == "approved_pending":
        text = f"{_title(row)} is approved; before it begins, show that its conditions are met."
    else:
        text = f"{_title(row)} is approved" + (f" until {row.approved_until:%Y-%m-%d}." if row.approved_until else ".")
    _tell(session, row, people, row.state, text, now=now)


def changed(session: Session, row: ApplicationRow, *, now: datetime) -> None:
    """Tell everybody named that it was suspended, resumed, revoked or closed, or has expired, and why."""
    people = tuple(dict.fromkeys((row.applicant, *papers.form_of(row).named)))
    why = f": {row.why}" if row.why else ""
    _tell(session, row, people, row.state, f"{_title(row)} is {row.state.replace('_', ' ')}{why}.", now=now)


def shown(session: Session, row: ApplicationRow, condition: ConditionRow, *, now: datetime) -> None:
    """Tell those who may accept it that a condition is said to be met."""
    text = f"{_title(row)}: a condition is said to be met ({condition.text}): look at the evidence and accept it."
    _tell(session, row, independence.free(session, row), f"condition/{condition.id}", text, now=now)


def duty_shown(session: Session, row: ApplicationRow, duty: DutyRow, *, now: datetime) -> None:
    """Tell those who may accept it that a duty is said to be done."""
    text = f"{_title(row)}: a duty is said to be done ({duty.text}): look at the evidence and accept it."
    _tell(session, row, independence.free(session, row), f"duty/{duty.id}/{now:%Y%m%d%H%M%S}", text, now=now)


def duty_accepted(session: Session, row: ApplicationRow, duty: DutyRow, *, now: datetime) -> None:
    """Tell everybody named that a duty is done."""
    people = tuple(dict.fromkeys((row.applicant, *papers.form_of(row).named)))
    _tell(session, row, people, f"duty/{duty.id}/done", f"{_title(row)}: a duty is done ({duty.text}).", now=now)


def _tell(
    session: Session, row: ApplicationRow, people: tuple[str, ...], key: str, text: str, *, now: datetime
) -> None:
    moved = row.moved_at or now
    for person in people:
        if session.get(PersonRow, person) is not None:
            key_of_turn = f"application/{row.id}/{key}/{row.edition}/{moved:%Y%m%d%H%M%S}"
            notices.tell(session, person, key=key_of_turn, text=text, url=PAGE.format(row.id), now=now)


def _title(row: ApplicationRow) -> str:
    return f"Application {row.id} ({row.title or row.project})"
