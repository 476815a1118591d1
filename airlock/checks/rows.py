"""Some tables show by their look that their rows are people: too many, or each with a number of its own."""

import re
from collections.abc import Iterator, Sequence

from airlock.checks.file import Table
from airlock.checks.finding import Finding, Severity
from airlock.checks.thresholds import Thresholds

_IDENTIFIER = re.compile(
    r"(?!rs\d|ens|chr|snp|loinc)(?:[a-z]{1,6}[-_]?\d{4,}|\d{9,}|(?=[a-z]*\d)(?=\d*[a-z])[a-z2-7]{16,64}"
    r"|[0-9a-f]{16,64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
)
"""A letter or a few and a long number, a long number, letters and digits as a hash has them, a UUID; but no name of a
variant, of a gene or of a code."""
_FEW = 5
"""Fewer rows than this tell nothing about what a row is."""


def check(table: Table, limits: Thresholds) -> Iterator[Finding]:
    """Point at more rows than a result has, and at a column in which every row has an identifier of its own."""
    if len(table.rows) > limits.largest_rows:
        yield _says("file", f"{len(table.rows)} rows are data, not a result")
    for at in range(len(table.heads)):
        if _names_rows(table.column(at)):
            yield _says(f"column {at + 1}", "every row has a different identifier: rows may be people")


def _names_rows(cells: Sequence[str]) -> bool:
    cells = tuple(cell.strip().lower() for cell in cells)
    return len(cells) >= _FEW and len(set(cells)) == len(cells) and all(map(_IDENTIFIER.fullmatch, cells))


def _says(where: str, message: str) -> Finding:
    return Finding("row_level", Severity.BLOCK, where, message, "P2", "export counts or models, not rows")
