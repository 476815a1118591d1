"""A linkage says whose each id of each source system is; it is loaded as a whole, and the newest loading holds.

    load(records, settings, "hospital", path, actor=..., now=...) -> 3
    newest(session, settings, "hospital") -> Links

It lies in the silo, sealed under a key of its own. A dataset without one has a table that lists its persons (`people`).
A row whose id is in neither is nobody's: it is refused or held, not hashed blindly, for it might be another person's.
"""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import file_digest
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tre.data import keeping, linkage_file, links, silo, withdrawals
from tre.data.deid.pseudonyms import PatientId
from tre.data.linkage_file import Brought
from tre.data.links import Links
from tre.errors import NotFound, Tampered
from tre.records import audit
from tre.records.db import Records
from tre.records.tables import LinkageRow
from tre.settings import NAME, Settings, checked_name

HOUSE = ".linkage"
"""Folder of the silo; no dataset's name begins with a dot."""
FILES = ("ids", "merged")
ROW_GROUP = 131_072


def load(records: Records, settings: Settings, name: str, path: Path, *, actor: str, now: datetime) -> int:
    """Load a file as the next version of a linkage; return its number."""
    checked_name(name, "linkage")
    brought = linkage_file.read(path)
    folder = silo.folder_of(settings, _where(name))
    with keeping.alone(folder, f"linkage {name}"), keeping.aside(folder) as made:
        with records.read() as session:
            number = _newest_number(session, name) + 1
            fresh = Links(name, number, brought.ids, brought.merged)
            everybody = fresh.subjects.to_pylist()
            back = withdrawals.carried(session, settings, name, _merges(fresh), _whose(fresh), subjects=everybody)
        key, sealed = silo.new_key(settings, _where(name), number)
        kept = _Kept(name, number, key)
        stored = {what: kept.seal(made, what, getattr(brought, what)) for what in FILES}
        manifest: dict[str, object] = {
            "key": base64.b64encode(sealed).decode(), "stored": stored, "sha256": brought.sha256,
        }  # fmt: skip
        with records.act(actor, "linkage.load", f"linkage/{name}") as session:
            _record(session, fresh, brought, manifest, actor=actor, now=now)
            withdrawals.carry_over(session, settings, name, back, partial(_known_as, fresh), now=now)
            keeping.settle(made, folder / str(number))
    return number


def newest(session: Session, settings: Settings, name: str) -> Links:
    """Open the loading that holds."""
    return version(session, settings, name, _newest_number(session, name))


def version(session: Session, settings: Settings, name: str, number: int) -> Links:
    """Open one loading."""
    row = session.get(LinkageRow, (name, number)) if NAME.fullmatch(name) else None
    if row is None:
        raise NotFound(f"there is no linkage {name[:40]!r}: `tre linkage load NAME FILE`")
    what = f"linkage {name}, version {number}"
    try:
        said = json.loads(row.manifest)
        sealed, stored = base64.b64decode(said["key"]), {one: said["stored"][one]["sha256"] for one in FILES}
    except (KeyError, TypeError, ValueError):
        raise Tampered(f"the manifest of {what} is not one: restore the records from their backup") from None
    kept = _Kept(name, number, silo.open_key(settings, _where(name), number, sealed))
    ids, merged = (kept.open(settings, one, stored[one]) for one in FILES)
    return Links(name, number, ids, merged)


def withdraw(
    records: Records, settings: Settings, name: str, id_: withdrawals.Id, *, dataset: str = "", reason: str, actor: str,
    now: datetime,
) -> None:  # fmt: skip
    """Leave the person behind an id out of every further extract, or out of those of one dataset."""
    with keeping.alone(silo.folder_of(settings, _where(name)), f"linkage {name}"):
        with records.read() as session:
            person = _person(newest(session, settings, name), *id_)
        with records.act(actor, "linkage.withdraw", f"linkage/{name}") as session:
            withdrawals.withdraw(session, settings, person, dataset=dataset, reason=reason, actor=actor, now=now)


def listed(session: Session) -> tuple[LinkageRow, ...]:
    """Return every loading there was, by name and number."""
    return tuple(session.scalars(select(LinkageRow).order_by(LinkageRow.name, LinkageRow.number)))


def _person(found: Links, system: str, kind: str, value: str) -> withdrawals.Person:
    subject = found.subject(system, kind, value)
    if subject is None:
        raise NotFound(f"linkage {found.name} does not know this id of {system[:40]}/{kind[:40]}: look at it again")
    return _known_as(found, subject)


def _known_as(found: Links, subject: PatientId) -> withdrawals.Person:
    return withdrawals.Person(found.name, subject, found.before(subject), found.of_subject(subject))


def _where(name: str) -> str:
    return f"{HOUSE}/{name}"


def _newest_number(session: Session, name: str) -> int:
    return session.scalar(select(func.max(LinkageRow.number)).where(LinkageRow.name == name)) or 0


def _record(
    session: Session, fresh: Links, brought: Brought, manifest: dict[str, object], *, actor: str, now: datetime
) -> None:
    """Write the loading down, in numbers only."""
    counts = {f"{system}/{kind}": count for (system, kind), count in sorted(links.kinds(fresh.ids).items())}
    row = LinkageRow(
        name=fresh.name,
        number=fresh.number,
        manifest=json.dumps(manifest | {"ids": counts, "bytes": brought.bytes, "format": brought.format}),
        ids=len(fresh.ids),
        subjects=len(fresh.subjects),
        merged=len(fresh.merged),
        loaded_at=now,
    )
    session.add(row)
    audit.append(
        session,
        "linkage.load",
        actor=actor,
        subject=f"linkage/{fresh.name}",
        at=now,
        version=fresh.number,
        sha256=brought.sha256,
        subjects=row.subjects,
        merged=row.merged,
        ids=counts,
    )


# --- in the silo -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Kept:
    """One loading in the silo."""

    name: str
    number: int
    key: bytes = field(repr=False)

    def seal(self, made: Path, what: str, table: pa.Table) -> dict[str, object]:
        """Write one table sealed; return what it must still be when it is read."""
        sink = silo.SealedWriter(made / f"{what}.sealed", self.key, self._place(what))
        try:
            pyarrow.parquet.write_table(table, pa.PythonFile(sink, "w"), compression="zstd", row_group_size=ROW_GROUP)
            sink.finish()
        finally:
            sink.close()
        return {"bytes": sink.stored_bytes, "sha256": sink.stored_sha256}

    def open(self, settings: Settings, what: str, sha256: str) -> pa.Table:
        """Read one table, which is still what was stored."""
        path = silo.path_of(settings, _where(self.name), self.number, what)
        with silo.SealedReader(path, self.key, self._place(what)) as sealed:
            with path.open("rb") as file:
                if file_digest(file, "sha256").hexdigest() != sha256:
                    raise Tampered(f"linkage {self.name}, version {self.number} in the silo is not what was stored")
            return pyarrow.parquet.read_table(pa.PythonFile(sealed, "r"), use_threads=False)

    def _place(self, what: str) -> bytes:
        return silo.place_of(_where(self.name), self.number, what)


def _merges(fresh: Links) -> Iterable[tuple[PatientId, PatientId]]:
    for row in fresh.merged.to_pylist():
        yield PatientId(f"{fresh.name}:{row['old']}"), PatientId(f"{fresh.name}:{row['subject']}")


def _whose(fresh: Links) -> Iterable[tuple[withdrawals.Id, PatientId]]:
    for batch in fresh.arrow().to_batches(max_chunksize=ROW_GROUP):
        for row in batch.to_pylist():
            yield (row["system"], row["type"], row["value"]), row["subject"]
