"""Rows are people: a table whose rows each stand for one person is data, not a result."""

import re
from collections.abc import Iterator, Sequence

from airlock.checks.file import Table
from airlock.checks.finding import Finding, Severity
from airlock.checks.thresholds import Thresholds

_IDENTIFIER = re.compile(r"(?=[^\d]*\d)[A-Za-z0-9_-]{6,64}\Z")
_FEW = 5
"""Fewer rows than this tell nothing about what a row is."""
_MANY = 50
"""More rows than this, if they cannot be compared with the data, are for the approvers to look at."""


def check(table: Table, persons: Sequence[int] | None, limits: Thresholds) -> Iterator[Finding]:
    """Point at a table of single persons: by the project's data (`persons` behind each row), and by its look."""
    single = sum(number == 1 for number in persons or ())
    if single and 2 * single >= len(table.rows):
        yield _says("file", f"{single} of {len(table.rows)} rows are single persons of the project's data")
    if len(table.rows) > limits.largest_rows:
        yield _says("file", f"{len(table.rows)} rows are data, not a result")
    strange = sum(number == 0 for number in persons or ())
    if persons and len(table.rows) > _MANY and 2 * strange >= len(table.rows):
        said = f"{strange} of {len(table.rows)} rows are of nobody in the data: are they people, changed a little?"
        yield Finding("row_level", Severity.WARN, "file", said)
    if persons is None and len(table.rows) > _MANY:
        said = f"{len(table.rows)} rows, none of whose columns is named as in the project's data: are they people?"
        yield Finding("row_level", Severity.WARN, "file", said)
    for at in range(len(table.heads)):
        if _names_rows(table.column(at)):
            yield _says(f"column {at + 1}", "every row has a different identifier: rows may be people")


def _names_rows(cells: Sequence[str]) -> bool:
    cells = tuple(cell.strip() for cell in cells)
    return len(cells) >= _FEW and len(set(cells)) == len(cells) and all(_IDENTIFIER.match(cell) for cell in cells)


def _says(where: str, message: str) -> Finding:
    return Finding("row_level", Severity.BLOCK, where, f"{message}: export counts or models, not rows")
