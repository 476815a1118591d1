"""A variant file is text or BCF, in BGZF blocks, in gzip or plain; its header and its records are read alike."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from tre.data.deid import bgzf, htslib
from tre.data.deid.variants import header as headers
from tre.data.deid.variants.header import Header
from tre.errors import Unreadable

PIECE = 1 << 20
LONGEST_LINE = 256 << 20
BCF = b"BCF\2"
_PREFIX = 9


class Container(StrEnum):
    """What the bytes are packed in."""

    BGZF = "bgzf"
    GZIP = "gzip"
    PLAIN = "plain"


@dataclass(frozen=True)
class Source:
    """One variant file, its header read."""

    file: BinaryIO
    container: Container
    bcf: bool
    header: Header
    skip: int
    """Bytes of clear text before the first record."""

    def records(self) -> Iterator[bytes]:
        """Yield each record as a line of a VCF, without its end."""
        self.file.seek(0)
        if not self.bcf:
            yield from _lines(_behind(_clear(self.file, self.container), self.skip))
            return
        with htslib.output("bcftools", "view", "-H", "--no-version", "-", feed=_raw(self.file)) as out:
            yield from _lines(iter(lambda: out.read(PIECE), b""))


def opened(file: BinaryIO) -> Source:
    """Read a file's header."""
    file.seek(0)
    start = file.read(1 << 16)
    file.seek(0)
    container = _container(start)
    clear = _clear(file, container)
    first = next(clear, b"")
    bcf = first.startswith(BCF)
    raw, skip = _of_bcf(first, clear) if bcf else _of_vcf(first, clear)
    return Source(file, container, bcf, headers.parse(raw), skip)


def _container(start: bytes) -> Container:
    if not start.startswith(b"\x1f\x8b"):
        return Container.PLAIN
    return Container.BGZF if bgzf.is_bgzf(start) else Container.GZIP


def _of_bcf(start: bytes, more: Iterator[bytes]) -> tuple[bytes, int]:
    start = _at_least(start, _PREFIX, more)
    if start[4] not in {1, 2}:
        raise Unreadable("a BCF of a version that is not known")
    length = int.from_bytes(start[5:_PREFIX], "little")
    _bounded(length)
    return _at_least(start, _PREFIX + length, more)[_PREFIX : _PREFIX + length], _PREFIX + length


def _of_vcf(start: bytes, more: Iterator[bytes]) -> tuple[bytes, int]:
    """Read up to the end of the line of columns."""
    if not start.startswith(b"##fileformat"):
        raise Unreadable("a VCF needs ##fileformat as its first line")
    held = bytearray(start)
    begun = 0
    while True:
        at = held.find(b"\n#CHROM", begun)
        end = held.find(b"\n", at + 1) if at >= 0 else -1
        if end >= 0:
            return _only_meta(bytes(held[: end + 1])), end + 1
        begun = at if at >= 0 else max(0, len(held) - 8)
        piece = next(more, b"")
        if not piece:
            if at >= 0:
                return _only_meta(bytes(held)), len(held)
            raise Unreadable("a VCF needs a line #CHROM POS ID REF ALT QUAL FILTER INFO, separated by tabs")
        held += piece
        _bounded(len(held))


def _only_meta(raw: bytes) -> bytes:
    """Refuse records before the line of columns."""
    if any(not line.startswith(b"##") for line in raw.split(b"\n#CHROM", 1)[0].split(b"\n")):
        raise Unreadable("a line above #CHROM does not begin with ##")
    return raw


def _at_least(start: bytes, size: int, more: Iterator[bytes]) -> bytes:
    held = bytearray(start)
    while len(held) < size:
        piece = next(more, b"")
        if not piece:
            raise Unreadable(bgzf.CUT_OFF)
        held += piece
    return bytes(held)


def _bounded(size: int) -> None:
    if size > headers.LONGEST:
        raise Unreadable("a header of more than 64 MB")


def _raw(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(PIECE), b"")


def _clear(file: BinaryIO, container: Container) -> Iterator[bytes]:
    if container is Container.PLAIN:
        return (piece for piece in _raw(file))
    return _joined(bgzf.inflate(file)) if container is Container.BGZF else _gunzipped(file)


def _joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield fewer and larger pieces."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _gunzipped(file: BinaryIO) -> Iterator[bytes]:
    """Inflate gzip, member after member, a piece at a time."""
    engine = zlib.decompressobj(31)
    begun = False
    for packed in _raw(file):
        left = packed
        while left:
            begun = True
            try:
                text = engine.decompress(left, PIECE)
            except zlib.error:
                raise Unreadable(bgzf.DAMAGED) from None
            if text:
                yield text
            left = engine.unconsumed_tail
            if engine.eof:
                left = engine.unused_data
                engine, begun = zlib.decompressobj(31), False
    if begun:
        raise Unreadable(bgzf.CUT_OFF)


def _behind(pieces: Iterator[bytes], skip: int) -> Iterator[bytes]:
    for piece in pieces:
        if skip < len(piece):
            yield piece[skip:]
        skip = max(0, skip - len(piece))


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        first, *others = piece.split(b"\n")
        held.append(first)
        size += len(first)
        if size > LONGEST_LINE:
            raise Unreadable("a record of more than 256 MB")
        if others:
            yield b"".join(held)
            yield from others[:-1]
            held, size = [others[-1]], len(others[-1])
    if size:
        yield b"".join(held)
