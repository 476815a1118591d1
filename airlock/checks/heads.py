"""What the columns of tables of results are called, whoever's program wrote them."""

import re

from airlock.checks.file import Table

_WORDS = re.compile(r"[^a-z0-9]+")


def plain(head: str) -> str:
    """Return a head in small letters with single underscores: `Std. Err.` is std_err."""
    return _WORDS.sub("_", head.strip().lower()).strip("_")


def find(table: Table, *names: str) -> int | None:
    """Return the first column whose head is one of these; None if there is none."""
    for at, head in enumerate(table.heads):
        if plain(head) in names:
            return at
    return None


def number(cell: str) -> float | None:
    """Return a cell's number; None if it is none, not a number or infinite."""
    try:
        value = float(cell.replace(",", "") if cell.count(",") and "." in cell else cell)
    except ValueError:
        return None
    return value if value == value and abs(value) != float("inf") else None  # noqa: PLR0124 -- NaN is not itself


def numbers(table: Table, at: int) -> list[float | None]:
    """Return a column's numbers."""
    return [number(cell) for cell in table.column(at)]
