"""What leaves is, byte for byte, what two approvers saw: hashed again, judged again, signed, and collected once.

A release is one transaction: rules, step, entry, checkpoint of the log and certificate, or none of them.
"""

import json
import secrets
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from io import RawIOBase
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from airlock import asks, certificate, requests, staging
from airlock.states import By, State, Verdict
from airlock.tables import LinkRow, ReleaseRow, RequestRow, RoundRow
from policies.engine import Decision
from tre.errors import NotFound, Refused, StepRefused, Tampered
from tre.governance import access
from tre.records import audit, checkpoint
from tre.settings import Settings

if TYPE_CHECKING:
    from typing_extensions import Buffer

LASTS = timedelta(days=7)
"""How long after its release a request may be collected."""
MOST_LINKS = 5
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Bundle:
    """What one collection hands over."""

    request: int
    name: str
    certificate: bytes
    files: tuple[tuple[str, str], ...]
    """Name and SHA-256 of each file."""


def release(session: Session, settings: Settings, *, request: int, now: datetime, actor: str = "worker") -> ReleaseRow:
    """Release an approved request, if its bytes are those approved and the rules still say yes."""
    row = requests.locked(session, request)
    if row.state != State.APPROVED:
        raise StepRefused(f"cannot release a request that is {row.state}")
    leaving = rehashed(session, settings, row)
    decision = access.require(session, asks.release(session, row, leaving=leaving, now=now))
    requests.move(row, "release", By.SYSTEM, now)
    seq = audit.append(
        session, "export.release", actor=actor, subject=requests.subject(row), at=now,
        round=row.round, manifest=leaving, policy=decision.policy_hash,
    )  # fmt: skip
    note = checkpoint.sign(session, settings, now, actor=actor)
    statement = _statement(session, row, decision, now=now, entry=seq, note=note or "")
    signature = checkpoint.sign_bytes(settings, certificate.stated(statement))
    released = ReleaseRow(
        request=row.id, round=row.round, certificate=certificate.sealed(statement, signature), released_at=now
    )
    session.add(released)
    return released


def rehashed(session: Session, settings: Settings, row: RequestRow) -> str:
    """Hash again all that is about to leave, from the stored bytes up; return the manifest's hash."""
    listed = session.get_one(RoundRow, (row.id, row.round)).manifest
    files = asks.files_of(session, row.id, row.round)
    told = [{"name": file.name, "sha256": file.sha256, "size": file.size, "kind": file.kind} for file in files]
    sizes = [len(staging.kept(settings, file.sha256)) for file in files]
    if json.loads(listed)["files"] != told or sizes != [file.size for file in files]:
        raise Tampered(f"the files of export request {row.id} are not those of its manifest: call the operator")
    return sha256(listed.encode()).hexdigest()


def link(session: Session, settings: Settings, *, request: int, person: str, now: datetime) -> str:
    """Make a link that the requester, and nobody else, can use once; an earlier one works no more."""
    row = requests.locked(session, request)
    released = session.get(ReleaseRow, (row.id, row.round))
    if row.requester != person:
        raise NotFound(f"no export request {request}, or none that you may know of")
    if released is None:
        raise StepRefused(f"cannot collect a request that is {row.state}")
    if now >= released.released_at + LASTS:
        raise Refused(f"the release of request {request} could be collected for {LASTS.days} days: ask again for it")
    rehashed(session, settings, row)
    made = tuple(session.scalars(select(LinkRow).where(LinkRow.request == row.id)))
    if len(made) >= MOST_LINKS:
        raise Refused(f"{MOST_LINKS} links were made for request {request}: ask for the files again")
    for earlier in made:
        earlier.expires_at = min(earlier.expires_at, now)
    token = secrets.token_urlsafe(32)
    session.add(
        LinkRow(token_sha256=_hash(token), request=row.id, made_at=now, expires_at=released.released_at + LASTS)
    )
    audit.append(session, "export.link", actor=person, subject=requests.subject(row), at=now, number=len(made) + 1)
    return token


def collect(session: Session, settings: Settings, *, token: str, person: str, now: datetime) -> Bundle:
    """Use a link up; return what it gives."""
    found = session.get(LinkRow, _hash(token), with_for_update=True)
    if found is None:
        raise NotFound("no such link: make a new one on the request's page")
    row = requests.locked(session, found.request)
    if row.requester != person:
        raise Refused("this link is another person's")
    if found.used_at is not None:
        raise Refused("this link was used, and works once: make a new one on the request's page")
    if now >= found.expires_at:
        raise Refused("this link has expired: make a new one on the request's page")
    digest = rehashed(session, settings, row)
    access.require(session, asks.collect(session, row, leaving=digest, now=now))
    found.used_at = now
    audit.append(session, "export.collect", actor=person, subject=requests.subject(row), at=now, manifest=digest)
    files = tuple((file.name, file.sha256) for file in asks.files_of(session, row.id, row.round))
    released = session.get_one(ReleaseRow, (row.id, row.round))
    return Bundle(row.id, f"{row.project}-export-{row.id}.zip", released.certificate, files)


def stream(settings: Settings, bundle: Bundle) -> Iterator[bytes]:
    """Give the release as a zip, always the same bytes; a stored file that changed ends it before its bytes go."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, digest in bundle.files:
            archive.writestr(_entry(certificate.FOLDER + name), staging.kept(settings, digest))
            yield sink.taken()
        archive.writestr(_entry(certificate.NAME), bundle.certificate)
    yield sink.taken()


class _Sink(RawIOBase):
    """Holds what was written until it is taken; cannot go back, so the zip is written in one pass."""

    def __init__(self) -> None:
        self._parts = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, part: "Buffer", /) -> int:
        self._parts += bytes(part)
        return len(bytes(part))

    def taken(self) -> bytes:
        whole = bytes(self._parts)
        self._parts.clear()
        return whole


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
    entry.create_system, entry.external_attr = 3, 0o444 << 16
    return entry


def _statement(
    session: Session, row: RequestRow, decision: Decision, *, now: datetime, entry: int, note: str
) -> dict[str, object]:
    this = session.get_one(RoundRow, (row.id, row.round))
    listed = json.loads(this.manifest)
    votes = [vote for vote in asks.votes_of(session, row) if vote.verdict == Verdict.APPROVE]
    return {
        "format": certificate.FORMAT,
        **{key: listed[key] for key in ("request", "project", "requester", "round", "files")},
        "manifest_sha256": this.manifest_sha256,
        "approved": [{"approver": vote.approver, "at": audit.stamp(vote.at)} for vote in votes],
        "checks": json.loads(this.checks),
        "policy_sha256": decision.policy_hash,
        "released_at": audit.stamp(now),
        "audit": {"entry": entry, "checkpoint": note},
    }


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()
