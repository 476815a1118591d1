"""Which sums the cells of one table, and of tables of the same people, stand in: what a reader could add up.

A group is the sum of its parts when the tables say both, and when two tables cut it into parts in two ways. That they
add up is seen where all numbers are shown: where mostly they do not (people in two groups, means), nothing follows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf

import numpy as np

from airlock.checks.cells import Cell, Key
from airlock.checks.intervals import Puzzle, Sum

MOST_SHAPES = 24
"""Sets of dimensions of one measure whose sums are held against each other."""
NEAR = 1e-6


@dataclass(frozen=True)
class Number:
    """One number of the world: what one measure is of one group, wherever it is written."""

    measure: str
    key: Key


@dataclass(frozen=True)
class Sums:
    """Cells as numbers with limits, and the sums in which they stand."""

    numbers: dict[Number, int]
    low: list[float]
    high: list[float]
    sums: tuple[Sum, ...]
    whole: frozenset[str]
    """Measures that count people."""

    def puzzle(self, high: Mapping[int, float] | None = None, low: Mapping[int, float] | None = None) -> Puzzle:
        """Return it to be solved, with other limits of some."""
        least, most = np.array(self.low, dtype=float), np.array(self.high, dtype=float)
        for at, limit in (high or {}).items():
            most[at] = limit
        for at, limit in (low or {}).items():
            least[at] = limit
        whole = np.array([number.measure in self.whole for number in self.numbers], dtype=bool)
        return Puzzle(least, most, whole, self.sums)


def gather(cells: Iterable[Cell], *, latent: bool) -> Sums:
    """Put cells together by measure and group. `latent`: parts of a group that no table shows as a whole count too."""
    numbers: dict[Number, int] = {}
    low, high = list[float](), list[float]()
    held = [cell for cell in cells if cell.adds_up]
    for cell in held:
        at = numbers.setdefault(Number(cell.measure, cell.key), len(numbers))
        if at == len(low):
            low.append(cell.low)
            high.append(cell.high)
        else:
            low[at], high[at] = max(low[at], cell.low), min(high[at], cell.high)
    for at, limit in enumerate(low):
        if limit > high[at]:  # two tables say different numbers of one group: it is not one group
            low[at], high[at] = 0, inf
    found = [one for measure in sorted({number.measure for number in numbers})
             for one in _of_measure(measure, numbers, low, high, latent=latent)]  # fmt: skip
    return Sums(numbers, low, high, tuple(found), frozenset(cell.measure for cell in held if cell.counts))


Shape = frozenset[str]


def _of_measure(
    measure: str, numbers: dict[Number, int], low: list[float], high: list[float], *, latent: bool
) -> Iterator[Sum]:
    shapes: dict[Shape, list[Key]] = {}
    for number in numbers:
        if number.measure == measure:
            shapes.setdefault(frozenset(name for name, _ in number.key), []).append(number.key)
    parts = sorted(shapes, key=lambda shape: (len(shape), sorted(shape)))[:MOST_SHAPES]
    wholes = set(parts)
    if latent:
        wholes |= {one & other for one, other in combinations(parts, 2)}
    for whole in sorted(wholes, key=lambda shape: (-len(shape), sorted(shape))):
        families = [_family(whole, shapes[part]) for part in parts if whole < part]
        if whole not in shapes:
            families = _overlapping(measure, families, numbers, (low, high))
        for family in families:
            yield from _sums(measure, family, numbers, low, high)


def _family(whole: Shape, keys: Sequence[Key]) -> dict[Key, list[Key]]:
    """Return the parts of each group of a shape."""
    family: dict[Key, list[Key]] = {}
    for key in keys:
        family.setdefault(frozenset(pair for pair in key if pair[0] in whole), []).append(key)
    return family


def _overlapping(
    measure: str, families: Sequence[dict[Key, list[Key]]], numbers: dict[Number, int], ends: tuple[list[float], ...]
) -> list[dict[Key, list[Key]]]:
    """Keep the groups that are cut into parts in two ways whose sums can be equal: else one way is not all of it."""

    def limits(parts: list[Key]) -> list[float]:
        return [sum(end[numbers[Number(measure, part)]] for part in parts) for end in ends]

    kept: list[dict[Key, list[Key]]] = [{} for _ in families]
    for whole in {whole for family in families for whole in family}:
        held = [(nth, family[whole]) for nth, family in enumerate(families) if whole in family]
        least, most = zip(*(limits(parts) for _, parts in held), strict=True)
        if len(held) > 1 and max(least) <= min(most) + NEAR:
            for nth, parts in held:
                kept[nth][whole] = parts
    return [family for family in kept if family]


def _sums(
    measure: str, family: dict[Key, list[Key]], numbers: dict[Number, int], low: list[float], high: list[float]
) -> Iterator[Sum]:
    """Yield whole - parts = 0 for each group; less than that where the shown ones mostly do not add up."""
    agree, below, differ = 0, 0, 0
    for whole, parts in family.items():
        said = numbers.get(Number(measure, whole))
        at = [numbers[Number(measure, part)] for part in parts]
        if said is None or low[said] < high[said] or any(low[one] < high[one] for one in at):
            continue
        rest = low[said] - sum(low[one] for one in at)
        agree, below, differ = agree + (abs(rest) <= _near(low[said])), below + (rest > 0), differ + (rest < 0)
    if differ > agree:
        return
    slack = inf if below > agree else 0.0
    for whole, parts in family.items():
        at = [numbers[Number(measure, part)] for part in parts]
        said = _whole(Number(measure, whole), numbers, low, high)
        rest = low[said] - sum(low[one] for one in at) if low[said] == high[said] else 0.0
        shown = all(low[one] == high[one] for one in (said, *at))
        if not shown or abs(rest) <= _near(low[said]):
            yield Sum((said, *at), (1.0, *(-1.0 for _ in at)), 0.0, slack)


def _near(number: float) -> float:
    return NEAR * max(1.0, abs(number))


def _whole(number: Number, numbers: dict[Number, int], low: list[float], high: list[float]) -> int:
    """Return where a group stands; one that no table shows gets a place."""
    at = numbers.setdefault(number, len(numbers))
    if at == len(low):
        low.append(0.0)
        high.append(inf)
    return at
