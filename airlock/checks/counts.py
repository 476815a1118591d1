"""Counts of few people can point at one of them, so they do not leave. Counts are of persons, never of rows."""

import re
from collections.abc import Collection, Iterator, Sequence

from airlock.checks.file import Table
from airlock.checks.finding import Finding, Severity
from airlock.checks.rounding import is_midpoint
from airlock.checks.thresholds import Thresholds

COUNT_NAMES = frozenset({
    "n", "count", "counts", "freq", "frequency", "frequencies", "persons", "person", "people", "patients",
    "subjects", "participants", "individuals", "cases", "controls", "events", "deaths", "total", "totals", "size",
    "num", "number", "obs", "observations", "at_risk", "atrisk", "observed", "censored", "removed", "entrance",
    "nobs", "records", "rows",
})  # fmt: skip
_PARTS = frozenset({"n", "count", "counts", "freq", "num"})
_WORDS = re.compile(r"[^a-z0-9]+")
_INTEGER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.0+)?\Z")
_LEADING = re.compile(r"\s*(\d{1,3}(?:,\d{3})+|\d+)\s*(?:[(\[/|;:]|of\b|out\b)")
_SHARE = re.compile(r"\s*[\d,]+\s*[(\[]\s*[<>~]?\s*\d+(?:[.,]\d+)?\s*%?\s*[)\]]?\s*%?\s*\Z")
_NAMED = re.compile(r"\bn\s*=\s*(\d{1,3}(?:,\d{3})+|\d+)", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_HIDDEN = ("<", "≤", ">", "≥", "~")
_MARGINS = frozenset({"", "all", "total", "overall"})
_SHOWN = 20
_LONGEST = 40
"""Signs of a whole number; a longer one counts nothing on earth."""
_MORE = "are larger than the persons in the project's data: count persons, not rows"
_NOBODY = "are of groups that nobody in the project's data is in: check how the groups were made"
_LESS = "are smaller than the persons in the project's data: check who was left out"


def check(
    table: Table,
    persons: Sequence[int] | None,
    limits: Thresholds,
    *,
    groups: Collection[int] = (),
    judged: Collection[int] = (),
) -> Iterator[Finding]:
    """Point at counts of too few, at counts that are not rounded, and at counts that are not of persons.

    `persons` are the distinct persons behind each row, counted in the project's own data; None if they cannot be.
    `groups` are the columns that are named as in that data: their values are no counts. `judged` are columns that
    were made again from it: what is behind each of their numbers is known.
    """
    columns = tuple(at for at in count_columns(table) if at not in judged)
    yield from _few([*_named(table), *(cell for at in columns for cell in _cells(table, at))], limits)
    yield from _doubtful(table, columns, {*groups, *judged}, limits)
    if persons is not None and not judged:
        yield from _persons(persons, limits)
        yield from _claims(table, columns, persons)
    elif columns:
        yield _says(Severity.WARN, "file", "counts could not be made again from the project's data: check them by hand")


def count_columns(table: Table) -> tuple[int, ...]:
    """Return which columns hold counts: by their names, or because the table is a cross table."""
    named = tuple(at for at, head in enumerate(table.heads) if is_count(head) or any(map(_is_share, table.column(at))))
    return named or _cross(table)


def is_count(head: str) -> bool:
    """Return whether a column of this name holds counts."""
    name = _WORDS.sub("_", head.strip().lower()).strip("_")
    parts = name.split("_")
    return name in COUNT_NAMES or parts[0] in _PARTS or parts[-1] in _PARTS


def whole(cell: str) -> int | None:
    """Return a cell's whole number, as 12, 1,234 or 12.0; None if it is none."""
    cell = cell.strip()
    is_one = len(cell) <= _LONGEST and _INTEGER.match(cell)
    return int(cell.split(".")[0].replace(",", "")) if is_one else None


def counted(cell: str) -> int | None:
    """Return the count with which a cell begins, as 3, 3 (1.2%) or 3/520; None if there is none."""
    if (number := whole(cell)) is not None:
        return number
    found = _LEADING.match(cell)
    return int(found[1].replace(",", "")) if found and len(found[1]) <= _LONGEST else None


def _is_share(cell: str) -> bool:
    """Return whether a cell is a count and its percentage, whatever its column is called."""
    return "%" in cell and _SHARE.match(cell) is not None


def _cross(table: Table) -> tuple[int, ...]:
    """Columns of a cross table: all but the first hold whole numbers, and are named by values or as margins."""
    rest = range(1, len(table.heads))
    named = all(whole(table.heads[at]) is not None or table.heads[at].strip().lower() in _MARGINS for at in rest)
    numbers = all(whole(cell) is not None or not cell.strip() for at in rest for cell in table.column(at))
    return tuple(rest) if table.rows and len(table.heads) > 1 and (named and numbers) else ()


def _cells(table: Table, at: int) -> list[tuple[str, int]]:
    cells = ((f"column {at + 1}, row {row}", counted(cell)) for row, cell in enumerate(table.column(at), 1))
    return [(where, number) for where, number in cells if number is not None]


def _named(table: Table) -> list[tuple[str, int]]:
    """Read counts that stand in words: `Placebo (n=3)`, also over a column."""
    return [
        (f"column {at + 1}, row {row}" if row else f"header, column {at + 1}", int(number.replace(",", "")))
        for row, line in enumerate((table.heads, *table.rows))
        for at, cell in enumerate(line)
        for number in _NAMED.findall(cell)
    ]


def _doubtful(table: Table, columns: Sequence[int], groups: Collection[int], limits: Thresholds) -> Iterator[Finding]:
    """Have the approvers look at cells that may be counts and cannot be read or are not named as such."""
    unread = [at for at in columns if any(_unread(cell) for cell in table.column(at))]
    if unread:
        yield _says(Severity.WARN, _columns(unread), "cells that cannot be read as counts: are they of few?")
    rest = set(range(len(table.rows) > 1, len(table.heads))) - {*columns, *groups}
    small = [at for at in sorted(rest) if _small(table.column(at), limits)]
    if small:
        yield _says(Severity.WARN, _columns(small), f"whole numbers below {limits.smallest_count}: are they people?")


def _unread(cell: str) -> bool:
    return counted(cell) is None and _DIGIT.search(cell) is not None and not cell.strip().startswith(_HIDDEN)


def _small(cells: Sequence[str], limits: Thresholds) -> bool:
    numbers = [whole(cell) for cell in cells if cell.strip()]
    return None not in numbers and any(1 <= number < limits.smallest_count for number in numbers if number is not None)


def _columns(places: Sequence[int]) -> str:
    return "column " + ", ".join(str(at + 1) for at in places[:_SHOWN])


def _few(cells: list[tuple[str, int]], limits: Thresholds) -> Iterator[Finding]:
    few = [where for where, number in cells if 1 <= number < limits.smallest_count]
    yield from _at_most(few, f"a count below {limits.smallest_count}: leave it out or merge groups", limits)
    if limits.midpoint and all(is_midpoint(number) for _, number in cells):
        return
    uneven = [where for where, number in cells if number % limits.round_to and where not in set(few)]
    yield from _at_most(uneven, f"a count that is no multiple of {limits.round_to}: round it", limits)


def _persons(persons: Sequence[int], limits: Thresholds) -> Iterator[Finding]:
    few = [f"row {row}" for row, number in enumerate(persons, 1) if 1 <= number < limits.smallest_count]
    yield from _at_most(
        few,
        f"fewer than {limits.smallest_count} persons are behind it: merge groups, or call a statistic by another name",
        limits,
    )


def _claims(table: Table, columns: Sequence[int], persons: Sequence[int]) -> Iterator[Finding]:
    """Compare what the table claims with the persons counted. A filter may make it smaller; nothing makes it larger."""
    for at in columns:
        cells = ((row, counted(cell), persons[row - 1]) for row, cell in enumerate(table.column(at), 1))
        claims = [(row, claim, held) for row, claim, held in cells if claim]
        for severity, rows, message in (
            (Severity.BLOCK, [r for r, claim, held in claims if 0 < held < claim], _MORE),
            (Severity.WARN, [r for r, claim, held in claims if not held], _NOBODY),
            (Severity.WARN, [r for r, claim, held in claims if claim < held], _LESS),
        ):
            if rows:
                yield _says(severity, f"column {at + 1}, row {rows[0]}", f"{len(rows)} counts {message}")


def _at_most(places: list[str], message: str, limits: Thresholds) -> Iterator[Finding]:
    for where in places[:_SHOWN]:
        yield _says(Severity.BLOCK, where, message)
    if len(places) > _SHOWN:
        yield _says(Severity.BLOCK, "file", f"and {len(places) - _SHOWN} more like it ({limits.profile} thresholds)")


def _says(severity: Severity, where: str, message: str) -> Finding:
    return Finding("small_counts", severity, where, message)
