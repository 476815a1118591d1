"""Whatever its columns are called, a copied table holds the data's values: which of its columns holds which of theirs.

A column of the data is compared as it is, and as people round it: to fewer decimals, to days, months or years. It may
be the source of a column of a file if it holds (nearly) every value of it; among several the one of the same name is
taken, else the one whose values are spread most alike.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray

Codes = NDArray[np.int32]
Numbers = NDArray[np.float64]

HELD = 0.9
"""Share of a column's values that the data's column must hold."""
SAMPLE = 20_000
MOST_DECIMALS = 3
ROWS_COMPARED = 5
"""Fewer rows have no spread to compare: columns are then matched by their names first, and by who holds fewest."""
_NOT_ALNUM = re.compile(r"[^a-z0-9]+")
_CUTS = (("day", 10), ("month", 7), ("year", 4))
_ISO = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Asked:
    """A column of a file: its cells as one may compare them."""

    at: int
    head: str
    texts: tuple[str, ...]
    numbers: Numbers | None
    """None where not (nearly) all cells are numbers; NaN where a cell is none."""
    decimals: int


@dataclass(frozen=True)
class Face:
    """A column of the data in one of the ways people write it, known by the values that are asked for."""

    name: str
    how: str
    values: pa.Array
    """What is asked for, of the same type, distinct."""
    codes: Codes
    """Of each row of the data: which of `values`; -1: none of them."""
    spread: Numbers | None
    """Sorted sample of a column of numbers."""
    counts: NDArray[np.int64]
    """Of each of `values`: how many rows of the data have it."""
    distinct: int
    dates: bool = False

    @property
    def label(self) -> str:
        """Name the column, and how it is read."""
        return f"{self.name} ({self.how})" if self.how else self.name


@dataclass(frozen=True)
class Link:
    """A column of the file that may be a copy of a column of the data."""

    asked: Asked
    face: Face
    codes: Codes
    """Of each row of the file: which of the face's values; -1: none."""


def ask(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[Asked, ...]:
    """Read the columns of a file; of equal ones only the first."""
    columns = [tuple(row[at].strip().lower() for row in rows) for at in range(len(heads))]
    first = {column: at for at, column in reversed(list(enumerate(columns)))}
    return tuple(_asked(at, heads[at], columns[at]) for at in sorted(first.values()))


def _asked(at: int, head: str, texts: tuple[str, ...]) -> Asked:
    numbers = np.array([_number(text) for text in texts], dtype=np.float64)
    filled = sum(text != "" for text in texts)
    if not filled or np.count_nonzero(~np.isnan(numbers)) < HELD * filled:
        return Asked(at, head, texts, None, 0)
    decimals = max(len(text.partition(".")[2]) for text in texts)
    return Asked(at, head, texts, numbers, decimals)


def _number(text: str) -> float:
    try:
        read = float(text.replace(",", "") if re.fullmatch(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?", text) else text)
    except ValueError:
        return {"true": 1.0, "false": 0.0}.get(text, np.nan)
    return read if np.isfinite(read) else np.nan


# --- the data ---------------------------------------------------------------------------------------------------------
def faces(path: Path, asked: Sequence[Asked], *, beside: str) -> Iterator[Face]:
    """Yield each column of a table of the data, but for `beside`, in all its faces."""
    numbers = [column.numbers for column in asked if column.numbers is not None]
    sought = np.unique(np.concatenate(numbers)) if numbers else np.array([])
    sought = sought[~np.isnan(sought)]
    texts = pa.array(sorted({text for column in asked for text in column.texts if text}), pa.string())
    rounded = sorted({column.decimals for column in asked if column.numbers is not None})
    with pyarrow.parquet.ParquetFile(path) as file:
        names = [name for name in file.schema_arrow.names if name != beside]
        for name in names:
            held = file.read(columns=[name]).column(0).combine_chunks()
            yield from _faces(name, held, pa.array(sought), texts, rounded)


def _faces(name: str, held: pa.Array, sought: pa.Array, texts: pa.Array, rounded: Sequence[int]) -> Iterator[Face]:
    if pa.types.is_nested(held.type) or pa.types.is_binary(held.type) or pa.types.is_large_binary(held.type):
        return
    if pa.types.is_boolean(held.type) or pa.types.is_integer(held.type) or pa.types.is_floating(held.type):
        yield from _of_numbers(name, held.cast(pa.float64(), safe=False), sought, rounded)
    elif pa.types.is_decimal(held.type):
        yield from _of_numbers(name, held.cast(pa.float64()), sought, rounded)
    else:
        yield from _of_texts(name, held.cast(pa.string()), sought, texts, rounded)


def _of_numbers(name: str, held: pa.Array, sought: pa.Array, rounded: Sequence[int]) -> Iterator[Face]:
    if not len(sought):
        return
    values = held.to_numpy(zero_copy_only=False)
    some = values[:: max(1, len(values) // SAMPLE)]
    some = some[np.isfinite(some)]
    own = next((d for d in range(MOST_DECIMALS + 4) if np.array_equal(np.round(some, d), some)), MOST_DECIMALS + 4)
    yield _numeric(name, "", held, sought, np.sort(some))
    for decimals in (each for each in rounded if each < min(own, MOST_DECIMALS + 1)):
        near = pa.array(np.round(values, decimals))
        yield _numeric(name, f"rounded to {decimals} decimals", near, sought, np.sort(np.round(some, decimals)))


def _of_texts(name: str, held: pa.Array, sought: pa.Array, texts: pa.Array, rounded: Sequence[int]) -> Iterator[Face]:
    words = held.dictionary_encode()
    plain = pc.utf8_lower(pc.utf8_trim_whitespace(words.dictionary))
    read = np.array([_number(word) if word else np.nan for word in plain[:SAMPLE].to_pylist()])
    if len(read) and not np.isnan(read).any():  # a table of texts may hold numbers
        every = read if len(plain) <= SAMPLE else np.array([_number(word) for word in plain.to_pylist()])
        yield from _of_numbers(name, pa.array(every).take(words.indices), sought, rounded)
        return
    head = next((word for word in plain[:SAMPLE].to_pylist() if word), "")
    dates = bool(_ISO.match(head))
    yield replace(_of_words(name, "", plain, words.indices, texts), dates=dates)
    for how, length in _CUTS if dates else ():
        if len(head) > length:
            cut = pc.utf8_slice_codeunits(plain, 0, length)
            yield replace(_of_words(name, f"its {how}", cut, words.indices, texts), dates=True)


def _of_words(name: str, how: str, words: pa.Array, indices: pa.Array, texts: pa.Array) -> Face:
    """Look each different word up once."""
    found = pc.index_in(words, value_set=texts).fill_null(-1).cast(pa.int32()) if len(texts) else None
    codes = found.take(indices).fill_null(-1) if found is not None else pa.array([-1] * len(indices), pa.int32())
    return _known(name, how, texts, codes, None, len(pc.unique(words)))


def _numeric(name: str, how: str, held: pa.Array, sought: pa.Array, spread: Numbers) -> Face:
    return _known(name, how, sought, pc.index_in(held, value_set=sought).fill_null(-1), spread, 0)


def _known(  # noqa: PLR0917 -- what a face is made of
    name: str, how: str, values: pa.Array, found: pa.Array, spread: Numbers | None, distinct: int
) -> Face:
    codes = found.to_numpy(zero_copy_only=False)
    return Face(name, how, values, codes, spread, np.bincount(codes[codes >= 0], minlength=len(values)), distinct)


# --- which holds which ------------------------------------------------------------------------------------------------
def links(asked: Sequence[Asked], held: Sequence[Face]) -> tuple[Link, ...]:
    """Match columns one to one, those of the same name and those most alike first."""
    found = [
        (far, column.at, at, link)
        for column in asked
        for at, face in enumerate(held)
        if (link := _link(column, face)) and (far := _far(link)) < 1
    ]
    chosen: dict[int, Link] = {}
    taken = set[str]()
    for _, column_at, _, link in sorted(found, key=lambda each: each[:3]):
        if column_at not in chosen and link.face.name not in taken:
            chosen[column_at] = link
            taken.add(link.face.name)
    return tuple(chosen[at] for at in sorted(chosen))


def holders(column: Asked, held: Sequence[Face]) -> Iterator[Link]:
    """Yield every column of the data that holds the values of this one."""
    for face in held:
        if link := _link(column, face):
            yield link


def _link(column: Asked, face: Face) -> Link | None:
    of_one_kind = (face.spread is None) is (column.numbers is None)
    if not of_one_kind or (face.how.startswith("rounded") and f" {column.decimals} " not in face.how):
        return None
    counts = face.counts
    codes = _codes(column, face)
    known = np.unique(codes[codes >= 0])
    filled = {text for text in column.texts if text}
    held = int(np.count_nonzero(counts[known]))
    if not held or held < HELD * len(filled):
        return None
    return Link(column, face, np.where((codes >= 0) & (counts[codes] > 0), codes, -1).astype(np.int32))


def _codes(column: Asked, face: Face) -> Codes:
    given = pa.array(column.numbers, from_pandas=True) if column.numbers is not None else pa.array(column.texts)
    found: Codes = pc.index_in(given, value_set=face.values).fill_null(-1).to_numpy(zero_copy_only=False)
    return found


def _far(link: Link) -> float:
    """Say how unlike two columns are, from 0 to 1; less than 0 for those of one name."""
    name = -2.0 if plain(link.asked.head) == plain(link.face.name) else 0.0
    rounded = 0.01 if link.face.how else 0.0
    codes, counts = link.codes[link.codes >= 0], link.face.counts
    if len(codes) < ROWS_COMPARED:
        return name + rounded + float(counts[codes].mean()) / max(1, len(link.face.codes)) * 0.9
    if link.face.spread is not None and link.asked.numbers is not None:
        mine = np.sort(link.asked.numbers[~np.isnan(link.asked.numbers)])
        both = np.unique(np.concatenate([mine, link.face.spread]))
        ours = np.searchsorted(mine, both, side="right") / len(mine)
        theirs = np.searchsorted(link.face.spread, both, side="right") / max(1, len(link.face.spread))
        return name + rounded + 0.98 * float(np.abs(ours - theirs).max())
    mine = np.bincount(codes, minlength=len(counts)) / len(codes)
    return name + rounded + 0.49 * float(np.abs(mine - counts / max(1, len(link.face.codes))).sum())


def plain(name: str) -> str:
    """Write a name of a column without case and punctuation."""
    return _NOT_ALNUM.sub("", name.lower())


@lru_cache(maxsize=8)
def persons(path: Path, column: str) -> Codes:
    """Give the persons behind the rows of an extract's table numbers; an extract never changes."""
    with pyarrow.parquet.ParquetFile(path) as file:
        held = file.read(columns=[column]).column(0).combine_chunks()
    found: Codes = held.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return found
