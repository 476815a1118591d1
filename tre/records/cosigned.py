"""The house's side of its witnesses: whom it trusts, how it asks them, and what they put under its checkpoints.

A witness that says no, or is silent, stops nothing here. It is written down, `tre doctor` says it, and whoever verifies
the log with the witness's key sees how far it was co-signed.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import httpx
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tre.errors import NotFound, Tampered, TREError, Unavailable, Unreadable
from tre.records import audit, checkpoint, files, merkle, note, witness
from tre.records.db import Records
from tre.records.tables import CheckpointRow, EntryRow, WitnessRow
from tre.settings import Settings

SECONDS = 10.0
LONGEST = 65_536
"""Bytes of an answer."""


class Reached(NamedTuple):
    """How far a witness vouches for the log."""

    size: int = 0
    at: datetime | None = None
    """When it co-signed so many entries; None if it never did."""
    note: str = ""


def trust(session: Session, key: str, *, url: str, actor: str, now: datetime) -> str:
    """Have a witness of this public key co-sign the log from now on; return its name."""
    try:
        by = note.verifier(key, kind=note.COSIGNER)
    except note.BadNote as error:
        raise Unreadable(f"{error}: take the line that `tre audit witness init` printed") from None
    if url and not url.startswith(("http://", "https://")):
        raise Unreadable(f"--url {url[:80]}: not an address that begins with http:// or https://")
    known = session.get(WitnessRow, by.name)
    if known is not None and known.key != str(by):
        raise Unreadable(f"a witness {by.name} with another key is trusted already: drop it first")
    row = known or WitnessRow(name=by.name, key=str(by), since=now)
    row.url = url
    session.add(row)
    audit.append(session, "audit.witness.trust", actor=actor, subject=subject(by.name), at=now, key=str(by), url=url)
    return by.name


def drop(session: Session, name: str, *, actor: str, now: datetime) -> None:
    """Ask a witness no more. What it co-signed stays."""
    row = row_of(session, name)
    audit.append(session, "audit.witness.drop", actor=actor, subject=subject(name), at=now, key=row.key)
    session.delete(row)


def witnesses(session: Session) -> Sequence[WitnessRow]:
    """Return the witnesses of this log."""
    return tuple(session.scalars(select(WitnessRow).order_by(WitnessRow.name)))


def row_of(session: Session, name: str) -> WitnessRow:
    """Return one witness."""
    row = session.get(WitnessRow, name)
    if row is None:
        raise NotFound(f"no witness {name[:80]!r} is trusted here: `tre audit witness trust`")
    return row


def subject(name: str) -> str:
    """Name a witness as the audit does."""
    return f"audit/witness/{name}"


def reached(settings: Settings, row: WitnessRow) -> Reached:
    """Return the longest checkpoint that a witness co-signed, as it was kept here."""
    try:
        kept = _place(settings, row.name).read_text("utf-8")
    except FileNotFoundError:
        return Reached()
    try:
        stated = note.checkpoint(kept, note.verifier(checkpoint.note_key(settings)))
        return Reached(stated.size, note.cosigned(kept, _verifier(row)), kept)
    except (note.BadNote, UnicodeError):
        raise Tampered(
            f"{_place(settings, row.name)} is not what the witness co-signed: ask for its last note"
        ) from None


def waiting(session: Session, settings: Settings, row: WitnessRow) -> datetime | None:
    """Return since when a checkpoint waits for the co-signature of a witness; None if none does."""
    after = CheckpointRow.size > reached(settings, row).size
    return session.scalars(select(func.min(CheckpointRow.at)).where(after)).one()


def kept(session: Session, settings: Settings) -> list[str]:
    """Return the checkpoints that witnesses co-signed."""
    return [found.note for row in witnesses(session) if (found := reached(settings, row)).note]


# --- asking -----------------------------------------------------------------------------------------------------------
def request(session: Session, settings: Settings, row: WitnessRow, *, since: int | None = None) -> witness.Request:
    """Make the request for a co-signature under the newest checkpoint, from what the witness knows on."""
    newest = session.scalars(select(CheckpointRow).order_by(CheckpointRow.size.desc()).limit(1)).first()
    if newest is None:
        raise NotFound("nothing is signed yet: run `tre audit checkpoint`")
    old = since if since is not None else reached(settings, row).size
    if old > newest.size:
        raise Tampered(
            f"witness {row.name} has co-signed {old} entries of this log, and its newest checkpoint is over "
            f"{newest.size}: the log was rolled back; stop the house, and restore its newest backup"
        )
    return witness.Request(old, _proof(session, old, newest.size), newest.note)


def _proof(session: Session, old: int, size: int) -> merkle.Proof:
    if old in {0, size}:
        return ()
    asked = select(CheckpointRow).where(CheckpointRow.size <= old).order_by(CheckpointRow.size.desc()).limit(1)
    near = session.scalars(asked).first()
    start, frontier = (near.size, merkle.unpack(near.frontier)) if near else (0, ())
    bodies = select(EntryRow.body).where(EntryRow.seq >= start, EntryRow.seq < size).order_by(EntryRow.seq)
    leaves = [merkle.leaf_hash(body) for body in session.scalars(bodies.execution_options(yield_per=2000))]
    for at, leaf in enumerate(leaves[: old - start], start):
        frontier = merkle.grow(frontier, at, leaf)
    return merkle.consistency_from_edge(frontier, old, leaves[old - start :])


def take(records: Records, settings: Settings, signed: str, *, now: datetime) -> dict[str, int]:
    """Keep a checkpoint of ours that witnesses co-signed; return how many entries each covers."""
    stated = _ours(records, settings, signed)
    with records.read() as session:
        known = witnesses(session)
    found = {}
    for row in known:
        try:
            note.cosigned(signed, _verifier(row))
        except note.NotSigned:
            continue
        except note.BadNote as error:
            raise Tampered(f"checkpoint {stated.size}: {error}") from None
        found[row.name] = stated.size
        if stated.size > reached(settings, row).size:
            files.folder(settings.cosigned, 0o700)
            files.replace(_place(settings, row.name), signed.encode())
        _write_trouble(records, row.name, "", now)
    if not found:
        raise Unreadable("no witness that is trusted here co-signed it: `tre audit witness list` names them")
    return found


def _ours(records: Records, settings: Settings, signed: str) -> note.Checkpoint:
    key = note.verifier(checkpoint.note_key(settings))
    try:
        stated = note.checkpoint(signed, key)
    except note.BadNote as error:
        raise Unreadable(f"not a checkpoint of this log: {error}") from None
    with records.read() as session:
        row = session.get(CheckpointRow, stated.size)
        if row is None or note.checkpoint(row.note, key) != stated:
            raise Tampered(f"this house signed a checkpoint over {stated.size} entries that it no longer holds: it was "
                           "rolled back; run `tre audit verify`")  # fmt: skip
    return stated


def ask(records: Records, settings: Settings, name: str, *, now: datetime) -> int:
    """Ask one witness over HTTP; return how many entries it covers, or say why not, here and in the log."""
    try:
        return _asked(records, settings, name, now=now)
    except (Tampered, Unavailable) as error:
        _write_trouble(records, name, str(error), now)
        raise


def ask_all(records: Records, settings: Settings, *, now: datetime) -> list[TREError]:
    """Ask every witness that has an address and lacks the newest checkpoint; return what went wrong."""
    with records.read() as session:
        due = [row.name for row in witnesses(session) if row.url and waiting(session, settings, row)]
    wrong = []
    for name in due:
        try:
            ask(records, settings, name, now=now)
        except TREError as error:
            wrong.append(error)
    return wrong


def _asked(records: Records, settings: Settings, name: str, *, now: datetime) -> int:
    since: int | None = None
    while True:
        with records.read() as session:
            row = row_of(session, name)
            wanted = request(session, settings, row, since=since)
        status, said = _posted(row, witness.written(wanted))
        if status == HTTPStatus.OK:
            found = take(records, settings, note.with_lines(wanted.note, said), now=now)
            if name not in found:
                raise Tampered(f"witness {name} answers under another key than the one that is trusted here")
            return found[name]
        known = note.number(said.strip()) if status == HTTPStatus.CONFLICT else None
        if known is None or since is not None or known == wanted.old:
            raise _no(name, status, said)
        since = known


def _posted(row: WitnessRow, body: str) -> tuple[int, str]:
    if not row.url:
        raise Unreadable(f"witness {row.name} has no address: write its request with `--to FILE` and carry it there")
    said = bytearray()
    try:
        address = f"{row.url.rstrip('/')}/add-checkpoint"
        with httpx.stream("POST", address, content=body.encode(), timeout=SECONDS, trust_env=False) as answer:
            for part in answer.iter_bytes():
                said += part
                if len(said) > LONGEST:
                    raise Unavailable(f"the answer of witness {row.name} does not end: ask whoever runs it")
            return answer.status_code, said.decode("utf-8", "replace")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        what = type(error).__name__
        raise Unavailable(f"witness {row.name} at {row.url} does not answer ({what}): ask whoever runs it") from None


def _no(name: str, status: int, said: str) -> TREError:
    if status in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
        return Tampered(
            f"witness {name} has co-signed a log that this one does not go on from: it was changed or forked; "
            "stop the house, and compare it with its backups"
        )
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
        return Unavailable(f"witness {name} does not watch this log: give it the first line of `tre audit key`")
    return Unavailable(f"witness {name} answers {status} ({' '.join(said.split())[:80]}): ask whoever runs it")


def _write_trouble(records: Records, name: str, why: str, now: datetime) -> None:
    """Write down why a witness does not co-sign, or that it does again; once for as long as it stays so."""
    with records.read() as session:
        if row_of(session, name).trouble == why:
            return
    act = "audit.witness.trouble" if why else "audit.witness.agrees"
    with records.act("sentinel", act, subject(name)) as session:
        row_of(session, name).trouble = why
        audit.append(session, act, actor="sentinel", subject=subject(name), at=now, why=why)


def _verifier(row: WitnessRow) -> note.Verifier:
    return note.verifier(row.key, kind=note.COSIGNER)


def _place(settings: Settings, name: str) -> Path:
    return settings.cosigned / f"{sha256(name.encode()).hexdigest()[:32]}.note"
