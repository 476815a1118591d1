"""What each cell of a table says: of which group it speaks, and what a reader knows of its number, hidden or shown."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from airlock.checks import counts
from airlock.checks.about import Made
from airlock.checks.file import Table

MARGINS = frozenset({"", "all", "total", "overall", "totals", "any", "sum", "everybody"})
"""What is written where a group is `whatever the value`."""
Key = frozenset[tuple[str, str]]
"""Of whom a cell speaks: a value for each dimension; a dimension that is not there is summed over."""
SIGNS = frozenset({
    "", "*", "**", "***", "c", "x", "s", "[c]", "(c)", "[x]", "[s]", "[z]", "suppressed", "[suppressed]", "redacted",
    "[redacted]", "hidden", "masked", "nan", "na", "n/a", "<na>", "none", "null", "-", "--", ".", "..",
    "...", "\u2013", "\u2020",
})  # fmt: skip
_BELOW = re.compile(r"(<=|<|≤)\s*(\d+)\Z")
_ABOVE = re.compile(r"(>=|>|≥)\s*(\d+)\Z")
_RANGE = re.compile(r"(\d+)\s*(?:-|\u2013|to)\s*(\d+)\Z")
_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][+-]?\d+)?\Z")
ACROSS = "(across)"
"""The dimension whose values are the heads of a cross table, where nobody names it."""


@dataclass(frozen=True)
class Cell:
    """One number of a table. It is within `low` and `high`; a shown one is both."""

    row: int
    column: int
    key: Key
    measure: str
    """`persons`, or what it is called in the manifest or the header; cells of one measure can be compared."""
    low: float
    high: float
    sign: str = ""
    """What stands in its place: `*`, `<10`; only of a hidden cell."""
    hidden: bool = False
    adds_up: bool = True
    """Whether the number of two groups together is the sum of theirs."""
    counts: bool = True
    """Whether it is a number of people: whole, and small where they are few."""


@dataclass(frozen=True)
class Sheet:
    """A table read as numbers of groups."""

    dims: tuple[str, ...]
    cells: tuple[Cell, ...]

    @property
    def hidden(self) -> tuple[Cell, ...]:
        """Return the cells whose number is not shown."""
        return tuple(cell for cell in self.cells if cell.hidden)


def read(table: Table, made: Made | None = None) -> Sheet:
    """Read a table, by its manifest if there is one and else by its look; cells that are no numbers are left out."""
    labels, across, measures = _shape(table, made)
    cells = tuple(_cells(table, labels, across, measures))
    return Sheet((*(_plain(table.heads[at]) for at in labels), *([across] if across else ())), cells)


def whose(tables: Sequence[Table], made: Made | None) -> tuple[Made | None, ...]:
    """Return for each table of a file the manifest if it is of it: of the only one, or of those with its columns."""
    return tuple(made if made is not None and (len(tables) == 1 or fits(table, made)) else None for table in tables)


def fits(table: Table, made: Made) -> bool:
    """Return whether a table has the columns that its manifest names; in a cross table one lies across."""
    heads = {head.strip() for head in table.heads}
    dims = set(made.dimensions) <= heads
    return ({m.head for m in made.measures} <= heads or not dims) and len(set(made.dimensions) - heads) <= 1


def known(cell: str) -> tuple[float, float, str] | None:
    """Return what a reader knows of a cell: its number twice, or limits and the sign that hides it."""
    said = cell.strip().lower()
    if said in SIGNS:
        return 0, inf, said or "empty"
    if (limits := _signed(said)) is not None:
        return (*limits, said)
    if (whole := counts.counted(said)) is not None:
        return whole, whole, ""
    if _NUMBER.match(said) and any(map(str.isdigit, said)):
        return float(said.replace(",", "")), float(said.replace(",", "")), ""
    return None


def _signed(said: str) -> tuple[float, float] | None:
    """Return the limits that a sign names: <10, >= 5, 1-7."""
    if found := _BELOW.match(said):
        return 0, int(found[2]) - (found[1] == "<")
    if found := _ABOVE.match(said):
        return int(found[2]) + (found[1] == ">"), inf
    found = _RANGE.match(said)
    return (int(found[1]), int(found[2])) if found and int(found[1]) < int(found[2]) else None


def value(text: str) -> str:
    """Write a value as all tables would: 1, 1.0 and ' 1' are equal, and so are A and a."""
    said = text.strip().lower()
    if _NUMBER.match(said) and any(map(str.isdigit, said)):
        return f"{float(said.replace(',', '')):.12g}"
    return said


# --- shape ------------------------------------------------------------------------------------------------------------
class Measured(NamedTuple):
    """What a column of numbers measures."""

    name: str
    adds_up: bool
    counts: bool


Shape = tuple[tuple[int, ...], str, dict[int, Measured]]
"""Columns of labels; the dimension that lies across, if one does; columns of numbers."""


def _shape(table: Table, made: Made | None) -> Shape:
    heads = [head.strip() for head in table.heads]
    if made is not None and made.dimensions:
        labels = tuple(at for at, head in enumerate(heads) if head in made.dimensions)
        missing = [name for name in made.dimensions if name not in heads]
        if not missing:
            return labels, "", _measured(heads, made)
        if len(missing) == 1 and labels:
            return labels, _plain(missing[0]), _rest(table, labels)
    return _guessed(table, made)


def _measured(heads: Sequence[str], made: Made) -> dict[int, Measured]:
    """Name each measure by what it is, so that two tables may call it differently."""
    named = {
        m.head.strip(): Measured(f"{m.verb}({m.what})" if m.what else m.verb, m.verb in ADDS_UP, m.verb == "persons")
        for m in made.measures
    }
    return {at: named[head] for at, head in enumerate(heads) if head in named}


ADDS_UP = frozenset({"persons", "sum"})


def _guessed(table: Table, made: Made | None) -> Shape:
    numbers = [at for at in range(len(table.heads)) if _numeric(table.column(at))]
    counted = [at for at in numbers if counts.is_count(table.heads[at]) or _shares(table.column(at))]
    if made is not None and made.measures:
        named = _measured([head.strip() for head in table.heads], made)
        labels = tuple(at for at in range(len(table.heads)) if at not in named and at not in counted)
        return labels, "", named
    if first := _cross(table, numbers, counted):
        return tuple(range(first)), ACROSS, _rest(table, tuple(range(first)))
    first = _first(table, numbers, counted)
    labels = tuple(range(first)) or tuple(at for at in range(len(table.heads)) if at not in numbers)
    return labels, "", _named(table, [at for at in numbers if at >= first], counted)


def _first(table: Table, numbers: Sequence[int], counted: Sequence[int]) -> int:
    """Return the first column of numbers: labels stand before it, and the first column is a label if others count."""
    width = len(table.heads)
    if counted:
        texts = [at for at in range(counted[0]) if at not in numbers or _labels(table, at)]
        return max(texts) + 1 if texts else counted[0]
    return next((at for at in range(1, width) if at in numbers and not _labels(table, at)), width)


def _labels(table: Table, at: int) -> bool:
    """Return whether a column of numbers may be one of groups: whole, and repeated or ordered from few."""
    cells = [cell.strip() for cell in table.column(at) if cell.strip().lower() not in MARGINS]
    whole = [number for cell in cells if (number := counts.whole(cell)) is not None]
    if len(whole) < len(cells) or counts.is_count(table.heads[at]):
        return False
    return at == 0 or len(set(whole)) < len(whole)


def _cross(table: Table, numbers: Sequence[int], counted: Sequence[int]) -> int:
    """Return how many columns of labels a cross table begins with; 0 if it is none."""
    width = len(table.heads)
    texts = [at for at in range(width) if at not in numbers]
    first = max([0, *texts]) + 1
    rest = range(first, width)
    if len(rest) < 2 or not all(_whole(cell) for at in rest for cell in table.column(at)):  # noqa: PLR2004 -- a row
        return 0
    margins = [at for at in rest if _plain(table.heads[at]) in MARGINS - {""}]
    for begin in range(first, width - 1) if margins else ():
        if _rows_agree(table, margins[-1], [at for at in range(begin, width) if at not in margins]):
            return begin
    return 0 if set(rest) & set(counted) else first


def _rows_agree(table: Table, margin: int, parts: Sequence[int]) -> bool:
    """Return whether the margin can be the sum of what stands beside it, in most rows."""
    agree = 0
    for row in table.rows:
        total, *each = [known(row[at]) or (0.0, inf, "") for at in (margin, *parts)]
        agree += sum(one[0] for one in each) <= total[1] and total[0] <= sum(one[1] for one in each)
    return 2 * agree > len(table.rows)


def _rest(table: Table, labels: Sequence[int]) -> dict[int, Measured]:
    return {at: Measured("persons", adds_up=True, counts=True) for at in range(len(table.heads)) if at not in labels}


def _named(table: Table, columns: Sequence[int], counted: Sequence[int]) -> dict[int, Measured]:
    """Name the first column that says so `persons`; the others are called as they are."""
    names = {at: _plain(table.heads[at]) for at in columns}
    first = next((at for at, name in names.items() if name in PERSONS), None)
    return {
        at: Measured("persons" if at == first else name, adds_up=at in counted, counts=at in counted)
        for at, name in names.items()
    }


PERSONS = frozenset({
    "n", "count", "counts", "freq", "frequency", "persons", "people", "patients", "subjects", "participants", "number",
    "individuals", "size", "num", "total", "n_persons", "n_patients", "n_people", "obs", "n (%)",
})  # fmt: skip


def _numeric(cells: Sequence[str]) -> bool:
    """Return whether a column holds numbers, or signs that hide them; not signs alone that may be words."""
    read_ = [known(cell) for cell in cells]
    return None not in read_ and any(one is not None and one[0] == one[1] for one in read_)


def _whole(cell: str) -> bool:
    said = known(cell)
    return said is not None and float(said[0]).is_integer()


def _shares(column: Sequence[str]) -> bool:
    return any("%" in cell for cell in column)


# --- cells ------------------------------------------------------------------------------------------------------------
def _cells(table: Table, labels: Sequence[int], across: str, measures: dict[int, Measured]) -> Iterator[Cell]:
    for number, row in enumerate(table.rows):
        groups = [(_plain(table.heads[at]), value(row[at])) for at in labels]
        for at, what in measures.items():
            said = known(row[at])
            if said is None:
                continue
            group = [*groups, (across, value(table.heads[at]))] if across else groups
            key = frozenset((name, one) for name, one in group if one not in MARGINS)
            low, high, sign = said
            yield Cell(number, at, key, what.name, low, high, sign, bool(sign), what.adds_up, what.counts)


def _plain(head: str) -> str:
    return head.strip().lower()
