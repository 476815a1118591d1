"""What a project owes for its data is done when it shows so and somebody of the committee has looked at it."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.errors import NotFound, StepRefused
from tre.governance import projects, text
from tre.governance.applications import papers, review, told
from tre.records import audit
from tre.records.tables import ApplicationRow, ApprovalRow, DutyRow

MORATORIUM = "MOR"
"""A duty to wait: it is not over before its day."""


class Owed(NamedTuple):
    """A duty, and where it comes from."""

    duty: DutyRow
    approval: ApprovalRow
    row: ApplicationRow


def get(session: Session, number: int) -> Owed:
    """Return a duty with the approval and the application that it comes with."""
    duty = session.get(DutyRow, number) if 0 < number < papers.LARGEST else None
    if duty is None:
        raise NotFound(f"there is no duty {number}: see `tre application duty list PROJECT`")
    approval = session.get_one(ApprovalRow, duty.approval)
    return Owed(duty, approval, papers.get(session, approval.application))


def of_project(session: Session, project: str) -> tuple[tuple[DutyRow, str], ...]:
    """Return everything that a project owes or owed for its data, each with the dataset."""
    rows = (
        select(DutyRow, ApprovalRow.dataset)
        .join(ApprovalRow, ApprovalRow.id == DutyRow.approval)
        .where(ApprovalRow.project == project)
        .order_by(DutyRow.id)
    )
    return tuple((duty, dataset) for duty, dataset in session.execute(rows))


def show(session: Session, number: int, person: str, words: str, *, now: datetime) -> None:
    """Say, for the project, how a duty was done; somebody of the committee looks at it."""
    owed = _open(session, number, now=now)
    members = {one.person for one in projects.members(session, owed.approval.project) if one.removed_at is None}
    if person not in members | {owed.row.applicant}:
        raise StepRefused(f"only people of project {owed.approval.project} show that its duties are done")
    owed.duty.evidence = text.line(words, "evidence", longest=2000)
    _record(session, owed, "show", person, now=now, evidence=owed.duty.evidence)
    told.duty_shown(session, owed.row, owed.duty, now=now)


def accept(session: Session, number: int, person: str, *, seen: str, now: datetime) -> None:
    """Note that a duty is done, for somebody of the committee who has no interest in it; `seen` is `digest`."""
    owed = _open(session, number, now=now)
    review.sits(session, owed.row, person, "accept a duty of")
    if seen != digest(owed.duty):
        raise StepRefused(f"duty {number} is not as you read it: read it again, then accept it")
    if not owed.duty.evidence:
        raise StepRefused(f"nobody showed yet how duty {number} is done: project {owed.approval.project} does")
    owed.duty.done_at, owed.duty.done_by = now, person
    _record(session, owed, "accept", person, now=now, evidence=owed.duty.evidence)
    told.duty_accepted(session, owed.row, owed.duty, now=now)


def digest(duty: DutyRow) -> str:
    """Return the SHA-256 of what somebody accepts: the duty's words, and the evidence."""
    return audit.digest([duty.id, duty.text, duty.evidence])


def _open(session: Session, number: int, *, now: datetime) -> Owed:
    owed = get(session, number)
    if owed.duty.done_at is not None:
        raise StepRefused(f"duty {number} is done: {owed.duty.done_by} accepted it on {owed.duty.done_at:%Y-%m-%d}")
    if owed.duty.code == MORATORIUM and owed.duty.due is not None and owed.duty.due > now:
        raise StepRefused(f"duty {number} is to wait until {owed.duty.due:%Y-%m-%d}: it cannot be done before")
    return owed


def _record(session: Session, owed: Owed, verb: str, actor: str, *, now: datetime, **facts: audit.Fact) -> None:
    audit.append(
        session, f"duty.{verb}", actor=actor, subject=papers.subject(owed.row), at=now, duty=owed.duty.id,
        code=owed.duty.code, dataset=owed.approval.dataset, **facts,
    )  # fmt: skip
