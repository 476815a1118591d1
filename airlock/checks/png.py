"""A picture is pixels and nothing else: no text, no second file behind its end, no data behind its last row.

Chunks and their order: PNG specification, third edition (W3C, 2025), sections 5 and 11.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from airlock.checks.file import File
from airlock.checks.finding import Finding, Severity
from airlock.checks.thresholds import Thresholds

_SIGNATURE = 8
_PIXELS = b"IDAT"
# Part -> the most bytes it has (11.2, 11.3): no part but the pixels holds more than a few, and none comes twice.
_PARTS = {
    b"IHDR": 13, b"PLTE": 768, b"IEND": 0, b"tRNS": 256, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"bKGD": 6,
    b"sBIT": 4, b"cICP": 4, b"tEXt": 120,
}  # fmt: skip
_INDEXED = 3
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# What matplotlib writes into every picture of its own accord.
_MATPLOTLIB = re.compile(rb"Software\x00Matplotlib version ?[0-9A-Za-z.+]{1,30}, https://matplotlib\.org/\Z")


class Chunk(NamedTuple):
    """One part of a PNG."""

    name: bytes
    body: bytes
    whole: bool
    """Its length and its check sum are right."""


def check(file: File, limits: Thresholds) -> Iterator[Finding]:
    """Walk the chunks, unpack the pixels, and point at whatever is left over."""
    chunks, trailing = walk(file.content)
    names = [chunk.name for chunk in chunks]
    if not chunks or names[0] != b"IHDR" or len(chunks[0].body) != 13 or names[-1] != b"IEND":  # noqa: PLR2004 -- 11.2.1
        yield _says("file", "is not a whole PNG: save the picture again")
        return
    if not all(chunk.whole for chunk in chunks):
        yield _says("file", "has a damaged part: save the picture again")
    if trailing:
        yield _says("after the end", f"{trailing} bytes follow the picture: save the picture again")
    yield from _parts(chunks)
    yield from _pixels(chunks, limits)


def walk(content: bytes) -> tuple[list[Chunk], int]:
    """Return the chunks up to IEND, and how many bytes follow it."""
    chunks, at = list[Chunk](), _SIGNATURE
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        name, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        sum_at = at + 8 + length
        if sum_at + 4 > len(content):
            return [*chunks, Chunk(name, b"", whole=False)], 0
        (crc,) = struct.unpack_from(">I", content, sum_at)
        chunks.append(Chunk(name, body, whole=crc == zlib.crc32(name + body)))
        at = sum_at + 4
        if name == b"IEND":
            break
    return chunks, len(content) - at


def _parts(chunks: list[Chunk]) -> Iterator[Finding]:
    names = [chunk.name for chunk in chunks]
    for at, chunk in enumerate(chunks, 1):
        known = chunk.name == _PIXELS or len(chunk.body) <= _PARTS.get(chunk.name, -1)
        if known and (chunk.name != b"tEXt" or _MATPLOTLIB.match(chunk.body)):
            continue
        word = chunk.name.decode("ascii") if chunk.name.isalpha() and chunk.name.isascii() else "of no known name"
        yield _says(f"part {at}", f"a part ({word}) that is not pixels: save the picture without metadata")
    if any(names.count(name) > 1 for name in _PARTS):
        yield _says("file", "has a part twice: save the picture again")
    if b"PLTE" in names and chunks[0].body[9] != _INDEXED:
        yield _says("file", "has a list of colours that its pixels do not use: save the picture again")
    breaks = sum(a == b"IDAT" and b != b"IDAT" for a, b in pairwise(names))
    if breaks != 1:
        yield _says("file", "pixels are in several places, or in none: save the picture again")


def _pixels(chunks: list[Chunk], limits: Thresholds) -> Iterator[Finding]:
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0].body)
    if not width or not height or colour not in _SAMPLES or depth not in {1, 2, 4, 8, 16} or interlaced:
        yield _says("header", "has no usual header, or is interlaced: save the picture again, not interlaced")
        return
    if width * height > limits.largest_pixels:
        yield _says("header", f"{width} x {height} pixels; the largest picture has {limits.largest_pixels}")
        return
    row = 1 + (width * depth * _SAMPLES[colour] + 7) // 8
    if not _unpacks_to(b"".join(c.body for c in chunks if c.name == b"IDAT"), row * height):
        yield _says("pixels", "more or fewer bytes than the picture has: save the picture again")


def _unpacks_to(packed: bytes, size: int) -> bool:
    unpacking = zlib.decompressobj()
    seen = 0
    try:
        while packed and seen <= size:
            seen += len(unpacking.decompress(packed, 1 << 20))
            packed = unpacking.unconsumed_tail
    except zlib.error:
        return False
    return seen == size and unpacking.eof and not unpacking.unused_data


def _says(where: str, message: str) -> Finding:
    return Finding("picture", Severity.BLOCK, where, message)
