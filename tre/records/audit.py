"""Nothing happens without its entry, and no entry is ever changed.

`append` runs in the transaction of the change it records: both are kept, or neither. The head row is locked, so
entries of several processes stand in one order. Each entry names the hash of the one before it, so that an altered
entry is found by its number; the Merkle tree over all of them makes the proofs short.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.errors import Tampered
from tre.records import merkle
from tre.records.tables import EntryRow, HeadRow

Fact = str | int | float | bool | None | Sequence["Fact"] | Mapping[str, "Fact"]
RECORDED = "entries"
"""Where a session keeps the entries it added, for `tre.records.db`."""
SUBJECT_LENGTH = 200
"""As much of the subject as is searched by; the entry has all of it."""


def append(session: Session, act: str, *, actor: str, subject: str, at: datetime | None = None, **facts: Fact) -> int:
    """Add one entry; return its position in the log.

    `act` is `wing.verb` (`export.vote`), `actor` a person's name or a process (`worker`), `subject` what was acted on
    (`project/sunrise`). `facts` say how, in values of JSON; never a value of a patient, a key or a token.
    """
    head = lock(session)
    at = at or datetime.now(UTC)
    said = {"seq": head.size, "prev": head.last.hex(), "at": stamp(at), "act": act, "actor": actor, "subject": subject}
    body = canonical({**said, "facts": dict(facts)})
    entry = EntryRow(seq=head.size, body=body, act=act, actor=actor, subject=subject[:SUBJECT_LENGTH], at=at)
    session.add(entry)
    head.last = merkle.leaf_hash(body)
    head.frontier = merkle.pack(merkle.grow(merkle.unpack(head.frontier), head.size, head.last))
    head.size += 1
    session.flush()
    session.info.setdefault(RECORDED, []).append(entry)
    return entry.seq


def lock(session: Session) -> HeadRow:
    """Hold the right edge of the log until the transaction ends."""
    asked = select(HeadRow).where(HeadRow.id == 1).with_for_update().execution_options(populate_existing=True)
    head = session.scalars(asked).one_or_none()
    if head is None:
        raise Tampered("the audit log has no head: restore the records from their backup")
    return head


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces, UTF-8 (RFC 8785 for the values we use: no floats beyond repr)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(value: object) -> str:
    """SHA-256 (hex) of the canonical JSON of a value: what manifests and certificates name."""
    return sha256(canonical(value)).hexdigest()


def stamp(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
