"""Every file of a version is listed in its index, sealed: where it came from, what it is, where it lies, what is held.

The records of the house know only how many there are, and the hash of the index. `stored` gives the files back for an
extract, each to be opened at any place and decrypted in memory.
"""

import io
import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from hashlib import file_digest
from pathlib import Path
from typing import BinaryIO, Self

import pyarrow as pa
import pyarrow.parquet

from tre.data import crypt4gh, silo
from tre.data.deid.stored import Kind, Stored
from tre.data.manifest import Manifest
from tre.errors import Tampered
from tre.settings import Settings

NAME = "index"
PORTION = 4096
TABLES = frozenset({Kind.CSV, Kind.TSV, Kind.PARQUET})
FILES = frozenset(Kind) - TABLES
SEALED_AS_CONTAINER = frozenset({Kind.DICOM, Kind.VCF, Kind.BCF, Kind.BAM, Kind.CRAM})


class State(StrEnum):
    """What became of a file at the front door."""

    TAKEN = "taken"
    HELD = "held"
    """In the silo, but in no extract until its reason is gone."""
    REFUSED = "refused"


@dataclass(frozen=True)
class Row:
    """One file that was brought."""

    path: str
    state: State
    kind: str = ""
    """Empty where it is of no kind that is known."""
    reason: str = ""
    """Why it is refused or held, or how much of it is held; one line."""
    bytes: int = 0
    sha256: str = ""
    stored: str = ""
    """Name in the version's folder, without suffix; of a table, its name."""
    stored_bytes: int = 0
    stored_sha256: str = ""
    mark: str = ""
    """Of a crypt4gh container: the random part of its nonces."""
    records: int = 0
    held_records: int = 0
    """Of them, those that are left out of every extract for now."""
    facts: str = "{}"
    held: str = "{}"
    """JSON: place in the file -> why what stands there is left out."""
    number: int = -1

    @property
    def is_table(self) -> bool:
        """Whether it is a table of the plan."""
        return self.kind in TABLES

    @property
    def picture_held(self) -> bool:
        """Whether it is an image that a person may clear."""
        return self.kind == Kind.DICOM and self.state is not State.REFUSED and self.held != "{}"

    def to_json(self) -> dict[str, object]:
        """Write it for the journal."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, object]) -> Self:
        """Read it from the journal or the index."""
        return cls(**{**said, "state": State(str(said["state"]))})  # type: ignore[arg-type]  # our own, sealed


_SCHEMA = pa.schema(
    [(one.name, pa.int64() if one.type is int else pa.binary() if one.name == "path" else pa.string())
     for one in fields(Row)]
)  # fmt: skip


class Writer:
    """Seals the index row by row."""

    def __init__(self, folder: Path, dataset: str, version: int, key: bytes) -> None:
        """Begin an index."""
        path = folder / f"{NAME}.sealed"
        path.unlink(missing_ok=True)
        place = silo.place_of(dataset, version, NAME)
        self._sink = silo.SealedWriter(path, silo.file_key(key, place), place)
        self._parquet = pyarrow.parquet.ParquetWriter(pa.PythonFile(self._sink, "w"), _SCHEMA, compression="zstd")
        self._rows: list[dict[str, object]] = []
        self.count = 0

    def add(self, row: Row) -> None:
        """Give the row its number and write it."""
        said = row.to_json() | {"number": self.count, "path": os.fsencode(row.path)}
        self._rows.append(said)
        self.count += 1
        if len(self._rows) >= PORTION:
            self._write()

    def finish(self) -> str:
        """Write what is left; return the SHA-256 (hex) of the sealed index."""
        self._write()
        self._parquet.close()
        self._sink.finish()
        return self._sink.stored_sha256

    def close(self) -> None:
        """Let go; without `finish` it is none."""
        if not self._sink.closed:
            self._sink.close()

    def _write(self) -> None:
        if self._rows:
            self._parquet.write_batch(pa.RecordBatch.from_pylist(self._rows, _SCHEMA))
            self._rows.clear()


def read(settings: Settings, dataset: str, version: int, manifest: Manifest) -> Iterator[Row]:
    """Yield every file that was brought, in the order of the numbers; none for a version of older days."""
    if not manifest.index:
        return
    path = silo.path_of(settings, dataset, version, NAME)
    _same(path, manifest.index, f"the index of {dataset}, version {version}")
    place = silo.place_of(dataset, version, NAME)
    key = silo.file_key(silo.open_key(settings, dataset, version, manifest.key), place)
    with silo.SealedReader(path, key, place) as sealed:
        file = pyarrow.parquet.ParquetFile(pa.PythonFile(sealed, "r"))
        for batch in file.iter_batches(PORTION, use_threads=False):
            for said in batch.to_pylist():
                yield Row.from_json(said | {"path": os.fsdecode(said["path"])})


def stored(
    settings: Settings, dataset: str, version: int, manifest: Manifest, *, kinds: Collection[Kind] = FILES
) -> Iterator[Stored]:
    """Yield the files of some kinds that lie in the silo, those that are held for now too; the tables are not among."""
    if not manifest.index:
        return
    key = silo.open_key(settings, dataset, version, manifest.key)
    private = silo.open_private(settings, dataset, version, manifest.private)
    for row in read(settings, dataset, version, manifest):
        if row.state is State.REFUSED or row.kind not in kinds or row.is_table:
            continue
        place = silo.place_of(dataset, version, row.stored)
        form = Kind(row.kind) in SEALED_AS_CONTAINER
        opener = Opener(
            path=path_of(silo.folder_of(settings, dataset) / str(version), row.stored, Kind(row.kind)),
            place=place,
            key=private if form else silo.file_key(key, place),
            container=form,
            stored_bytes=row.stored_bytes,
            mark=row.mark,
        )
        facts = json.loads(row.facts)
        yield Stored(row.number, Kind(row.kind), row.path, row.bytes, row.sha256, opener, facts)


def path_of(folder: Path, name: str, kind: Kind) -> Path:
    """Where a file lies below a version's folder."""
    return folder / f"{name}{'.c4gh' if kind in SEALED_AS_CONTAINER else '.sealed'}"


@dataclass(frozen=True)
class Opener:
    """Opens one stored file; goes by pickle to the process that de-identifies."""

    path: Path
    place: bytes
    key: bytes
    container: bool
    stored_bytes: int
    mark: str

    def __call__(self) -> BinaryIO:
        """Open it, if it is still what was stored."""
        what = self.place.decode()
        try:
            size = self.path.stat().st_size
        except OSError:
            raise Tampered(f"{what} is missing from the silo: restore it from its backup") from None
        if size != self.stored_bytes:
            raise Tampered(f"{what} in the silo has {size} bytes, not {self.stored_bytes}: restore it from its backup")
        return io.BufferedReader(self._raw(what), 256 * 1024)

    def _raw(self, what: str) -> io.RawIOBase:
        if not self.container:
            return silo.SealedReader(self.path, self.key, self.place)
        file = self.path.open("rb", buffering=0)
        return crypt4gh.Reader(file, self.key, what=what, stored=self.stored_bytes, mark=self.mark)

    def __repr__(self) -> str:
        """Say nothing of the key."""
        return "Opener"


def _same(path: Path, sha256: str, what: str) -> None:
    try:
        with path.open("rb") as file:
            found = file_digest(file, "sha256").hexdigest()
    except OSError:
        raise Tampered(f"{what} is missing from the silo: restore it from its backup") from None
    if found != sha256:
        raise Tampered(f"{what} in the silo is not what was stored: restore it from its backup")
