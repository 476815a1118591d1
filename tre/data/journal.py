"""An ingest that was cut off goes on where it was: a sealed line for every file that is done with.

    file   = "TREJRNL1" || length(4) || head || record*
    record = length(4) || nonce(12) || AES-256-GCM(key, what is known of one file, bound to the record's index)

The head says what is being brought in and holds the version's keys as the root key sealed them. A record that was cut
by a kill is the last and is dropped. Found again is a file by its path and what tells that it was not changed since.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"TREJRNL1"
NONCE = 12
LONGEST = 256 * 1024 * 1024
_SIZE = 4
Record = Mapping[str, object]


def read_head(path: Path) -> dict[str, str] | None:
    """Return what a journal says it is of, or nothing if there is none that can be read."""
    try:
        with path.open("rb") as file:
            magic, length = file.read(len(MAGIC)), int.from_bytes(file.read(4))
            said = json.loads(file.read(min(length, LONGEST)))
    except (OSError, ValueError):
        return None
    return said if magic == MAGIC and isinstance(said, dict) else None


@dataclass
class Journal:
    """What is done, in the order it was done in."""

    path: Path
    _file: BinaryIO = field(repr=False)
    _key: bytes = field(repr=False)
    _done: "np.ndarray[tuple[int], np.dtype[np.uint64]]" = field(repr=False)
    """Per record that was there: digest of its path, where it begins, its index; sorted."""
    count: int = 0

    @classmethod
    def begin(cls, path: Path, head: Mapping[str, str], key: bytes) -> Self:
        """Begin an empty journal."""
        said = json.dumps(dict(head)).encode()
        with path.open("wb") as file:
            file.write(MAGIC + len(said).to_bytes(4) + said)
        journal = cls(path, path.open("r+b"), key, np.zeros((0, 3), np.uint64))
        journal._at_end()
        return journal

    @classmethod
    def go_on(cls, path: Path, key: bytes) -> Self:
        """Open one that is there; what was cut off behind its last whole record is dropped."""
        file = path.open("r+b")
        journal = cls(path, file, key, np.zeros((0, 3), np.uint64))
        places = list[tuple[int, int, int]]()
        end = _begin(file)
        for at, record in journal._records(end):
            places.append((_digest(str(record["path"])), at, journal.count))
            journal.count, end = journal.count + 1, file.tell()
        file.truncate(end)
        rows = np.array(places, np.uint64).reshape(-1, 3)
        journal._done = rows[np.argsort(rows[:, 0], kind="stable")]
        journal._at_end()
        return journal

    def find(self, path: str, seen: tuple[int, ...]) -> Record | None:
        """Return what is known of a file that was not changed since."""
        digest = np.uint64(_digest(path))
        at = int(np.searchsorted(self._done[:, 0], digest))
        found = None
        while at < len(self._done) and self._done[at, 0] == digest:
            self._file.seek(int(self._done[at, 1]))
            record = self._record(int(self._done[at, 2]))
            if record is not None and record["path"] == path and record["seen"] == list(seen):
                found = record
            at += 1
        self._at_end()
        return found

    def add(self, record: Record) -> None:
        """Write down that a file is done with."""
        plain = json.dumps(record, separators=(",", ":")).encode()
        nonce = os.urandom(NONCE)
        sealed = nonce + AESGCM(self._key).encrypt(nonce, plain, _bound(self.count))
        self._file.write(len(sealed).to_bytes(4) + sealed)
        self._file.flush()
        self.count += 1

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _records(self, begin: int) -> Iterator[tuple[int, Record]]:
        self._file.seek(begin)
        while True:
            at = self._file.tell()
            record = self._record(self.count)
            if record is None:
                return
            yield at, record

    def _record(self, index: int) -> Record | None:
        length = self._file.read(4)
        size = int.from_bytes(length)
        sealed = self._file.read(size) if len(length) == _SIZE and size <= LONGEST else b""
        if not sealed or len(sealed) < size:
            return None
        try:
            record: Record = json.loads(AESGCM(self._key).decrypt(sealed[:NONCE], sealed[NONCE:], _bound(index)))
        except (InvalidTag, ValueError):
            return None
        return record

    def _at_end(self) -> None:
        self._file.seek(0, os.SEEK_END)


def _bound(index: int) -> bytes:
    return MAGIC + index.to_bytes(8)


def _begin(file: BinaryIO) -> int:
    """Return where the records begin."""
    file.seek(len(MAGIC))
    return len(MAGIC) + 4 + int.from_bytes(file.read(4))


def _digest(path: str) -> int:
    return int.from_bytes(blake2b(os.fsencode(path), digest_size=8).digest())
