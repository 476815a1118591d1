"""Where tables are in a file: a CSV is one, JSON may hold some, and people write them into texts and notebooks."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from airlock.checks.file import File, Table

SHORTEST = 3
"""Lines of a text that make a table: a header and two rows."""
_RULE = re.compile(r"[\s|:+=-]*\Z")
_BETWEEN = (
    re.compile(","),
    re.compile(";"),
    re.compile("\t"),
    re.compile(r"\|"),
    re.compile(r"\s{2,}"),
    re.compile(r"\s+"),
)


def tables(file: File) -> tuple[Table, ...]:
    """Return the tables of a file. Those of a CSV may be ragged; all others have a cell for each head."""
    if file.kind in {"png", "jpeg", "model"}:
        return ()
    text = file.content.decode("utf-8-sig")
    if file.kind == "csv":
        rows = tuple(tuple(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row)
        return (Table(rows[0], rows[1:]),) if rows else ()
    if file.kind == "json":
        return tuple(_in_json(json.loads(text)))
    if file.kind == "ipynb":
        text = "\n\n".join(_sources(json.loads(text)))
    return tuple(_in_text(text))


# --- JSON -------------------------------------------------------------------------------------------------------------
def _in_json(value: object) -> Iterator[Table]:
    """Yield records, and columns as lists or as maps (three ways pandas writes a table), at any depth."""
    for part in _parts(value):
        rows = _records(part)
        if heads := tuple(dict.fromkeys(str(key) for row in rows for key in row)):
            yield Table(heads, tuple(tuple(_cell(row.get(head)) for head in heads) for row in rows))


def _parts(value: object) -> Iterator[object]:
    yield value
    if isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _parts(part)


def _records(part: object) -> list[dict[str, object]]:
    if isinstance(part, list) and all(isinstance(row, dict) for row in part):
        return part
    if isinstance(part, list) and all(isinstance(row, list) for row in part):
        return [{f"column {at}": cell for at, cell in enumerate(row, 1)} for row in part]
    return _columns(part) if isinstance(part, dict) and part else []


def _columns(part: dict[str, object]) -> list[dict[str, object]]:
    maps = [column for column in part.values() if isinstance(column, dict)]
    lists = [column for column in part.values() if isinstance(column, list)]
    if len(maps) == len(part):
        index = dict.fromkeys(key for column in maps for key in column)
        return [{head: column.get(key) for head, column in zip(part, maps, strict=True)} for key in index]
    if len(lists) == len(part) and len({len(column) for column in lists}) == 1:
        return [dict(zip(part, row, strict=True)) for row in zip(*lists, strict=True)]
    flat = {head: cell for head, cell in part.items() if not isinstance(cell, dict | list)}
    return [flat] if flat else []


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


# --- text -------------------------------------------------------------------------------------------------------------
def _sources(book: object) -> Iterator[str]:
    """Yield what is typed into the cells of a notebook."""
    cells = book.get("cells") if isinstance(book, dict) else None
    for cell in cells if isinstance(cells, list) else ():
        source = cell.get("source", "") if isinstance(cell, dict) else ""
        yield "".join(map(str, source)) if isinstance(source, list) else str(source)


def _in_text(text: str) -> Iterator[Table]:
    """Yield blocks of neighbouring lines that one separator cuts into equally many cells."""
    block = list[str]()
    for line in (*text.splitlines(), ""):
        if line.strip():
            block.append(line)
            continue
        lines = [line for line in block if not _RULE.match(line)]
        yield from _aligned(lines)
        block = []


def _aligned(lines: Sequence[str]) -> Iterator[Table]:
    if len(lines) < SHORTEST:
        return
    for between in _BETWEEN:
        cut = [_cells(between, line) for line in lines]
        if _even(cut):
            yield _table(cut)
            if len(cut[0]) == 1 and len(cut[0][0].split()) > 1:  # or the first line is no header but a title
                yield _table(cut[1:])
            return
    for between in _BETWEEN:  # a title above, a note below: what is even between them
        for rows in _runs([_cells(between, line) for line in lines]):
            yield _table(rows)


def _even(rows: Sequence[tuple[str, ...]]) -> bool:
    """Return whether all rows have one width; pandas prints no head over the index."""
    width = len(rows[1])
    return width > 1 and len(rows[0]) in {width - 1, width} and all(len(row) == width for row in rows[1:])


def _runs(rows: Sequence[tuple[str, ...]]) -> Iterator[Sequence[tuple[str, ...]]]:
    """Yield the longest runs of rows of one width, with and without the line above if it may be their header."""
    first = 0
    for width, same in groupby(map(len, rows)):
        last = first + len(tuple(same))
        heads = [first - 1] if first and len(rows[first - 1]) == width - 1 else []
        for head in [*heads, first]:
            if width > 1 and last - head >= SHORTEST:
                yield rows[head:last]
        first = last


def _table(rows: Sequence[tuple[str, ...]]) -> Table:
    short = len(rows[0]) < len(rows[1])
    return Table(("", *rows[0]) if short else rows[0], tuple(rows[1:]))


def _cells(between: re.Pattern[str], line: str) -> tuple[str, ...]:
    return tuple(cell.strip().strip("\"'") for cell in between.split(line.strip().strip("|")))
