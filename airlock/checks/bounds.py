"""A hidden cell is hidden only if the totals beside it, here and in tables that left before, do not tell what it is."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite

from airlock.checks import cells, sums
from airlock.checks.about import Made
from airlock.checks.case import Case
from airlock.checks.cells import Cell
from airlock.checks.file import Table
from airlock.checks.finding import Exhibit, Finding, Severity
from airlock.checks.intervals import Contradiction, Numbers, Unfinished, narrow, solve
from airlock.checks.sums import Number, Sums
from airlock.checks.thresholds import Thresholds

RULE = "L1"
SECONDS = 20.0
MOST_HIDDEN = 2000
MOST_LINKED = 60
"""Earlier tables of the same people that are added up with a file's own, newest first."""
MOST_FURTHER = 80
SECONDS_FURTHER = 3.0
_SHOWN = 20


@dataclass(frozen=True)
class Source:
    """A table that takes part: one of the file, of another file of the request, or one that left before."""

    made: Made | None
    cells: tuple[Cell, ...]
    what: str
    own: int = -1
    """Its number in the file; -1 for a table elsewhere."""


def check(case: Case) -> Iterator[Finding | Exhibit]:
    """Point at hidden cells that can be worked out too closely, and show how closely."""
    own = [
        _source(table, made, case.limits, "this file", at)
        for at, (table, made) in enumerate(zip(case.look.tables, _made(case), strict=True))
    ]
    yield from audit(own, [each for each in _elsewhere(case) if each.cells], case.limits)


def audit(own: Sequence[Source], elsewhere: Sequence[Source], limits: Thresholds) -> Iterator[Finding | Exhibit]:
    """Check each table of a file together with those elsewhere that speak of the same people."""
    for source in own:
        linked = [each for each in (*own, *elsewhere) if each is not source and _same_people(source, each)]
        hidden = sum(cell.hidden for each in (source, *linked) for cell in each.cells)
        if not hidden:
            continue
        try:
            yield from _look(source, linked, limits) if hidden <= MOST_HIDDEN else (_UNFINISHED,)
        except Unfinished:
            yield _UNFINISHED


_UNFINISHED = Finding(
    "bounds", Severity.BLOCK, "file", "what its hidden cells give away was not worked out in time: not known means no",
    RULE, "publish fewer hidden cells, or no totals",
)  # fmt: skip


def _look(source: Source, linked: Sequence[Source], limits: Thresholds) -> Iterator[Finding | Exhibit]:
    worked = _worked_out((source, *linked), limits)
    if worked is None:
        said = "hidden cells and totals do not fit each other: are the totals of somebody else?"
        yield Finding("bounds", Severity.WARN, "file", said, RULE, "say in the context what the totals are of")
        return
    world, low, high = worked
    held = [cell for cell in source.cells if cell.hidden and cell.adds_up]
    hidden = [(cell, world.numbers[Number(cell.measure, cell.key)]) for cell in held]
    shows = [[cell.row, cell.column, _end(low[at]), _end(high[at])] for cell, at in hidden]
    if shows:
        yield Exhibit("intervals", {"table": source.own, "cells": shows})
    unsafe = [cell for cell, at in hidden if _close(cell, low[at], high[at], limits)]
    if unsafe:
        exact = sum(low[at] == high[at] for cell, at in hidden if cell in unsafe)
        yield _finding(source, linked, unsafe, exact, further(source, linked, limits))
    yield from _of_others(linked, world, (low, high), limits)


def _end(limit: float) -> float | None:
    return round(float(limit), 6) if isfinite(limit) else None


def _close(cell: Cell, low: float, high: float, limits: Thresholds) -> bool:
    """Return whether what can be worked out is closer than it may be; of counts, of few people."""
    if not cell.counts:
        return high - low < limits.dominance_p * max(abs(low), abs(high)) or low == high
    if low >= limits.smallest_count or (high < 1 and limits.zeros == "allowed"):
        return False
    said = cell.high - cell.low + 1  # what the sign itself says, or the rule behind it
    return high - low + 1 < min(limits.interval, said)


# --- the tables together --------------------------------------------------------------------------------
def _worked_out(sources: Sequence[Source], limits: Thresholds) -> tuple[Sums, Numbers, Numbers] | None:
    """Work out all hidden cells; where all signs cannot mean few people, plain ones mean anything."""
    whose = len({_people(source.made) for source in sources}) == 1 and sources[0].made is not None
    for change in (None, _anything):
        changed = [replace(each, cells=tuple(map(change, each.cells))) if change else each for each in sources]
        world = sums.gather((cell for each in changed for cell in each.cells), latent=whose)
        wanted = sorted({
            world.numbers[Number(cell.measure, cell.key)]
            for each in changed for cell in each.cells if cell.hidden and cell.adds_up
        })  # fmt: skip
        try:
            return world, *solve(world.puzzle(), wanted, seconds=SECONDS)
        except Contradiction:
            continue
    return _worked_out(sources[:1], limits) if len(sources) > 1 else None


def _anything(cell: Cell) -> Cell:
    return replace(cell, high=inf) if cell.hidden and cell.sign in {*cells.SIGNS, "empty"} else cell


def _of_others(
    linked: Sequence[Source], world: Sums, ends: tuple[Numbers, Numbers], limits: Thresholds
) -> Iterator[Finding]:
    """Point at cells that another table hides, and this one gives away."""
    low, high = ends
    for other in (each for each in linked if each.own < 0 and any(cell.hidden for cell in each.cells)):
        places = [(c, world.numbers.get(Number(c.measure, c.key))) for c in other.cells if c.hidden and c.adds_up]
        close = [c for c, at in places if at is not None and _close(c, low[at], high[at], limits)]
        before = _worked_out((other,), limits)
        if close and before is not None:
            alone, least, most = before
            at = [alone.numbers[Number(cell.measure, cell.key)] for cell in close]
            close = [
                cell for cell, nth in zip(close, at, strict=True) if not _close(cell, least[nth], most[nth], limits)
            ]
        if close:
            said = f"{len(close)} cells that {other.what} hides can be worked out with this table"
            fix = f"hide the same cells as {other.what}, and as many more, or leave out the totals"
            yield Finding("bounds", Severity.BLOCK, "file", said, RULE, fix)


def _same_people(one: Source, other: Source) -> bool:
    """Return whether two tables can be of the same people: they say so, or share groups and agree in them."""
    if one.made is not None and other.made is not None:
        return _people(one.made) == _people(other.made)
    shown = {(cell.measure, cell.key): cell.low for cell in one.cells if not cell.hidden}
    shared = [(shown.get((cell.measure, cell.key)), cell.low) for cell in other.cells if not cell.hidden]
    pairs = [(here, there) for here, there in shared if here is not None]
    return bool(pairs) and all(here == there for here, there in pairs)


def _people(made: Made | None) -> tuple[object, ...]:
    return (made.dataset, made.version, made.table, " ".join(made.cohort.split())) if made else ()


def _elsewhere(case: Case) -> Iterator[Source]:
    for other in case.others:
        for table, made in zip(other.look.tables, _made(other), strict=True):
            yield _source(table, made, case.limits, f"file {other.file.name}", -1)
    mine = {_people(made) for made in _made(case)} - {()}
    same = [told for told in case.told if told.made is None or not mine or _people(told.made) in mine]
    for told in same[:MOST_LINKED]:
        if told.project == case.project:
            yield _source(told.table, told.made, case.limits, f"request {told.request}", -1)


def _made(case: Case) -> tuple[Made | None, ...]:
    return cells.whose(case.look.tables, case.about.made)


def _source(table: Table, made: Made | None, limits: Thresholds, what: str, own: int) -> Source:
    sheet = cells.read(table, made)
    few = made.suppress_below if made is not None and made.suppress_below else limits.smallest_count
    return Source(made, tuple(_limits(sheet.cells, made, few, limits)), what, own)


def _limits(held: Sequence[Cell], made: Made | None, few: int, limits: Thresholds) -> Iterator[Cell]:
    """Say what signs mean (fewer than the smallest count), and what rounding leaves open."""
    counted = [cell.low for cell in held if not cell.hidden and cell.counts]
    base = max(limits.round_to, made.round_to if made is not None else 1)
    rounded = base > 1 and bool(counted) and all(number % base == 0 for number in counted)
    middle = (
        limits.midpoint == SIX and bool(counted) and all(not number or (number - 3) % SIX == 0 for number in counted)
    )
    for cell in held:
        if cell.hidden and cell.counts and cell.high == inf and not cell.low:
            yield replace(cell, high=few - 1)
        elif cell.hidden or not cell.counts or not (rounded or middle):
            yield cell
        elif middle:
            yield replace(cell, low=max(0, cell.low - 2), high=cell.high + 3 if cell.high else 0)
        else:
            yield replace(cell, low=max(0, cell.low - base // 2), high=cell.high + base // 2)


SIX = 6
"""Midpoints of six: 0, 3, 9, 15, ..."""


# --- what else to hide --------------------------------------------------------------------------------
def further(source: Source, linked: Sequence[Source], limits: Thresholds) -> tuple[tuple[int, int], ...]:
    """Name cells of this table that hide the unsafe ones when they are hidden too; nothing where none do.

    Greedy: of each sum that gives a cell away the smallest shown cell is hidden, one that other sums need too first.
    """
    worked = _worked_out((source, *linked), limits)
    if worked is None:
        return ()
    world, until = worked[0], time.monotonic() + SECONDS_FURTHER
    place = {world.numbers[Number(cell.measure, cell.key)]: cell for cell in source.cells if cell.adds_up}
    hidden = {at: cell for at, cell in place.items() if cell.hidden}
    fixed = {
        world.numbers[Number(c.measure, c.key)] for each in linked for c in each.cells if c.adds_up and not c.hidden
    }
    chosen: dict[int, Cell] = {}
    while len(chosen) < MOST_FURTHER and time.monotonic() < until:
        low, high = _opened(world, chosen, sorted(hidden), exactly=False)
        close = [at for at, cell in hidden.items() if _close(cell, low[at], high[at], limits)]
        if not close:
            low, high = _opened(world, chosen, sorted(hidden), exactly=True)
            close = [at for at, cell in hidden.items() if _close(cell, low[at], high[at], limits)]
        if not close:
            kept = _spared(world, chosen, hidden, limits, until)
            return tuple((cell.row, cell.column) for cell in kept.values())
        following = _companion(world, close, place, {*hidden, *chosen, *fixed})
        if following is None:
            return ()
        chosen[following] = place[following]
    return ()


def _spared(
    world: Sums, chosen: Mapping[int, Cell], hidden: Mapping[int, Cell], limits: Thresholds, until: float
) -> dict[int, Cell]:
    """Show again what need not be hidden, after all."""
    kept = dict(chosen)
    for at in list(chosen):
        fewer = {place: cell for place, cell in kept.items() if place != at}
        if time.monotonic() > until or len(chosen) > MOST_SPARED:
            break
        low, high = _opened(world, fewer, sorted(hidden), exactly=True)
        if not any(_close(cell, low[one], high[one], limits) for one, cell in hidden.items()):
            kept = fewer
    return kept


MOST_SPARED = 20


def _opened(
    world: Sums, chosen: Mapping[int, Cell], wanted: Sequence[int], *, exactly: bool
) -> tuple[Numbers, Numbers]:
    puzzle = world.puzzle(high=dict.fromkeys(chosen, inf), low=dict.fromkeys(chosen, 0.0))
    return solve(puzzle, wanted, seconds=SECONDS_FURTHER) if exactly else narrow(puzzle)


def _companion(world: Sums, close: Sequence[int], place: Mapping[int, Cell], taken: set[int]) -> int | None:
    """Choose a shown cell out of a sum of the first cell that is too close: no margin if it may be, and a small one."""
    needing = set(close)
    for aim in close:
        sums_of = [one for one in world.sums if aim in one.at]
        sums_of.sort(key=lambda one: sum(at in taken for at in one.at))
        for one in sums_of:
            open_ = [at for at in one.at if at in place and at not in taken and world.high[at] > 0]
            needed = {at: sum(bool(needing & set(other.at)) for other in world.sums if at in other.at) for at in open_}
            open_.sort(key=lambda at: (-len(place[at].key), -needed[at], world.high[at]))
            if open_:
                return open_[0]
    return None


def _finding(
    source: Source, linked: Sequence[Source], unsafe: Sequence[Cell], exact: int, more: tuple[tuple[int, int], ...]
) -> Finding:
    places = sorted((cell.row, cell.column) for cell in unsafe)
    beside = "the totals" if not linked else "the totals, here and in " + _names(linked)
    said = f"{len(places)} hidden cells can be worked out from {beside}" + (
        f", {exact} of them exactly" if exact else ""
    )
    named = "; ".join(f"column {column + 1}, row {row + 1}" for row, column in sorted(more)[:_SHOWN])
    rest = f" and {len(more) - _SHOWN} more" if len(more) > _SHOWN else ""
    fix = f"hide these cells too, with a sign that says no number: {named}{rest}" if more else _FIX
    return Finding(
        "bounds", Severity.BLOCK, f"column {places[0][1] + 1}, row {places[0][0] + 1}", said, RULE, fix,
        tuple((source.own, row, column) for row, column in places),
    )  # fmt: skip


_FIX = "merge groups, or leave out the totals, also of the tables that left before"


def _names(linked: Sequence[Source]) -> str:
    names = list(dict.fromkeys(each.what for each in linked))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004
