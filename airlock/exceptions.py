"""One person of the committee, by name and with a reason, lets a file go on although a check said no.

The finding stays, with the name beside it, for the approvers and in the certificate. Only some checks can be excepted;
who makes an exception does not vote, and nothing is excepted behind a vote that is in.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from airlock import asks, moves, notify, states
from airlock.checks.finding import Severity
from airlock.states import By, FileState, State
from airlock.tables import ExceptionRow, FileRow, ReleaseRow, RequestRow
from tre.errors import NotFound, Refused, StepRefused
from tre.governance import access
from tre.records import audit


def grant(
    session: Session,
    *,
    request: int,
    person: str,
    position: int,
    check: str,
    reason: str,
    seen: str,
    second_factor: bool,
    now: datetime,
) -> RequestRow:
    """Except one check of one file; the file is open to votes again once nothing else blocks it.

    `seen` is the manifest that was looked at, `second_factor` whether a code of this person was just checked for this.
    """
    row = moves.locked(session, request)
    may = check in asks.EXCEPTED
    access.require(
        session, asks.grant(session, row, person, check=may, seen=seen, second_factor=second_factor, now=now)
    )
    moves.in_time(row, now)
    file = _file(session, row, position)
    _fits(session, row, file, check)
    session.add(
        ExceptionRow(
            request=row.id, round=row.round, position=position, check=check, person=person,
            reason=moves.text(reason, "reason"), at=now,
        )
    )  # fmt: skip
    session.flush()
    audit.append(
        session, "export.except", actor=person, subject=moves.subject(row), at=now,
        round=row.round, manifest=seen, file=position, check=check,
    )  # fmt: skip
    if not asks.blocking(session, row, row.round, (file,)):
        moves.move(session, row, "except", By.COMMITTEE, now)
        moves.move_file(file, "except")
        notify.turn(session, row, now=now)
    return row


def _file(session: Session, row: RequestRow, position: int) -> FileRow:
    file = session.get(FileRow, (row.id, row.round, position))
    if file is None:
        raise NotFound(f"no file {position + 1} in round {row.round} of export request {row.id}")
    return file


def _fits(session: Session, row: RequestRow, file: FileRow, check: str) -> None:
    """Refuse what would open nothing, or open it behind somebody's vote."""
    states.take("except", State(row.state), By.COMMITTEE)
    if file.state != FileState.BLOCKED:
        raise StepRefused(f"file {file.position + 1} is {states.words(file.state)}: there is nothing to except")
    blocks = asks.findings_of(session, row)
    if not any((f.position, f.check, f.severity) == (file.position, check, Severity.BLOCK) for f in blocks):
        raise StepRefused(f"{check!a} does not block file {file.position + 1}: name a check that does")
    if not file.leaves_sha256:
        raise Refused(f"file {file.position + 1} cannot be written anew, so nothing of it could leave")
    if session.get(ReleaseRow, (row.id, row.round)) is not None:
        raise StepRefused("a part of this round left: the author submits the rest again, and asks then")
    still = {open_.position for open_ in asks.in_state(session, row, FileState.OPEN)}
    if any(vote.position in still for vote in asks.votes_of(session, row)):
        raise StepRefused("somebody has voted in this round: the author submits again, and asks then")
