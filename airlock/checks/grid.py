"""A table that leaves is plain: one header, equal rows, nothing a spreadsheet would run."""

import csv
import io
import json
from collections.abc import Iterator

from airlock.checks.file import File, Table
from airlock.checks.finding import Finding, Severity
from airlock.checks.thresholds import Thresholds

_RUNS = ("=", "+", "-", "@", "\t", "\r", "|")
_SHOWN = 20


def table(file: File) -> Table | None:
    """Read a CSV, or a JSON list of flat objects, as a table; None if it is none. The rows may be ragged."""
    text = file.content.decode("utf-8-sig")
    if file.kind == "csv":
        rows = tuple(tuple(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row)
        return Table(rows[0], rows[1:]) if rows else None
    if file.kind == "json":
        return _flat(json.loads(text))
    return None


def plain(file: File, limits: Thresholds) -> Iterator[Finding]:
    """Point at what makes a table hard to read or too large to be a result."""
    found = table(file)
    if found is None:
        if file.kind == "csv":
            yield _says("file", "holds no header: write one with the names of the columns")
        return
    if len(found.rows) > limits.largest_rows:
        yield _says("file", f"{len(found.rows)} rows; a result has at most {limits.largest_rows}")
    heads = [head.strip().lower() for head in found.heads]
    if len(set(heads)) < len(heads) or ("" in heads[1:]):
        yield _says("header", "two columns have one name, or one has none: name each")
    ragged = [at for at, row in enumerate(found.rows, 1) if len(row) != len(found.heads)]
    if ragged:
        yield _says(f"row {ragged[0]}", f"{len(ragged)} rows have more or fewer cells than the header")


def formulas(file: File, limits: Thresholds) -> Iterator[Finding]:
    """Point at cells that a spreadsheet would run when the released file is opened."""
    found = table(file)
    if found is None:
        return
    cells = [
        f"column {column + 1}, row {row}"
        for row, line in enumerate((found.heads, *found.rows))
        for column, cell in enumerate(line)
        if cell.startswith(_RUNS) and not _number(cell) and cell.strip("-") != ""
    ]
    for where in cells[:_SHOWN]:
        yield Finding(
            "formulas", Severity.BLOCK, where, "a spreadsheet would run this cell: put a letter or ' before it"
        )
    if len(cells) > _SHOWN:
        yield Finding("formulas", Severity.BLOCK, "file", f"and {len(cells) - _SHOWN} cells more")
    del limits


def _flat(value: object) -> Table | None:
    """Find the longest table in JSON: records, or columns as lists or as maps (three ways pandas writes one)."""
    found = [rows for part in _parts(value) if (rows := _records(part))]
    if not found:
        return None
    rows = max(found, key=len)
    heads = tuple(dict.fromkeys(str(key) for row in rows for key in row))
    return Table(heads, tuple(tuple(_cell(row.get(head)) for head in heads) for row in rows))


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
    if not isinstance(part, dict) or not part:
        return []
    if all(isinstance(column, dict) for column in part.values()):
        index = dict.fromkeys(key for column in part.values() for key in column)
        return [{str(head): column.get(key) for head, column in part.items()} for key in index]
    if all(isinstance(column, list) for column in part.values()) and len({len(c) for c in part.values()}) == 1:
        return [dict(zip(map(str, part), row, strict=True)) for row in zip(*part.values(), strict=True)]
    return []


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _number(cell: str) -> bool:
    try:
        float(cell.replace(",", "").removesuffix("%"))
    except ValueError:
        return False
    return True


def _says(where: str, message: str) -> Finding:
    return Finding("plain_table", Severity.BLOCK, where, message)
