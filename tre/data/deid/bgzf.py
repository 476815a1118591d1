"""BGZF is gzip in blocks that each tell their size: a file's header can change while the rest is copied as it is.

Blocks are read strictly (SAM specification, section 4.1). A block that is copied gets the plain header of 18 bytes, so
that nothing rides along in other subfields or times; whatever stands behind the marker of the end is refused.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from tre.errors import Unreadable

EOF = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
PLAIN = EOF[:16]
"""Header of a block up to its size: no time, no name, one subfield."""
HEAD, TAIL = 18, 8
FULL = 0xFF00
"""Bytes of clear text we put into one block; as htslib does."""
LARGEST = 0x10000
LEVEL = 6
CHUNK = 1 << 20
"""Bytes that are read at once: what fits the cache of the processor is copied twice as fast."""
LONGEST_EXTRA, SIZE_FIELD = 1024, 2

CUT_OFF = "the file is cut off"
NO_MARKER = "the file is cut off: it has no marker of its end"
BEHIND = "bytes stand behind the marker of its end"
DAMAGED = "a compressed block is damaged"
STRANGE = "a compressed block is not one of BGZF"


class Block(NamedTuple):
    """Where one block lies in a buffer."""

    start: int
    body: int
    end: int


def is_bgzf(start: bytes) -> bool:
    """Say whether these first bytes open a BGZF block."""
    try:
        return _block(start, 0) is not None
    except Unreadable:
        return False


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield block after block, each with a plain header; the last is the marker of the end."""
    for buffer, found in _buffers(file):
        for block in found:
            yield _plain(buffer, block)


def inflate(file: BinaryIO) -> Iterator[bytes]:
    """Yield the clear text, each block's length and checksum proved."""
    for block in blocks(file):
        text = opened(block)
        if text:
            yield text


def opened(block: bytes) -> bytes:
    """Return the clear text of one block with a plain header."""
    engine = zlib.decompressobj(-15)
    try:
        text = engine.decompress(block[HEAD:-TAIL], LARGEST + 1)
    except zlib.error:
        raise Unreadable(DAMAGED) from None
    whole = engine.eof and not engine.unused_data and len(text) <= LARGEST
    if not whole or struct.pack("<II", zlib.crc32(text), len(text)) != block[-TAIL:]:
        raise Unreadable(DAMAGED)
    return text


def deflate(text: bytes) -> Iterator[bytes]:
    """Yield blocks that hold a text, without the marker of the end."""
    for at in range(0, len(text), FULL):
        piece = text[at : at + FULL]
        engine = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
        packed = engine.compress(piece) + engine.flush()
        if len(packed) + HEAD + TAIL > LARGEST:
            engine = zlib.compressobj(0, zlib.DEFLATED, -15)
            packed = engine.compress(piece) + engine.flush()
        size = struct.pack("<H", len(packed) + HEAD + TAIL - 1)
        yield PLAIN + size + packed + struct.pack("<II", zlib.crc32(piece), len(piece))


def swapped(file: BinaryIO, header: bytes, *, skip: int) -> Iterator[bytes]:
    """Yield the file with another header for the first `skip` bytes of its clear text; the rest is copied raw."""
    yield from deflate(header)
    buffers = _buffers(file)
    for buffer, found in buffers:
        for at, block in enumerate(found):
            plain = _plain(buffer, block)
            size = int.from_bytes(plain[-4:], "little")
            if skip < size:
                yield from deflate(opened(plain)[skip:]) if skip else (plain,)
                yield from _copied(buffer, found[at + 1 :])
                yield from _rest(buffers)
                return
            skip -= size
    if skip:
        raise Unreadable(CUT_OFF)
    yield EOF


def _rest(buffers: Iterator[tuple[bytes, list[Block]]]) -> Iterator[bytes]:
    for buffer, found in buffers:
        yield from _copied(buffer, found)


def _copied(buffer: bytes, found: list[Block]) -> Iterator[bytes]:
    """Copy runs of plain blocks at once."""
    if all(buffer.startswith(PLAIN, block.start) for block in found):
        if found:
            yield buffer[found[0].start : found[-1].end]
        return
    for block in found:
        yield _plain(buffer, block)


def _buffers(file: BinaryIO) -> Iterator[tuple[bytes, list[Block]]]:
    """Yield buffers with the whole blocks in them, in constant memory; the file ends with its marker."""
    held, last = b"", b""
    while chunk := file.read(CHUNK):
        held += chunk
        found, at = [], 0
        while (block := _block(held, at)) is not None:
            found.append(block)
            at = block.end
        if found:
            last = held[found[-1].start : at]
            yield held, found
        held = held[at:]
    if held:
        raise Unreadable(CUT_OFF if last != EOF else BEHIND)
    if last != EOF:
        raise Unreadable(NO_MARKER)


def _block(buffer: bytes, at: int) -> Block | None:
    """Return the block that begins here, or None if it does not end in this buffer."""
    if len(buffer) - at < HEAD:
        return None
    if buffer.startswith(PLAIN, at):
        end = at + 1 + buffer[at + 16] + (buffer[at + 17] << 8)
        if end < at + HEAD + TAIL:
            raise Unreadable(STRANGE)
        return Block(at, at + HEAD, end) if end <= len(buffer) else None
    return _unusual(buffer, at)


def _unusual(buffer: bytes, at: int) -> Block | None:
    """Read a header with a time or with other subfields beside the size."""
    if buffer[at : at + 4] != b"\x1f\x8b\x08\x04":
        raise Unreadable(BEHIND if at >= len(EOF) and buffer[at - len(EOF) : at] == EOF else STRANGE)
    body = at + 12 + int.from_bytes(buffer[at + 10 : at + 12], "little")
    if body > at + LONGEST_EXTRA:
        raise Unreadable(STRANGE)
    if body > len(buffer):
        return None
    field, size = at + 12, 0
    while field + 4 <= body:
        length = int.from_bytes(buffer[field + 2 : field + 4], "little")
        if buffer[field : field + 2] == b"BC" and length == SIZE_FIELD:
            size = 1 + int.from_bytes(buffer[field + 4 : field + 6], "little")
        field += 4 + length
    if at + size < body + TAIL:
        raise Unreadable(STRANGE)
    return Block(at, body, at + size) if at + size <= len(buffer) else None


def _plain(buffer: bytes, block: Block) -> bytes:
    if buffer.startswith(PLAIN, block.start):
        return buffer[block.start : block.end]
    size = HEAD + block.end - block.body - 1
    return PLAIN + struct.pack("<H", size) + buffer[block.body : block.end]
