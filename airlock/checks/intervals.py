"""What a reader can work out of numbers that are hidden, from the sums in which they stand.

First each sum narrows its numbers by what the others may be, again and again (Buzzigoli and Giusti's shuttle). What
that leaves open is solved: for each number the smallest and the largest that fits all sums, by HiGHS. Groups of
numbers that share no sum are solved apart, and a solution that reaches a limit spares the search for it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize, sparse

Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
NEAR = 1e-6
ROUNDS = 200
MOST_OPEN = 3000
"""More numbers than this in one group of sums are not solved."""
LONGEST = 20.0
"""Seconds."""
FAR = 1000.0
"""So many times the largest number is as good as endless."""


INFEASIBLE = 2
"""HiGHS' word for it, as scipy says it."""


class Unfinished(Exception):
    """The bounds were not all found within the budget."""


class Sum(NamedTuple):
    """The numbers at `at`, times `times`, add up to something from `low` to `high`."""

    at: tuple[int, ...]
    times: tuple[float, ...]
    low: float
    high: float


@dataclass(frozen=True)
class Puzzle:
    """Numbers from `low` to `high`, `whole` or not, of which sums are known."""

    low: Numbers
    high: Numbers
    whole: npt.NDArray[np.bool_]
    sums: tuple[Sum, ...]


def solve(puzzle: Puzzle, wanted: Sequence[int] | None = None, *, seconds: float = LONGEST) -> tuple[Numbers, Numbers]:
    """Return the smallest and the largest that each number can be (of all, or of those that are wanted)."""
    until = time.monotonic() + seconds
    low, high = narrow(puzzle)
    asked = np.zeros(len(low), np.bool_)
    asked[list(range(len(low)) if wanted is None else wanted)] = True
    ends = np.concatenate([low[np.isfinite(low)], high[np.isfinite(high)], [1.0]])
    far = FAR * float(np.abs(ends).max())
    near = Puzzle(np.maximum(low, -far), np.minimum(high, far), puzzle.whole, puzzle.sums)
    for numbers, sums in _groups(puzzle, low, high):
        if not np.any(asked[numbers]):
            continue
        if len(numbers) > MOST_OPEN:
            raise Unfinished
        _solve_group(near, numbers, sums, asked, until)
    return np.where(near.low <= 1 - far, -np.inf, near.low), np.where(near.high >= far - 1, np.inf, near.high)


class Contradiction(Exception):
    """No numbers fit all sums."""


def narrow(puzzle: Puzzle) -> tuple[Numbers, Numbers]:
    """Narrow every number by its sums until nothing changes."""
    low, high = puzzle.low.copy(), puzzle.high.copy()
    if not puzzle.sums:
        return low, high
    rows, at, times = _entries(puzzle.sums)
    least, most = (np.array([getattr(one, name) for one in puzzle.sums]) for name in ("low", "high"))
    for _ in range(ROUNDS):
        before = low.copy(), high.copy()
        _narrow_once((rows, at, times), (least, most), low, high)
        _round(puzzle.whole, low, high)
        if np.any(low > high + NEAR):
            raise Contradiction
        if np.array_equal(before[0], low) and np.array_equal(before[1], high):
            break
    return low, high


def _entries(sums: Sequence[Sum]) -> tuple[Places, Places, Numbers]:
    rows = np.repeat(np.arange(len(sums)), [len(one.at) for one in sums])
    return rows, np.concatenate([one.at for one in sums]).astype(np.int64), np.concatenate([one.times for one in sums])


def _narrow_once(
    entries: tuple[Places, Places, Numbers], limits: tuple[Numbers, Numbers], low: Numbers, high: Numbers
) -> None:
    """Give each number what its sum leaves when all others are at their limits; infinities are counted apart."""
    rows, at, times = entries
    small = np.where(times > 0, times * low[at], times * high[at])
    large = np.where(times > 0, times * high[at], times * low[at])
    rest_small, rest_large = _others(small, rows, len(limits[0])), _others(large, rows, len(limits[0]))
    top, bottom = (limits[1][rows] - rest_small) / times, (limits[0][rows] - rest_large) / times
    np.minimum.at(high, at, np.where(times > 0, top, bottom))
    np.maximum.at(low, at, np.where(times > 0, bottom, top))


def _others(values: Numbers, rows: Places, many: int) -> Numbers:
    """Return for each entry the sum of the others in its row."""
    endless = ~np.isfinite(values)
    finite = np.where(endless, 0.0, values)
    total = np.bincount(rows, finite, many)
    counted = np.bincount(rows, endless, many)
    sign = np.inf if np.any(values == np.inf) else -np.inf
    return np.where(counted[rows] - endless > 0, sign, total[rows] - finite)


def _round(whole: npt.NDArray[np.bool_], low: Numbers, high: Numbers) -> None:
    low[whole] = np.ceil(low[whole] - NEAR)
    high[whole] = np.floor(high[whole] + NEAR)


# --- solving ----------------------------------------------------------------------------------------------------------
def _groups(puzzle: Puzzle, low: Numbers, high: Numbers) -> list[tuple[Places, list[Sum]]]:
    """Return the groups of open numbers that hang together, each with its sums."""
    open_ = high - low > NEAR
    touching = [(one, [at for at in one.at if open_[at]]) for one in puzzle.sums]
    touching = [(one, at) for one, at in touching if at]
    if not touching:
        return []
    pairs = np.array([(at[0], other) for _, at in touching for other in at])
    ones = np.ones(len(pairs))
    graph = sparse.coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), (len(low), len(low)))
    group = sparse.csgraph.connected_components(graph, directed=False)[1]
    by: dict[int, list[Sum]] = {}
    for one, at in touching:
        by.setdefault(int(group[at[0]]), []).append(one)
    return [(np.flatnonzero((group == label) & open_), sums) for label, sums in by.items()]


Ask = Callable[[int, int], Numbers]


def _solve_group(
    puzzle: Puzzle, numbers: Places, sums: Sequence[Sum], asked: npt.NDArray[np.bool_], until: float
) -> None:
    """Write the limits of a group's numbers into the puzzle, as they are found."""
    ask = _asked(puzzle, numbers, sums, until)
    reached = [np.full(len(numbers), np.inf), np.full(len(numbers), -np.inf)]
    for nth, at in enumerate(numbers):
        for side, limit in ((0, puzzle.low), (1, puzzle.high)) if asked[at] else ():
            if abs(reached[side][nth] - limit[at]) <= NEAR:
                continue
            found = ask(nth, 1 - 2 * side)
            np.minimum(reached[0], found, out=reached[0])
            np.maximum(reached[1], found, out=reached[1])
            limit[at] = round(float(found[nth])) if puzzle.whole[at] else float(found[nth])


def _asked(puzzle: Puzzle, numbers: Places, sums: Sequence[Sum], until: float) -> Ask:
    """Return how to ask for the numbers that fit when one is smallest (1) or largest (-1); the sums are written once.

    Counts have whole solutions: in three dimensions and in linked tables the corners of the polytope need not be.
    """
    low, high = puzzle.low, puzzle.high
    place = {int(at): nth for nth, at in enumerate(numbers)}
    entries = [(row, at, times) for row, one in enumerate(sums) for at, times in zip(one.at, one.times, strict=True)]
    kept = [(row, place[at], times) for row, at, times in entries if at in place]
    fixed = np.zeros(len(sums))
    for row, at, times in entries:
        fixed[row] += 0 if at in place else times * low[at]
    across, down, values = (np.array(each) for each in zip(*kept, strict=True))
    matrix = sparse.csc_matrix((values, (across, down)), (len(sums), len(numbers)))
    limits = optimize.LinearConstraint(
        matrix, np.array([one.low for one in sums]) - fixed, np.array([one.high for one in sums]) - fixed
    )
    bounds = optimize.Bounds(low[numbers].copy(), high[numbers].copy())
    whole = puzzle.whole[numbers].astype(int)

    def ask(nth: int, sign: int) -> Numbers:
        left = until - time.monotonic()
        if left <= 0:
            raise Unfinished
        aim = np.zeros(len(numbers))
        aim[nth] = sign
        said = optimize.milp(
            aim, constraints=limits, bounds=bounds, integrality=whole, options={"time_limit": left, "presolve": True}
        )
        if said.status == INFEASIBLE:
            raise Contradiction
        if said.x is None or said.status:
            raise Unfinished
        return np.asarray(said.x, dtype=np.float64)

    return ask
