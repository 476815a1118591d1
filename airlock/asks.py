"""What the rules are told about an export: gathered here, judged by the policies."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from airlock.checks import run
from airlock.checks.finding import Severity
from airlock.states import FileState, State, Verdict
from airlock.tables import ExceptionRow, FileRow, FindingRow, ReleaseRow, RequestRow, RoundRow, VoteRow
from policies.facts import NEVER, Ask, Export, Role
from tre.governance import access, accounts, known, projects
from tre.records.tables import DatasetRow, ExtractRow, ProjectRow

COUNTS = timedelta(days=30)
"""How long votes on a manifest count (R26), and how far back is summed what left a project (R24)."""
EXCEPTED = frozenset(check.name for check in run.CHECKS if check.excepted)
"""Names of the checks of which an exception may be made."""
LEFT = (FileState.RELEASED, FileState.RECALLED)
"""States of a file that has left."""


def submit(session: Session, project: str, person: str, *, kinds: frozenset[str], now: datetime, size: int = 0) -> Ask:
    """Ask whether this person may ask for files of these kinds. The session's sign-in had a second factor."""
    export = Export(
        request="new", requester=person, manifest="", kinds=kinds, row_level=False, blocked=False, size=size,
        spent=spent(session, project, now=now), quota=quota(session, project),
        data_in_force=in_force(session, project, now=now),
    )  # what the files hold is found by the checks that follow  # fmt: skip
    return access.export_ask(
        session, "submit_export", person=person, project=project, export=export, now=now, second_factor=True
    )


def vote(session: Session, request: RequestRow, person: str, *, seen: str, second_factor: bool, now: datetime) -> Ask:
    """Ask whether this person may vote on the manifest they say they saw."""
    export = of(session, request, FileState.OPEN, seen=seen, now=now, voter=person)
    export = replace(export, approvals=export.approvals & export.voted)  # of two who differ each may say again
    return access.export_ask(
        session, "vote_export", person=person, project=request.project, export=export, now=now,
        second_factor=second_factor,
    )  # fmt: skip


def grant(
    session: Session, request: RequestRow, person: str, *, check: bool, seen: str, second_factor: bool, now: datetime
) -> Ask:
    """Ask whether this person may except a check; `check` says whether it is one of those that may be excepted."""
    blocked = of(session, request, FileState.BLOCKED, seen=seen, now=now)
    everybody = select(VoteRow.approver).where(VoteRow.request == request.id)
    export = replace(blocked, excepted_check=check, voted=frozenset(session.scalars(everybody)))
    return access.export_ask(
        session, "grant_exception", person=person, project=request.project, export=export, now=now,
        second_factor=second_factor,
    )  # fmt: skip


def release(session: Session, request: RequestRow, *, leaving: str, now: datetime) -> Ask:
    """Ask whether what is about to leave may leave to its requester. The requester acts not, the airlock does."""
    export = of(session, request, FileState.APPROVED, seen=leaving, now=now)
    return access.export_ask(
        session, "release_export", person=request.requester, project=request.project, export=export, now=now,
        second_factor=True,
    )  # fmt: skip


def collect(session: Session, request: RequestRow, *, leaving: str, now: datetime, number: int | None = None) -> Ask:
    """Ask whether its requester may take away what was released of a round (of the newest if none is named)."""
    export = of(session, request, FileState.RELEASED, seen=leaving, now=now, number=number)
    return access.export_ask(
        session, "collect_export", person=request.requester, project=request.project, export=export, now=now,
        second_factor=True,
    )  # fmt: skip


def of(
    session: Session,
    request: RequestRow,
    state: FileState,
    *,
    seen: str,
    now: datetime,
    number: int | None = None,
    voter: str = "",
) -> Export:
    """Gather the facts of a round's files that are in this state; of the newest round if none is named."""
    row = session.get_one(RoundRow, (request.id, number or request.round))
    files = in_state(session, request, state, number=row.number)
    votes = [vote for vote in votes_of(session, request, row.number) if vote.manifest_sha256 == row.manifest_sha256]
    counted = [vote for vote in votes if fit(session, vote)]
    blocks = blocking(session, request, row.number, files)
    ran = frozenset(json.loads(row.checks)["ran"]) if row.checks else frozenset()
    kinds = frozenset(file.kind for file in files)
    return Export(
        request=str(request.id),
        requester=request.requester,
        manifest=row.manifest_sha256,
        seen_manifest=seen,
        kinds=kinds,
        row_level="row_level" not in ran or any(found.check == "row_level" for found in blocks),
        blocked=row.checked_at is None or bool(blocks),
        approvals=min((approvers_of(file, counted) for file in files), key=len, default=frozenset()),
        voted=_voted(request, voter, files, votes) | {each.person for each in exceptions_of(session, request)},
        size=sum(leaves(file) for file in files),
        spent=spent(session, request.project, now=now),
        quota=quota(session, request.project),
        approvals_until=min((vote.at + COUNTS for vote in _approving(files, counted)), default=NEVER),
        data_in_force=in_force(session, request.project, now=now),
        models_checked="learned" in ran and not any(found.check == "learned" for found in blocks),
    )


def _approving(files: Sequence[FileRow], votes: Sequence[VoteRow]) -> list[VoteRow]:
    said = [vote for file in files for vote in latest(file, votes).values()]
    return [vote for vote in said if vote.verdict == Verdict.APPROVE]


def _voted(request: RequestRow, voter: str, files: Sequence[FileRow], votes: Sequence[VoteRow]) -> frozenset[str]:
    """Return who has had their say on these files; of two who differ each has another, under the same name."""
    positions = {file.position for file in files}
    on = [vote for vote in votes if vote.position in positions]
    if request.state == State.CONSOLIDATING:
        on = [vote for vote in on if vote.approver != voter or vote.turn > 1]
    return frozenset(vote.approver for vote in on)


def latest(file: FileRow, votes: Sequence[VoteRow]) -> dict[str, VoteRow]:
    """Return what each voter said last about a file."""
    return {vote.approver: vote for vote in votes if vote.position == file.position}


def approvers_of(file: FileRow, votes: Sequence[VoteRow]) -> frozenset[str]:
    """Return who approved a file, and did not think better of it."""
    return frozenset(name for name, vote in latest(file, votes).items() if vote.verdict == Verdict.APPROVE)


def leaves(file: FileRow) -> int:
    """Return how many bytes of a file leave: of its re-write, once there is one."""
    return file.leaves_size or file.size


def blocking(session: Session, request: RequestRow, number: int, files: Sequence[FileRow]) -> tuple[FindingRow, ...]:
    """Return the findings that keep these files from leaving: those that block and are not excepted by name."""
    positions = {file.position for file in files}
    excepted = {(each.position, each.check) for each in exceptions_of(session, request, number)}
    return tuple(
        found
        for found in findings_of(session, request, number)
        if found.severity == Severity.BLOCK
        and found.position in positions
        and (found.position, found.check) not in excepted
    )


def spent(session: Session, project: str, *, now: datetime) -> int:
    """Bytes that left a project within the last 30 days."""
    size = case((FileRow.leaves_size > 0, FileRow.leaves_size), else_=FileRow.size)
    query = (
        select(func.sum(size))
        .join(RequestRow, RequestRow.id == FileRow.request)
        .join(ReleaseRow, (ReleaseRow.request == FileRow.request) & (ReleaseRow.round == FileRow.round))
        .where(RequestRow.project == project, ReleaseRow.released_at > now - COUNTS, FileRow.state.in_(LEFT))
    )
    return int(session.scalar(query) or 0)


def quota(session: Session, project: str) -> int:
    """Bytes that may leave a project within 30 days; none of one that is not there."""
    return session.scalar(select(ProjectRow.export_quota).where(ProjectRow.name == project)) or 0


def profiles(session: Session, project: str, *, house: str) -> tuple[str, ...]:
    """Return the profiles of thresholds that an export keeps, all of them: house's, project's, each dataset's."""
    datasets = select(DatasetRow.disclosure_profile).join(ExtractRow, ExtractRow.dataset == DatasetRow.name)
    own = session.scalar(select(ProjectRow.disclosure_profile).where(ProjectRow.name == project))
    theirs = session.scalars(datasets.where(ExtractRow.project == project).order_by(DatasetRow.name))
    return tuple(dict.fromkeys(name for name in (house, own, *theirs) if name))


def in_force(session: Session, project: str, *, now: datetime) -> bool:
    """Whether no data behind an export were withdrawn, or taken back from the project."""
    return known.gather(session, (), (project,), now=now).in_force(project)


def fit(session: Session, vote: VoteRow) -> bool:
    """Say whether who voted is still one to vote: an approver, not suspended, never in the project."""
    request = session.get_one(RequestRow, vote.request)
    return (
        accounts.active(session, vote.approver)
        and Role.APPROVER in accounts.roles_of(session, vote.approver)
        and not projects.ever_member(session, request.project, vote.approver)
    )


def files_of(session: Session, request: int, number: int) -> tuple[FileRow, ...]:
    """Return the files of a round, in their order."""
    query = select(FileRow).where(FileRow.request == request, FileRow.round == number).order_by(FileRow.position)
    return tuple(session.scalars(query))


def in_state(
    session: Session, request: RequestRow, *states: FileState, number: int | None = None
) -> tuple[FileRow, ...]:
    """Return the files of a round that are in one of these states; of the newest round if none is named."""
    return tuple(file for file in files_of(session, request.id, number or request.round) if file.state in states)


def findings_of(session: Session, request: RequestRow, number: int | None = None) -> tuple[FindingRow, ...]:
    """Return the findings of a round; of the newest if none is named."""
    this = number or request.round
    query = select(FindingRow).where(FindingRow.request == request.id, FindingRow.round == this)
    return tuple(session.scalars(query.order_by(FindingRow.position, FindingRow.id)))


def exceptable(session: Session, row: RequestRow, file: FileRow) -> tuple[str, ...]:
    """Return the checks that keep a file back and may be excepted; none if another keeps it back for good."""
    if file.state != FileState.BLOCKED or not file.leaves_sha256:
        return ()
    names = {found.check for found in blocking(session, row, file.round, (file,))}
    return tuple(sorted(names)) if names <= EXCEPTED else ()


def exceptions_of(session: Session, request: RequestRow, number: int | None = None) -> tuple[ExceptionRow, ...]:
    """Return the exceptions that were granted in a round; in the newest if none is named."""
    this = number or request.round
    query = select(ExceptionRow).where(ExceptionRow.request == request.id, ExceptionRow.round == this)
    return tuple(session.scalars(query.order_by(ExceptionRow.id)))


def votes_of(session: Session, request: RequestRow, number: int | None = None) -> tuple[VoteRow, ...]:
    """Return the votes of a round, the newest if none is named, as they came; those of another never count."""
    this = number or request.round
    query = select(VoteRow).where(VoteRow.request == request.id, VoteRow.round == this)
    return tuple(session.scalars(query.order_by(VoteRow.id)))
