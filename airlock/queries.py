"""Who may see which request, and what they see of it: an approver's vote is theirs alone until both are in."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from airlock import asks, states
from airlock.states import By, FileState, State
from airlock.tables import (
    CommentRow,
    ExceptionRow,
    FileRow,
    FindingRow,
    OpenedRow,
    ReleaseRow,
    RequestRow,
    RoundRow,
    VoteRow,
)
from policies.facts import Role
from tre.errors import NotFound
from tre.governance import accounts, projects
from tre.records import audit
from tre.settings import Settings

_COMMITTEES = (FileState.BLOCKED, *asks.LEFT)
_QUEUES = {
    State.CHECKING: ("request is checked", "requests are checked"),
    State.IN_REVIEW: ("request waits for approvers", "requests wait for approvers"),
}
_EXCEPTS = frozenset({Role.COMMITTEE, Role.CHAIR})


@dataclass(frozen=True)
class Change:
    """How a file differs from the round before."""

    name: str
    what: str
    """added, removed, changed or same; left if it is not asked for again because it is out."""
    before: FileRow | None
    after: FileRow | None


@dataclass(frozen=True)
class Detail:
    """A request as one person may see it."""

    request: RequestRow
    rounds: tuple[RoundRow, ...]
    """Oldest first; the last is the one on the table."""
    files: tuple[FileRow, ...]
    exceptions: tuple[ExceptionRow, ...]
    """Of this round: by whom, and why, a file goes on that a check blocked."""
    findings: tuple[FindingRow, ...]
    votes: tuple[VoteRow, ...]
    """Of all settled rounds, and of this one as far as this person may know them."""
    votes_in: int
    """How many have voted in this round, whoever they are."""
    comments: tuple[CommentRow, ...]
    changes: tuple[Change, ...]
    released: ReleaseRow | None
    says: str
    may: frozenset[str]
    """What this person may do now: submit, withdraw, collect, vote, comment."""

    @property
    def round(self) -> RoundRow:
        """The round on the table."""
        return self.rounds[-1]


def detail(session: Session, request: int, person: str, *, now: datetime) -> Detail:
    """Return a request to its author, to members of its project and to approvers who may decide on it."""
    row = session.get(RequestRow, request)
    part = _part(session, row, person, now) if row else None
    if row is None or part is None:
        raise NotFound(f"no export request {request}, or none that you may know of")
    return _seen(session, row, person, part)


def _seen(session: Session, row: RequestRow, person: str, part: str) -> Detail:
    rounds = tuple(session.scalars(select(RoundRow).where(RoundRow.request == row.id).order_by(RoundRow.number)))
    comments = session.scalars(select(CommentRow).where(CommentRow.request == row.id).order_by(CommentRow.id))
    return Detail(
        request=row,
        rounds=rounds,
        files=asks.files_of(session, row.id, row.round),
        exceptions=asks.exceptions_of(session, row),
        findings=asks.findings_of(session, row),
        votes=_votes(session, row, person),
        votes_in=_votes_in(session, row),
        comments=tuple(said for said in comments if _heard(session, row, said, person)),
        changes=changes_since_last_round(session, row),
        released=session.get(ReleaseRow, (row.id, row.round)),
        says=standing(session, row),
        may=_may(session, row, person, part),
    )


def standing(session: Session, row: RequestRow) -> str:
    """Say what a request waits for, and behind how many others."""
    said = row.trouble or states.says(State(row.state))
    if row.state not in _QUEUES or row.trouble:
        return said
    before = or_(RequestRow.moved_at < row.moved_at, (RequestRow.moved_at == row.moved_at) & (RequestRow.id < row.id))
    ahead = select(func.count()).select_from(RequestRow).where(RequestRow.state == row.state, before)
    number = session.scalar(ahead) or 0
    one, more = _QUEUES[State(row.state)]
    return f"{said} {number} {one if number == 1 else more} before it." if number else said


def opened(session: Session, request: int, person: str, *, now: datetime) -> None:
    """Note when an approver first looks at a round that they may vote on; once, and nothing for others."""
    row = session.get(RequestRow, request)
    if row is None or not votes(session, row, person, now=now) or has_opened(session, row, person):
        return
    session.add(OpenedRow(request=row.id, round=row.round, person=person, at=now))
    audit.append(session, "export.open", actor=person, subject=f"export/{row.id}", at=now, round=row.round)


def has_opened(session: Session, row: RequestRow, person: str) -> bool:
    """Whether this person looked at the round on the table before."""
    return session.get(OpenedRow, (row.id, row.round, person)) is not None


def queue(session: Session, person: str, *, now: datetime) -> tuple[RequestRow, ...]:
    """Return what waits for this approver's vote, the longest waiting first."""
    waits = (State.IN_REVIEW, State.CONSOLIDATING)
    query = select(RequestRow).where(RequestRow.state.in_(waits)).order_by(RequestRow.moved_at, RequestRow.id)
    return tuple(row for row in session.scalars(query) if votes(session, row, person, now=now))


def asking(session: Session, person: str, *, now: datetime) -> tuple[RequestRow, ...]:
    """Return the requests whose author asks for an exception that this person may make, the longest waiting first."""
    if not accounts.roles_of(session, person) & _EXCEPTS:
        return ()
    asked = select(FileRow.request).where(FileRow.state == FileState.BLOCKED, FileRow.about.contains('"asks"'))
    query = select(RequestRow).where(RequestRow.id.in_(asked)).order_by(RequestRow.moved_at, RequestRow.id)
    return tuple(row for row in session.scalars(query) if "except" in _may_of(session, row, person, now))


def votes(session: Session, row: RequestRow, person: str, *, now: datetime) -> bool:
    """Whether this approver may vote on a request now."""
    return "vote" in _may_of(session, row, person, now)


def decided(session: Session, person: str, *, limit: int = 50) -> tuple[RequestRow, ...]:
    """Return the requests this approver has voted on, newest first."""
    query = select(RequestRow).where(
        RequestRow.id.in_(select(VoteRow.request).where(VoteRow.approver == person)),
    )
    return tuple(session.scalars(query.order_by(RequestRow.id.desc()).limit(limit)))


def of_project(session: Session, project: str, person: str, *, now: datetime) -> tuple[RequestRow, ...]:
    """Return a project's requests to its members and to each author their own, newest first."""
    query = select(RequestRow).where(RequestRow.project == project).order_by(RequestRow.id.desc())
    return tuple(row for row in session.scalars(query) if _part(session, row, person, now))


def own(session: Session, person: str) -> tuple[RequestRow, ...]:
    """Return the requests a person made, newest first."""
    query = select(RequestRow).where(RequestRow.requester == person).order_by(RequestRow.id.desc())
    return tuple(session.scalars(query))


def file(session: Session, request: int, number: int, position: int, person: str, *, now: datetime) -> FileRow:
    """Return a file of a round to whoever may see the request."""
    detail(session, request, person, now=now)
    row = session.get(FileRow, (request, number, position))
    if row is None:
        raise NotFound(f"no file {position} in round {number} of export request {request}")
    return row


def changes_since_last_round(session: Session, row: RequestRow) -> tuple[Change, ...]:
    """Compare the newest round's files with those of the round before, by hash; nothing for a first round."""
    if row.round < 2:  # noqa: PLR2004 -- the first round has none before it
        return ()
    before = {file.name: file for file in asks.files_of(session, row.id, row.round - 1)}
    after = {file.name: file for file in asks.files_of(session, row.id, row.round)}
    return tuple(_change(name, before.get(name), after.get(name)) for name in _in_order(after, before))


def _in_order(*names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in names for name in each))


def _change(name: str, before: FileRow | None, after: FileRow | None) -> Change:
    if before is None:
        return Change(name, "added", before, after)
    if after is None:
        return Change(name, "left" if before.state == FileState.RELEASED else "removed", before, after)
    return Change(name, "same" if before.sha256 == after.sha256 else "changed", before, after)


def _part(session: Session, row: RequestRow, person: str, now: datetime) -> str | None:
    """Return as what this person may see the request: author, approver or member; None if not at all."""
    if not accounts.active(session, person):
        return None
    if row.requester == person:
        return "author"
    if projects.is_member(session, row.project, person, now=now):
        return "member"
    roles = accounts.roles_of(session, person)
    if projects.ever_member(session, row.project, person):
        return None
    if Role.APPROVER in roles:
        return "approver"
    return "committee" if roles & _EXCEPTS and _concerns_committee(session, row) else None


def _concerns_committee(session: Session, row: RequestRow) -> bool:
    """Whether an exception can be made, or was, or something left that can be called back."""
    files = select(FileRow.state).where(FileRow.request == row.id, FileRow.state.in_(_COMMITTEES))
    return session.scalars(files.limit(1)).first() is not None


def _may_of(session: Session, row: RequestRow, person: str, now: datetime) -> frozenset[str]:
    part = _part(session, row, person, now)
    return _may(session, row, person, part) if part else frozenset()


def _may(session: Session, row: RequestRow, person: str, part: str) -> frozenset[str]:
    """Return what the states leave open to this person; the rules are asked again when they do it."""
    state = State(row.state)
    can = set() if state in states.OVER else {"comment"}
    if part == "author":
        can |= states.verbs(state, By.AUTHOR) | ({"collect"} if _out(session, row) else set())
    if part == "approver" and states.verbs(state, By.APPROVERS) and not _voted(session, row, person):
        can.add("vote")
    if part in {"approver", "committee"} and _excepts(session, row, person):
        can.add("except")
    return frozenset(can)


def _excepts(session: Session, row: RequestRow, person: str) -> bool:
    """Whether a person of the committee may make an exception of something in this round."""
    if not accounts.roles_of(session, person) & _EXCEPTS or any(
        v.approver == person for v in asks.votes_of(session, row)
    ):
        return False
    can = "except" in states.verbs(State(row.state), By.COMMITTEE)
    return can and any(asks.exceptable(session, row, file) for file in asks.files_of(session, row.id, row.round))


def _out(session: Session, row: RequestRow) -> bool:
    """Whether something of the newest round is there to be collected."""
    released = session.get(ReleaseRow, (row.id, row.round))
    return released is not None and released.recalled_at is None


def _voted(session: Session, row: RequestRow, person: str) -> bool:
    """Whether a person has had their say on what is open, in this turn."""
    still = {file.position for file in asks.in_state(session, row, FileState.OPEN)}
    turn = 2 if row.state == State.CONSOLIDATING else 1
    votes = asks.votes_of(session, row)
    return any(vote.approver == person and vote.turn >= turn and vote.position in still for vote in votes)


def _votes_in(session: Session, row: RequestRow) -> int:
    """Count who has voted on what is open; on all of it once nothing is."""
    still = {file.position for file in asks.in_state(session, row, FileState.OPEN)}
    votes = asks.votes_of(session, row)
    return len({vote.approver for vote in votes if not still or vote.position in still})


def _votes(session: Session, row: RequestRow, person: str) -> tuple[VoteRow, ...]:
    query = select(VoteRow).where(VoteRow.request == row.id).order_by(VoteRow.id)
    votes = tuple(session.scalars(query))
    return tuple(vote for vote in votes if vote.approver == person or not _blind(session, row, vote.round, person))


def _heard(session: Session, row: RequestRow, said: CommentRow, person: str) -> bool:
    """Approvers' comments of an undecided round would tell how they vote; the author's never do."""
    return said.person in {person, row.requester} or not _blind(session, row, said.round, person)


def _blind(session: Session, row: RequestRow, number: int, person: str) -> bool:
    """Keep a vote to its voter until both are in, also when the request ends in between.

    While two who differ say again, only those see it who may decide: what the author sees is decided.
    """
    if number != row.round or row.state == State.IN_REVIEW:
        return number == row.round
    if row.state == State.CONSOLIDATING:
        return not _decides(session, row, person)
    return row.state in (State.WITHDRAWN, State.EXPIRED) and _alone(session, row)


def _alone(session: Session, row: RequestRow) -> bool:
    return len({vote.approver for vote in asks.votes_of(session, row)}) < states.QUORUM


def _decides(session: Session, row: RequestRow, person: str) -> bool:
    approves = Role.APPROVER in accounts.roles_of(session, person)
    return approves and person != row.requester and not projects.ever_member(session, row.project, person)


def as_json(session: Session, settings: Settings, request: int, person: str, *, now: datetime) -> dict[str, object]:
    """Return a request as rooms and machines read it."""
    return _json(detail(session, request, person, now=now), settings)


def host_json(session: Session, settings: Settings, request: int) -> dict[str, object]:
    """Return a request to who works at the host: as its author sees it, and how many have voted."""
    row = session.get(RequestRow, request)
    if row is None:
        raise NotFound(f"no export request {request}: `airlock list` shows those there are")
    seen = _seen(session, row, row.requester, "author")
    return {**_json(seen, settings), "votes_in": seen.votes_in}


def _json(seen: Detail, settings: Settings) -> dict[str, object]:
    return {
        "id": seen.request.id,
        "project": seen.request.project,
        "requester": seen.request.requester,
        "state": seen.request.state,
        "why": seen.round.why,
        "round": seen.request.round,
        "manifest_sha256": seen.round.manifest_sha256,
        "files": [_file_json(file, seen.findings) for file in seen.files],
        "says": seen.says,
        "may": sorted(seen.may),
        "url": f"{settings.airlock_origin}/services/airlock/requests/{seen.request.id}",
    }


def _file_json(file: FileRow, findings: tuple[FindingRow, ...]) -> dict[str, object]:
    said = [_finding_json(found) for found in findings if found.position == file.position]
    return {
        "position": file.position, "name": file.name, "size": file.size, "kind": file.kind, "sha256": file.sha256,
        "state": file.state, "about": json.loads(file.about), "findings": said,
    }  # fmt: skip


def _finding_json(found: FindingRow) -> dict[str, object]:
    said = {name: getattr(found, name) for name in ("check", "severity", "where", "message", "rule", "fix")}
    return {**said, "cells": json.loads(found.cells)}
