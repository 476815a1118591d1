"""A file that is being brought is read through one open handle, so that its name may be given to another meanwhile."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from tre.data import sniff
from tre.errors import Unreadable

PIECE = 1024 * 1024
CHANGED = "changed while it was read: bring it again when nobody writes to it"


def sniffed(handle: int) -> sniff.Sniffed:
    """Look at a file's first bytes; at more of them where it is JSON."""
    head = pread(handle, sniff.HEAD, 0)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{" and b'"resourceType"' not in head:
        head = pread(handle, sniff.MOST, 0)
    return sniff.sniff(head)


def head_of(handle: int, *, gzipped: bool) -> bytes:
    """Return the first bytes of a text."""
    head = pread(handle, sniff.HEAD, 0)
    return sniff.unzipped(head, sniff.HEAD) if gzipped else head


def stem(name: str) -> str:
    """Return the name of the table that a file is: its own without what stands behind the dot."""
    return Path(name.removesuffix(".gz")).stem


def hashed(handle: int, size: int) -> str:
    """Return the SHA-256 (hex) of a file that has so many bytes."""
    digest = sha256()
    for piece in pieces(handle, size):
        digest.update(piece)
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """Return the SHA-256 (hex) of a file by its name."""
    handle = os.open(path, os.O_RDONLY)
    try:
        return hashed(handle, os.fstat(handle).st_size)
    finally:
        os.close(handle)


def pieces(handle: int, size: int) -> Iterator[bytes]:
    """Yield exactly the bytes that there were when the file was first seen."""
    at = 0
    while at < size:
        piece = pread(handle, min(PIECE, size - at), at)
        if not piece:
            raise Unreadable(CHANGED)
        yield piece
        at += len(piece)
    if pread(handle, 1, at):
        raise Unreadable(CHANGED)


def pread(handle: int, size: int, at: int) -> bytes:
    """Read at a place."""
    try:
        return os.pread(handle, size, at)
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from None


def write(handle: int, data: bytes) -> None:
    """Write all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
