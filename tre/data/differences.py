"""Two tables of nearly the same people tell of those few who are in one of them: who is in which is counted exactly.

    apart = together(extracts, manifests)     people of the project's own copy, sorted by the tables they are in
    apart.between(0, 3, ("arm",))             of each arm: how many are in the first only, in the fourth only

Whom every table counts is asked of the data once, whatever their number: a pattern of bits for each person.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet

from tre.data import cohorts, engine
from tre.errors import Unreadable

MOST_PATTERNS = 3_000_000
WORD = 60
"""Cohorts in one number of bits."""

Places = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]
Coded = tuple[Places, tuple[str | None, ...]]
"""Of each row the place of its value, and the values."""


class Made(Protocol):
    """What an output manifest says of whom it counts."""

    @property
    def dataset(self) -> str:
        """The dataset."""

    @property
    def version(self) -> int:
        """The version of the dataset."""

    @property
    def table(self) -> str:
        """The table of the dataset."""

    @property
    def cohort(self) -> str:
        """Who is counted."""

    @property
    def dimensions(self) -> Sequence[str]:
        """By what it is counted."""


class Held(Protocol):
    """An extract of the project."""

    @property
    def dataset(self) -> str:
        """The dataset."""

    @property
    def folder(self) -> Path:
        """Where its tables lie."""

    @property
    def person(self) -> Mapping[str, str]:
        """Table -> its column of pseudonyms."""


Key = frozenset[tuple[str, str]]
"""A group: a value for each dimension that it has."""


class Few(NamedTuple):
    """How many people one group has in the one table only, and in the other only."""

    here: int
    there: int
    missing: bool
    """They are all people of whom a dimension of one of the tables is not known."""


@dataclass(frozen=True)
class Apart:
    """People by the patterns of their rows: `persons[c]` of them have the rows `entries` say of class c."""

    persons: Places
    of_class: Places
    """Class of each entry."""
    inside: Bits
    """Cohort x entry: whether such a row is counted."""
    dims: Mapping[str, Coded]
    """Column -> for each entry the place of its value."""
    cohort: tuple[int, ...]
    """Of each manifest its cohort; -1 where it cannot be asked of this project's data."""
    dimensions: tuple[tuple[str, ...], ...]
    """Of each manifest."""

    def people(self, at: int) -> int:
        """Return how many different people a table counts."""
        return int(self.persons[self.classes(at)].sum())

    def classes(self, at: int) -> Bits:
        """Return the classes of which a table counts a row."""
        held = np.zeros(len(self.persons), bool)
        held[self.of_class[self._rows(at)]] = True
        return held

    def between(self, one: int, other: int, dims: tuple[str, ...]) -> dict[Key, Few]:
        """Count, in each group of `dims`, who is in one table and not in the other. Groups that agree are left out."""
        _, class_, cell, keys = self._units(dims)
        if (one, dims) not in self._seen:  # asked about many others
            self._seen[one, dims] = self._counted(one, dims)
        here, there = self._seen[one, dims], self._counted(other, dims)
        differ = np.flatnonzero(here != there)
        weight = self.persons[class_[differ]]
        mine, group = here[differ], cell[differ]
        counts = [np.bincount(group, weight * part, len(keys)) for part in (mine, ~mine)]
        unknown = ~(self.known(one) & self.known(other))[class_[differ]]
        lost = np.bincount(group, weight * unknown, len(keys))
        return {
            keys[nth]: Few(int(counts[0][nth]), int(counts[1][nth]), bool(lost[nth] == counts[0][nth] + counts[1][nth]))
            for nth in np.flatnonzero(counts[0] + counts[1])
        }

    def _counted(self, at: int, dims: tuple[str, ...]) -> Bits:
        """Return the units (class, group of `dims`) of which a table counts a row."""
        unit, class_, _, _ = self._units(dims)
        held = np.zeros(len(class_), bool)
        held[unit[self._rows(at, dims)]] = True
        return held

    @cached_property
    def _seen(self) -> dict[tuple[int, tuple[str, ...]], Bits]:
        return {}

    def groups(self, dims: tuple[str, ...]) -> frozenset[Key]:
        """Return all groups that there are in the data."""
        return frozenset(self._units(dims)[3])

    def members(self, at: int, dims: tuple[str, ...]) -> dict[Key, Places]:
        """Return the classes in each group of a table."""
        _, class_, cell, keys = self._units(dims)
        held = np.flatnonzero(self._counted(at, dims))
        order = held[np.argsort(cell[held], kind="stable")]
        cuts = np.flatnonzero(np.diff(cell[order])) + 1
        return {keys[int(cell[part[0]])]: class_[part] for part in np.split(order, cuts) if len(part)}

    def _rows(self, at: int, dims: Sequence[str] = ()) -> Bits:
        """Return the rows of those a table counts in one of its groups: they have a value for each dimension."""
        rows: Bits = self.inside[self.cohort[at]]
        for name in {*self.dimensions[at], *dims}:
            codes, values = self.dims[name]
            rows = rows & (codes != values.index(None)) if None in values else rows
        return rows

    def known(self, at: int) -> Bits:
        """Return the classes that have a value for each dimension of a table."""
        lost = np.zeros(len(self.persons), bool)
        for name in self.dimensions[at]:
            codes, values = self.dims[name]
            if None in values:
                lost[self.of_class[codes == values.index(None)]] = True
        return ~lost

    @cached_property
    def _units_of(self) -> dict[tuple[str, ...], tuple[Places, Places, Places, list[Key]]]:
        return {}

    def _units(self, dims: tuple[str, ...]) -> tuple[Places, Places, Places, list[Key]]:
        """Return of each entry its unit (class, group), of each unit its class and group, and the groups."""
        if dims not in self._units_of:
            group = np.zeros(len(self.of_class), np.int64)
            for name in dims:
                group = group * max(1, len(self.dims[name][1])) + self.dims[name][0]
            held, cell = np.unique(group, return_inverse=True)
            both, unit = np.unique(self.of_class * max(1, len(held)) + cell, return_inverse=True)
            keys = [self._key(dims, int(code)) for code in held]
            self._units_of[dims] = unit, both // max(1, len(held)), both % max(1, len(held)), keys
        return self._units_of[dims]

    def _key(self, dims: tuple[str, ...], code: int) -> Key:
        pairs = list[tuple[str, str]]()
        for name in reversed(dims):
            values = self.dims[name][1]
            code, at = divmod(code, max(1, len(values)))
            pairs.append((name.lower(), values[at] or ""))
        return frozenset(pairs)


def together(held: Iterable[Held], manifests: Sequence[Made]) -> Apart:
    """Sort the people of the project's copy by the tables they are in; of all manifests at once."""
    mounted = {each.dataset: each for each in held}
    with engine.question() as con:
        asked = _asked(mounted, manifests)
        patterns = [_patterns(con, nth, table) for nth, table in enumerate(asked.tables)]
        return _classes(con, asked, patterns)


# --- what is asked ----------------------------------------------------------------------------------------------------
class _Table(NamedTuple):
    path: Path
    person: str
    cohorts: dict[cohorts.Cohort, int]
    dims: list[str]


class _Asked(NamedTuple):
    tables: list[_Table]
    which: list[tuple[int, int]]
    """Of each manifest its table and its cohort there; (-1, -1) if it cannot be asked."""
    dimensions: list[tuple[str, ...]]


def _asked(mounted: Mapping[str, Held], manifests: Sequence[Made]) -> _Asked:
    tables: dict[Path, _Table] = {}
    which = list[tuple[int, int]]()
    for made in manifests:
        found = _found(mounted.get(made.dataset), made, tables)
        if found is None:
            which.append((-1, -1))
            continue
        table, cohort = found
        nth = table.cohorts.setdefault(cohort, len(table.cohorts))
        table.dims.extend(name for name in made.dimensions if name not in table.dims)
        which.append((list(tables).index(table.path), nth))
    return _Asked(list(tables.values()), which, [tuple(made.dimensions) for made in manifests])


def _found(held: Held | None, made: Made, tables: dict[Path, _Table]) -> tuple[_Table, cohorts.Cohort] | None:
    if held is None or made.table not in held.person:
        return None
    path = held.folder / f"{made.table}.parquet"
    person = held.person[made.table]
    try:
        columns = [name for name in pyarrow.parquet.read_schema(path).names if name != person]
        cohort = cohorts.parse(made.cohort, columns)
    except (OSError, pa.ArrowInvalid, Unreadable):
        return None
    if not set(made.dimensions) <= set(columns):
        return None
    return tables.setdefault(path, _Table(path, person, {}, [])), cohort


# --- asking -----------------------------------------------------------------------------------------------------------
class _Patterns(NamedTuple):
    """The distinct rows of one table, as far as they matter: cohort x row, and the rows' values."""

    inside: Bits
    values: dict[str, tuple[str | None, ...]]


def _patterns(con: duckdb.DuckDBPyConnection, nth: int, table: _Table) -> _Patterns:
    """Make table `row<nth>` of (person, pattern); return the patterns."""
    used = sorted({*table.dims, *(name for each in table.cohorts for name in each.columns)})
    columns = ", ".join(map(engine.name, used)) or "1 AS nothing"
    source = f"read_parquet({engine.text(str(table.path))})"
    con.execute(f"CREATE TEMP TABLE held AS SELECT {engine.name(table.person)} AS person, {columns} FROM {source}")  # noqa: S608 -- quoted
    con.execute(
        "CREATE TEMP TABLE seen AS SELECT *, row_number() OVER () - 1 AS nth FROM "
        "(SELECT DISTINCT * EXCLUDE person FROM held)"
    )
    words = [_word(list(table.cohorts)[at : at + WORD]) for at in range(0, len(table.cohorts), WORD)]
    dims = [f"CAST({engine.name(name)} AS VARCHAR)" for name in table.dims]
    if con.execute("SELECT count(*) FROM seen").fetchall()[0][0] > MOST_PATTERNS:
        raise Unreadable("the tables have too many groups to be held against each other: fewer or coarser conditions")
    sql = f"SELECT {', '.join([*words, *dims])} FROM seen ORDER BY nth"  # noqa: S608 -- quoted, or of cohorts
    found = engine.table(con, sql)
    bits = np.zeros((len(table.cohorts), len(found)), bool)
    for at in range(len(table.cohorts)):
        np.not_equal(found.column(at // WORD).to_numpy() & (1 << (at % WORD)), 0, out=bits[at])
    codes = [_coded(found.column(len(words) + at)) for at in range(len(dims))]
    return _distinct(con, nth, bits, dict(zip(table.dims, codes, strict=True)), used)


def _word(some: Sequence[cohorts.Cohort]) -> str:
    """Write the bits of up to 60 cohorts as one number."""
    bits = (f"(CASE WHEN {cohort.sql()} THEN {1 << at} ELSE 0 END)" for at, cohort in enumerate(some))
    return f"CAST({' + '.join(bits)} AS BIGINT)"


def _coded(column: pa.ChunkedArray) -> Coded:
    """Return of each row the place of its value, written as all tables would."""
    coded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    written = [None if value is None else plain(value) for value in coded.dictionary.to_pylist()]
    values = tuple(dict.fromkeys(written))
    places = np.array([values.index(value) for value in written] or [0], dtype=np.int64)
    return places[coded.indices.to_numpy()], values


def plain(value: str) -> str:
    """Write a value as all would: 1, 1.0 and ' 1' are equal, and so are A and a."""
    said = value.strip().lower()
    try:
        return f"{float(said):.12g}"
    except ValueError:
        return said


def _distinct(
    con: duckdb.DuckDBPyConnection, nth: int, bits: Bits, dims: Mapping[str, Coded],
    used: Sequence[str],
) -> _Patterns:  # fmt: skip
    """Leave of the rows' patterns those that differ in a cohort or a dimension."""
    codes = [each[0] for each in dims.values()]
    packed = np.packbits(bits, axis=0).T
    keys = np.column_stack([packed, *(code.view(np.uint8).reshape(-1, 8) for code in codes)])
    _, first, pattern = np.unique(_rows_as_one(keys), return_index=True, return_inverse=True)
    con.register("chosen", pa.table({"nth": np.arange(len(pattern)), "pattern": pattern.astype(np.int64)}))
    same = " AND ".join(f"h.{engine.name(name)} IS NOT DISTINCT FROM s.{engine.name(name)}" for name in used) or "true"
    con.execute(
        f"CREATE TEMP TABLE row{nth} AS SELECT DISTINCT h.person, c.pattern FROM held h JOIN seen s ON {same} "  # noqa: S608 -- quoted
        "JOIN chosen c USING (nth)"
    )
    con.execute("DROP TABLE held; DROP TABLE seen")
    con.unregister("chosen")
    values = {name: tuple(each[1][code] for code in each[0][first]) for name, each in dims.items()}
    return _Patterns(bits[:, first], values)


def _rows_as_one(keys: npt.NDArray[np.uint8]) -> npt.NDArray[np.void]:
    keys = np.ascontiguousarray(keys)
    return keys.view(np.dtype((np.void, keys.shape[1]))).ravel()


def _classes(con: duckdb.DuckDBPyConnection, asked: _Asked, patterns: Sequence[_Patterns]) -> Apart:
    """Put people together who have the same patterns in all tables."""
    starts = np.cumsum([0, *(each.inside.shape[1] for each in patterns)])
    parts = [f"SELECT person, pattern + {starts[nth]} AS pattern FROM row{nth}" for nth in range(len(patterns))]  # noqa: S608
    if not parts:
        none = np.zeros(0, np.int64)
        return Apart(none, none, np.zeros((0, 0), bool), {}, tuple(-1 for _ in asked.which), tuple(asked.dimensions))
    found = engine.table(
        con,
        "SELECT patterns, count(*) AS persons FROM (SELECT list(pattern ORDER BY pattern) AS patterns FROM "  # noqa: S608
        f"({' UNION ALL '.join(parts)}) GROUP BY person) GROUP BY patterns",
    )
    lists = found["patterns"].combine_chunks()
    of_class = np.repeat(np.arange(len(lists)), lists.value_lengths().to_numpy(zero_copy_only=False))
    entry = lists.flatten().to_numpy(zero_copy_only=False).astype(np.int64)
    first = np.cumsum([0, *(len(table.cohorts) for table in asked.tables)])
    inside = np.zeros((first[-1], starts[-1]), bool)
    for nth, each in enumerate(patterns):
        inside[first[nth] : first[nth + 1], starts[nth] : starts[nth + 1]] = each.inside
    return Apart(
        found["persons"].to_numpy().astype(np.int64), of_class.astype(np.int64), inside[:, entry],
        {name: (codes[entry], values) for name, (codes, values) in _joined(asked, patterns).items()},
        tuple(int(first[table]) + cohort if table >= 0 else -1 for table, cohort in asked.which),
        tuple(asked.dimensions),
    )  # fmt: skip


def _joined(asked: _Asked, patterns: Sequence[_Patterns]) -> dict[str, Coded]:
    """Return the dimensions over the patterns of all tables; where a table has none its rows have no value."""
    found: dict[str, Coded] = {}
    for name in dict.fromkeys(name for table in asked.tables for name in table.dims):
        written = [value for each in patterns for value in each.values.get(name, (None,) * each.inside.shape[1])]
        values = tuple(dict.fromkeys(written))
        place = {value: nth for nth, value in enumerate(values)}
        found[name] = np.array([place[value] for value in written], dtype=np.int64), values
    return found


def people(held: Iterable[Held], made: Made) -> list[str] | None:
    """Return the pseudonyms of those a table counts, or None where that cannot be asked of this project's data."""
    mounted = {each.dataset: each for each in held}
    found = _found(mounted.get(made.dataset), made, {})
    if found is None:
        return None
    table, cohort = found
    column, source = engine.name(table.person), f"read_parquet({engine.text(str(table.path))})"
    with engine.question() as con:
        sql = f"SELECT DISTINCT {column} AS person FROM {source} WHERE {cohort.sql()}"  # noqa: S608 -- quoted
        return [str(name) for name in engine.table(con, sql)["person"].to_pylist() if name is not None]
