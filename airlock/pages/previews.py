"""A file is shown, never run: a table as cells, a picture as pixels in a sealed frame, all else as text.

What cannot be seen (control, bidirectional and zero-width signs) is named, so that a person sees what leaves.
"""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from types import MappingProxyType
from typing import Literal, NamedTuple

from airlock.checks import grid, kinds

ROWS = 200
LINES = 500
COLUMNS = grid.MOST_COLUMNS
LONGEST = grid.LONGEST_CELL
"""A cell is shown up to this many signs, and the checks let no longer one pass; a line is broken into such parts."""

PICTURES = {"png": "image/png", "jpeg": "image/jpeg"}
# A picture's answer: even opened by itself, it is in a sandbox without scripts, forms or origin.
SEALED = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Content-Disposition": "inline",
}
_CELL = re.compile(r"column (?P<column>.+), row (?P<row>\d+)")
_ROW = re.compile(r"row (?P<row>\d+)")
_LINE = re.compile(r"line (?P<line>\d+)")
_COLUMN = re.compile(r"column (?P<column>.+)")
Point = tuple[int, int]
"""Row and column of a table's cell, from 0; row -1 is the header."""
_SPELT = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}


@dataclass(frozen=True)
class Cell:
    """One cell as it is shown."""

    parts: tuple[tuple[str, bool], ...]
    """Text, and whether it spells a sign that cannot be seen."""
    flag: bool
    number: bool
    found: tuple[int, ...] = ()
    """Numbers of the findings that mean this cell, from 1 as the page counts them."""
    within: str = ""
    """What a reader can work out of a hidden cell."""


@dataclass(frozen=True)
class Row:
    """A row with its number in the file: 0 is the header."""

    number: int
    cells: tuple[Cell, ...]
    flag: bool


@dataclass(frozen=True)
class Preview:
    """What the page shows of a file, from one place on."""

    how: Literal["table", "text", "notebook", "picture", "none"]
    head: Row | None = None
    rows: tuple[Row, ...] = ()
    cells: tuple[tuple[str, tuple[Row, ...]], ...] = ()
    """Of a notebook: kind and lines of each cell."""
    first: int = 0
    total: int = 0
    step: int = ROWS
    hidden_columns: int = 0

    @property
    def numeric(self) -> frozenset[int]:
        """Columns whose first shown cell is a number."""
        return frozenset(at for at, cell in enumerate(self.rows[0].cells) if cell.number) if self.rows else frozenset()


@dataclass(frozen=True)
class Marks:
    """Places that findings name."""

    cells: frozenset[tuple[str, int]]
    rows: frozenset[int]
    columns: frozenset[str]
    lines: frozenset[int]
    points: Mapping[Point, tuple[int, ...]] = field(default_factory=dict)
    intervals: Mapping[Point, str] = field(default_factory=dict)


class Pointed(NamedTuple):
    """Where one finding points: in words, and cell by cell of the table where it says so."""

    where: str
    cells: tuple[tuple[int, int, int], ...] = ()
    """(table, row, column) from 0; row -1 is the header."""


def of(
    kind: str,
    content: bytes,
    *,
    wheres: Iterable[Pointed],
    first: int = 0,
    intervals: Mapping[Point, str] = MappingProxyType({}),
) -> Preview:
    """Show a file by its kind; bytes that are not what the kind says are not shown at all."""
    if kind in PICTURES:
        return Preview("picture" if is_picture(kind, content) else "none")
    if kind not in kinds.KINDS or not kinds.is_text(content):
        return Preview("none")
    text = content.decode("utf-8-sig")
    marks = replace(read_marks(wheres), intervals=intervals)
    if kind == "csv":
        return _table(text, marks, first)
    if kind == "ipynb" and (cells := _notebook(text)):
        return _text(text, marks, first, cells=cells)
    return _text(text, marks, first)


def is_picture(kind: str, content: bytes) -> bool:
    """Look at the bytes again: only what is a picture is sent as one."""
    return kind in PICTURES and kinds.sniff(f"preview.{kind}", content) == kind


def read_marks(found: Iterable[Pointed]) -> Marks:
    """Understand where findings point; one that names its cells means those, whatever its words say."""
    cells, rows, columns, lines = set(), set(), set(), set()
    points: dict[Point, tuple[int, ...]] = {}
    for number, (where, named) in enumerate(found, 1):
        for _, row, column in (cell for cell in named if cell[0] == 0):
            points[row, column] = (*points.get((row, column), ()), number)
        if named:
            continue
        if at := _CELL.fullmatch(where):
            cells.add((at["column"], int(at["row"])))
        elif at := _ROW.fullmatch(where):
            rows.add(int(at["row"]))
        elif at := _LINE.fullmatch(where):
            lines.add(int(at["line"]))
        elif at := _COLUMN.fullmatch(where):
            columns.add(at["column"])
    return Marks(frozenset(cells), frozenset(rows), frozenset(columns), frozenset(lines), points)


def visible(text: str, longest: int = LONGEST) -> tuple[tuple[str, bool], ...]:
    """Split text into what can be seen and names of what cannot; cut it where it is too long to read."""
    parts: list[tuple[str, bool]] = []
    plain = ""
    for sign in text[:longest]:
        if sign == "\t" or unicodedata.category(sign) not in _SPELT:
            plain += sign
            continue
        parts += [(plain, False), (f"U+{ord(sign):04X}", True)]
        plain = ""
    parts.append((plain, False))
    if len(text) > longest:
        parts.append((f"and {len(text) - longest} signs more", True))
    return tuple(part for part in parts if part[0])


def _table(text: str, marks: Marks, first: int) -> Preview:
    try:
        rows, marks = _read(text, marks)
    except csv.Error:
        return _text(text, marks, first)
    if not rows:
        return Preview("none")
    head, body = rows[0], rows[1:]
    shown = [_row(number, row, head, marks) for number, row in islice(enumerate(body, 1), first, first + ROWS)]
    return Preview(
        "table",
        head=_row(0, head, head, marks),
        rows=tuple(shown),
        first=first,
        total=len(body),
        step=ROWS,
        hidden_columns=max(0, max(map(len, rows)) - COLUMNS),
    )


def _read(text: str, marks: Marks) -> tuple[list[list[str]], Marks]:
    """Read the rows as the checks do, without empty lines; a finding about a line points at the row that holds it."""
    rows: list[list[str]] = []
    flagged, line = set(marks.rows), 0
    reader = csv.reader(io.StringIO(text, newline=""))
    for row in reader:
        if row:
            if not marks.lines.isdisjoint(range(line + 1, reader.line_num + 1)):
                flagged.add(len(rows))
            rows.append(row)
        line = reader.line_num
    return rows, replace(marks, rows=frozenset(flagged))


def _row(number: int, row: Sequence[str], head: Sequence[str], marks: Marks) -> Row:
    cells = tuple(
        Cell(
            visible(text),
            _flagged(at, number, head, marks),
            _is_number(text),
            marks.points.get((number - 1, at - 1), ()),
            marks.intervals.get((number - 1, at - 1), ""),
        )
        for at, text in enumerate(row[:COLUMNS], 1)
    )
    return Row(number, cells, number in marks.rows)


def _flagged(at: int, row: int, head: Sequence[str], marks: Marks) -> bool:
    """Whether a finding points here; it names a column by its head or by its place, from 1."""
    if (row - 1, at - 1) in marks.points:
        return True
    names = {str(at)} | ({head[at - 1]} if at <= len(head) else set())
    return any((name, row) in marks.cells or name in marks.columns for name in names)


def _text(text: str, marks: Marks, first: int, *, cells: tuple[tuple[str, tuple[Row, ...]], ...] = ()) -> Preview:
    lines = text.splitlines() or [""]
    shown, total = tuple(islice(_lines(lines, marks), first, first + LINES)), sum(map(_parts, lines))
    how: Literal["notebook", "text"] = "notebook" if cells else "text"
    return Preview(how, rows=shown, cells=cells, first=first, total=total, step=LINES)


def _lines(lines: Iterable[str], marks: Marks) -> Iterator[Row]:
    """Show every sign of every line: one that is too long for the page goes on below, under the same number."""
    for number, line in enumerate(lines, 1):
        for part in range(_parts(line)):
            piece = line[part * LONGEST : (part + 1) * LONGEST]
            yield Row(number, (Cell(visible(piece), flag=False, number=False),), number in marks.lines)


def _parts(line: str) -> int:
    return max(1, -(-len(line) // LONGEST))


def _notebook(text: str) -> tuple[tuple[str, tuple[Row, ...]], ...]:
    """Return the cells' sources in a form that is easy to read; the whole file is shown below them in any case."""
    nobody = read_marks(())
    try:
        cells = json.loads(text)["cells"]
        sources = [(str(cell["cell_type"])[:20], _source(cell["source"])) for cell in cells[:LINES]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
    return tuple((kind, tuple(_lines(source.splitlines()[:LINES], nobody))) for kind, source in sources)


def _source(source: object) -> str:
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[<>≤≥~]?\s*[-+]?[\d.,]+(?:[eE][-+]?\d+)?\s*%?", text.strip()))
