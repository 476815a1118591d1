"""One file at the front door: what is it, is it whole, whose is it? It is sealed, held, or sent away with a reason.

What was looked at is what is stored. A small file is read once into memory that nobody can change any more; a large
one is hashed before the look and again as it is stored, and what tells that it changed is compared before and after.
"""

import fcntl
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from tre.data import answers, crypt4gh, handles, index, silo
from tre.data.confined import DATA, SAID, TICK, Child
from tre.data.deid.plan import Plan, Table
from tre.data.deid.stored import Kind
from tre.data.deid.who import Absent
from tre.data.index import Row, State
from tre.data.journal import Journal
from tre.data.links import Links
from tre.data.looks import LOOKS
from tre.data.manifest import Count
from tre.data.walk import Found, Seen
from tre.errors import Unreadable

SMALL = 64 * 1024 * 1024
"""Bytes of a file that is held in memory while it is looked at."""
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_WHAT = {
    Kind.FHIR: "FHIR resources",
    Kind.DICOM: "a DICOM image",
    Kind.VCF: "a VCF",
    Kind.BCF: "a BCF",
    Kind.BAM: "a BAM",
    Kind.CRAM: "a CRAM",
}


@dataclass
class Persons:
    """Who was met, by kind."""

    everybody: dict[str, str] = field(default_factory=dict)
    of_kind: dict[str, set[str]] = field(default_factory=dict)
    counted: int = 0
    """Persons of a dataset with a table of its own, as the process that reads the tables counts them."""

    def meet(self, kind: str, subject: str) -> None:
        """Meet one."""
        self.of_kind.setdefault(kind, set()).add(self.everybody.setdefault(subject, subject))

    @property
    def count(self) -> int:
        """How many there are in all."""
        return len(self.everybody) or self.counted


@dataclass
class Door:
    """What one ingest brings in, and under what."""

    dataset: str
    number: int
    plan: Plan
    key: bytes
    public: bytes
    made: Path
    links: Links | None
    child: Child
    journal: Journal
    ticks: Callable[[int], None]
    rebooted: bool = False
    """The machine was started anew since the journal was begun: what it says is stored is read again."""
    persons: Persons = field(default_factory=Persons)
    tables: dict[str, str] = field(default_factory=dict)
    """Table -> the file it came in."""
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    serials: bytearray = field(default_factory=bytearray)
    """Which stored files are of this version: one byte a record of the journal."""

    @property
    def strict(self) -> bool:
        """A dataset with a table of its own comes in as a whole or not at all."""
        return not self.plan.linkage_name

    def bring(self, found: Found) -> Row:
        """Bring one file in; a dataset that is strict is refused with its first bad file."""
        row = self._known(found) or self._new(found)
        if row.state is State.REFUSED and self.strict:
            raise Unreadable(row.reason if row.reason.startswith(found.name) else f"{found.name}: {row.reason}")
        self._count(row)
        return row

    # --- what is done already -----------------------------------------------------------------------------------------
    def _known(self, found: Found) -> Row | None:
        """Return a file that an earlier run is done with, if it is still that file and still stored."""
        if found.seen is None:
            return None
        record = self.journal.find(found.path, _seen(found.seen))
        if record is None:
            return None
        row = Row.from_json(dict(record["row"]))  # type: ignore[call-overload]  # our own, sealed
        if row.state is not State.REFUSED and not self._is_stored(row):
            return None
        if row.is_table and row.state is not State.REFUSED:
            self.tables[row.stored] = found.path
        for subject in record["persons"]:  # type: ignore[attr-defined]  # the same
            self.persons.meet(row.kind, str(subject))
        self._use(int(str(record["serial"])))
        self.ticks(found.seen.size)
        return row

    def _is_stored(self, row: Row) -> bool:
        path = self._path(row)
        if not path.exists() or path.stat().st_size != row.stored_bytes:
            return False
        return not self.rebooted or handles.file_hash(path) == row.stored_sha256

    def _path(self, row: Row) -> Path:
        return index.path_of(self.made, row.stored, Kind(row.kind))

    def _use(self, serial: int) -> None:
        self.serials.extend(bytes(max(0, serial + 1 - len(self.serials))))
        self.serials[serial] = 1

    # --- what is new --------------------------------------------------------------------------------------------------
    def _new(self, found: Found) -> Row:
        """Take a file in, or say why not; write down that it is done."""
        if found.seen is None:
            return Row(found.path, State.REFUSED, reason=found.refused)
        arrival = _Arrival(self, found, found.seen, self.journal.count)
        row = arrival.taken()
        record = {
            "path": found.path,
            "seen": list(_seen(found.seen)),
            "row": row.to_json(),
            "persons": sorted(arrival.met),
            "serial": arrival.serial,
        }
        self._use(arrival.serial)
        self.journal.add(record)
        self.ticks(found.seen.size - arrival.told)
        return row

    def _count(self, row: Row) -> None:
        counted = self.counts.setdefault(row.kind or "unknown", Counter())
        if row.state is State.REFUSED:
            counted["refused"] += 1
            return
        counted["files"] += 1
        counted["records"] += row.records
        counted["held_records"] += row.held_records
        counted["held"] += row.state is State.HELD or bool(row.held_records)

    def counted(self) -> Mapping[str, Count]:
        """Return what came, by kind. The tables of a strict dataset are of the same persons."""
        met = {kind: len(persons) for kind, persons in self.persons.of_kind.items()}
        if self.strict:
            met = dict.fromkeys(index.TABLES, self.persons.counted)
        return {kind: Count(**counted, persons=met.get(kind, 0)) for kind, counted in sorted(self.counts.items())}


@dataclass
class _Arrival:
    """One file on its way in."""

    door: Door
    found: Found
    seen: Seen
    serial: int
    told: int = 0
    kind: str = ""
    met: set[str] = field(default_factory=set)
    stored: Path | None = None

    def taken(self) -> Row:
        """Look at it and seal it; whatever was stored of one that is refused is removed."""
        try:
            with self.found.opened() as handle:
                row = self._row(handle)
                self._same(handle)
        except Unreadable as error:
            self._remove()
            self.met.clear()
            return Row(self.found.path, State.REFUSED, self.kind, reason=str(error), bytes=self.seen.size)
        except BaseException:
            self._remove()
            raise
        for subject in self.met:
            self.door.persons.meet(row.kind, subject)
        return row

    def _same(self, handle: int) -> None:
        if Seen.of(os.fstat(handle)) != self.seen:
            raise Unreadable(handles.CHANGED)

    def _row(self, handle: int) -> Row:
        what = handles.sniffed(handle)
        self.kind = str(what.kind)
        if what.kind in index.TABLES:
            table = self._table()
            with self._still(handle) as (still, digest):
                row = self._store_table(still, digest, table)
            self.door.tables[table.name] = self.found.path
            return row
        self._vouched(what.kind)
        with self._still(handle) as (still, digest):
            said = self._look(still, what.kind)
            return self._store(still, digest, self._judged(said, what.kind))

    # --- may it come in at all? ---------------------------------------------------------------------------------------
    def _table(self) -> Table:
        """Return the table of the plan that the file is."""
        name = handles.stem(self.found.name)
        table = self.door.plan.table(name)
        if table is None:
            known = ", ".join(one.name for one in self.door.plan.tables) or "none"
            raise Unreadable(f"a table or a text, and the plan has no table of this file's name; it has {known}")
        if name in self.door.tables:
            raise Unreadable(f"a second file for the table {name}")
        return table

    def _vouched(self, kind: Kind) -> None:
        section, _ = LOOKS[kind]
        if getattr(self.door.plan, section) is None:
            raise Unreadable(f"{_WHAT[kind]}, and the plan says nothing of such; add a section `{section}` to it")

    # --- the same bytes from the look to the silo ---------------------------------------------------------------------
    @contextmanager
    def _still(self, handle: int) -> Iterator[tuple[int, str]]:
        """Give bytes that do not change while they are looked at, and their hash."""
        if self.seen.size > SMALL:
            yield handle, handles.hashed(handle, self.seen.size)
            return
        held = os.memfd_create("arrival", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            digest = sha256()
            for piece in handles.pieces(handle, self.seen.size):
                digest.update(piece)
                handles.write(held, piece)
            fcntl.fcntl(held, fcntl.F_ADD_SEALS, _SEALS)
            yield held, digest.hexdigest()
        finally:
            os.close(held)

    def _tell(self, done: int) -> None:
        """Report bytes, never more than there are."""
        more = min(done, self.seen.size - self.told)
        self.told += more
        self.door.ticks(more)

    # --- looking ------------------------------------------------------------------------------------------------------
    def _look(self, handle: int, kind: Kind) -> Mapping[str, object]:
        """Let the confined process look; return what it said."""
        said: Mapping[str, object] = {}
        job = {"do": "look", "kind": str(kind)}
        with closing(self.door.child.ask(job, handle, size=self.seen.size)) as frames:
            for what, payload in frames:
                if what == SAID:
                    said = answers.read(payload)
        if not {"ids", "records", "facts", "held", "held_count"} <= set(said):
            raise Unreadable("damaged: the process that looked at it said nothing of use")
        return said

    def _judged(self, said: Mapping[str, object], kind: Kind) -> Row:
        """Ask the linkage whose it is; hold what is nobody's."""
        held = {str(place): str(why) for place, why in answers.items(said["held"])}
        records, unclear = answers.whole(said["records"]), answers.whole(said["held_count"])
        ids = answers.ids(said["ids"])
        unknown = self._unknown(ids)
        row = Row(self.found.path, State.TAKEN, str(kind), records=records, held_records=unclear,
                  facts=json.dumps({str(name): str(fact) for name, fact in answers.items(said["facts"])}),
                  held=json.dumps(held))  # fmt: skip
        if ids and unknown == len(ids):
            return replace(row, state=State.HELD, reason=str(Absent.UNKNOWN), held_records=max(records, 1))
        if unknown:
            reason = f"{unknown} of its {len(ids)} ids are not in the linkage"
            return replace(row, reason=reason, held_records=max(unclear, unknown))
        if unclear:
            reason = next(iter(held.values()), "a part of it is held")
            whole = unclear >= records
            return replace(row, state=State.HELD if whole else State.TAKEN,
                           reason=reason if whole else f"{reason} ({unclear} of {records})")  # fmt: skip
        return row

    def _unknown(self, ids: list[tuple[str, str, str]]) -> int:
        """Count the ids that are nobody's; meet the persons behind the others."""
        links = self.door.links
        if links is None:
            return len(ids)
        unknown = 0
        for system, kind, value in ids:
            subject = links.subject(system, kind, value)
            unknown += subject is None
            if subject is not None:
                self.met.add(subject)
        return unknown

    # --- sealing ------------------------------------------------------------------------------------------------------
    def _store(self, handle: int, digest: str, row: Row) -> Row:
        """Seal the bytes as they are; they are those that were looked at."""
        name = f"files/{self.serial // 1000:05d}/{self.serial % 1000:03d}"
        path = self._place(name, Kind(row.kind))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if Kind(row.kind) in index.SEALED_AS_CONTAINER:
            sealed, copied = self._contained(path, handle)
        else:
            sealed, copied = self._enveloped(path, name, handle)
        if copied != digest:
            raise Unreadable(handles.CHANGED)
        return replace(
            row,
            bytes=self.seen.size,
            sha256=digest,
            stored=name,
            stored_bytes=sealed.stored_bytes,
            stored_sha256=sealed.stored_sha256,
            mark=sealed.mark,
        )

    def _contained(self, path: Path, handle: int) -> tuple[crypt4gh.Written, str]:
        digest = sha256()
        with closing(crypt4gh.Writer(path, self.door.public)) as sink:
            for piece in handles.pieces(handle, self.seen.size):
                digest.update(piece)
                sink.write(piece)
                self._tell(len(piece))
            return sink.finish(), digest.hexdigest()

    def _enveloped(self, path: Path, name: str, handle: int) -> tuple[crypt4gh.Written, str]:
        place, digest = silo.place_of(self.door.dataset, self.door.number, name), sha256()
        with closing(silo.SealedWriter(path, silo.file_key(self.door.key, place), place)) as sink:
            for piece in handles.pieces(handle, self.seen.size):
                digest.update(piece)
                sink.write(piece)
                self._tell(len(piece))
            sink.finish(sync=False)
        return crypt4gh.Written(self.seen.size, sink.stored_bytes, sink.stored_sha256, ""), digest.hexdigest()

    def _store_table(self, handle: int, digest: str, table: Table) -> Row:
        """Let the confined process read the table; seal the Parquet it gives."""
        path = self._place(table.name, Kind.CSV)
        place = silo.place_of(self.door.dataset, self.door.number, table.name)
        name = self.found.name if self.door.strict else f"table {table.name}"
        job = {"do": "table", "table": table.name, "name": name}
        tally = _Tally(self)
        with (
            closing(silo.SealedWriter(path, self.door.key, place)) as sink,
            closing(self.door.child.ask(job, handle, size=self.seen.size)) as frames,
        ):
            for what, payload in frames:
                if what == DATA:
                    sink.write(payload)
                elif what == TICK:
                    self._tell(answers.whole(answers.read(payload)) - self.told)
                elif what == SAID:
                    tally.hear(answers.read(payload))
            sink.finish()
        if self.seen.size > SMALL and handles.hashed(handle, self.seen.size) != digest:
            raise Unreadable(handles.CHANGED)
        return tally.row(Row(
            self.found.path, State.TAKEN, self.kind, bytes=self.seen.size, sha256=digest, stored=table.name,
            stored_bytes=sink.stored_bytes, stored_sha256=sink.stored_sha256,
        ))  # fmt: skip

    def _place(self, name: str, kind: Kind) -> Path:
        """Where it will lie; what an interrupted run left there goes."""
        self.stored = index.path_of(self.door.made, name, kind)
        self.stored.unlink(missing_ok=True)
        return self.stored

    def _remove(self) -> None:
        if self.stored is not None:
            self.stored.unlink(missing_ok=True)


@dataclass
class _Tally:
    """What the process that reads a table says of it, portion by portion."""

    arrival: _Arrival
    rows: int | None = None
    nobodys: int = 0
    """Rows whose person is not known."""

    def hear(self, said: object) -> None:
        """Take one thing it says."""
        if not isinstance(said, dict):
            raise Unreadable("damaged: the process that read it said nothing of use")
        if "rows" in said:
            self.rows = answers.whole(said["rows"])
            self.arrival.door.persons.counted = max(self.arrival.door.persons.counted, answers.whole(said["persons"]))
            return
        system, kind = map(str, said["ids"])
        for value, count in said["counts"]:
            ids = [] if value is None else [(system, kind, str(value))]
            unknown = not ids or self.arrival._unknown(ids)  # noqa: SLF001 -- one thing in two parts
            self.nobodys += answers.whole(count) if unknown and said["subject"] else 0

    def row(self, row: Row) -> Row:
        """Return what the index says."""
        if self.rows is None:
            raise Unreadable("damaged: the process that read it broke down")
        if not self.nobodys:
            return replace(row, records=self.rows)
        whole = self.nobodys >= self.rows
        reason = str(Absent.UNKNOWN) if whole else f"{self.nobodys} of its {self.rows} rows: {Absent.UNKNOWN}"
        return replace(row, records=self.rows, held_records=self.nobodys, reason=reason,
                       state=State.HELD if whole else State.TAKEN)  # fmt: skip


def _seen(seen: Seen) -> tuple[int, ...]:
    return seen.size, seen.mtime, seen.inode
