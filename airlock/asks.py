"""What the rules are told about an export: gathered here, judged by the policies."""

import json
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airlock.checks.finding import Severity
from airlock.states import Verdict
from airlock.tables import FileRow, FindingRow, ReleaseRow, RequestRow, RoundRow, VoteRow
from policies.facts import NEVER, Ask, Export, Role
from tre.governance import access, accounts, known, projects
from tre.records.tables import DatasetRow, ExtractRow, ProjectRow

COUNTS = timedelta(days=30)
"""How long votes on a manifest count (R26), and how far back is summed what left a project (R24)."""


def submit(session: Session, project: str, person: str, *, kinds: frozenset[str], now: datetime, size: int = 0) -> Ask:
    """Ask whether this person may ask for files of these kinds. The session's sign-in had a second factor."""
    export = Export(
        request="new", requester=person, manifest="", kinds=kinds, row_level=False, blocked=False, size=size,
        spent=spent(session, project, now=now), quota=quota(session, project),
        data_in_force=in_force(session, project, now=now), models_checked=models_checked(kinds),
    )  # what the files hold is found by the checks that follow  # fmt: skip
    return access.export_ask(
        session, "submit_export", person=person, project=project, export=export, now=now, second_factor=True
    )


def vote(session: Session, request: RequestRow, person: str, *, seen: str, second_factor: bool, now: datetime) -> Ask:
    """Ask whether this person may vote on the manifest they say they saw."""
    export = of(session, request, seen=seen, now=now)
    return access.export_ask(
        session, "vote_export", person=person, project=request.project, export=export, now=now,
        second_factor=second_factor,
    )  # fmt: skip


def release(session: Session, request: RequestRow, *, leaving: str, now: datetime, verb: str = "release_export") -> Ask:
    """Ask whether what is about to leave may leave to its requester. The requester acts not, the airlock does."""
    export = of(session, request, seen=leaving, now=now)
    return access.export_ask(
        session, verb, person=request.requester, project=request.project, export=export, now=now,
        second_factor=True,
    )  # fmt: skip


def collect(session: Session, request: RequestRow, *, leaving: str, now: datetime) -> Ask:
    """Ask whether its requester may take away what was released."""
    return release(session, request, leaving=leaving, now=now, verb="collect_export")


def of(session: Session, request: RequestRow, *, seen: str, now: datetime) -> Export:
    """Gather the facts of the newest round."""
    row = session.get_one(RoundRow, (request.id, request.round))
    votes = [vote for vote in votes_of(session, request) if vote.manifest_sha256 == row.manifest_sha256]
    blocks = [found for found in findings_of(session, request) if found.severity == Severity.BLOCK]
    ran = frozenset(json.loads(row.checks)["ran"]) if row.checks else frozenset()
    files = files_of(session, request.id, request.round)
    counted = [vote for vote in votes if vote.verdict == Verdict.APPROVE and fit(session, vote)]
    kinds = frozenset(file.kind for file in files)
    return Export(
        request=str(request.id),
        requester=request.requester,
        manifest=row.manifest_sha256,
        seen_manifest=seen,
        kinds=kinds,
        row_level="row_level" not in ran or any(found.check == "row_level" for found in blocks),
        blocked=row.checked_at is None or bool(blocks),
        approvals=frozenset(vote.approver for vote in counted),
        voted=frozenset(vote.approver for vote in votes),
        size=sum(file.size for file in files),
        spent=spent(session, request.project, now=now, but=request.id),
        quota=quota(session, request.project),
        approvals_until=min((vote.at + COUNTS for vote in counted), default=NEVER),
        data_in_force=in_force(session, request.project, now=now),
        models_checked=models_checked(kinds),
    )


def spent(session: Session, project: str, *, now: datetime, but: int = 0) -> int:
    """Bytes that left a project within the last 30 days; `but` is the request that is asked about."""
    query = (
        select(func.sum(FileRow.size))
        .join(RequestRow, RequestRow.id == FileRow.request)
        .join(ReleaseRow, (ReleaseRow.request == FileRow.request) & (ReleaseRow.round == FileRow.round))
        .where(RequestRow.project == project, RequestRow.id != but, ReleaseRow.released_at > now - COUNTS)
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


def models_checked(kinds: Collection[str]) -> bool:
    """Whether each model in it was looked into: there is no check for models yet, and no kind of file that is one."""
    del kinds
    return False


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


def findings_of(session: Session, request: RequestRow) -> tuple[FindingRow, ...]:
    """Return the findings of the newest round."""
    query = select(FindingRow).where(FindingRow.request == request.id, FindingRow.round == request.round)
    return tuple(session.scalars(query.order_by(FindingRow.position, FindingRow.id)))


def votes_of(session: Session, request: RequestRow) -> tuple[VoteRow, ...]:
    """Return the votes of the newest round; those of earlier rounds never count."""
    query = select(VoteRow).where(VoteRow.request == request.id, VoteRow.round == request.round)
    return tuple(session.scalars(query.order_by(VoteRow.id)))
