"""What can be computed again is not believed: each number of a file is held against the data, cell by cell."""

import math
from collections.abc import Iterable, Iterator, Sequence

from airlock.checks import counts, declared, numbers, rules
from airlock.checks.about import Made, Sort
from airlock.checks.case import Case
from airlock.checks.declared import Declared
from airlock.checks.file import Table
from airlock.checks.finding import Exhibit, Finding, Severity
from airlock.checks.numbers import Printed
from airlock.checks.rounding import MIDPOINT, rounds_to, shares
from tre.data.measures import Group, Measured, Weight, Why

NAME = "recompute"
SHOWN = 2000
"""Cells of an exhibit; those that do not agree come first."""
_OTHERS = frozenset({Sort.REGRESSION, Sort.SURVIVAL, Sort.GENOMICS, Sort.MODEL})
"""What has checks of its own."""
Cells = list[tuple[int, int, int]]


def check(case: Case) -> Iterator[Finding | Exhibit]:
    """Compare every table of a file with the data, or say that it came without a manifest."""
    said = declared.tables(case)
    if case.about.made is not None and not said:
        yield _says(Severity.BLOCK, "file", "the manifest describes no table that is in the file", "C2")
    for each in said:
        if isinstance(each.again, Why):
            message = f"the table cannot be made again: {each.again.says}"
            yield _says(Severity.BLOCK, "output manifest", message, "C2")
        else:
            yield from _compared(each, each.again, case)
    known = {each.nth for each in said}
    yield from _undeclared(case, [table for nth, table in enumerate(case.look.tables) if nth not in known])


# --- without a manifest -----------------------------------------------------------------------------------------------
def _undeclared(case: Case, tables: Sequence[Table]) -> Iterator[Finding]:
    """Ask for a manifest: a table that is said to be one needs it where its counts cannot be told otherwise."""
    about, sheet = case.about, case.file.kind in {"csv", "json"}
    held = [table for table in tables if sheet or counts.count_columns(table)]
    if not held or about.kind in _OTHERS:
        return
    blind = [table for table in held if not _comparable(case, table)]
    if about.said and about.kind is Sort.TABLE and blind:
        yield _says(Severity.BLOCK, "file", f"{len(blind)} tables cannot be made again from the data", "C2", _HOW)
    else:
        yield _says(Severity.WARN, "file", f"{len(held)} tables came without a manifest, and were not made again", "C2")


_HOW = (
    'Say how the table was made: {"dataset": .., "version": 1, "table": .., "cohort": "age >= 40", "dimensions": '
    '["sex"], "measures": {"n": "persons"}}.'
)


def _comparable(case: Case, table: Table) -> bool:
    """Return whether a column is named as in the data, so that its counts are at least compared."""
    import pyarrow as pa

    heads = [head.strip() for head in table.heads]
    counted = set(counts.count_columns(table))
    rest = [head for at, head in enumerate(heads) if at not in counted and head]
    return bool(counted) and any(case.evidence.persons(pa.table({head: [""]})) is not None for head in rest)


# --- with one ---------------------------------------------------------------------------------------------------------
def _compared(each: Declared, again: Measured, case: Case) -> Iterator[Finding | Exhibit]:
    table, made = each.table, each.made
    printed = {at: numbers.column(table.column(at)) for at in {place.column for place in again.places}}
    percent = _percents(again, printed)
    wrong, unread, unclear, naked, more = Cells(), Cells(), Cells(), Cells(), Cells()
    strange, high, shown = Cells(), True, list[list[object]]()
    for place in again.places:
        cell, behind = printed[place.column][place.row], again.of(place)
        at = (each.nth, place.row, place.column)
        value = behind[1].value if behind else None
        if cell.sort is not numbers.Sort.NUMBER and not _is_mode(behind):
            told = {numbers.Sort.UNCLEAR: unclear, numbers.Sort.WORDS: unread}.get(cell.sort)
            if told is not None:
                told.append(at)
            shown.append([place.row, place.column, table.rows[place.row][place.column], None, told is None])
            continue
        said = table.rows[place.row][place.column]
        agrees = _agrees(
            cell, said, behind, made, percent=place.column in percent, midpoint=case.limits.midpoint == MIDPOINT
        )
        if not agrees:
            (wrong if behind else strange).append(at)
            high = high and behind is not None and isinstance(value, float | int) and cell.value > value
        if behind and 1 <= behind[0].persons < made.suppress_below:
            naked.append(at)
        if cell.more:
            more.append(at)
        shown.append([place.row, place.column, table.rows[place.row][place.column], _plain(value), agrees])
    less = "; all are larger: count persons, not rows" if high else ""
    yield from _pointed(wrong, f"numbers are not what the data say{less}")
    yield from _pointed(strange, "numbers are of groups that nobody in the data is in")
    yield from _pointed(naked, f"cells of fewer than {made.suppress_below} persons are shown; the manifest hides them")
    yield from _pointed(unclear, "numbers have a decimal comma, or may have: write 1234.5", fix="Write a point.")
    yield from _pointed(unread, "cells cannot be read as numbers: give each number a cell of its own")
    yield from _pointed(more, "cells hold a second number, which is not made again", severity=Severity.WARN)
    yield from _groups(each, again, made)
    shown.sort(key=lambda one: bool(one[-1]))
    yield Exhibit("recomputed", {"table": each.nth, "cells": shown[:SHOWN], "of": len(shown)})


def _groups(each: Declared, again: Measured, made: Made) -> Iterator[Finding]:
    """Point at groups that are missing or shown twice, and at columns of which nothing is said."""
    if again.twice:
        cells = [(each.nth, row, 0) for row in again.twice]
        yield from _pointed(cells, "rows show a group that another row shows")
    missing = [nth for nth in again.left_out if again.groups[nth].persons >= made.suppress_below]
    if missing:
        yield _says(Severity.WARN, "file", f"{len(missing)} groups of the data are not in the table", "C1")
    if again.unsaid:
        columns = ", ".join(str(at + 1) for at in again.unsaid[:20])
        yield _says(Severity.WARN, f"column {columns}", "the manifest says nothing of it: it was not made again", "C2")


def _percents(again: Measured, printed: dict[int, tuple[Printed, ...]]) -> frozenset[int]:
    """Return the columns of proportions that are printed as percentages without a sign."""
    shares = {p.column for p in again.places if (found := again.of(p)) and found[1].verb == "proportion"}
    return frozenset(at for at in shares if any(cell.value > 1 and not cell.percent for cell in printed[at]))


def _is_mode(behind: tuple[Group, Weight] | None) -> bool:
    return behind is not None and behind[1].verb == "mode"


def _agrees(
    cell: Printed, said: str, behind: tuple[Group, Weight] | None, made: Made, *, percent: bool, midpoint: bool
) -> bool:
    """Return whether a number is what the data say, as it was rounded."""
    if behind is None:
        return cell.value == 0
    weight, to = behind[1], made.round_to
    midpoint = midpoint and to == MIDPOINT
    if weight.verb == "mode":
        return _same(said, weight.value)
    if weight.verb == "persons":
        return rounds_to(cell.value, weight.persons, to, midpoint=midpoint)
    if weight.verb == "proportion":
        scale, cell = (100.0, numbers.rounded(cell)) if percent else (1.0, cell)
        exact = weight.total / weight.persons if weight.persons else 0.0
        each = (exact, *shares(weight.total, weight.persons, to, midpoint=midpoint))
        return any(numbers.agrees(cell, scale * share) for share in each)
    return isinstance(weight.value, float | int) and _is_value(cell, weight, to)


def _is_value(cell: Printed, weight: Weight, to: int) -> bool:
    value = float(weight.value or 0.0)
    summed = weight.verb == "sum" and to > 1 and rounds_to(cell.value, value, to, midpoint=False)
    return math.isfinite(value) and (summed or numbers.agrees(numbers.rounded(cell), value))


def _same(said: str, value: float | str | None) -> bool:
    try:
        return float(said) == float(str(value))
    except ValueError:
        return said.strip().casefold() == str(value).strip().casefold()


def _plain(value: float | str | None) -> object:
    return float(f"{value:.9g}") if isinstance(value, float) and math.isfinite(value) else value


def _pointed(cells: Cells, message: str, *, severity: Severity = Severity.BLOCK, fix: str = "") -> Iterable[Finding]:
    """Point at all cells at once, by the first of them."""
    if cells:
        _, row, column = cells[0]
        where = f"column {column + 1}, row {row + 1}"
        yield _says(severity, where, f"{len(cells)} {message}", "C1", fix, tuple(cells))


def _says(  # noqa: PLR0917 -- as a finding is written
    severity: Severity, where: str, message: str, rule: str, fix: str = "", cells: tuple[tuple[int, int, int], ...] = ()
) -> Finding:
    return Finding(NAME, severity, where, message, rule, fix or rules.fix_of(rule), cells)
