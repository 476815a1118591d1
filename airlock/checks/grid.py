"""A table that leaves is plain: one header, equal rows, nothing a spreadsheet would run."""

from collections.abc import Iterator

from airlock.checks import tables
from airlock.checks.file import File, Table
from airlock.checks.finding import Finding, Severity
from airlock.checks.thresholds import Thresholds

_RUNS = ("=", "+", "-", "@", "\t", "\r", "|")
_SEPARATORS = (";", "\t", "|")
_SHOWN = 20
MOST_COLUMNS = 100
LONGEST_CELL = 400
"""Signs of one cell that the page of a file shows."""


def plain(file: File, limits: Thresholds) -> Iterator[Finding]:
    """Point at what makes a table hard to read or too large to be a result."""
    found = tables.tables(file)
    for table in found:
        if len(table.rows) > limits.largest_rows:
            yield _says("file", f"{len(table.rows)} rows; a result has at most {limits.largest_rows}")
    if file.kind == "csv":
        yield from _csv(found[0]) if found else (_says("file", "holds no header: write the columns' names"),)


def _csv(table: Table) -> Iterator[Finding]:
    yield from _shown(table)
    heads = [head.strip().lower() for head in table.heads]
    if len(set(heads)) < len(heads) or ("" in heads[1:]):
        yield _says("header", "two columns have one name, or one has none: name each")
    if any(sign in head for head in heads for sign in _SEPARATORS):
        yield _says("header", "cells are not separated by commas: write the table with commas")
    ragged = [at for at, row in enumerate(table.rows, 1) if len(row) != len(table.heads)]
    if ragged:
        yield _says(f"row {ragged[0]}", f"{len(ragged)} rows have more or fewer cells than the header")


def _shown(table: Table) -> Iterator[Finding]:
    """Point at what an approver could not see on the page of the file, and so could not approve."""
    if (width := max(map(len, (table.heads, *table.rows)))) > MOST_COLUMNS:
        yield _says("header", f"{width} columns; people can look at {MOST_COLUMNS}: leave some out")
    lines = enumerate((table.heads, *table.rows))
    long = [(at, row) for row, line in lines for at, cell in enumerate(line, 1) if len(cell) > LONGEST_CELL]
    if long:
        at, row = long[0]
        yield _says(f"column {at}, row {row}", f"{len(long)} cells of more than {LONGEST_CELL} signs: shorten them")


def formulas(file: File, limits: Thresholds) -> Iterator[Finding]:
    """Point at cells that a spreadsheet would run when the released file is opened."""
    del limits
    cells = [
        f"column {column + 1}, row {row}"
        for found in tables.tables(file)
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


def _number(cell: str) -> bool:
    try:
        float(cell.replace(",", "").removesuffix("%"))
    except ValueError:
        return False
    return True


def _says(where: str, message: str) -> Finding:
    return Finding("plain_table", Severity.BLOCK, where, message)
