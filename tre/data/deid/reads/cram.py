"""A CRAM is a row of containers; the first holds the header alone, so that a new one can stand in front of the others.

CRAM 3.1 specification, sections 6 to 8. Older ones have no checksums, and their lengths are not to be relied on.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tre.data.deid.bgzf import BEHIND, CUT_OFF, DAMAGED, NO_MARKER
from tre.errors import Unreadable

MAGIC = b"CRAM"
DEFINITION = 26
VERSIONS = {(3, 0), (3, 1)}
EOF = bytes.fromhex("0f000000ffffffff0fe0454f4600000000010005bdd94f0001000606010001000100ee63014b")
LARGEST_HEADER = 64 << 20
MOST_LANDMARKS = 100_000
CHUNK = 4 << 20
RAW, GZIP = 0, 1
ITF8, LTF8 = 4, 8
"""At most so many more bytes."""
FILE_HEADER = 0


@dataclass(frozen=True)
class Start:
    """Where a CRAM's header is and what it says."""

    version: tuple[int, int]
    text: bytes
    end: int
    """Where the second container begins."""


class _Bytes:
    """Reads numbers of variable length from a file, keeping what was read for the checksum."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.seen = bytearray()

    def take(self, size: int) -> bytes:
        got = self.file.read(size)
        if len(got) != size:
            raise Unreadable(CUT_OFF)
        self.seen += got
        return got

    def int32(self) -> int:
        return int.from_bytes(self.take(4), "little", signed=True)

    def number(self, longest: int = ITF8) -> int:
        """Read ITF8 (at most 4 more bytes) or LTF8 (at most 8): leading ones of the first byte tell how many follow."""
        first = self.take(1)[0]
        more = min(longest, 8 - (~first & 0xFF).bit_length())
        rest = int.from_bytes(self.take(more)) if more else 0
        if longest == more == ITF8:
            return (first & 0x0F) << 28 | rest >> 8 << 4 | rest & 0x0F
        return (first & (0xFF >> (more + 1))) << (8 * more) | rest


def read(file: BinaryIO) -> Start:
    """Read the definition and the header's container."""
    file.seek(0)
    definition = file.read(DEFINITION)
    if len(definition) < DEFINITION or not definition.startswith(MAGIC):
        raise Unreadable("not a CRAM")
    version = (definition[4], definition[5])
    if version not in VERSIONS:
        raise Unreadable("a CRAM of a version that is not known: bring it as 3.0 or 3.1, or as BAM")
    length, blocks, size = _container(file)
    if not 0 < length <= LARGEST_HEADER or not blocks:
        raise Unreadable("a header of more than 64 MB, or none")
    return Start(version, _text(_Bytes(file)), DEFINITION + size + length)


def _container(file: BinaryIO) -> tuple[int, int, int]:
    """Read a container's header: length of what follows, how many blocks, and its own size."""
    said = _Bytes(file)
    length = said.int32()
    for _ in range(4):  # reference, start, span, records
        said.number()
    said.number(LTF8)  # records before
    said.number(LTF8)  # bases
    blocks = said.number()
    landmarks = said.number()
    if landmarks > MOST_LANDMARKS:
        raise Unreadable(DAMAGED)
    for _ in range(landmarks):
        said.number()
    _prove(said)
    return length, blocks, len(said.seen)


def _prove(said: _Bytes) -> None:
    checksum = _checksum(said.seen)
    if said.take(4) != checksum:
        raise Unreadable(DAMAGED)


def _text(said: _Bytes) -> bytes:
    """Read the header's text from the first block."""
    method, kind = said.take(2)
    said.number()  # content id
    size, clear = said.number(), said.number()
    if kind != FILE_HEADER or method not in {RAW, GZIP} or max(size, clear) > LARGEST_HEADER:
        raise Unreadable("a CRAM's first block is no header")
    content = said.take(size)
    _prove(said)
    if method == GZIP:
        try:
            content = zlib.decompressobj(31).decompress(content, clear)
        except zlib.error:
            raise Unreadable(DAMAGED) from None
    length = int.from_bytes(content[:4], "little")
    if len(content) != clear or length > clear - 4:
        raise Unreadable(DAMAGED)
    return content[4 : 4 + length].rstrip(b"\0")


def walk(file: BinaryIO, start: Start) -> int:
    """Go from container to container up to the marker of the end; return how many there are."""
    count, at = 0, start.end
    end = file.seek(0, 2)
    while at < end:
        file.seek(at)
        if file.read(len(EOF)) == EOF:
            if at + len(EOF) != end:
                raise Unreadable(BEHIND)
            return count
        file.seek(at)
        length, _, size = _container(file)
        at += size + length
        count += 1
        if length < 0 or at > end:
            raise Unreadable(CUT_OFF)
    raise Unreadable(NO_MARKER)


def swapped(file: BinaryIO, start: Start, text: bytes) -> Iterator[bytes]:
    """Yield the file with another header; the containers behind it are copied as they are."""
    yield MAGIC + bytes(start.version) + bytes(20)
    content = struct.pack("<i", len(text)) + text
    block = bytes([RAW, FILE_HEADER]) + _itf8(0) + _itf8(len(content)) * 2 + content
    block += _checksum(block)
    head = struct.pack("<i", len(block)) + _itf8(0) * 6 + _itf8(1) + _itf8(1) + _itf8(0)
    yield head + _checksum(head) + block
    file.seek(start.end)
    yield from iter(lambda: file.read(CHUNK), b"")


def _checksum(said: bytes | bytearray) -> bytes:
    return struct.pack("<I", zlib.crc32(said))


def _itf8(number: int) -> bytes:
    for more in range(4):
        if number < 1 << (7 * (more + 1)):
            lead = (0xFF00 >> more) & 0xFF
            return bytes([lead | number >> (8 * more)]) + (number & ((1 << (8 * more)) - 1)).to_bytes(more)
    raise Unreadable("a header of more than 64 MB")
