"""A witness sits on another machine and remembers how long the log was: it co-signs only what goes on from there.

It speaks C2SP tlog-witness, over HTTP or by files that are carried to it, and holds three things in one folder: its own
key, the public key of each log it watches, and the last checkpoint it co-signed of each. What it refuses although the
log had signed it is proof that the log was rolled back or forked, so it keeps that too.

Like `tre.records.verify`, this needs nothing of the house. It must never be restored from a backup of the house, and if
its own folder was lost it is a new witness, with a new key.
"""

import base64
import binascii
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tre.records import files, merkle, note

LONGEST = 16_384
"""Bytes of a request; 63 hashes and a checkpoint are fewer than 4,000."""
MOST_HASHES = 63
HASH = 32
KEY = "witness.key"


class NotAsked(Exception):
    """The witness does not co-sign; says why, and with which status of HTTP."""

    def __init__(self, status: HTTPStatus, why: str, *, size: int | None = None, proves: bool = False) -> None:
        """Keep the size it knows, and whether the log's own signature proves that the log was changed."""
        super().__init__(why)
        self.status = status
        self.size = size
        self.proves = proves


@dataclass(frozen=True)
class Request:
    """What a log asks of a witness."""

    old: int
    """Size of the last checkpoint that this witness co-signed, as far as the log knows."""
    proof: merkle.Proof
    note: str


def written(request: Request) -> str:
    """Write a request as the body of `add-checkpoint`."""
    hashes = "".join(f"{base64.b64encode(one).decode('ascii')}\n" for one in request.proof)
    return f"old {request.old}\n{hashes}\n{request.note}"


def read(body: bytes) -> Request:
    """Read what `written` wrote."""
    try:
        head, blank, signed = body.decode("utf-8").partition("\n\n")
    except UnicodeDecodeError:
        raise _bad("it is not UTF-8") from None
    first, *rest = head.split("\n")
    word, _, old = first.partition(" ")
    size = note.number(old)
    if not blank or word != "old" or size is None:
        raise _bad("its first line is not `old` and a number")
    if len(rest) > MOST_HASHES:
        raise _bad(f"it has more than {MOST_HASHES} hashes")
    return Request(size, tuple(_hash(line) for line in rest), signed)


def _hash(line: str) -> bytes:
    try:
        raw = base64.b64decode(line, validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != HASH:
        raise _bad("one of its lines is not a hash")
    return raw


def _bad(why: str) -> NotAsked:
    return NotAsked(HTTPStatus.BAD_REQUEST, f"not a request for a co-signature: {why}")


# --- its folder -------------------------------------------------------------------------------------------------------
def init(folder: Path, name: str) -> note.Verifier:
    """Make a witness of this name, unless it is there; return its public key."""
    files.folder(folder, 0o700)
    files.create(folder / KEY, note.private_line(name, Ed25519PrivateKey.generate(), note.COSIGNER).encode())
    return public_key(folder)


def public_key(folder: Path) -> note.Verifier:
    """Public key under which this witness co-signs."""
    name, key = _signer(folder)
    return note.Verifier(name, key.public_key(), note.COSIGNER)


def watch(folder: Path, line: str) -> note.Verifier:
    """Watch one more log, known by the public key that `tre audit key` prints."""
    log = note.verifier(line)
    path = _place(folder, log.name)
    files.create(path.with_suffix(".log"), f"{log}\n".encode())
    if (known := path.with_suffix(".log").read_text("utf-8").strip()) != str(log):
        raise note.BadNote(f"{log.name} is watched already, under the key {known}")
    return log


def last(folder: Path, origin: str) -> str:
    """Return the last checkpoint of a log that this witness co-signed, with its co-signature; empty if none."""
    try:
        return _place(folder, origin).with_suffix(".note").read_text("utf-8")
    except FileNotFoundError:
        return ""


def logs(folder: Path) -> tuple[note.Verifier, ...]:
    """Return the logs that this witness watches."""
    return tuple(note.verifier(path.read_text("utf-8")) for path in sorted(folder.glob("*.log")))


def _place(folder: Path, origin: str) -> Path:
    """Where a log's files lie: its name may hold any sign, so they are named by its hash."""
    return folder / sha256(origin.encode()).hexdigest()[:32]


def _signer(folder: Path) -> tuple[str, Ed25519PrivateKey]:
    return note.private_key((folder / KEY).read_text("ascii"), kind=note.COSIGNER)


# --- what it does -----------------------------------------------------------------------------------------------------
def cosign(folder: Path, body: bytes, now: datetime) -> str:
    """Answer a request with the line of a co-signature, after it is on the disk; or raise NotAsked."""
    request = read(body)
    origin = request.note.partition("\n")[0]
    log = next((one for one in logs(folder) if one.name == origin), None)
    if log is None:
        raise NotAsked(HTTPStatus.NOT_FOUND, f"this witness does not watch a log of the name {origin[:100]!r}")
    try:
        asked = note.checkpoint(request.note, log)
    except note.BadNote as error:
        raise NotAsked(HTTPStatus.FORBIDDEN, str(error)) from None
    if request.old > asked.size:
        raise _bad(f"a log of {asked.size} entries does not go on from {request.old}")
    with _alone(folder):
        try:
            _check(request, asked, _known(folder, log))
        except NotAsked as no:
            if no.proves:
                _keep(folder, log, now, why=str(no), note=request.note)
            raise
        line = note.cosign(request.note, *_signer(folder), now)
        files.replace(_place(folder, origin).with_suffix(".note"), note.with_lines(request.note, line).encode())
    return line


def accept(folder: Path, body: bytes, why: str, now: datetime) -> str:
    """Co-sign a log that was put back, after whoever runs the witness was told why; what it knew before is kept."""
    request = read(body)
    log = next((one for one in logs(folder) if one.name == request.note.partition("\n")[0]), None)
    if log is None:
        raise NotAsked(HTTPStatus.NOT_FOUND, "this witness does not watch the log")
    try:
        note.checkpoint(request.note, log)
    except note.BadNote as error:
        raise NotAsked(HTTPStatus.FORBIDDEN, str(error)) from None
    with _alone(folder):
        _keep(folder, log, now, why=f"accepted: {why}", note=request.note, before=last(folder, log.name))
        line = note.cosign(request.note, *_signer(folder), now)
        files.replace(_place(folder, log.name).with_suffix(".note"), note.with_lines(request.note, line).encode())
    return line


def _known(folder: Path, log: note.Verifier) -> note.Checkpoint:
    """Last checkpoint that was co-signed; one that cannot be read stops the witness, since it would forget."""
    kept = last(folder, log.name)
    if not kept:
        return note.Checkpoint(log.name, 0, merkle.EMPTY_ROOT)
    note.cosigned(kept, public_key(folder))
    return note.checkpoint(kept, log)


def _check(request: Request, asked: note.Checkpoint, known: note.Checkpoint) -> None:
    if asked.size < known.size:
        raise NotAsked(
            HTTPStatus.CONFLICT,
            f"this witness has co-signed {known.size} entries of the log, and it has only {asked.size} now: "
            "it was rolled back",
            size=known.size,
            proves=True,
        )
    if request.old != known.size:
        raise NotAsked(HTTPStatus.CONFLICT, f"ask again from {known.size} on", size=known.size)
    if asked.size == known.size:
        if asked.root != known.root or request.proof:
            raise NotAsked(HTTPStatus.CONFLICT, FORKED.format(known.size), size=known.size, proves=True)
        return
    good = (
        merkle.extends(request.proof, old=known.size, old_root=known.root, size=asked.size, root=asked.root)
        if known.size
        else not request.proof
    )
    if not good:
        raise NotAsked(HTTPStatus.UNPROCESSABLE_ENTITY, FORKED.format(known.size), proves=True)


FORKED = "the log does not go on from the {} entries that this witness has co-signed: it was changed"


def _keep(folder: Path, log: note.Verifier, now: datetime, **what: str) -> None:
    """Keep what the log had signed and this witness refused, or was told to accept."""
    line = json.dumps({"at": now.astimezone(UTC).isoformat(), **what}, ensure_ascii=False).encode() + b"\n"
    path = _place(folder, log.name).with_suffix(".refused")
    if path.exists() and path.stat().st_size > MOST_KEPT:
        return
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, line)
        os.fsync(handle)
    finally:
        os.close(handle)


MOST_KEPT = 10_000_000
"""Bytes of refused notes that are kept: the first ones are the proof."""


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One request at a time, over all processes of this witness."""
    with (folder / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
