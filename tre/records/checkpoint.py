"""A signed statement of how long the log is and what its root is: whoever keeps one can prove later what it covered.

The text is a C2SP tlog-checkpoint (origin, size, root) in a signed note. The same key signs other statements of the
house, each under the name of its context, so that none can pass for another.
"""

from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.errors import Tampered, Unreadable
from tre.records import audit, keys, merkle, note
from tre.records.tables import CheckpointRow, EntryRow
from tre.settings import Settings

CERTIFICATE = "certificate"
"""Context of what the airlock signs for each release."""


def sign(session: Session, settings: Settings, now: datetime, *, actor: str = "sentinel") -> str | None:
    """Sign the log as it is, and keep the note beside it; None if nothing was added since the last checkpoint.

    That it was signed is the newest entry under the signature. What does not grow from the last checkpoint, entry by
    entry, to the head is not signed.
    """
    last = session.scalars(select(CheckpointRow).order_by(CheckpointRow.size.desc()).limit(1)).first()
    if audit.lock(session).size == (last.size if last else 0):
        return None
    seq = audit.append(session, "audit.checkpoint", actor=actor, subject="audit/log", at=now)
    name, key = keys.signer(settings)
    frontier = _grown(session, last, note.Verifier(name, key.public_key()))
    if merkle.pack(frontier) != audit.lock(session).frontier:
        raise Tampered("the entries since the last checkpoint do not give the log's head: run `tre audit verify`")
    signed = note.sign(note.statement(note.Checkpoint(name, seq + 1, merkle.root(frontier))), name, key)
    session.add(CheckpointRow(size=seq + 1, note=signed, frontier=merkle.pack(frontier), at=now))
    session.flush()
    return signed


def _grown(session: Session, last: CheckpointRow | None, by: note.Verifier) -> merkle.Frontier:
    """Right edge of the tree: the one under the last signature, grown by each entry since."""
    size = last.size if last else 0
    frontier = _signed_frontier(last, by) if last else ()
    asked = select(EntryRow.seq, EntryRow.body).where(EntryRow.seq >= size).order_by(EntryRow.seq)
    with session.execute(asked.execution_options(yield_per=1000)) as entries:
        for seq, body in entries:
            if seq != size:
                raise Tampered(f"entry {size} of the log is missing: run `tre audit verify`")
            frontier = merkle.grow(frontier, size, merkle.leaf_hash(body))
            size += 1
    return frontier


def _signed_frontier(row: CheckpointRow, by: note.Verifier) -> merkle.Frontier:
    frontier = merkle.unpack(row.frontier)
    try:
        stated = note.checkpoint(row.note, by)
    except note.BadNote as error:
        raise Tampered(f"checkpoint {row.size}: {error}; run `tre audit verify`") from None
    if (stated.size, stated.root) != (row.size, merkle.root(frontier)) or len(frontier) != row.size.bit_count():
        raise Tampered(f"checkpoint {row.size} does not say what was signed: run `tre audit verify`")
    return frontier


# --- other statements of the house, and the keys to check them --------------------------------------------------------
def sign_bytes(settings: Settings, payload: bytes, context: str = CERTIFICATE) -> bytes:
    """Sign other bytes; they verify only under the same context."""
    _, key = keys.signer(settings)
    return key.sign(_in_context(payload, context))


def verify_bytes(public_key: str, payload: bytes, signature: bytes, context: str = CERTIFICATE) -> None:
    """Raise Tampered unless the house of this public key (PEM) signed `payload` in `context`."""
    try:
        key = load_pem_public_key(public_key.encode())
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise Unreadable("not an Ed25519 public key in PEM: take the one that `tre audit key` prints")
    try:
        key.verify(signature, _in_context(payload, context))
    except InvalidSignature:
        raise Tampered(f"the signature does not match this {context}") from None


def public_key(settings: Settings) -> str:
    """Give the public key as PEM: what an outsider needs to check certificates."""
    _, key = keys.signer(settings)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def note_key(settings: Settings) -> str:
    """Give the public key as one line `name+hash+base64`: what an outsider needs to check checkpoints."""
    name, key = keys.signer(settings)
    return str(note.Verifier(name, key.public_key()))


def _in_context(payload: bytes, context: str) -> bytes:
    """Begin as no note begins: a note is text, and has no zero byte."""
    return b"\x00tre/v1/" + context.encode() + b"\x00" + payload
