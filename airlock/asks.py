"""What the rules are told about an export: gathered here, judged by the policies."""

import json
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from airlock.checks.finding import Severity
from airlock.states import Verdict
from airlock.tables import FileRow, FindingRow, RequestRow, RoundRow, VoteRow
from policies.facts import Ask, Export, Role
from tre.governance import access, accounts, projects


def submit(session: Session, project: str, person: str, *, kinds: frozenset[str], now: datetime) -> Ask:
    """Ask whether this person may ask for files of these kinds. The session's sign-in had a second factor."""
    export = Export(
        request="new", requester=person, manifest="", kinds=kinds, row_level=False, blocked=False
    )  # what the files hold is found by the checks that follow
    return access.export_ask(
        session, "submit_export", person=person, project=project, export=export, now=now, second_factor=True
    )


def vote(session: Session, request: RequestRow, person: str, *, seen: str, second_factor: bool, now: datetime) -> Ask:
    """Ask whether this person may vote on the manifest they say they saw."""
    export = of(session, request, seen=seen)
    return access.export_ask(
        session, "vote_export", person=person, project=request.project, export=export, now=now,
        second_factor=second_factor,
    )  # fmt: skip


def release(session: Session, request: RequestRow, *, leaving: str, now: datetime) -> Ask:
    """Ask whether what is about to leave may leave to its requester. The requester acts not, the airlock does."""
    export = of(session, request, seen=leaving)
    return access.export_ask(
        session, "release_export", person=request.requester, project=request.project, export=export, now=now,
        second_factor=True,
    )  # fmt: skip


def of(session: Session, request: RequestRow, *, seen: str) -> Export:
    """Gather the facts of the newest round."""
    row = session.get_one(RoundRow, (request.id, request.round))
    votes = [vote for vote in votes_of(session, request) if vote.manifest_sha256 == row.manifest_sha256]
    blocks = [found for found in findings_of(session, request) if found.severity == Severity.BLOCK]
    ran = frozenset(json.loads(row.checks)["ran"]) if row.checks else frozenset()
    return Export(
        request=str(request.id),
        requester=request.requester,
        manifest=row.manifest_sha256,
        seen_manifest=seen,
        kinds=frozenset(file.kind for file in files_of(session, request.id, request.round)),
        row_level="row_level" not in ran or any(found.check == "row_level" for found in blocks),
        blocked=row.checked_at is None or bool(blocks),
        approvals=frozenset(vote.approver for vote in votes if vote.verdict == Verdict.APPROVE and fit(session, vote)),
        voted=frozenset(vote.approver for vote in votes),
    )


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
