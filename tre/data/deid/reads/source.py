"""A file of reads is a BAM in BGZF blocks or a CRAM in containers; what its header says is read alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tre.data.deid import bgzf
from tre.data.deid.reads import cram as crams
from tre.data.deid.reads import header as headers
from tre.data.deid.reads.header import Header
from tre.errors import Unreadable

MAGIC = b"BAM\1"
LARGEST = 64 << 20
MOST_CONTIGS = 10_000_000
LONGEST_NAME = 256


@dataclass(frozen=True)
class Bam:
    """A BAM's header as bytes."""

    text: bytes
    contigs: tuple[tuple[str, int], ...]
    names: bytes
    """The table of reference sequences as it stands."""
    skip: int
    """Bytes of clear text before the first read."""


@dataclass(frozen=True)
class Source:
    """One file of reads, its header read."""

    file: BinaryIO
    header: Header
    bam: Bam | None = None
    cram: crams.Start | None = None

    def swapped(self, text: bytes) -> Iterator[bytes]:
        """Yield the file with another header; what is behind it is copied as it is."""
        self.file.seek(0)
        if self.cram is not None:
            return crams.swapped(self.file, self.cram, text)
        if self.bam is None:
            raise Unreadable("neither BAM nor CRAM")
        return bgzf.swapped(
            self.file, MAGIC + len(text).to_bytes(4, "little") + text + self.bam.names, skip=self.bam.skip
        )

    def raw(self) -> Iterator[bytes]:
        """Yield the file as it is."""
        self.file.seek(0)
        return iter(lambda: self.file.read(bgzf.CHUNK), b"")


def opened(file: BinaryIO) -> Source:
    """Read a file's header."""
    file.seek(0)
    start = file.read(4)
    if start == crams.MAGIC:
        container = crams.read(file)
        return Source(file, headers.parse(container.text), cram=container)
    file.seek(0)
    bam = read(bgzf.inflate(file))
    return Source(file, _agreed(headers.parse(bam.text), bam), bam=bam)


def read(clear: Iterator[bytes]) -> Bam:
    """Read a BAM's header from its clear text."""
    stream = _Stream(clear)
    if stream.take(4) != MAGIC:
        raise Unreadable("not a BAM")
    text = stream.take(stream.number())
    at = stream.taken
    count = stream.number()
    if count > MOST_CONTIGS:
        raise Unreadable("a header of more than 64 MB")
    contigs = []
    for _ in range(count):
        size = stream.number()
        if not 0 < size <= LONGEST_NAME:
            raise Unreadable("a reference sequence with no name, or a long one")
        name = stream.take(size)
        contigs.append((name.rstrip(b"\0").decode("utf-8", "surrogateescape"), stream.number()))
    return Bam(text, tuple(contigs), bytes(stream.all[at : stream.taken]), stream.taken)


def _agreed(header: Header, bam: Bam) -> Header:
    """Refuse a text that names other sequences than the table; it may name none (SAM, section 4.2)."""
    if tuple((line.said.get("SN"), line.said.get("LN")) for line in header.contigs) == tuple(
        (name, str(length)) for name, length in bam.contigs
    ):
        return header
    if header.contigs:
        raise Unreadable("the header's text and its table of reference sequences differ")
    lines = tuple(headers.Line("SQ", {"SN": name, "LN": str(length)}) for name, length in bam.contigs)
    return headers.Header((*header.lines, *lines), header.groups, header.others)


class _Stream:
    """Takes bytes from pieces, remembering the header as it goes."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces = pieces
        self.all = bytearray()
        self.taken = 0

    def take(self, size: int) -> bytes:
        if self.taken + size > LARGEST:
            raise Unreadable("a header of more than 64 MB")
        while len(self.all) < self.taken + size:
            piece = next(self.pieces, b"")
            if not piece:
                raise Unreadable(bgzf.CUT_OFF)
            self.all += piece
        self.taken += size
        return bytes(self.all[self.taken - size : self.taken])

    def number(self) -> int:
        return int.from_bytes(self.take(4), "little")
