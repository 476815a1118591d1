"""A row of a file that agrees with one person of the data, and with nobody else, is that person.

The columns of the file are matched with the data's by their values (`mapping`). Then each row's persons are counted:
who agrees with it in all matched columns, and, since a copy may be rounded or noised in some, in every two, three and
four of the most telling ones. An honest table's row is a group of many persons with numbers beside it that may agree
with one of them by chance. So chance is counted too: the persons of the largest part of the row that is still a group,
times the share of the data that has each further value (a number's never taken as less than `RARE`). A table points at
persons where rows agree with exactly one person far more often than that; where little is beyond the group, if more
rows do so than any chance explains (`_copied`).
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tre.data import mapping
from tre.data.mapping import Asked, Codes, Link

RARE = 0.04
UNLIKELY = 1e-3
ENOUGH = 3
"""Columns beyond a group that agree with one person: with one more than this, even a single row tells."""
MATCHED, FEW_SINGLE, LEAST, SIGMAS, UNSEEN = 0.9, 0.25, 10, 5, 3
LISTING = 1.5
"""Mean number of persons behind a row from which on a row whose count is hidden is one of a listing of groups."""
CROWD = 4
"""Persons behind a row, as its columns' shares say, from which on hardly one row is of a single person."""
COARSE = 5
"""Mean number of persons behind a row from which on a table with numbers beside is one of groups."""
WIDEST = 4
TELLING = 8
LOOKED = 40
TRIED = 6
SOME_ROWS = 200
LISTED = 10
"""Different values of one column, each of one person alone, that are a list of people."""
SPARSE = 0.02
"""Share of the numbers that could be written which the data holds: a list of such numbers is no coincidence."""
WHOLE = 20
MANY = 50
UPRIGHT = 60
"""Rows up to which a table may be one that lies on its side."""
WIDE_TEXT = 6
_HIDES = re.compile(
    r"|nan|na|n/a|(?:<|<=|≤)\s*\d+|\*+|-+|\.+|\[?[csxzu]\]?|suppressed|redacted|masked|hidden|\[redacted\]"
)


@dataclass(frozen=True)
class Singled:
    """What one table of a file says of single persons."""

    where: str
    says: str
    columns: tuple[tuple[str, str], ...]
    """Column of the file, column of the data."""
    rows: int
    single: int
    """Rows that agree with exactly one person."""
    by_chance: float
    """Rows that would by chance."""
    sure: bool = True
    """Otherwise it is for people to judge."""


@dataclass(frozen=True)
class _Table:
    name: str
    whose: Codes
    held: tuple[mapping.Face, ...]
    one_row_each: bool
    persons: int


@dataclass(frozen=True)
class _File:
    table: _Table
    width: int
    hidden: NDArray[np.bool_]
    smallest: int


@dataclass(frozen=True)
class _Groups:
    """How many persons agree with each different row of a file."""

    matched: NDArray[np.int64]
    chance: NDArray[np.float64]
    """Of each, that it agrees with somebody by chance, if its group is what it honestly tells."""
    beyond: NDArray[np.int64]
    """Columns beyond the largest group."""
    hidden: NDArray[np.bool_]
    """Whether a row says that something of it is hidden."""
    expected: float
    """Rows that would agree if the columns had nothing to do with each other: persons times the shares."""


def singled(
    extracts: Sequence[tuple[Path, Mapping[str, str]]],
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    smallest: int,
) -> tuple[Singled, ...]:
    """Say where the rows of a table are single persons of the mounted data; nothing where they are not."""
    if not rows:
        return ()
    ways = [("", mapping.ask(heads, rows))]
    if 1 < len(rows) <= UPRIGHT and len(heads) > 1:
        lying = (heads, *rows)
        turned = list(zip(*(row[1:] for row in lying), strict=True))
        ways.append(("lying on its side, ", mapping.ask([row[0] for row in lying], turned)))
    found = list[Singled]()
    for folder, tables in extracts:
        for name, column in sorted(tables.items()):
            if (path := folder / f"{name}.parquet").is_file():
                held = _read(path, name, column, [each for _, way in ways for each in way])
                before = len(found)
                for how, way in ways:
                    found += _in_table(held, way, how, smallest)
                if len(found) == before and len(rows) >= MANY and len(rows) in {held.persons, len(held.whose)}:
                    found.append(_as_many(held, len(rows)))
    return tuple(found)


def _as_many(table: _Table, rows: int) -> Singled:
    says = f"as many rows as the project's data have persons or rows in {table.name}: are they people, changed?"
    return Singled("file", says, (), rows, 0, 0.0, sure=False)


def _read(path: Path, name: str, column: str, asked: Sequence[Asked]) -> _Table:
    whose = mapping.persons(path, column)
    count = int(whose.max(initial=-1)) + 1
    held = tuple(mapping.faces(path, asked, beside=column))
    return _Table(name, whose, held, count == len(whose), count)


def _in_table(table: _Table, asked: Sequence[Asked], how: str, smallest: int) -> Iterator[Singled]:
    found = mapping.links(asked, table.held)
    told = _joined(table, found, asked, smallest) if len(found) > 1 else None
    if told:
        yield _with(told, how)
    for column in asked:
        if one := _listed(table, column):
            yield _with(one, how)


def _with(found: Singled, how: str) -> Singled:
    return replace(found, where=f"{how}{found.where}")


# --- rows -------------------------------------------------------------------------------------------------------------
def _joined(table: _Table, found: Sequence[Link], asked: Sequence[Asked], smallest: int) -> Singled | None:
    """Try all matched columns together, then every few of the most telling ones."""
    ordered = sorted(found, key=_different)
    file = _File(table, len(asked), _hidden(found, asked), smallest)
    if told := _judged(file, ordered, UNLIKELY):
        return told
    telling = ordered[-TELLING:]
    tries = [each for size in range(2, min(WIDEST, len(telling)) + 1) for each in combinations(telling, size)]
    tries = [each for each in tries if len(each) < len(ordered)]
    tries = sorted((each for each in tries if _crowd(table, each) < CROWD), key=lambda each: _crowd(table, each))
    best = sorted(tries[:LOOKED], key=lambda each: -_quick(table, each))[:TRIED] if tries else []
    return next((told for each in best if (told := _judged(file, each, UNLIKELY / LOOKED))), None)


def _different(link: Link) -> int:
    return len(np.unique(link.face.codes[:: max(1, len(link.face.codes) // mapping.SAMPLE)]))


def _hidden(found: Sequence[Link], asked: Sequence[Asked]) -> NDArray[np.bool_]:
    """Say of each row whether a cell beside the matched ones is one that an honest table hides."""
    matched = {link.asked.at for link in found}
    beside = [column.texts for column in asked if column.at not in matched]
    return np.array(
        [any(map(_HIDES.fullmatch, row)) for row in zip(*beside, strict=True)] or [False] * len(found[0].codes)
    )


def _crowd(table: _Table, links: Sequence[Link]) -> float:
    """Estimate the persons who agree with a row, from the shares of its values."""
    shares = [float(np.median(link.face.counts[link.codes[link.codes >= 0]])) / len(link.face.codes) for link in links]
    return table.persons * math.prod(shares)


def _judged(file: _File, links: Sequence[Link], unlikely: float) -> Singled | None:
    groups = _groups(file.table, links, file.smallest, file.hidden)
    rows = len(groups.matched)
    one = groups.matched == 1
    single = int(one.sum())
    met = groups.matched[groups.matched > 0]
    if not single or (len(links) < file.width and float(met.mean()) >= COARSE):
        return None  # rows are groups, and what is beside them is counts and means
    if float(met.mean()) >= LISTING:
        one &= ~groups.hidden
        single = int(one.sum())
    if not single:
        return None
    beyond = int(np.median(groups.beyond[one]))
    if beyond >= ENOUGH:
        chance = float(groups.chance.sum())
        enough = beyond > ENOUGH or single >= FEW_SINGLE * rows
        telling = enough and single > chance and _tail(rows, single, chance) < unlikely
    else:
        telling = _copied(rows, len(met), single)
    if not telling:
        return None
    name = file.table.name
    columns = tuple((f"column {link.asked.at + 1}", f"{name}.{link.face.label}") for link in links)
    said = f"{single} of {rows} different rows each agree with one person of the project's data in {len(links)} columns"
    return Singled(
        "file", f"{said} ({_about(groups.expected)} would by chance)", columns, rows, single, round(groups.expected, 3)
    )


def _about(chance: float) -> str:
    return "fewer than 1" if chance < 1 else f"about {chance:.0f}"


def _tail(rows: int, seen: int, expected: float) -> float:
    """Bound the probability of seeing this many by chance (Chernoff, 1952)."""
    share, chance = seen / rows, min(max(expected / rows, 1e-12), 1 - 1e-9)
    apart = share * math.log(share / chance)
    if share < 1:
        apart += (1 - share) * math.log((1 - share) / (1 - chance))
    return math.exp(-rows * apart)


def _copied(rows: int, matched: int, single: int) -> bool:
    """Say whether so many rows of so many that agree with anybody agree with one person alone.

    Persons who agree by chance are a Poisson number: if a share m of the rows agrees with somebody, at most
    -(1 - m) ln(1 - m) of them agrees with exactly one, however the rows differ (that is concave in m). A copy agrees
    with the person whom it was copied from in every row.
    """
    if rows < LEAST or matched < MATCHED * rows:
        return False
    missed = max(1 - matched / rows, UNSEEN / rows)
    chance = -missed * math.log(missed)
    return single > rows * chance + SIGMAS * math.sqrt(rows * chance * (1 - chance))


def _groups(table: _Table, links: Sequence[Link], smallest: int, hidden: NDArray[np.bool_]) -> _Groups:
    """Narrow the data down column by column, the coarsest first, and count who still agrees with each row."""
    mine, unsaid = _rows(links, hidden)
    rows = mine.shape[1]
    group, size = np.full(rows, table.persons, np.int64), np.full(rows, table.persons, np.int64)
    beyond, chance, shares = np.zeros(rows, np.int64), np.ones(rows), np.full(rows, float(table.persons))
    left: NDArray[np.intp] | None = None
    ours, theirs = np.zeros(rows, np.int64), np.zeros(len(table.whose), np.int64)
    for codes, link in zip(mine, links, strict=True):
        values = len(link.face.values)
        share = link.face.counts[codes] / max(1, len(link.face.codes))
        other = link.face.codes if left is None else link.face.codes[left]
        keys, ours = np.unique(ours * values + codes, return_inverse=True)
        keep, theirs = _those(keys, theirs * values + other, other >= 0)
        left = keep if left is None else left[keep]
        size = _persons(table, left, theirs, len(keys))[ours]
        grouped = (size >= smallest) & (beyond == 0)
        group = np.where(grouped, size, group)
        beyond += ~grouped
        shares *= share
        rare = RARE if link.face.spread is not None else 0.0
        chance *= np.where(grouped, 1.0, np.maximum(share, rare))
    return _Groups(size, 1 - np.exp(-group * chance), beyond, unsaid, float((1 - np.exp(-shares)).sum()))


def _rows(links: Sequence[Link], hidden: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return the different rows that have all these columns, and whether what is beside them is hidden."""
    mine, which = np.unique(np.stack([link.codes for link in links]), axis=1, return_inverse=True)
    shown = np.bincount(which[~hidden], minlength=mine.shape[1]) > 0
    whole = (mine >= 0).all(axis=0)
    return mine[:, whole], ~shown[whole]


def _those(
    keys: NDArray[np.int64], held: NDArray[np.int64], known: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the places of `held` that are one of `keys`, and which."""
    places = np.flatnonzero(known)
    wanted = held[places]
    if len(keys) and keys[-1] < 1 << 22:
        table = np.full(int(keys[-1]) + 1, -1, np.int32)
        table[keys] = np.arange(len(keys))
        which = table[np.minimum(wanted, keys[-1])]
        met = (which >= 0) & (wanted <= keys[-1])
    else:
        which = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1)).astype(np.int32)
        met = keys[which] == wanted if len(keys) else np.zeros(len(wanted), bool)
    return places[met], which[met].astype(np.int64)


def _persons(table: _Table, rows: NDArray[np.intp], group: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
    if not table.one_row_each:
        group = np.unique(group * table.persons + table.whose[rows]) // max(1, table.persons)
    return np.bincount(group, minlength=groups)


def _quick(table: _Table, links: Sequence[Link]) -> int:
    """Count, among some rows of the file, those that agree with one person in these columns."""
    mine, _ = _rows(links, np.zeros(len(links[0].codes), bool))
    mine = mine[:, :: max(1, mine.shape[1] // SOME_ROWS)]
    left: NDArray[np.intp] | None = None
    ours, theirs = np.zeros(mine.shape[1], np.int64), np.zeros(len(table.whose), np.int64)
    for codes, link in zip(mine[::-1], links[::-1], strict=True):  # the most telling first
        other = link.face.codes if left is None else link.face.codes[left]
        keys, ours = np.unique(ours * len(link.face.values) + codes, return_inverse=True)
        keep, theirs = _those(keys, theirs * len(link.face.values) + other, other >= 0)
        left = keep if left is None else left[keep]
    if left is None:
        return 0
    return int((_persons(table, left, theirs, int(ours.max(initial=-1)) + 1)[ours] == 1).sum())


# --- columns ----------------------------------------------------------------------------------------------------------
def _listed(table: _Table, column: Asked) -> Singled | None:
    """Say whether a column by itself lists people: values that hardly anybody else could have, each of one person."""
    different = {text for text in column.texts if text}
    if len(different) < LISTED:
        return None
    for link in mapping.holders(column, table.held):
        known = np.unique(link.codes[link.codes >= 0])
        keep, which = _those(known.astype(np.int64), link.face.codes.astype(np.int64), link.face.codes >= 0)
        single = int((_persons(table, keep, which, len(known)) == 1).sum())
        chance = _density(link) * len(different)
        columns = ((f"column {column.at + 1}", f"{table.name}.{link.face.label}"),)
        if single >= max(LISTED, len(different) // 2) and chance <= SPARSE * len(different):
            said = f"{single} of its {len(different)} values are each of one person of the project's data"
            return Singled(columns[0][0], said, columns, len(column.texts), single, round(chance, 3))
        if _whole(table, column, link):
            said = f"the whole column {table.name}.{link.face.name}, if in another order"
            return Singled(columns[0][0], said, columns, len(column.texts), single, round(chance, 3))
    return None


def _density(link: Link) -> float:
    """Say which share of the values that could be written stands in the data."""
    face, decimals = link.face, link.asked.decimals
    if face.spread is None:
        if face.dates:
            return 1.0
        long = np.mean([len(text) for text in link.asked.texts]) >= WIDE_TEXT
        return 0.0 if long and face.distinct * 2 >= len(face.codes) else 1.0
    low, high = (float(each) for each in np.quantile(face.spread, (0.01, 0.99)))
    possible = (high - low) * 10.0**decimals + 1
    sampled = len(np.unique(face.spread))
    seen = sampled if sampled * 2 < len(face.spread) else len(face.codes)
    return min(1.0, seen / possible)


def _whole(table: _Table, column: Asked, link: Link) -> bool:
    """Say whether all values of a column of the data are there, each as often as in the data."""
    rows = len(column.texts)
    if rows < WHOLE or rows not in {table.persons, len(table.whose)} or (link.codes < 0).any():
        return False
    mine = np.bincount(link.codes, minlength=len(link.face.values))
    return rows == len(table.whose) and len(np.unique(link.codes)) >= LISTED and bool((link.face.counts == mine).all())
