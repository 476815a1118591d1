"""The verbs of an export request. Each runs in one transaction of its caller, with its entry in the log.

Two approvers decide. Both say *approve*: approved. Both say the same other thing: that. They differ: returned, with
both reasons, because what two experts do not agree on is not clear enough to leave. Nobody sees the other's vote
before both are in.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from unicodedata import category

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airlock import asks, queries, staging, states
from airlock.checks.finding import Finding, Severity
from airlock.checks.kinds import KINDS
from airlock.states import By, State, Verdict
from airlock.tables import CommentRow, FileRow, FindingRow, RequestRow, RoundRow, VoteRow
from tre.errors import NotFound, Refused, StepRefused, Unreadable
from tre.governance import access
from tre.records import audit
from tre.settings import Settings

QUORUM = states.QUORUM
LONGEST_TEXT = 4000
DAY = timedelta(days=1)
MOST_A_DAY = 50
_AFTER = {
    Verdict.APPROVE: ("approve", "export.approve"),
    Verdict.SEND_BACK: ("send_back", "export.return"),
    Verdict.REJECT: ("reject", "export.reject"),
}


def submit(
    session: Session, settings: Settings, *, project: str, person: str, paths: Sequence[str], why: str, now: datetime
) -> RequestRow:
    """Copy the files out of the person's outbox, and ask for them to leave."""
    why = _text(why, "why")
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
    row = _own(session, request, person)
    states.take("submit", State(row.state), By.AUTHOR)
    why = _text(why, "why")
    staged = _staged(session, settings, row.project, person, paths, now=now)
    _open_round(session, row, staged, why, now)
    return row


def withdraw(session: Session, *, request: int, person: str, now: datetime) -> RequestRow:
    """Take a request back."""
    row = _own(session, request, person)
    move(row, "withdraw", By.AUTHOR, now)
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
    """Keep what the checks of a round found; go on to review, or back to the author if anything blocks.

    `checks` names what ran (`ran`) and with which thresholds. Checks of a round that is over are refused.
    """
    row = locked(session, request)
    blocked = any(found.severity is Severity.BLOCK for each in findings.values() for found in each)
    if row.round != number:
        raise StepRefused(f"round {number} of request {request} is over")
    move(row, "fail_checks" if blocked else "pass_checks", By.SYSTEM, now)
    session.add_all(_finding(row, position, found) for position, each in findings.items() for found in each)
    this = session.get_one(RoundRow, (row.id, row.round))
    this.checked_at, this.checks = now, json.dumps(checks, sort_keys=True)
    counts = {str(s): sum(f.severity is s for each in findings.values() for f in each) for s in Severity}
    audit.append(
        session, "export.check", actor="worker", subject=subject(row), at=now,
        round=number, manifest=this.manifest_sha256, state=row.state, findings=dict(counts),
    )  # fmt: skip
    return row


def vote(
    session: Session,
    *,
    request: int,
    person: str,
    verdict: Verdict,
    reason: str,
    seen: str,
    second_factor: bool,
    now: datetime,
) -> RequestRow:
    """Vote on the manifest that the voter saw; the second vote settles the request.

    `second_factor` is whether the caller has just checked a code of this person for this act.
    """
    row = locked(session, request)
    access.require(session, asks.vote(session, row, person, seen=seen, second_factor=second_factor, now=now))
    states.take(_AFTER[verdict][0], State(row.state), By.APPROVERS)
    reason = _text(reason, "reason")
    session.add(
        VoteRow(
            request=row.id,
            round=row.round,
            manifest_sha256=seen,
            approver=person,
            verdict=verdict,
            reason=reason,
            at=now,
        )
    )
    audit.append(
        session, "export.vote", actor=person, subject=subject(row), at=now,
        round=row.round, manifest=seen, verdict=str(verdict),
    )  # fmt: skip
    settle(session, row, now)
    return row


def settle(session: Session, row: RequestRow, now: datetime) -> None:
    """Once two votes are in, of people who are still ones to vote, take the step they decide; before that, nothing."""
    votes = [vote for vote in asks.votes_of(session, row) if asks.fit(session, vote)]
    if len(votes) < QUORUM:
        return
    said = {Verdict(each.verdict) for each in votes}
    decided = said.pop() if len(said) == 1 else Verdict.SEND_BACK
    verb, act = _AFTER[decided]
    move(row, verb, By.APPROVERS, now)
    audit.append(
        session, act, actor="airlock", subject=subject(row), at=now,
        round=row.round, manifest=votes[0].manifest_sha256, approvers=[*sorted(each.approver for each in votes)],
    )  # fmt: skip


def comment(session: Session, *, request: int, person: str, text: str, now: datetime) -> CommentRow:
    """Say something about a request that one may see."""
    row = locked(session, request)
    if "comment" not in queries.detail(session, request, person, now=now).may:
        raise StepRefused(f"cannot comment on a request that is {row.state}")
    said = CommentRow(request=row.id, round=row.round, person=person, text=_text(text, "comment"), at=now)
    session.add(said)
    audit.append(session, "export.comment", actor=person, subject=subject(row), at=now, round=row.round)
    return said


def manifest(session: Session, request: RequestRow) -> tuple[str, str]:
    """Return the manifest of the newest round as the JSON that was hashed, and its SHA-256."""
    row = session.get_one(RoundRow, (request.id, request.round))
    return row.manifest, row.manifest_sha256


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


def _staged(
    session: Session, settings: Settings, project: str, person: str, paths: Sequence[str], *, now: datetime
) -> tuple[staging.Staged, ...]:
    """Ask the rules before a file is touched, and again when it is known what the files are."""
    _not_too_many(session, person, now)
    access.require(session, asks.submit(session, project, person, kinds=frozenset(KINDS), now=now))
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


def _own(session: Session, request: int, person: str) -> RequestRow:
    row = locked(session, request)
    if row.requester != person:
        raise NotFound(f"no export request {request}, or none that you may know of")
    return row


def move(row: RequestRow, verb: str, by: By, now: datetime) -> None:
    """Take a step; who calls adds the entry."""
    row.state = states.take(verb, State(row.state), by)
    row.moved_at, row.retry_at, row.trouble = now, None, ""


def _open_round(session: Session, row: RequestRow, staged: Sequence[staging.Staged], why: str, now: datetime) -> None:
    move(row, "submit", By.AUTHOR, now)
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


def _text(text: str, what: str) -> str:
    text = text.strip()
    if any(sign == "\0" or category(sign) == "Cs" for sign in text):
        raise Unreadable(f"{what}: has signs that are no text: type it again")
    if not text:
        raise Unreadable(f"{what}: write a sentence; approvers and auditors read it")
    if len(text) > LONGEST_TEXT:
        raise Unreadable(f"{what}: {len(text)} characters; the longest is {LONGEST_TEXT}")
    return text
