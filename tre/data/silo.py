"""The silo holds what identifies people, and never in clear on a disk.

A stored file is a chain of sealed chunks (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizar, 2015):

    file  = "TRESILO1" || prefix(7) || chunk*
    chunk = AES-256-GCM(data key, nonce = prefix || index(4) || last(1), 1 MiB of plain, bound to the file's place)

A chunk that is edited, moved, taken from another file or missing at the end does not open. The data key is new for
every version of a dataset and is kept only as sealed by the root key. Reading opens single chunks in memory, so that
DuckDB and pyarrow read a stored Parquet file as if it lay there.
"""

import hmac
import io
import os
import resource
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tre.data import crypt4gh
from tre.errors import Tampered
from tre.records.keys import Keys
from tre.settings import Settings

MAGIC = b"TRESILO1"
PREFIX = 7
HEAD = len(MAGIC) + PREFIX
CHUNK = 1024 * 1024
TAG = 16
PURPOSE = "silo"
CONTAINERS = "silo/crypt4gh"


def new_key(settings: Settings, dataset: str, version: int) -> tuple[bytes, bytes]:
    """Make a data key for one version; return it in clear for use now, and sealed for the manifest."""
    _leave_no_core()
    key = AESGCM.generate_key(256)
    return key, Keys.load(settings).seal(PURPOSE, key, bound_to=_version(dataset, version))


def open_key(settings: Settings, dataset: str, version: int, sealed: bytes) -> bytes:
    """Open the data key of one version."""
    _leave_no_core()
    return Keys.load(settings).unseal(PURPOSE, sealed, bound_to=_version(dataset, version))


def _leave_no_core() -> None:
    """If this process breaks down, its memory, which holds keys and people from now on, is written nowhere."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def file_key(key: bytes, place: bytes) -> bytes:
    """Derive the key of one file from a version's: millions of files, and no nonce is met twice under one key."""
    return hmac.digest(key, b"file|" + place, "sha256")


def new_private(settings: Settings, dataset: str, version: int) -> tuple[bytes, bytes]:
    """Make the X25519 key that opens a version's containers; return it for use now, and sealed for the manifest."""
    private = crypt4gh.new_private()
    return private, Keys.load(settings).seal(CONTAINERS, private, bound_to=_version(dataset, version))


def open_private(settings: Settings, dataset: str, version: int, sealed: bytes) -> bytes:
    """Open the X25519 key of one version."""
    return Keys.load(settings).unseal(CONTAINERS, sealed, bound_to=_version(dataset, version))


def folder_of(settings: Settings, dataset: str) -> Path:
    """Folder of a dataset's versions, 0700."""
    return settings.silo / dataset


def path_of(settings: Settings, dataset: str, version: int, name: str) -> Path:
    """Where one table of one version lies."""
    return folder_of(settings, dataset) / str(version) / f"{name}.sealed"


def place_of(dataset: str, version: int, name: str) -> bytes:
    """Name what each chunk of a file is bound to."""
    return f"{_version(dataset, version)}/{name}".encode()


class SealedWriter(io.RawIOBase):
    """Takes bytes in any portions and writes sealed chunks; `finish` seals the last."""

    def __init__(self, path: Path, key: bytes, place: bytes) -> None:
        """Begin a new file, 0600."""
        super().__init__()
        self._file: BinaryIO = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)
        self._cipher, self._place = AESGCM(key), place
        self._prefix = os.urandom(PREFIX)
        self._held = bytearray()
        self._index = 0
        self.clear_bytes = 0
        self.stored_bytes = 0
        self._hash = sha256()
        self._put(MAGIC + self._prefix)

    @property
    def stored_sha256(self) -> str:
        """SHA-256 (hex) of what is on the disk."""
        return self._hash.hexdigest()

    def writable(self) -> bool:
        """Say yes: pyarrow asks."""
        return True

    def tell(self) -> int:
        """Position in the clear bytes."""
        return self.clear_bytes

    def write(self, data: bytes) -> int:  # type: ignore[override]  # any buffer, as the parent in fact takes
        """Take bytes; seal each full chunk that is surely not the last."""
        self._held += data
        self.clear_bytes += len(data)
        while len(self._held) > CHUNK:
            self._seal(bytes(self._held[:CHUNK]), last=False)
            del self._held[:CHUNK]
        return len(data)

    def finish(self, *, sync: bool = True) -> None:
        """Seal what is left as the last chunk, and see it onto the disk, unless somebody will for many at once."""
        self._seal(bytes(self._held), last=True)
        self._held.clear()
        if sync:
            os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        """Let go of the file; without `finish` it is no file of the silo."""
        self._file.close()
        super().close()

    def _seal(self, plain: bytes, *, last: bool) -> None:
        self._put(self._cipher.encrypt(_nonce(self._prefix, self._index, last=last), plain, self._place))
        self._index += 1

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._hash.update(data)
        self.stored_bytes += len(data)


class SealedReader(io.RawIOBase):
    """Reads a sealed file as if it were clear: any place, one chunk in memory at a time."""

    def __init__(self, path: Path, key: bytes, place: bytes) -> None:
        """Open and look at the head and the last chunk, so that a cut file is found at once."""
        super().__init__()
        self._what = "/".join(path.parts[-3:])
        self._at: int = 0
        self._size: int = 0
        self._last: int = 0
        self._open_index, self._open = -1, b""
        self._cipher, self._place = AESGCM(key), place
        self._file = _open(path, self._what)
        try:
            self._begin(os.fstat(self._file.fileno()).st_size)
        except Tampered:
            self._file.close()
            raise

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Position in the clear bytes."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place in the clear bytes."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # any buffer, as the parent in fact takes
        """Fill a buffer as far as one chunk goes."""
        index, within = divmod(self._at, CHUNK)
        if self._at >= self._size:
            return 0
        piece = self._chunk(index)[within : within + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def read(self, size: int = -1, /) -> bytes:
        """Read as many bytes as asked for, unless the file ends."""
        left = max(0, self._size - self._at) if size is None or size < 0 else size
        parts = []
        while left:
            index, within = divmod(self._at, CHUNK)
            piece = self._chunk(index)[within : within + left] if self._at < self._size else b""
            if not piece:
                break
            parts.append(piece)
            self._at += len(piece)
            left -= len(piece)
        return b"".join(parts)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        super().close()

    def _begin(self, stored: int) -> None:
        body = stored - HEAD
        self._last, rest = divmod(body - 1, CHUNK + TAG)
        head = self._file.read(HEAD)
        if body < TAG or rest + 1 < TAG or head[: len(MAGIC)] != MAGIC:
            raise Tampered(f"{self._what} in the silo is cut or is no sealed file: ingest the dataset again")
        self._prefix = head[len(MAGIC) :]
        self._size = body - TAG * (self._last + 1)
        self._chunk(self._last)

    def _chunk(self, index: int) -> bytes:
        if index != self._open_index:
            self._file.seek(HEAD + index * (CHUNK + TAG))
            sealed = self._file.read(CHUNK + TAG)
            nonce = _nonce(self._prefix, index, last=index == self._last)
            try:
                self._open = self._cipher.decrypt(nonce, sealed, self._place)
            except InvalidTag:
                raise Tampered(f"{self._what} in the silo: chunk {index} is not what was stored") from None
            self._open_index = index
        return self._open


def _open(path: Path, what: str) -> BinaryIO:
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        raise Tampered(f"{what} is missing from the silo: restore it from its backup") from None


def _nonce(prefix: bytes, index: int, *, last: bool) -> bytes:
    return prefix + index.to_bytes(4) + bytes([last])


def _version(dataset: str, version: int) -> str:
    return f"dataset/{dataset}/{version}"
