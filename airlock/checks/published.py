"""A table as it was, or is to be, published: what it says of each group, and of whom it speaks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from airlock.checks import cells
from airlock.checks.about import Made
from airlock.checks.cells import Cell, Key, Sheet
from airlock.checks.file import Table
from airlock.checks.told import Told


@dataclass(frozen=True)
class Published:
    """One table: of this file, of the request, or one that left before."""

    sheet: Sheet
    made: Made | None
    name: str
    """What the author of the new table may know of it."""
    told: Told | None = field(default=None, compare=False)

    @property
    def cohort(self) -> bytes:
        """Who was counted, as the data's side wrote it down."""
        return self.told.cohort if self.told is not None else b""

    @cached_property
    def rounded(self) -> bool:
        """Return whether it is said to be rounded, and is."""
        base = self.made.round_to if self.made is not None else 1
        shown = [cell.low for cell in self.sheet.cells if cell.counts and not cell.hidden]
        return base > 1 and all(number % base == 0 for number in shown)

    @cached_property
    def shown(self) -> Mapping[tuple[str, Key], Cell]:
        """Return the cells that show a number, by measure and group."""
        return {(cell.measure, cell.key): cell for cell in self.sheet.cells if not cell.hidden}

    @cached_property
    def measures(self) -> frozenset[str]:
        """Return what is measured."""
        return frozenset(cell.measure for cell in self.sheet.cells)

    @cached_property
    def said(self) -> bool:
        """Return whether some cells are hidden, or some groups are sums of others."""
        shapes = {frozenset(name for name, _ in cell.key) for cell in self.sheet.cells}
        return len(shapes) > 1 or any(cell.hidden for cell in self.sheet.cells)

    def number(self, measure: str, key: Key) -> float | None:
        """Return what a reader knows of a group: its number, or the sum of its parts; None if one of them is hidden."""
        if (direct := self.shown.get((measure, key))) is not None:
            return direct.low
        parts = self._parts(measure).get(key, ()) if self._adds_up(measure) else ()
        if not parts or any(part.hidden for part in parts):
            return None
        return sum(part.low for part in parts)

    def speaks_of(self, key: Key) -> bool:
        """Return whether it has a group of this name at all, shown or hidden."""
        return any(key <= cell.key for cell in self.sheet.cells)

    def groups(self, dims: frozenset[str]) -> frozenset[Key]:
        """Return the groups it has by these dimensions; one without them has one that is in no data."""
        found = {frozenset(pair for pair in cell.key if pair[0] in dims) for cell in self.sheet.cells}
        deepest = max(map(len, found), default=0)
        return frozenset(key for key in found if len(key) == deepest)

    def at(self, keys: frozenset[Key]) -> Iterator[tuple[int, int]]:
        """Yield the places of the cells of these groups."""
        for cell in self.sheet.cells:
            if any(key <= cell.key for key in keys) and not cell.hidden:
                yield cell.row, cell.column

    def _adds_up(self, measure: str) -> bool:
        return any(cell.adds_up for cell in self.sheet.cells if cell.measure == measure)

    @cached_property
    def _by_measure(self) -> dict[str, dict[Key, list[Cell]]]:
        return {}

    def _parts(self, measure: str) -> dict[Key, list[Cell]]:
        """Return the innermost cells of each group of fewer dimensions."""
        if measure not in self._by_measure:
            held = [cell for cell in self.sheet.cells if cell.measure == measure]
            depth = max((len(cell.key) for cell in held), default=0)
            found: dict[Key, list[Cell]] = {}
            for cell in held:
                for key in _less(cell.key) if len(cell.key) == depth else ():
                    found.setdefault(key, []).append(cell)
            self._by_measure[measure] = found
        return self._by_measure[measure]


MOST_DIMS = 6


def _less(key: Key) -> Iterator[Key]:
    """Yield a group without some of its dimensions."""
    pairs = sorted(key)
    for mask in range((1 << len(pairs)) - 1 if len(pairs) <= MOST_DIMS else 1):
        yield frozenset(pair for nth, pair in enumerate(pairs) if mask >> nth & 1)


def read(table: Table, made: Made | None, name: str, told: Told | None = None) -> Published:
    """Read a table with its manifest."""
    return Published(cells.read(table, made), made, name, told)
