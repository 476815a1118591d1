"""Two approvers decide on each file, neither knowing what the other says; where they differ, they or a third say again.

A vote is one act on all files that are open. A file on which both say the same is decided. If they differ on any, both
see both votes: each may say again, once, and a third may vote, who decides by majority; three who say three things send
it back. Votes of people who may vote no more count no more.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from airlock import asks, moves, notify, states
from airlock.states import QUORUM, By, FileState, State, Verdict
from airlock.tables import FileRow, OpenedRow, RequestRow, VoteRow
from tre.errors import Unreadable
from tre.governance import access
from tre.records import audit

Verdicts = Mapping[int, tuple[Verdict, str]]
"""What is said of the file at each position, and why; an approval needs no reason of its own."""
_ACTS = {"approve": "export.approve", "send_back": "export.return", "reject": "export.reject"}


def vote(
    session: Session,
    *,
    request: int,
    person: str,
    verdicts: Verdicts,
    reason: str,
    seen: str,
    second_factor: bool,
    now: datetime,
) -> RequestRow:
    """Vote on every open file of the manifest that the voter saw; the vote that decides the last one settles it.

    `second_factor` is whether the caller has just checked a code of this person for this act.
    """
    row = moves.locked(session, request)
    access.require(session, asks.vote(session, row, person, seen=seen, second_factor=second_factor, now=now))
    states.take("approve", State(row.state), By.APPROVERS)
    moves.in_time(row, now)
    whole = moves.text(reason, "reason")
    said = _said(asks.in_state(session, row, FileState.OPEN), verdicts)
    turn = 1 if row.state == State.IN_REVIEW else 2
    looked = session.get(OpenedRow, (row.id, row.round, person))
    session.add_all(
        VoteRow(
            request=row.id, round=row.round, manifest_sha256=seen, approver=person, verdict=verdict, reason=why,
            at=now, position=at, turn=turn, opened_at=looked.at if looked else None, whole=whole,
        )
        for at, (verdict, why) in said.items()
    )  # fmt: skip
    audit.append(
        session, "export.vote", actor=person, subject=moves.subject(row), at=now, round=row.round, manifest=seen,
        turn=turn, verdicts={str(at): str(verdict) for at, (verdict, _) in said.items()},
    )  # fmt: skip
    settle(session, row, now)
    return row


def same(session: Session, *, request: int, verdict: Verdict, reason: str) -> dict[int, tuple[Verdict, str]]:
    """Return one verdict for every open file of a request, with one reason."""
    row = moves.locked(session, request)
    return {file.position: (verdict, reason) for file in asks.in_state(session, row, FileState.OPEN)}


def _said(files: Sequence[FileRow], verdicts: Verdicts) -> dict[int, tuple[Verdict, str]]:
    """Return what is said of each open file; neither more nor fewer are voted on."""
    names = {file.position: file.name for file in files}
    if names.keys() != verdicts.keys():
        asked = ", ".join(str(at + 1) for at in sorted(names)) or "none"
        raise Unreadable(f"vote on each file that is open, and on no other: {asked} of this request")
    return {
        at: (verdict, "" if verdict is Verdict.APPROVE and not why.strip() else moves.text(why, f"file {at + 1}"))
        for at, (verdict, why) in sorted(verdicts.items())
    }


def settle(session: Session, row: RequestRow, now: datetime) -> None:
    """Decide the files on which enough is said by people who are still ones to vote; take the step that follows."""
    fit = [vote for vote in asks.votes_of(session, row) if asks.fit(session, vote)]
    for file in asks.in_state(session, row, FileState.APPROVED):
        if len(asks.approvers_of(file, fit)) < QUORUM:
            moves.move_file(file, "doubt")
    waiting = asks.in_state(session, row, FileState.OPEN)
    said = {file.position: asks.latest(file, fit) for file in waiting}
    if row.state == State.IN_REVIEW and any(len(each) < QUORUM for each in said.values()):
        return
    for file in waiting:
        if verdict := _decided(tuple(said[file.position].values())):
            moves.move_file(file, verdict)
    if still := asks.in_state(session, row, FileState.OPEN):
        _differ(session, row, still, fit, now)
    else:
        _end(session, row, now)


def _decided(said: Sequence[VoteRow]) -> Verdict | None:
    """Return what so many people say of a file, or nothing while two differ; three that differ send it back."""
    if len(said) < QUORUM:
        return None
    (most, times), *_ = Counter(Verdict(vote.verdict) for vote in said).most_common()
    if 2 * times > len(said):
        return most
    return Verdict.SEND_BACK if len(said) > QUORUM else None


def _differ(session: Session, row: RequestRow, still: Sequence[FileRow], fit: Sequence[VoteRow], now: datetime) -> None:
    """Show both votes to both; once both have said again, and still differ, ask for a third."""
    if row.state != State.IN_REVIEW:
        again = {vote.approver for vote in fit if vote.turn > 1 and vote.position in _positions(still)}
        if len(again) == QUORUM:
            notify.third(session, row, now=now)
        return
    moves.move(session, row, "differ", By.APPROVERS, now)
    audit.append(
        session, "export.differ", actor="airlock", subject=moves.subject(row), at=now,
        round=row.round, files=_positions(still),
    )  # fmt: skip
    notify.turn(session, row, now=now)


def _end(session: Session, row: RequestRow, now: datetime) -> None:
    """All files are decided: what is approved leaves; if nothing is, the request goes back, or is over."""
    states_of = {FileState(file.state) for file in asks.files_of(session, row.id, row.round)}
    verb = "approve" if FileState.APPROVED in states_of else "send_back"
    verb = "reject" if states_of == {FileState.REJECTED} else verb
    moves.move(session, row, verb, By.APPROVERS, now)
    votes = asks.votes_of(session, row)
    audit.append(
        session, _ACTS[verb], actor="airlock", subject=moves.subject(row), at=now,
        round=row.round, manifest=votes[0].manifest_sha256, approvers=sorted({each.approver for each in votes}),
        approved=_positions(asks.in_state(session, row, FileState.APPROVED)),
    )  # fmt: skip
    notify.turn(session, row, now=now)


def _positions(files: Sequence[FileRow]) -> list[int]:
    return [file.position for file in files]
