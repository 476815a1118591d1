"""A planted value is looked for in every byte that an extract holds, however it is written there.

This search shares nothing with the one under test: it unpacks what is packed, reads what has a reader, and looks for
each value as text, as UTF-16 and as base64 at each of the three places where a value can begin.
"""

import base64
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import ahocorasick_rs
import pyarrow.parquet
import pysam

SHORTEST = 6
"""Bytes of a value in base64 that are looked for: fewer are found by chance."""


def leaks(folder: Path, planted: Mapping[str, str]) -> Counter[str]:
    """Return `what a value is, in which file` -> how many different values were found there."""
    needles = dict(_needles(planted))
    search = ahocorasick_rs.BytesAhoCorasick(list(needles))
    patterns = list(needles)
    found: Counter[str] = Counter()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        met = {needles[pattern] for pattern in _met(name.encode(), search, patterns)}
        if path.is_file():
            for content in contents(path):
                met |= {needles[pattern] for pattern in _met(content, search, patterns)}
        for value in met:
            found[f"{planted[value]} in {name}"] += 1
    return found


def contents(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, and what they are once unpacked and read."""
    raw = path.read_bytes()
    yield raw
    yield from unpacked(raw)
    if path.suffix == ".parquet":
        yield _cells(path)
    if path.suffix in {".bam", ".cram"}:
        yield _reads(path)
    if path.suffix == ".bcf" or path.name.endswith(".vcf.gz"):
        with pysam.VariantFile(str(path)) as file:
            yield (str(file.header) + "".join(str(record) for record in file)).encode()


def unpacked(raw: bytes) -> Iterator[bytes]:
    """Yield what a gzip or BGZF file holds, its headers' extra fields being among the raw bytes."""
    if raw[:2] == b"\x1f\x8b":
        try:
            yield gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise AssertionError("an extract holds a gzip file that cannot be read") from error


def ways(value: str) -> Iterator[str]:
    """Yield a value as people write it."""
    yield value
    if " " in value:
        yield value.replace(" ", "")
        yield value.replace(" ", "-")


def _needles(planted: Mapping[str, str]) -> Iterator[tuple[bytes, str]]:
    for value in planted:
        for way in ways(value):
            yield way.lower().encode(), value
            yield way.lower().encode("utf-16-le"), value
            yield way.lower().encode("utf-16-be"), value
            if len(way) >= SHORTEST:
                for case in {way, way.lower(), way.upper()}:
                    for coded in (case.encode(), case.encode("utf-16-le")):
                        yield from ((inner, value) for inner in _in_base64(coded))
                yield way.encode().hex().encode(), value


def _in_base64(value: bytes) -> Iterator[bytes]:
    """Yield those characters of base64 that depend on the value alone, wherever in a group of three it begins."""
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + value)
        whole = (before + len(value)) // 3 * 4
        yield coded[(0, 2, 3)[before] : whole]


_DIGITS = re.compile(rb"\d+")


def _met(content: bytes, search: ahocorasick_rs.BytesAhoCorasick, patterns: list[bytes]) -> Iterator[bytes]:
    """Yield the needles in the content as it is and in small letters; a number counts where it stands alone."""
    for text in (content, content.lower()):
        for which, start, end in search.find_matches_as_indexes(text, overlapping=True):
            needle = patterns[which]
            if needle.isdigit() and (text[start - 1 : start].isdigit() or text[end : end + 1].isdigit()):
                continue
            yield needle


def _cells(path: Path) -> bytes:
    """Return names and values of a table as text."""
    table = pyarrow.parquet.read_table(path)
    columns = ["\n".join(str(value) for value in table[name].to_pylist()) for name in table.column_names]
    return "\n".join([*table.column_names, str(table.schema.metadata or ""), *columns]).encode()


def _reads(path: Path) -> bytes:
    pysam.set_verbosity(0)
    with pysam.AlignmentFile(str(path), check_sq=False) as file:
        return (str(file.header) + "".join(f"{read}\n" for read in file.fetch(until_eof=True))).encode()


def by_kind(found: Iterable[str]) -> Counter[str]:
    """Count what was found by the extract's folders."""
    return Counter(one.split(" in ", 1)[1].split("/", 1)[0] if "/" in one else "table" for one in found)
