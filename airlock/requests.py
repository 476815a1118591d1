"""The verbs of an export request. Each runs in one transaction of its caller, with its entry in the log."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airlock import asks, moves, outbox, queries, staging, states, votes
from airlock.checks import about as about_file
from airlock.checks.about import About
from airlock.checks.finding import Exhibit, Finding, Severity
from airlock.moves import text
from airlock.states import By, FileState, State
from airlock.tables import CommentRow, FileRow, FindingRow, RequestRow, RoundRow
from tre.errors import NotFound, Refused, StepRefused, Unreadable
from tre.governance import access
from tre.records import audit
from tre.records.db import Records
from tre.settings import Settings

QUORUM = states.QUORUM
DAY = timedelta(days=1)
MOST_A_DAY = 50
_HARMLESS = frozenset({"txt"})
"""Asked about before it is known what the files are."""

Said = Mapping[str, Mapping[str, object]]
"""Path of a file -> what its author says of it."""
_NONE: Mapping[int, Any] = MappingProxyType({})  # of whatever a position may have

vote, same, settle = votes.vote, votes.same, votes.settle
locked, move, subject = moves.locked, moves.move, moves.subject


@dataclass(frozen=True)
class Ready:
    """Files as they were copied out of an outbox, with what their author says of each."""

    files: tuple[staging.Staged, ...]
    about: Mapping[str, About]


def ready(
    records: Records,
    settings: Settings,
    *,
    person: str,
    paths: Sequence[str],
    now: datetime,
    project: str = "",
    request: int | None = None,
    about: Said | None = None,
) -> Ready:
    """Copy files before `submit` or `resubmit`, so that nobody waits for the records meanwhile.

    The rules are asked before a file is touched, and again, with what the files are, when they are submitted.
    """
    subject = f"project/{project}" if request is None else f"export/{request}"
    with records.act(person, "export.submit", subject) as session:
        if request is not None:
            project = _again(session, request, person, now).project
        _may_ask(session, project, person, now)
    try:
        return _copied(settings, project, person, paths, about)
    except (Refused, NotFound) as no:
        with records.act(person, "export.submit", subject):
            raise no from None


def submit(
    session: Session,
    settings: Settings,
    *,
    project: str,
    person: str,
    why: str,
    now: datetime,
    paths: Sequence[str] = (),
    about: Said | None = None,
    ready: Ready | None = None,
) -> RequestRow:
    """Ask for files of the person's outbox to leave; they are copied now unless they are `ready`.

    `about`: path -> what its author says of the file, as `airlock.checks.about.read` takes it. What nobody says here is
    read from beside the file.
    """
    why = text(why, "why")
    _may_ask(session, project, person, now)
    files = ready or _copied(settings, project, person, paths, about)
    request = RequestRow(
        project=project, requester=person, state=states.FIRST, round=0, created_at=now, moved_at=now, trouble=""
    )
    session.add(request)
    session.flush()
    _open_round(session, request, files, why, now)
    return request


def resubmit(
    session: Session,
    settings: Settings,
    *,
    request: int,
    person: str,
    why: str,
    now: datetime,
    paths: Sequence[str] = (),
    about: Said | None = None,
    ready: Ready | None = None,
) -> RequestRow:
    """Submit a returned request again, with new files and a new round."""
    row = _again(session, request, person, now)
    why = text(why, "why")
    _may_ask(session, row.project, person, now)
    _open_round(session, row, ready or _copied(settings, row.project, person, paths, about), why, now)
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
    exhibits: Mapping[int, Sequence[Exhibit]] = _NONE,
    leaves: Mapping[int, tuple[str, int]] = _NONE,
) -> RequestRow:
    """Keep what the checks of a round found; what is not blocked goes on to review, or all goes back to the author.

    `checks` names what ran (`ran`) and with which thresholds, `leaves` hash and size of what would leave instead of
    each file. From here on the manifest names that too. Checks of a round that is over are refused.
    """
    row = locked(session, request)
    if row.round != number:
        raise StepRefused(f"round {number} of request {request} is over")
    states.take("pass_checks", State(row.state), By.SYSTEM)
    session.add_all(_finding(row, position, found) for position, each in findings.items() for found in each)
    for file in asks.files_of(session, row.id, number):
        file.evidence = _evidence(exhibits.get(file.position, ()))
        file.leaves_sha256, file.leaves_size = leaves.get(file.position, ("", 0))
        if any(found.severity is Severity.BLOCK for found in findings.get(file.position, ())):
            moves.move_file(file, "block")
    this = session.get_one(RoundRow, (row.id, row.round))
    this.checked_at, this.checks = now, json.dumps(checks, sort_keys=True)
    _list(session, row, this)
    passed = bool(asks.in_state(session, row, FileState.OPEN))
    move(session, row, "pass_checks" if passed else "fail_checks", By.SYSTEM, now)
    counts = {str(s): sum(f.severity is s for each in findings.values() for f in each) for s in Severity}
    audit.append(
        session, "export.check", actor="worker", subject=subject(row), at=now,
        round=number, manifest=this.manifest_sha256, state=row.state, findings=dict(counts),
        blocked=[file.position for file in asks.in_state(session, row, FileState.BLOCKED)],
    )  # fmt: skip
    return row


def _evidence(shown: Sequence[Exhibit]) -> str:
    kept: dict[str, list[object]] = {}
    for exhibit in shown:
        kept.setdefault(exhibit.name, []).append(exhibit.shows)
    return json.dumps(kept, sort_keys=True)


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


def _may_ask(session: Session, project: str, person: str, now: datetime) -> None:
    """Ask the rules before a file is touched."""
    _not_too_many(session, person, now)
    access.require(session, asks.submit(session, project, person, kinds=_HARMLESS, now=now))


def _copied(settings: Settings, project: str, person: str, paths: Sequence[str], about: Said | None) -> Ready:
    said = {staging.named(path): each for path, each in (about or {}).items()}
    names = tuple(staging.named(path) for path in paths)
    if stray := sorted(said.keys() - set(names)):
        raise Unreadable(f"about: {staging.shown(stray[0])} is none of the files asked for")
    beside = {name: outbox.about_of(settings, project, person, name) for name in names if name not in said}
    read = {name: about_file.read(each) for name, each in (beside | said).items()}
    return Ready(staging.stage(settings, project, person, paths), read)


def _not_too_many(session: Session, person: str, now: datetime) -> None:
    """Keep one person from filling the store, the checks' queue and the approvers' day."""
    asked = select(func.count()).select_from(RoundRow).join(RequestRow, RequestRow.id == RoundRow.request)
    today = session.scalar(asked.where(RequestRow.requester == person, RoundRow.submitted_at > now - DAY)) or 0
    if today >= MOST_A_DAY:
        raise Refused(f"{today} rounds asked for within a day: the most is {MOST_A_DAY}; ask again tomorrow")


def _again(session: Session, request: int, person: str, now: datetime) -> RequestRow:
    row = moves.own(session, request, person)
    states.take("submit", State(row.state), By.AUTHOR)
    moves.in_time(row, now)
    return row


def _open_round(session: Session, row: RequestRow, ready: Ready, why: str, now: datetime) -> None:
    """Ask the rules again, now that it is known what the files are, and begin a round with them."""
    kinds, size = staging.kinds(ready.files), sum(file.size for file in ready.files)
    try:
        access.require(session, asks.submit(session, row.project, row.requester, kinds=kinds, size=size, now=now))
    except Refused as refused:
        raise staging.explained(refused, ready.files) from None
    _none_left(session, row, ready)
    move(session, row, "submit", By.AUTHOR, now)
    row.round += 1
    this = RoundRow(
        request=row.id, number=row.round, why=why, manifest="", manifest_sha256="", submitted_at=now, checks=""
    )
    session.add(this)
    session.flush()
    session.add_all(
        FileRow(
            request=row.id, round=row.round, position=i, name=f.name, sha256=f.sha256, size=f.size, kind=f.kind,
            about=json.dumps(about_file.as_json(ready.about.get(f.name, About())), sort_keys=True),
            state=FileState.OPEN, leaves_sha256="", leaves_size=0, evidence="{}",
        )
        for i, f in enumerate(ready.files)
    )  # fmt: skip
    _list(session, row, this)
    audit.append(
        session, "export.submit", actor=row.requester, subject=subject(row), at=now,
        project=row.project, round=row.round, manifest=this.manifest_sha256, files=len(ready.files),
    )  # fmt: skip


def _none_left(session: Session, row: RequestRow, ready: Ready) -> None:
    """Refuse bytes that left in an earlier round of the same request: a release is counted once."""
    query = select(FileRow.sha256, FileRow.round).where(FileRow.request == row.id, FileRow.state.in_(asks.LEFT))
    left = {digest: number for digest, number in session.execute(query)}  # noqa: C416 -- rows are no pairs to mypy
    for file in ready.files:
        if file.sha256 in left:
            raise Refused(f"{staging.shown(file.name)} left in round {left[file.sha256]} already: leave it out")


def _list(session: Session, row: RequestRow, this: RoundRow) -> None:
    """Write the manifest of a round from its files."""
    session.flush()
    said = {
        "request": row.id, "project": row.project, "requester": row.requester, "round": row.round, "why": this.why,
        "files": [moves.listed(file) for file in asks.files_of(session, row.id, this.number)],
    }  # fmt: skip
    this.manifest, this.manifest_sha256 = audit.canonical(said).decode(), audit.digest(said)


def _finding(row: RequestRow, position: int, found: Finding) -> FindingRow:
    return FindingRow(
        request=row.id, round=row.round, position=position, check=found.check, severity=found.severity,
        where=found.where, message=found.message, rule=found.rule, fix=found.fix, cells=json.dumps(found.cells),
    )  # fmt: skip
