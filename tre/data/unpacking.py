"""A file is read as what its bytes say it is: packed ones are unpacked on the way, in portions, to their end.

    gzip, BGZF (VCF, BCF, BAM)   what they hold, and their headers as they stand
    Parquet                      each column's values as text, and what the footer says
    CRAM                         header, names and tags of the reads
    anything else                its bytes

Portions overlap, so that nothing is cut in two. A file that cannot be read to its end, or that is packed in a way
nobody here unpacks, raises `Unread`.
"""

import os
import stat
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
import pysam

PORTION = 4 * 1024 * 1024
ROWS = 65_536
DIGITS = 9
"""Fewer in a column of numbers are no identifier: they are not written out."""
DEPTH = 3
GZIP = b"\x1f\x8b\x08"
SEPARATOR = b"\n"
STRANGE = (
    b"PK\x03\x04", b"PK\x05\x06", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!",
    b"\x04\x22\x4d\x18",
)  # fmt: skip
"""How files begin that are packed as no extract is: ZIP, bzip2, xz, Zstandard, 7z, RAR, LZ4."""
BEGINNING = 1024 * 1024


class Unread(Exception):
    """A file could not be read to its end."""


@dataclass(frozen=True)
class Portion:
    """Some bytes of a file; unless it is the last, its end comes again at the start of the next."""

    how: str
    """How one comes to it: empty for the file as it stands."""
    data: bytes
    last: bool


def portions(path: Path, overlap: int) -> Iterator[Portion]:
    """Yield a file's content."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unread("no file, but a pipe, a socket or a device")
            head = file.read(8)
            file.seek(0)
            yield from _by_content(head, path, file, overlap)
    except (OSError, zlib.error, pa.ArrowException, ValueError) as error:
        raise Unread(f"cannot be read to its end ({type(error).__name__})") from None


def _by_content(head: bytes, path: Path, file: BinaryIO, overlap: int) -> Iterator[Portion]:
    if head.startswith(STRANGE):
        raise Unread("packed in a way that cannot be searched")
    if head.startswith(b"PAR1"):
        yield from _overlapping("column", _parquet(file), overlap)
    elif head.startswith(b"CRAM"):
        yield from _overlapping("reads", _cram(path), overlap)
    elif head.startswith(GZIP):
        yield Portion("header", file.read(PORTION), last=True)
        file.seek(0)
        yield from _unpacked(_blocks(file), overlap, "unpacked", DEPTH)
    else:
        yield from _overlapping("", _blocks(file), overlap)


def _unpacked(packed: Iterable[bytes], overlap: int, how: str, depth: int) -> Iterator[Portion]:
    """Unpack gzip, also gzip in gzip; not without end."""
    clear = _inflated(packed)
    first = next(clear, b"")
    if first.startswith(GZIP):
        if not depth:
            raise Unread("packed again and again")
        yield from _unpacked(_chain(first, clear), overlap, how + " again", depth - 1)
    else:
        yield from _overlapping(how, _chain(first, clear), overlap)


def _overlapping(how: str, blocks: Iterable[bytes], overlap: int) -> Iterator[Portion]:
    """Put blocks together to portions of a few megabytes that share `overlap` bytes."""
    held = b""
    for block in blocks:
        held += block
        if len(held) >= PORTION:
            yield Portion(how, held, last=False)
            held = held[-overlap:]
    yield Portion(how, held, last=True)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(PORTION):
        yield block


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _inflated(packed: Iterable[bytes]) -> Iterator[bytes]:
    """Inflate all members of a gzip file; what stands after the last must be a member too."""
    member = zlib.decompressobj(wbits=31)
    clear, held = [], 0
    for block in packed:
        data = block
        while data:
            if member.eof:
                member = zlib.decompressobj(wbits=31)
            piece = member.decompress(data, PORTION)
            data = member.unused_data if member.eof else member.unconsumed_tail
            clear.append(piece)
            held += len(piece)
            if held >= PORTION:
                yield b"".join(clear)
                clear, held = [], 0
    yield b"".join(clear)
    if not member.eof:
        raise Unread("packed, and cut short")


def beginning(packed: bytes) -> bytes | None:
    """Unpack as much of a gzip member as may well be read; nothing if it is none."""
    try:
        return zlib.decompressobj(wbits=31).decompress(packed, BEGINNING)
    except zlib.error:
        return None


def members(data: bytes) -> Iterator[bytes]:
    """Yield the beginnings of what lies packed somewhere in a file."""
    at = data.find(GZIP)
    while at >= 0:
        if (clear := beginning(data[at : at + BEGINNING])) is not None:
            yield clear
        at = data.find(GZIP, at + len(GZIP))


def _parquet(file: BinaryIO) -> Iterator[bytes]:
    with pyarrow.parquet.ParquetFile(file) as table:
        yield _said(table)
        for batch in table.iter_batches(ROWS):
            for column in batch.columns:
                yield from _texts(column)


def _said(table: pyarrow.parquet.ParquetFile) -> bytes:
    """Return what stands in a Parquet file besides its values."""
    metadata = table.metadata.metadata or {}
    return SEPARATOR.join([str(table.schema_arrow).encode(), *metadata.keys(), *metadata.values(), b""])


def _texts(column: pa.Array) -> Iterator[bytes]:
    """Write a column's different values as text, one a line; of nested ones the values within."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_struct(column.type):
        for field in column.flatten():
            yield from _texts(field)
    elif pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        yield from _texts(column.flatten())
    elif pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        yield SEPARATOR.join(value for value in column.to_pylist() if value is not None) + SEPARATOR
    else:
        yield SEPARATOR.join([bytes(_together(_written(column.unique().drop_null()))), b""])


def _written(values: pa.Array) -> pa.Array:
    """Write values as text; of numbers only those that are long enough, or have an exponent, to be an identifier."""
    if pa.types.is_integer(values.type):
        least = 10 ** (DIGITS - 1)
        wide = values.cast(pa.decimal128(20))
        return values.filter(pc.or_(pc.greater_equal(wide, least), pc.less_equal(wide, -least))).cast(pa.large_string())
    text = values.cast(pa.large_string())
    if pa.types.is_floating(values.type):
        return text.filter(pc.or_(pc.greater_equal(pc.utf8_length(text), DIGITS), pc.match_substring(text, "e")))
    return text


def _together(text: pa.Array) -> bytes:
    """Join the values of a column by line ends."""
    whole = pa.LargeListArray.from_arrays(pa.array([0, len(text)], pa.int64()), text)
    joined = pc.binary_join(whole, pa.scalar("\n", pa.large_string()))[0].as_py()
    return str(joined or "").encode()


def _cram(path: Path) -> Iterator[bytes]:
    """Yield the header and, of each read, its name and tags."""
    pysam.set_verbosity(0)
    with pysam.AlignmentFile(os.fspath(path), "rc", check_sq=False) as reads:
        yield str(reads.header).encode()
        for read in reads.fetch(until_eof=True):
            tags = " ".join(str(value) for _, value in read.get_tags())
            yield f"{read.query_name} {tags}\n".encode()
