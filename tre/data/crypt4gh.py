"""Images and reads lie in the GA4GH crypt4gh container (version 1), which the field's own tools open with the key.

    file    = "crypt4gh" || version(4) || packets(4) || packet || segment*
    packet  = length(4) || method(4) || writer's public key(32) || nonce(12) || ChaCha20-Poly1305(type || method || key)
    segment = nonce(12) || ChaCha20-Poly1305(session key, 64 KiB of plain)

Each file has a session key and a writer's key of its own, so that counting nonces never repeat: a nonce is a random
mark(8) of the file and the segment's place(4). The container has no end and no order of its own. Whoever stored a file
keeps its size and its mark elsewhere, sealed: then a segment that is edited, moved, cut off or from another file is
found when it is read, wherever reading begins.
"""

import io
import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from tre.errors import Tampered

MAGIC = b"crypt4gh"
SEGMENT = 65536
WORD, NONCE, TAG, KEY, MARK = 4, 12, 16, 32, 8
SEALED = NONCE + SEGMENT + TAG
PACKETS = 64  # of a header; more is no file of ours
PACKET = 1024  # bytes of one; an edit list is longer, and is not written here
_DATA = bytes(8)  # packet type 0 (data encryption parameters), method 0 (ChaCha20-Poly1305)
_BATCH = 16 * SEALED  # bytes that are hashed and written while the next are encrypted


@dataclass(frozen=True)
class Written:
    """What was stored, to be kept sealed elsewhere."""

    bytes: int
    stored_bytes: int
    stored_sha256: str
    mark: str
    """The random part of the file's nonces, hex."""


def new_private() -> bytes:
    """Make a key that opens."""
    return X25519PrivateKey.generate().private_bytes_raw()


def public_of(private: bytes) -> bytes:
    """Return the key under which is stored."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


class Writer:
    """Takes bytes in any portions and writes whole segments; `finish` writes the last."""

    def __init__(self, path: Path, public: bytes) -> None:
        """Begin a new file, 0600."""
        self._file: BinaryIO = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)
        session, self._mark = os.urandom(KEY), os.urandom(MARK)
        self._cipher = ChaCha20Poly1305(session)
        self._pool = ThreadPoolExecutor(1)
        self._hashing: Future[None] | None = None
        self._hash = sha256()
        self._held = bytearray()
        self._index = 0
        self._clear = self._stored = 0
        self._out, self._spare, self._end = bytearray(_BATCH), bytearray(_BATCH), 0
        self._put(_header(session, public))

    def write(self, data: bytes | memoryview) -> int:
        """Take bytes; encrypt each full segment."""
        self._clear += len(data)
        view = memoryview(data)
        if self._held:
            lacking = SEGMENT - len(self._held)
            self._held += view[:lacking]
            view = view[lacking:]
            if len(self._held) < SEGMENT:
                return len(data)
            self._seal(self._held)
            self._held = bytearray()
        whole = len(view) - len(view) % SEGMENT
        for at in range(0, whole, SEGMENT):
            self._seal(view[at : at + SEGMENT])
        self._held += view[whole:]
        return len(data)

    def finish(self) -> Written:
        """Encrypt what is left and give the bytes to the disk."""
        if self._held:
            self._seal(self._held)
        self._wait()
        if self._end:
            self._put(memoryview(self._out)[: self._end])
        self.close()
        return Written(self._clear, self._stored, self._hash.hexdigest(), self._mark.hex())

    def close(self) -> None:
        """Let go of the file; without `finish` it is none."""
        self._pool.shutdown()
        self._file.close()

    def _seal(self, plain: bytearray | memoryview) -> None:
        nonce, end = _nonce(self._mark, self._index), self._end + NONCE + len(plain) + TAG
        view = memoryview(self._out)
        view[self._end : self._end + NONCE] = nonce
        self._cipher.encrypt_into(nonce, plain, None, view[self._end + NONCE : end])
        self._index, self._end = self._index + 1, end
        if self._end == _BATCH:
            self._wait()
            self._hashing = self._pool.submit(self._put, view)
            self._out, self._spare, self._end = self._spare, self._out, 0

    def _put(self, data: bytes | memoryview) -> None:
        """Hash and write what is encrypted: a full batch while the next is encrypted."""
        self._hash.update(data)
        self._stored += len(data)
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    def _wait(self) -> None:
        """Wait for the batch before; what it could not write is told here."""
        if self._hashing is not None:
            self._hashing.result()


class Reader(io.RawIOBase):
    """Reads a container as if it were clear: any place, one segment in memory at a time."""

    def __init__(self, file: BinaryIO, private: bytes, *, what: str, stored: int | None = None, mark: str = "") -> None:
        """Read the header; with `stored` and `mark` also see that the file is the one that was stored."""
        super().__init__()
        self._file, self._what, self._mark = file, what, bytes.fromhex(mark)
        self._at = self._size = 0
        self._open_index, self._open = -1, b""
        try:
            self._begin(private, stored)
        except BaseException:
            file.close()
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
        """Fill a buffer as far as one segment goes."""
        piece = self._piece(len(buffer))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def read(self, size: int = -1, /) -> bytes:
        """Read as many bytes as asked for, unless the file ends."""
        left = max(0, self._size - self._at) if size is None or size < 0 else size
        parts = []
        while left and (piece := self._piece(left)):
            parts.append(piece)
            self._at += len(piece)
            left -= len(piece)
        return b"".join(parts)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        super().close()

    def _begin(self, private: bytes, stored: int | None) -> None:
        there = os.fstat(self._file.fileno()).st_size
        if stored is not None and there != stored:
            raise Tampered(f"{self._what} in the silo has {there} bytes, not {stored}: restore it from its backup")
        session, self._start = _session(self._file, private, self._what)
        self._cipher = ChaCha20Poly1305(session)
        segments, rest = divmod(there - self._start, SEALED)
        if 0 < rest <= NONCE + TAG:
            raise Tampered(f"{self._what} is cut in the middle of a segment: restore it from its backup")
        self._size = segments * SEGMENT + (rest - NONCE - TAG if rest else 0)

    def _piece(self, most: int) -> memoryview | bytes:
        if self._at >= self._size:
            return b""
        index, within = divmod(self._at, SEGMENT)
        return memoryview(self._segment(index))[within : within + most]

    def _segment(self, index: int) -> bytes:
        if index != self._open_index:
            place = self._start + index * SEALED
            sealed = os.pread(self._file.fileno(), SEALED, place)
            nonce = sealed[:NONCE]
            if self._mark and nonce != _nonce(self._mark, index):
                raise Tampered(f"{self._what} in the silo: segment {index} is not what was stored there")
            try:
                self._open = self._cipher.decrypt(nonce, memoryview(sealed)[NONCE:], None)
            except (InvalidTag, ValueError):
                raise Tampered(f"{self._what} in the silo: segment {index} is not what was stored") from None
            self._open_index = index
        return self._open


def _header(session: bytes, public: bytes) -> bytes:
    """Write a header of one packet, by a writer's key that is then forgotten."""
    writer = X25519PrivateKey.generate()
    mine = writer.public_key().public_bytes_raw()
    shared = _shared(writer.exchange(X25519PublicKey.from_public_bytes(public)), reader=public, writer=mine)
    nonce = os.urandom(NONCE)
    packet = bytes(4) + mine + nonce + ChaCha20Poly1305(shared).encrypt(nonce, _DATA + session, None)
    return MAGIC + (1).to_bytes(4, "little") + (1).to_bytes(4, "little") + _counted(packet)


def _counted(packet: bytes) -> bytes:
    return (len(packet) + 4).to_bytes(4, "little") + packet


def _session(file: BinaryIO, private: bytes, what: str) -> tuple[bytes, int]:
    """Find the packet that is ours; return the session key and where the segments begin."""
    broken = Tampered(f"{what} in the silo has no header that opens: restore it from its backup")
    head = file.read(16)
    count = int.from_bytes(head[12:16], "little")
    if head[:8] != MAGIC or head[8:12] != (1).to_bytes(4, "little") or not 0 < count <= PACKETS:
        raise broken
    found, at = b"", 16
    for _ in range(count):
        length = int.from_bytes(file.read(4), "little")
        packet = file.read(length - 4) if WORD < length <= PACKET else b""
        if not packet or len(packet) < length - 4:
            raise broken
        found = found or _opened(packet, private)
        at += length
    if not found:
        raise broken
    return found, at


def _opened(packet: bytes, private: bytes) -> bytes:
    """Return the session key of one packet, or nothing if it is not for us or of another kind."""
    key = X25519PrivateKey.from_private_bytes(private)
    writer, nonce, sealed = packet[4:36], packet[36:48], packet[48:]
    if packet[:4] != bytes(4) or len(nonce) < NONCE:
        return b""
    reader = key.public_key().public_bytes_raw()
    try:
        shared = _shared(key.exchange(X25519PublicKey.from_public_bytes(writer)), reader=reader, writer=writer)
        said = ChaCha20Poly1305(shared).decrypt(nonce, sealed, None)
    except (InvalidTag, ValueError):
        return b""
    return said[8:] if said[:8] == _DATA and len(said) == 8 + KEY else b""


def _shared(exchanged: bytes, *, reader: bytes, writer: bytes) -> bytes:
    """Return the key of a packet (crypt4gh 1.0, 3.2.1)."""
    return blake2b(exchanged + reader + writer).digest()[:KEY]


def _nonce(mark: bytes, index: int) -> bytes:
    return mark + index.to_bytes(NONCE - MARK)
