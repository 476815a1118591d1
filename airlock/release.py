"""What leaves is, byte for byte, what two approvers saw: hashed again, judged again, signed, and collected once.

A release is one transaction: rules, step, entry, checkpoint of the log and certificate, or none of them. What it puts
into the store before is named by its hash, and is nothing until the certificate names it.
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import chain
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from airlock import asks, certificate, crate, incidents, ledger, moves, package, record, requests, staging, statement
from airlock.checks import rules
from airlock.states import FileState, State
from airlock.tables import FileRow, LinkRow, ReleaseRow, RequestRow, RoundRow
from tre.errors import NotFound, Refused, StepRefused, Tampered, Unavailable
from tre.governance import access
from tre.records import audit, checkpoint, merkle
from tre.records.tables import EntryRow
from tre.settings import Settings

LASTS_DAYS = 7
"""How many days after its release a round may be collected, unless its thresholds say so."""
MOST_LINKS = 5


@dataclass(frozen=True)
class Bundle:
    """What one collection hands over."""

    request: int
    round: int
    name: str
    certificate: bytes
    parts: tuple[tuple[str, str], ...]
    """Path and SHA-256 of each file that goes with it."""


def release(session: Session, settings: Settings, *, request: int, now: datetime, actor: str = "worker") -> ReleaseRow:
    """Release the approved files of a request, if their bytes are those approved and the rules still say yes."""
    row = moves.locked(session, request)
    if row.state != State.APPROVED:
        raise StepRefused(f"cannot release a request that is {row.state}")
    moves.in_time(row, now)
    files = asks.in_state(session, row, FileState.APPROVED)
    seen = rehashed(session, settings, row, row.round, files)
    decision = access.require(session, asks.release(session, row, leaving=seen, now=now))
    _nothing_rests(session, row, files)
    requests.left(session, row, now)
    said = statement.of(session, row, files, decision, now=now)
    said["audit"] = _logged(session, settings, row, said, now=now, actor=actor)
    criteria = record.write(said, {name: rule._asdict() for name, rule in rules.rules().items()})
    tale = crate.write(said, statement.around(session, settings, said))
    said["records"] = [_kept(settings, *each) for each in ((certificate.CRATE, tale), (certificate.RECORD, criteria))]
    signature = checkpoint.sign_bytes(settings, certificate.stated(said))
    released = ReleaseRow(
        request=row.id, round=row.round, certificate=certificate.sealed(said, signature), released_at=now,
        record=criteria.decode(),
    )  # fmt: skip
    session.add(released)
    session.flush()
    ledger.write(session, settings, row, files, now)
    return released


def rehashed(session: Session, settings: Settings, row: RequestRow, number: int, files: Sequence[FileRow]) -> str:
    """Hash again all that leaves of a round, from the stored bytes up; return the hash of what was voted on."""
    listed = session.get_one(RoundRow, (row.id, number)).manifest
    told = [moves.listed(file) for file in asks.files_of(session, row.id, number)]
    held = [(len(staging.kept(settings, name)), size) for file in files for name, size in _held(file)]
    if json.loads(listed)["files"] != told or any(found != size for found, size in held):
        raise Tampered(f"the files of export request {row.id} are not those of its manifest: call the operator")
    return sha256(listed.encode()).hexdigest()


def link(
    session: Session, settings: Settings, *, request: int, person: str, now: datetime, number: int | None = None
) -> str:
    """Make a link that the requester, and nobody else, can use once; an earlier one of the round works no more.

    `number` is the round; the newest of which something left unless it is named.
    """
    row = moves.own(session, request, person)
    released = _standing(session, row, number)
    limits = _limits(session, released)
    until = released.released_at + timedelta(days=limits["link_days"])
    if now >= until:
        raise Refused(f"the release of request {request} could be collected for {limits['link_days']} days: ask anew")
    certificate.read(released.certificate, checkpoint.public_key(settings))
    made = tuple(session.scalars(select(LinkRow).where(LinkRow.request == row.id, LinkRow.round == released.round)))
    if len(made) >= limits["links"]:
        raise Refused(f"{len(made)} links were made for request {request}: ask for the files again")
    for earlier in made:
        earlier.expires_at = min(earlier.expires_at, now)
    token = secrets.token_urlsafe(32)
    session.add(LinkRow(token_sha256=_hash(token), request=row.id, round=released.round, made_at=now, expires_at=until))
    audit.append(
        session, "export.link", actor=person, subject=moves.subject(row), at=now, round=released.round,
        number=len(made) + 1,
    )  # fmt: skip
    return token


def collect(session: Session, settings: Settings, *, token: str, person: str, now: datetime) -> Bundle:
    """Use a link up; return what it gives."""
    found = session.get(LinkRow, _hash(token), with_for_update=True)
    if found is None:
        raise NotFound("no such link: make a new one on the request's page")
    row = moves.locked(session, found.request)
    if row.requester != person:
        raise Refused("this link is another person's")
    released = _standing(session, row, found.round)
    if found.used_at is not None:
        raise Refused("this link was used, and works once: make a new one on the request's page")
    if now >= found.expires_at:
        raise Refused("this link has expired: make a new one on the request's page")
    said = certificate.read(released.certificate, checkpoint.public_key(settings))
    files = asks.in_state(session, row, FileState.RELEASED, number=found.round)
    digest = rehashed(session, settings, row, found.round, files)
    access.require(session, asks.collect(session, row, leaving=digest, now=now, number=found.round))
    found.used_at = now
    audit.append(
        session, "export.collect", actor=person, subject=moves.subject(row), at=now, round=found.round, manifest=digest,
        certificate=certificate.digest(released.certificate),
    )  # fmt: skip
    name = f"{row.project}-export-{row.id}-{found.round}.zip"
    return Bundle(row.id, found.round, name, released.certificate, tuple(certificate.parts(said)))


def stream(settings: Settings, bundle: Bundle) -> Iterator[bytes]:
    """Give the release as a zip, always the same bytes; a stored file that changed ends it before its bytes go."""
    held = (package.Part(name, staging.kept(settings, digest)) for name, digest in bundle.parts)
    return package.write(chain(held, [package.Part(certificate.NAME, bundle.certificate)]))


# --- before it leaves -------------------------------------------------------------------------------------------------
def _held(file: FileRow) -> tuple[tuple[str, int], ...]:
    """Hash and size of what was submitted and of what leaves."""
    if not file.leaves_sha256:
        raise Tampered(f"nothing is known that would leave instead of {file.name!a}: call the operator")
    return (file.sha256, file.size), (file.leaves_sha256, file.leaves_size)


def _nothing_rests(session: Session, row: RequestRow, files: Sequence[FileRow]) -> None:
    """Refuse while an incident of the project is open; and bytes that were recalled, unless somebody let them go."""
    if incident := incidents.open_of(session, row.project):
        raise Refused(
            f"nothing leaves project {row.project} while incident {incident[0]} is open",
            remedies=("A member of the committee looks into it and closes it.",),
        )
    excepted = {one.position for one in asks.exceptions_of(session, row) if one.check == incidents.RECALLED}
    for file in files:
        if file.position not in excepted and incidents.recalled(session, (file.sha256, file.leaves_sha256)):
            raise Refused(
                f"{file.name!a} was recalled before",
                remedies=("Only a named exception of the committee lets the same bytes go.",),
            )


def _logged(
    session: Session, settings: Settings, row: RequestRow, said: dict[str, Any], *, now: datetime, actor: str
) -> dict[str, object]:
    """Record the release, have the log signed, and return the entry with what leads from it to the signature."""
    before = merkle.unpack(audit.lock(session).frontier)
    seq = audit.append(
        session, "export.release", actor=actor, subject=moves.subject(row), at=now, round=row.round,
        manifest=said["manifest_sha256"], leaving=certificate.leaving(said["files"]), policy=said["policy_sha256"],
    )  # fmt: skip
    note = checkpoint.sign(session, settings, now, actor=actor)
    bodies = tuple(session.scalars(select(EntryRow.body).where(EntryRow.seq >= seq).order_by(EntryRow.seq)))
    proof = merkle.inclusion_at_edge(before, seq, [merkle.leaf_hash(body) for body in bodies])
    return {
        "entry": seq, "body": bodies[0].decode(), "proof": [step.hex() for step in proof], "checkpoint": note or "",
    }  # fmt: skip


def _kept(settings: Settings, name: str, content: bytes) -> dict[str, object]:
    try:
        return {"name": name, "sha256": staging.keep(settings, content), "size": len(content)}
    except OSError as error:
        raise Unavailable(f"the release cannot be written down ({error.strerror}): nothing left, make room") from None


# --- after it left ----------------------------------------------------------------------------------------------------
def _standing(session: Session, row: RequestRow, number: int | None) -> ReleaseRow:
    """Return what left in a round, the newest unless it is named, if it was not recalled."""
    asked = select(ReleaseRow).where(ReleaseRow.request == row.id).order_by(ReleaseRow.round.desc()).limit(1)
    released = session.scalars(asked if number is None else asked.where(ReleaseRow.round == number)).first()
    if released is None:
        raise StepRefused(f"cannot collect a request that is {row.state}")
    if released.recalled_at is not None:
        raise Refused(f"the release of request {row.id} was recalled at {released.recalled_at:%Y-%m-%d %H:%M}")
    return released


def _limits(session: Session, released: ReleaseRow) -> dict[str, int]:
    """Return the numbers of links and days that the round was checked with."""
    checks = json.loads(session.get_one(RoundRow, (released.request, released.round)).checks)
    return {"link_days": LASTS_DAYS, "links": MOST_LINKS} | {
        name: int(value) for name, value in checks.get("thresholds", {}).items() if name in {"link_days", "links"}
    }


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()
