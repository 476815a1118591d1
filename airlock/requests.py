"""The verbs of an export request. Each runs in one transaction of its caller, with its entry in the log."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airlock import asks, moves, queries, staging, states, votes
from airlock.checks.finding import Finding, Severity
from airlock.moves import text
from airlock.states import By, FileState, State
from airlock.tables import CommentRow, FileRow, FindingRow, RequestRow, RoundRow
from tre.errors import Refused, StepRefused
from tre.governance import access
from tre.records import audit
from tre.settings import Settings

QUORUM = states.QUORUM
DAY = timedelta(days=1)
MOST_A_DAY = 50
_HARMLESS = frozenset({"txt"})
"""Asked about before it is known what the files are."""

vote, same, settle = votes.vote, votes.same, votes.settle
locked, move, subject = moves.locked, moves.move, moves.subject


def submit(
    session: Session, settings: Settings, *, project: str, person: str, paths: Sequence[str], why: str, now: datetime
) -> RequestRow:
    """Copy the files out of the person's outbox, and ask for them to leave."""
    why = text(why, "why")
    staged = _staged(session, settings, project, person, paths, now=now)
    request = RequestRow(
        project=project, requester=person, state=states.FIRST, round=0, created_at=now, moved_at=now, trouble=""
    )
    session.add(request)
    session.flush()
    _open_round(session, request, staged, why, now)
    return request


def resubmit(
    session: Session, settings: Settings, *, request: int, person: str, paths: Sequence[str], why: str, now: datetime
) -> RequestRow:
    """Submit a returned request again, with new files and a new round."""
    row = moves.own(session, request, person)
    states.take("submit", State(row.state), By.AUTHOR)
    why = text(why, "why")
    staged = _staged(session, settings, row.project, person, paths, now=now)
    _open_round(session, row, staged, why, now)
    return row


def withdraw(session: Session, *, request: int, person: str, now: datetime) -> RequestRow:
    """Take a request back."""
    row = moves.own(session, request, person)
    move(session, row, "withdraw", By.AUTHOR, now)
    moves.close(session, row)
    audit.append(session, "export.withdraw", actor=person, subject=subject(row), at=now, round=row.round)
    return row


def record_checks(
    session: Session,
    *,
    request: int,
    number: int,
    findings: Mapping[int, Sequence[Finding]],
    checks: Mapping[str, object],
    now: datetime,
) -> RequestRow:
    """Keep what the checks of a round found; what is not blocked goes on to review, or all goes back to the author.

    `checks` names what ran (`ran`) and with which thresholds. Checks of a round that is over are refused.
    """
    row = locked(session, request)
    if row.round != number:
        raise StepRefused(f"round {number} of request {request} is over")
    states.take("pass_checks", State(row.state), By.SYSTEM)
    session.add_all(_finding(row, position, found) for position, each in findings.items() for found in each)
    this = session.get_one(RoundRow, (row.id, row.round))
    this.checked_at, this.checks = now, json.dumps(checks, sort_keys=True)
    for file in asks.files_of(session, row.id, number):
        if any(found.severity is Severity.BLOCK for found in findings.get(file.position, ())):
            moves.move_file(file, "block")
    passed = bool(asks.in_state(session, row, FileState.OPEN))
    move(session, row, "pass_checks" if passed else "fail_checks", By.SYSTEM, now)
    counts = {str(s): sum(f.severity is s for each in findings.values() for f in each) for s in Severity}
    audit.append(
        session, "export.check", actor="worker", subject=subject(row), at=now,
        round=number, manifest=this.manifest_sha256, state=row.state, findings=dict(counts),
    )  # fmt: skip
    return row


def comment(session: Session, *, request: int, person: str, text: str, now: datetime) -> CommentRow:
    """Say something about a request that one may see."""
    row = locked(session, request)
    if "comment" not in queries.detail(session, request, person, now=now).may:
        raise StepRefused(f"cannot comment on a request that is {row.state}")
    said = CommentRow(request=row.id, round=row.round, person=person, text=moves.text(text, "comment"), at=now)
    session.add(said)
    audit.append(session, "export.comment", actor=person, subject=subject(row), at=now, round=row.round)
    return said


def manifest(session: Session, request: RequestRow) -> tuple[str, str]:
    """Return the manifest of the newest round as the JSON that was hashed, and its SHA-256."""
    row = session.get_one(RoundRow, (request.id, request.round))
    return row.manifest, row.manifest_sha256


def left(session: Session, row: RequestRow, now: datetime) -> tuple[FileRow, ...]:
    """Mark what is approved as released; the request is over, or goes back to its author for what is left."""
    leaving = asks.in_state(session, row, FileState.APPROVED)
    for file in leaving:
        moves.move_file(file, "release")
    rest = asks.in_state(session, row, FileState.BLOCKED, FileState.RETURNED)
    move(session, row, "release_part" if rest else "release", By.SYSTEM, now)
    return leaving


def _staged(
    session: Session, settings: Settings, project: str, person: str, paths: Sequence[str], *, now: datetime
) -> tuple[staging.Staged, ...]:
    """Ask the rules before a file is touched, and again when it is known what the files are."""
    _not_too_many(session, person, now)
    access.require(session, asks.submit(session, project, person, kinds=_HARMLESS, now=now))
    staged = staging.stage(settings, project, person, paths)
    access.require(
        session,
        asks.submit(session, project, person, kinds=staging.kinds(staged), size=sum(f.size for f in staged), now=now),
    )
    return staged


def _not_too_many(session: Session, person: str, now: datetime) -> None:
    """Keep one person from filling the store, the checks' queue and the approvers' day."""
    asked = select(func.count()).select_from(RoundRow).join(RequestRow, RequestRow.id == RoundRow.request)
    today = session.scalar(asked.where(RequestRow.requester == person, RoundRow.submitted_at > now - DAY)) or 0
    if today >= MOST_A_DAY:
        raise Refused(f"{today} rounds asked for within a day: the most is {MOST_A_DAY}; ask again tomorrow")


def _open_round(session: Session, row: RequestRow, staged: Sequence[staging.Staged], why: str, now: datetime) -> None:
    move(session, row, "submit", By.AUTHOR, now)
    row.round += 1
    said = {
        "request": row.id, "project": row.project, "requester": row.requester, "round": row.round, "why": why,
        "files": [{"name": f.name, "sha256": f.sha256, "size": f.size, "kind": f.kind} for f in staged],
    }  # fmt: skip
    text = audit.canonical(said).decode()
    session.add(
        RoundRow(
            request=row.id,
            number=row.round,
            why=why,
            manifest=text,
            manifest_sha256=audit.digest(said),
            submitted_at=now,
            checks="",
        )
    )
    session.flush()
    session.add_all(
        FileRow(request=row.id, round=row.round, position=i, name=f.name, sha256=f.sha256, size=f.size, kind=f.kind)
        for i, f in enumerate(staged)
    )
    audit.append(
        session, "export.submit", actor=row.requester, subject=subject(row), at=now,
        project=row.project, round=row.round, manifest=audit.digest(said), files=len(staged),
    )  # fmt: skip


def _finding(row: RequestRow, position: int, found: Finding) -> FindingRow:
    return FindingRow(
        request=row.id, round=row.round, position=position, check=found.check, severity=found.severity,
        where=found.where, message=found.message,
    )  # fmt: skip
