"""How a request and its files are moved along the table of steps; whoever moves one adds the entry in the log."""

import json
from datetime import datetime, timedelta
from unicodedata import category

from sqlalchemy import select
from sqlalchemy.orm import Session

from airlock import states
from airlock.states import By, FileState, State
from airlock.tables import FileRow, RequestRow, RoundRow
from tre.errors import NotFound, StepRefused, Unreadable

LONGEST_TEXT = 4000
_AT_ANY_TIME = frozenset({"expire", "withdraw", "recall"})
LASTS_DAYS = 30
"""How long a request waits for somebody to move it before its checks have said under which numbers."""


def subject(row: RequestRow) -> str:
    """Name a request in the log."""
    return f"export/{row.id}"


def locked(session: Session, request: int) -> RequestRow:
    """Return a request that nobody else can change until this transaction ends."""
    row = session.scalars(select(RequestRow).where(RequestRow.id == request).with_for_update()).one_or_none()
    if row is None:
        raise NotFound(f"no export request {request}, or none that you may know of")
    session.refresh(row)
    return row


def own(session: Session, request: int, person: str) -> RequestRow:
    """Return a request to its author, locked; to others there is none."""
    row = locked(session, request)
    if row.requester != person:
        raise NotFound(f"no export request {request}, or none that you may know of")
    return row


def move(session: Session, row: RequestRow, verb: str, by: By, now: datetime) -> None:
    """Take a step; it ends by itself some time after, unless it is over."""
    if verb not in _AT_ANY_TIME:
        in_time(row, now)
    row.state = states.take(verb, State(row.state), by)
    row.moved_at, row.retry_at, row.trouble = now, None, ""
    row.expires_at = None if row.state in states.OVER else now + _lasts(session, row)


def in_time(row: RequestRow, now: datetime) -> None:
    """Refuse what comes when a request has ended by itself, whether or not somebody has written that down yet."""
    if row.expires_at is not None and row.expires_at <= now:
        raise StepRefused(
            f"export request {row.id} ended by itself on {row.expires_at:%Y-%m-%d %H:%M} (UTC), as nobody moved it",
            remedies=("Its author may ask anew for the files.",),
        )


def move_file(file: FileRow, verb: str) -> None:
    """Take a step with one file."""
    file.state = states.of_file(verb, FileState(file.state))


def listed(file: FileRow) -> dict[str, object]:
    """Return what a manifest says of a file: what was submitted, what is said of it, and what leaves instead."""
    said: dict[str, object] = {"name": file.name, "sha256": file.sha256, "size": file.size, "kind": file.kind}
    if file.leaves_sha256:
        said |= {"leaves_sha256": file.leaves_sha256, "leaves_size": file.leaves_size}
    return said | ({"about": about} if (about := json.loads(file.about or "{}")) else {})


def close(session: Session, row: RequestRow) -> None:
    """Take back the files of the newest round that are neither out nor refused: their request is over."""
    for file in session.scalars(select(FileRow).where(FileRow.request == row.id, FileRow.round == row.round)):
        if FileState(file.state) in _STAYS:
            continue
        move_file(file, "withdraw")


_STAYS = frozenset({FileState.RELEASED, FileState.RECALLED, FileState.REJECTED, FileState.WITHDRAWN})


def _lasts(session: Session, row: RequestRow) -> timedelta:
    checked = session.get(RoundRow, (row.id, row.round))
    said = json.loads(checked.checks) if checked is not None and checked.checks else {}
    return timedelta(days=int(said.get("thresholds", {}).get("expires_days", LASTS_DAYS)))


def text(said: str, what: str) -> str:
    """Return what somebody wrote, or say why it is no sentence."""
    said = said.strip()
    if any(sign == "\0" or category(sign) == "Cs" for sign in said):
        raise Unreadable(f"{what}: has signs that are no text: type it again")
    if not said:
        raise Unreadable(f"{what}: write a sentence; approvers and auditors read it")
    if len(said) > LONGEST_TEXT:
        raise Unreadable(f"{what}: {len(said)} characters; the longest is {LONGEST_TEXT}")
    return said
