"""What a release says of itself, from the records: the files, checks, findings, exceptions and votes of a round."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from airlock import asks, certificate
from airlock.checks import run
from airlock.crate import Around
from airlock.tables import ExceptionRow, FileRow, ReleaseRow, RequestRow, RoundRow, VoteRow
from policies.engine import Decision
from tre import __version__
from tre.records import audit
from tre.records.tables import ApprovalRow, PersonRow, ProjectRow
from tre.settings import Settings


def of(
    session: Session, row: RequestRow, files: Sequence[FileRow], decision: Decision, *, now: datetime
) -> dict[str, Any]:
    """Return the statement of these files, without what follows from it: the log's entry and the records beside it."""
    this = session.get_one(RoundRow, (row.id, row.round))
    checks = json.loads(this.checks)
    return {
        "format": certificate.FORMAT,
        "request": row.id,
        "project": row.project,
        "requester": row.requester,
        "round": row.round,
        "why": this.why,
        "manifest_sha256": this.manifest_sha256,
        "submitted_at": audit.stamp(this.submitted_at),
        "checked_at": audit.stamp(this.checked_at or this.submitted_at),
        "released_at": audit.stamp(now),
        "files": [_file(session, row, file, checks) for file in files],
        "held_back": len(asks.files_of(session, row.id, row.round)) - len(files),
        "checks": checks,
        "policy_sha256": decision.policy_hash,
        "software": __version__,
        "previous": _previous(session, row.project),
    }


def around(session: Session, settings: Settings, said: dict[str, Any]) -> Around:
    """Return what the crate tells beside the statement: names, not numbers."""
    voters = {vote["approver"] for file in said["files"] for vote in file["votes"]}
    people = {name: session.get_one(PersonRow, name) for name in {*voters, said["requester"]}}
    approved = select(ApprovalRow.dataset, ApprovalRow.version).where(ApprovalRow.project == said["project"])
    return Around(
        house=settings.airlock_origin,
        title=session.get_one(ProjectRow, said["project"]).title,
        names={name: person.full_name for name, person in people.items()},
        institutions={name: person.institution for name, person in people.items() if person.institution},
        datasets=tuple(sorted({f"{name}/{version}" for name, version in session.execute(approved)})),
    )


def _file(session: Session, row: RequestRow, file: FileRow, checks: dict[str, Any]) -> dict[str, Any]:
    about = json.loads(file.about)
    return {
        "name": file.name,
        "kind": file.kind,
        "sha256": file.leaves_sha256,
        "size": file.leaves_size,
        "submitted": {"sha256": file.sha256, "size": file.size},
        "context": about.get("context", ""),
        "controls": about.get("controls", ""),
        "made": about.get("made"),
        "checks": [name for name in run.of_kind(file.kind) if name in checks.get("ran", ())],
        "findings": _findings(session, row, file.position),
        "exceptions": _exceptions(session, row, file.position),
        "votes": _votes(session, row, file.position),
    }


def _findings(session: Session, row: RequestRow, position: int) -> list[dict[str, object]]:
    found = asks.findings_of(session, row)
    counts = Counter((one.check, one.rule, one.severity) for one in found if one.position == position)
    return [
        {"check": check, "rule": rule, "severity": severity, "count": count}
        for (check, rule, severity), count in sorted(counts.items())
    ]


def _exceptions(session: Session, row: RequestRow, position: int) -> list[dict[str, object]]:
    granted = select(ExceptionRow).where(
        ExceptionRow.request == row.id, ExceptionRow.round == row.round, ExceptionRow.position == position
    )
    return [
        {"check": one.check, "person": one.person, "reason": one.reason, "at": audit.stamp(one.at)}
        for one in session.scalars(granted.order_by(ExceptionRow.id))
    ]


def _votes(session: Session, row: RequestRow, position: int) -> list[dict[str, object]]:
    cast = select(VoteRow).where(VoteRow.request == row.id, VoteRow.round == row.round, VoteRow.position == position)
    return [
        {"approver": one.approver, "verdict": one.verdict, "at": audit.stamp(one.at), "turn": one.turn}
        for one in session.scalars(cast.order_by(VoteRow.id))
    ]


def _previous(session: Session, project: str) -> dict[str, object] | None:
    """Name the certificate of the project before this one, whatever became of its release."""
    last = session.scalars(
        select(ReleaseRow)
        .join(RequestRow, RequestRow.id == ReleaseRow.request)
        .where(RequestRow.project == project)
        .order_by(ReleaseRow.released_at.desc(), ReleaseRow.request.desc(), ReleaseRow.round.desc())
        .limit(1)
    ).first()
    if last is None:
        return None
    return {"request": last.request, "round": last.round, "sha256": certificate.digest(last.certificate)}
