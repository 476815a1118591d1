"""A number that can be read in two ways is checked as one and used as the other."""

import re
from collections.abc import Iterator

from airlock.checks.finding import Finding
from airlock.checks.inspect.seen import Seen, block, first, warn

# 12,5 and 0,123 are decimals with a comma, 1.234,5 as well; 1,234 is a thousand to who checks it.
_COMMA = re.compile(r"[-+<>~]?\s*(?:\d+,(?:\d{1,2}|\d{4,})|0\d*,\d+|\d{1,3}(?:\.\d{3})+,\d+|\d{4,},\d+)\s*%?")
_THOUSAND = re.compile(r"[-+<>~]?\s*[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_ENDLESS = re.compile(r"[-+]?(?:inf|infinity|1e309|\d+(?:\.\d+)?e\+?[1-9]\d{3,})", re.IGNORECASE)
_LONG = re.compile(r"[-+]?\d{20,}(?:\.\d+)?|[-+]?\d*\.\d{20,}")
_INDIAN = re.compile(r"\d{1,2}(?:,\d{2})+,\d{3}")


def look(seen: Seen) -> Iterator[Finding]:
    """Point at cells whose number is ambiguous, without end, or longer than a number is."""
    if seen.file.kind == "csv":
        yield from first(found for table in seen.tables for found in _cells(table.heads, table.rows))


def _cells(heads: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> Iterator[Finding]:
    for at in range(len(heads)):
        column = [(row, line[at].strip()) for row, line in enumerate(rows, 1) if at < len(line) and line[at]]
        commas = [row for row, cell in column if _COMMA.fullmatch(cell) and not _INDIAN.fullmatch(cell)]
        if commas:
            mixed = any(_THOUSAND.fullmatch(cell) for _, cell in column)
            more = " beside numbers with thousands" if mixed else ""
            yield block(
                f"column {at + 1}, row {commas[0]}", f"{len(commas)} numbers with a decimal comma{more}",
                "write decimals with a point",
            )  # fmt: skip
        if long := [row for row, cell in column if _LONG.fullmatch(cell)]:
            yield block(f"column {at + 1}, row {long[0]}", f"{len(long)} numbers of 20 digits or more", "round them")
        if endless := [row for row, cell in column if _ENDLESS.fullmatch(cell)]:
            yield warn(f"column {at + 1}, row {endless[0]}", f"{len(endless)} numbers without end (inf)")
