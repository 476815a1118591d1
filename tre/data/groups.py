"""How small and how uniform the groups are that any choice of quasi-identifiers makes.

Everything is counted from the groups of all quasi-identifiers together: the groups of a smaller choice are unions of
those, so no person is read twice. k: Sweeney 2002; distinct l: Machanavajjhala and others 2007; t: Li and others,
ICDE 2007, with the equal distance for words and the ordered distance for numbers (its sections 3.2 and 3.3).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
DENSE = 4  # slots a value, up to which a table of all keys is faster than sorting


@dataclass(frozen=True)
class Pairs:
    """How many persons of which group have which sensitive value; ordered by group, then value."""

    group: Ints
    value: Ints
    persons: Ints
    shares: Floats
    """Of each value among all persons."""
    ordered: bool
    """The values have an order, so that near ones are near."""


@dataclass(frozen=True)
class Groups:
    """The groups that one choice of quasi-identifiers makes."""

    chosen: tuple[int, ...]
    codes: tuple[Ints, ...]
    """For each chosen quasi-identifier the value of each group."""
    widths: tuple[int, ...]
    persons: Ints
    pairs: tuple[Pairs, ...]

    @property
    def distinct(self) -> tuple[int, ...]:
        """For each sensitive column the fewest different values in a group (l)."""
        return tuple(int(np.bincount(pairs.group).min(initial=len(pairs.shares))) for pairs in self.pairs)

    @property
    def closeness(self) -> tuple[float, ...]:
        """For each sensitive column the largest distance of a group's distribution from everybody's (t)."""
        return tuple(float(_distances(pairs, self.persons).max(initial=0.0)) for pairs in self.pairs)


def of(codes: Sequence[Ints], persons: Ints, sensitive: Sequence[tuple[Ints, bool]]) -> Groups:
    """Group by all quasi-identifiers; rows may repeat. `sensitive` is (codes, whether they have an order)."""
    widths = tuple(int(column.max(initial=0)) + 1 for column in codes)
    ids, count = _dense(*_key(codes, widths, len(persons)))
    pairs = tuple(_pairs(ids, column, persons, ordered=ordered) for column, ordered in sensitive)
    return Groups(
        chosen=tuple(range(len(codes))),
        codes=tuple(_first(ids, column, count) for column in codes),
        widths=widths,
        persons=_sum(ids, persons, count),
        pairs=pairs,
    )


def subsets(groups: Groups, last: int = -1) -> Iterator[Groups]:
    """Yield these groups and those of every smaller choice, each once; not the empty one."""
    yield groups
    if len(groups.chosen) == 1:
        return
    for at, name in enumerate(groups.chosen):
        if name > last:
            yield from subsets(without(groups, at), name)


def without(groups: Groups, at: int) -> Groups:
    """Forget one quasi-identifier: groups that it alone told apart become one."""
    codes = groups.codes[:at] + groups.codes[at + 1 :]
    widths = groups.widths[:at] + groups.widths[at + 1 :]
    ids, count = _dense(*_key(codes, widths, len(groups.persons)))
    return Groups(
        chosen=groups.chosen[:at] + groups.chosen[at + 1 :],
        codes=tuple(_first(ids, column, count) for column in codes),
        widths=widths,
        persons=_sum(ids, groups.persons, count),
        pairs=tuple(_merged(pairs, ids) for pairs in groups.pairs),
    )


# --- sensitive values -------------------------------------------------------------------------------------------------
def _pairs(group: Ints, value: Ints, persons: Ints, *, ordered: bool) -> Pairs:
    values = int(value.max(initial=0)) + 1
    shares = np.bincount(value, persons, values) / max(1, int(persons.sum()))
    return _merged(Pairs(group, value, persons, shares, ordered), np.arange(int(group.max(initial=-1)) + 1))


def _merged(pairs: Pairs, ids: Ints) -> Pairs:
    group, values = ids[pairs.group], len(pairs.shares)
    at, count = _dense(group * values + pairs.value, (int(ids.max(initial=-1)) + 1) * values)
    return replace(
        pairs,
        group=_first(at, group, count),
        value=_first(at, pairs.value, count),
        persons=_sum(at, pairs.persons, count),
    )


def _distances(pairs: Pairs, persons: Ints) -> Floats:
    """Return the earth mover's distance of each group from everybody."""
    if len(pairs.shares) == 1:
        return np.zeros(len(persons))
    return _ordered(pairs, persons) if pairs.ordered else _equal(pairs, persons)


def _equal(pairs: Pairs, persons: Ints) -> Floats:
    """Half the sum of |p - q|; a value that a group has not counts with all of its q."""
    q = pairs.shares[pairs.value]
    p = pairs.persons / persons[pairs.group]
    nearer = np.bincount(pairs.group, np.abs(p - q) - q, len(persons)).astype(np.float64)
    return (nearer + 1) / 2


def _ordered(pairs: Pairs, persons: Ints) -> Floats:
    """Sum |P(s) - Q(s)| of the cumulated shares over all values s, divided by their number less one.

    Between two values that a group has, P stands still and Q grows, so each stretch is summed in closed form: below
    the place where Q passes P the difference is P - Q, above it is Q - P.
    """
    values = len(pairs.shares)
    q = np.cumsum(pairs.shares)
    sums = np.concatenate([[0.0], np.cumsum(q)])
    total = np.cumsum(pairs.persons)
    before = np.concatenate([[0], np.cumsum(persons)[:-1]])[pairs.group]
    p = (total - before) / persons[pairs.group]
    begin, end = pairs.value, np.append(pairs.value[1:], values)
    end = np.where(np.append(pairs.group[1:] != pairs.group[:-1], True), values, end)
    pass_at = np.clip(np.searchsorted(q, p), begin, end)
    under = (pass_at - begin) * p - (sums[pass_at] - sums[begin])
    over = (sums[end] - sums[pass_at]) - (end - pass_at) * p
    first = np.append(True, pairs.group[1:] != pairs.group[:-1])
    ahead = np.where(first, sums[begin], 0.0)
    distances: Floats = np.bincount(pairs.group, under + over + ahead, len(persons)) / (values - 1)
    return distances


# --- keys -------------------------------------------------------------------------------------------------------------
def _key(codes: Sequence[Ints], widths: Sequence[int], rows: int) -> tuple[Ints, int]:
    """Write all columns as one number a row, and say below which number all are."""
    key, span = np.zeros(rows, np.int64), 1
    for column, width in zip(codes, widths, strict=True):
        if span * width >= 2**62:
            key, span = _dense(key, span)
        key, span = key * width + column, span * width
    return key, span


def _dense(key: Ints, span: int) -> tuple[Ints, int]:
    """Give the different keys numbers from 0, in their order, and say how many there are."""
    if span > DENSE * len(key) + 65536:
        different, ids = np.unique(key, return_inverse=True)
        return ids.astype(np.int64), len(different)
    there = np.zeros(span, np.bool_)
    there[key] = True
    rank = np.cumsum(there) - 1
    return rank[key], int(rank[-1]) + 1 if span else 0


def _first(ids: Ints, column: Ints, count: int) -> Ints:
    """Return the column once for each id; it is the same wherever the id is."""
    once = np.empty(count, np.int64)
    once[ids] = column
    return once


def _sum(ids: Ints, persons: Ints, count: int) -> Ints:
    return np.bincount(ids, persons, count).astype(np.int64)


def sizes(persons: Ints, edges: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (groups, persons) of the groups whose size lies between two neighbouring edges."""
    for low, high in pairwise(edges):
        chosen = persons[(persons >= low) & (persons < high)]
        yield len(chosen), int(chosen.sum())
