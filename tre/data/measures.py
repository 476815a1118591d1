"""The numbers of a table are made again from the project's data, person by person, with what makes them safe or not.

Each person's rows in a group become one contribution; the group's number, and who makes it up, come of these alone.
A group is a value for each dimension, or `None` where a table sums over it (`all`, `total`, nothing).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import duckdb
import pyarrow as pa
import pyarrow.parquet

from tre.data import cohorts, counting, engine
from tre.errors import Unreadable

LARGEST = 10
"""So many of the largest contributions to a group are told."""
MOST_SETS = 64
ANY = frozenset({*counting.ANY, "totals", "any", "everybody", "sum"})
"""What a table writes for `whatever the value`."""
NOTHING = frozenset({"nan", "na", "n/a", "<na>", "none", "null", "missing", "unknown"})
"""What a table writes for `no value`; nothing at all means it only where another word stands for all."""
NUMBERS = frozenset({"sum", "mean", "sd", "median", "percentile", "min", "max"})
PLACED = frozenset({"median", "percentile", "min", "max"})
"""Measures that are some person's value, or lie between two."""
_PERCENTILE = re.compile(r"(.+),\s*(0(?:\.\d+)?|1(?:\.0+)?)\s*\Z", re.DOTALL)
_DECIMALS = re.compile(r"\d*\.(\d+)\s*%?\s*\Z")
_NUMERIC = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
_OF = {"sum": "sum", "min": "min", "max": "max"}


class Measure(Protocol):
    """One column of numbers in a file."""

    @property
    def head(self) -> str:
        """Its head in the file."""

    @property
    def verb(self) -> str:
        """What is done."""

    @property
    def what(self) -> str:
        """To which column, or for which condition."""


class Made(Protocol):
    """An output manifest: how a table was made."""

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

    @property
    def measures(self) -> Sequence[Measure]:
        """What is measured."""


class Held(Protocol):
    """An extract of the project."""

    @property
    def dataset(self) -> str:
        """The dataset."""

    @property
    def version(self) -> int:
        """The version of the dataset."""

    @property
    def folder(self) -> Path:
        """Where its tables lie."""

    @property
    def person(self) -> Mapping[str, str]:
        """Table -> its column of pseudonyms."""


@dataclass(frozen=True)
class Why:
    """Why the numbers cannot be made again, in words for the author."""

    says: str


class Weight(NamedTuple):
    """One measure of one group: its value, and what single persons contribute to it."""

    verb: str
    value: float | str | None
    persons: int
    """Persons who have a value; of a proportion, all of the group."""
    total: float = 0.0
    """Sum of the contributions; of a proportion, the persons for whom the condition holds."""
    absolute: float = 0.0
    """Sum of the contributions' sizes, whatever their sign."""
    largest: tuple[float, ...] = ()
    """The sizes of the largest contributions, at most `LARGEST` of them."""
    negatives: int = 0
    low: float | None = None
    high: float | None = None
    below: int = 0
    """Of a percentile, smallest or largest value: persons below it, at it as it is printed, above it."""
    at: int = 0
    above: int = 0


class Group(NamedTuple):
    """The persons of one cell of the dimensions."""

    key: tuple[str | None, ...]
    persons: int
    weights: tuple[Weight, ...]


class Place(NamedTuple):
    """Where a number stands in the file: row and column from 0, its measure, its group or -1 if nobody is in it."""

    row: int
    column: int
    measure: int
    group: int


@dataclass(frozen=True)
class Measured:
    """A table made again: what each of its numbers should be, and who is behind it."""

    groups: tuple[Group, ...]
    places: tuple[Place, ...]
    left_out: tuple[int, ...] = ()
    """Groups of the data that the file does not show, of those that are no sums of others."""
    twice: tuple[int, ...] = ()
    """Rows of the file that show a group again."""
    unsaid: tuple[int, ...] = ()
    """Columns of the file of which the manifest says nothing."""

    def of(self, place: Place) -> tuple[Group, Weight] | None:
        """Return what is behind a number."""
        if place.group < 0:
            return None
        group = self.groups[place.group]
        return group, group.weights[place.measure]


def measured(held: Iterable[Held], made: Made, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Measured | Why:
    """Make a table's numbers again, or say why that cannot be."""
    try:
        path, person = _found(held, made)
        asked = _asked(made, heads, rows, _columns(path), person)
        with engine.question() as con:
            groups = _groups(con, path, person, asked)
    except Unreadable as why:
        return Why(str(why))
    except (OSError, duckdb.Error) as error:
        return Why(f"the data could not be measured as the manifest says ({type(error).__name__})")
    return _placed(asked, groups, rows)


# --- what is asked ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Asked:
    """A manifest that fits the data and the file."""

    dims: tuple[str, ...]
    """Columns of the data."""
    at: tuple[int, ...]
    """Of each dimension its column in the file; -1 if its values are heads."""
    measures: tuple[Measure, ...]
    columns: tuple[tuple[int, int], ...]
    """Columns of numbers in the file, each with its measure."""
    heads: tuple[str, ...]
    cohort: str
    missing: frozenset[int]
    """Dimensions that the file shows a missing value of."""
    sets: tuple[frozenset[int], ...]
    """The dimensions that are summed over, as sets of them."""
    halves: tuple[float, ...]
    """Of each measure half of the last digit that is printed."""
    conditions: Mapping[int, str] = field(default_factory=dict)
    unsaid: tuple[int, ...] = ()


def _found(held: Iterable[Held], made: Made) -> tuple[Path, str]:
    """Return the table's file and its column of pseudonyms."""
    mounted = {each.dataset: each for each in held}
    each = mounted.get(made.dataset)
    if each is None:
        raise Unreadable(f"dataset: the project mounts {', '.join(sorted(mounted)) or 'none'}, not the one named")
    if each.version != made.version:
        raise Unreadable(
            f"version: the project mounts version {each.version} of {each.dataset}, and the table was made on version "
            f"{made.version}: make it again on the data of today"
        )
    if made.table not in each.person or not (each.folder / f"{made.table}.parquet").is_file():
        tables = ", ".join(sorted(each.person)) or "none"
        raise Unreadable(f"table: {each.dataset} has no table of persons of this name; it has {tables}")
    return each.folder / f"{made.table}.parquet", each.person[made.table]


def _columns(path: Path) -> dict[str, pa.DataType]:
    schema = pyarrow.parquet.read_schema(path)
    return dict(zip(schema.names, schema.types, strict=True))


def _asked(
    made: Made, heads: Sequence[str], rows: Sequence[Sequence[str]], types: Mapping[str, pa.DataType], person: str
) -> _Asked:
    heads = tuple(head.strip() for head in heads)
    known = {name: kind for name, kind in types.items() if name != person}
    for name in made.dimensions:
        if name not in known:
            raise Unreadable(f"dimensions: {_called(name, known)}")
    at = tuple(heads.index(name) if name in heads else -1 for name in made.dimensions)
    columns = _number_columns(made, heads, at)
    missing, sets = _margins(heads, at, columns, rows)
    if len(sets) > MOST_SETS:
        raise Unreadable(f"dimensions: more than {MOST_SETS} ways to sum over them; split the table")
    return _Asked(
        dims=tuple(made.dimensions), at=at, measures=tuple(made.measures), columns=columns, heads=heads,
        cohort=cohorts.parse(made.cohort, known).sql(), missing=missing, sets=sets,
        halves=tuple(_half(nth, columns, rows) for nth in range(len(made.measures))),
        conditions={nth: _contribution(measure, known) for nth, measure in enumerate(made.measures)},
        unsaid=tuple(place for place in range(len(heads)) if place not in at and place not in dict(columns)),
    )  # fmt: skip


def _number_columns(made: Made, heads: tuple[str, ...], at: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Return the columns of numbers: those of the measures, or of a cross table all but the labels."""
    if not made.measures:
        raise Unreadable("measures: name the columns of numbers, each with what it measures")
    across = at.count(-1)
    if not across:
        absent = [measure for measure in made.measures if measure.head not in heads]
        if absent:
            raise Unreadable(f"measures: {len(absent)} are no column of the file; write them as its header does")
        return tuple((heads.index(measure.head), nth) for nth, measure in enumerate(made.measures))
    if across > 1 or len(made.measures) > 1:
        raise Unreadable("dimensions: name each as the file's header does; one may lie across, with one measure")
    return tuple((place, 0) for place in range(len(heads)) if place not in at)


def _margins(
    heads: Sequence[str], at: Sequence[int], columns: Sequence[tuple[int, int]], rows: Sequence[Sequence[str]]
) -> tuple[frozenset[int], tuple[frozenset[int], ...]]:
    """Return which dimensions show missing values, and which sets of dimensions are summed over."""
    across = [heads[place] for place, _ in columns]
    shown = [{_word(said) for said in (across if place < 0 else (row[place] for row in rows))} for place in at]
    missing = frozenset(nth for nth, words in enumerate(shown) if words & NOTHING or (words & ANY) > {""})
    own = [ANY - {""} if nth in missing else ANY for nth in range(len(at))]
    sets = {frozenset[int]()}
    for row in rows:
        base = frozenset(nth for nth, place in enumerate(at) if place >= 0 and _word(row[place]) in own[nth])
        sets.add(base)
        for nth in (nth for nth, place in enumerate(at) if place < 0 and shown[nth] & own[nth]):
            sets.add(base | {nth})
    return missing, tuple(sorted(sets, key=sorted))


def _half(nth: int, columns: Iterable[tuple[int, int]], rows: Iterable[Sequence[str]]) -> float:
    places = [place for place, measure in columns if measure == nth]
    found = (_DECIMALS.search(row[place]) for row in rows for place in places)
    return 0.5 * 10.0 ** -max((len(each[1]) for each in found if each), default=0)


def _contribution(measure: Measure, known: Mapping[str, pa.DataType]) -> str:
    """Write what a person's rows in a group become."""
    if measure.verb == "persons":
        return ""
    if measure.verb == "proportion":
        return f"max(CASE WHEN {cohorts.parse(measure.what, known).sql()} THEN 1 ELSE 0 END)"
    column = _column_of(measure)
    if column not in known:
        raise Unreadable(f"measures, {measure.verb}: {_called(column, known)}")
    name, kind = engine.name(column), known[column]
    if measure.verb == "mode":
        return name
    if not any(each(kind) for each in _NUMERIC):
        raise Unreadable(f"measures, {measure.verb}: the column that is named holds no numbers")
    number = f"CAST({name} AS DOUBLE)"
    if pa.types.is_floating(kind):
        number = f"CASE WHEN isfinite({number}) THEN {number} END"
    return f"{_OF.get(measure.verb, 'avg')}({number})"


def _column_of(measure: Measure) -> str:
    if measure.verb != "percentile":
        return measure.what
    found = _PERCENTILE.match(measure.what)
    if found is None:
        raise Unreadable("measures, percentile: write percentile(column, 0.25)")
    return found[1].strip()


def _quantile(measure: Measure) -> float:
    found = _PERCENTILE.match(measure.what) if measure.verb == "percentile" else None
    return float(found[2]) if found else 0.5


def _called(name: str, known: Iterable[str]) -> str:
    alike = [each for each in known if each.casefold() == name.casefold()]
    hint = f"; write {alike[0]}" if alike else f"; there are {', '.join(sorted(known)[:20])}"
    return f"the table has no column {name[:40]!a}{hint}"


# --- counting ---------------------------------------------------------------------------------------------------------
def _groups(con: duckdb.DuckDBPyConnection, path: Path, person: str, asked: _Asked) -> tuple[Group, ...]:
    con.execute(f"CREATE TEMP VIEW held AS SELECT * FROM read_parquet({engine.text(str(path))})")  # noqa: S608 -- quoted
    con.execute(_contributions(person, asked))
    con.execute(_cells(asked))
    found = con.execute("SELECT * FROM cells").fetchall()
    around = [dict(_around(con, asked, nth)) if m.verb in PLACED else {} for nth, m in enumerate(asked.measures)]
    modes = [dict(_modes(con, person, asked, nth)) if m.verb == "mode" else {} for nth, m in enumerate(asked.measures)]
    return tuple(_group(row, asked, around, modes) for row in found)


def _contributions(person: str, asked: _Asked) -> str:
    made = ", ".join(f"{sql} AS v{nth}" for nth, sql in _valued(asked))
    return f"""
        CREATE TEMP TABLE contributions AS
        SELECT {_margin(asked)} AS margin{_dims(asked)}{", " if made else ""}{made}
        FROM held WHERE {_who(person, asked)} GROUP BY {_sets(asked, engine.name(person))}
    """  # noqa: S608 -- names are quoted, the condition is of cohorts


def _valued(asked: _Asked) -> Iterator[tuple[int, str]]:
    for nth, measure in enumerate(asked.measures):
        if measure.verb not in {"persons", "mode"}:
            yield nth, asked.conditions[nth]


def _who(person: str, asked: _Asked) -> str:
    there = [engine.name(name) for nth, name in enumerate(asked.dims) if nth not in asked.missing]
    return " AND ".join([asked.cohort, *(f"{name} IS NOT NULL" for name in (engine.name(person), *there))])


def _margin(asked: _Asked) -> str:
    return f"GROUPING({', '.join(map(engine.name, asked.dims))})" if asked.dims else "0"


def _dims(asked: _Asked) -> str:
    return "".join(f", {engine.name(name)} AS d{nth}" for nth, name in enumerate(asked.dims))


def _sets(asked: _Asked, always: str) -> str:
    kept = [[name for nth, name in enumerate(asked.dims) if nth not in summed] for summed in asked.sets]
    if len(kept) == 1:
        return ", ".join([always, *map(engine.name, kept[0])])
    return f"GROUPING SETS ({', '.join('(' + ', '.join([always, *map(engine.name, each)]) + ')' for each in kept)})"


def _cells(asked: _Asked) -> str:
    by = ", ".join(["margin", *(f"d{nth}" for nth in range(len(asked.dims)))])
    parts = [f"{by}, count(*) AS n"]
    for nth, _ in _valued(asked):
        v, measure = f"v{nth}", asked.measures[nth]
        parts += [
            f"{_value(measure, v)} AS value{nth}, count({v}), sum({v}), sum(abs({v})), {_top(measure, v)}",
            f"count(*) FILTER ({v} < 0), min({v}), max({v})",
        ]
    return f"CREATE TEMP TABLE cells AS SELECT {', '.join(parts)} FROM contributions GROUP BY {by}"  # noqa: S608 -- ours


def _value(measure: Measure, v: str) -> str:
    names = {"proportion": "avg", "mean": "avg", "sd": "stddev_samp"}
    if measure.verb in {"median", "percentile"}:
        return f"quantile_cont({v}, {_quantile(measure)!r})"
    return f"{names.get(measure.verb, measure.verb)}({v})"


def _top(measure: Measure, v: str) -> str:
    return "NULL" if measure.verb == "proportion" else f"max(abs({v}), {LARGEST})"


def _around(con: duckdb.DuckDBPyConnection, asked: _Asked, nth: int) -> Iterator[tuple[tuple[object, ...], list[int]]]:
    """Yield of each group how many persons are below, at and above its value, as exactly as it is printed."""
    by = ["margin", *(f"d{dim}" for dim in range(len(asked.dims)))]
    half = 0.0 if asked.measures[nth].verb in {"min", "max"} else asked.halves[nth]
    sql = f"""
        SELECT {", ".join(f"c.{each}" for each in by)}, count(*) FILTER (v{nth} < value{nth} - {half!r}),
            count(*) FILTER (abs(v{nth} - value{nth}) <= {half!r}), count(*) FILTER (v{nth} > value{nth} + {half!r})
        FROM contributions v JOIN cells c ON {" AND ".join(f"v.{each} IS NOT DISTINCT FROM c.{each}" for each in by)}
        GROUP BY ALL
    """  # noqa: S608 -- ours
    for row in con.execute(sql).fetchall():
        yield row[: len(by)], list(row[len(by) :])


def _modes(
    con: duckdb.DuckDBPyConnection, person: str, asked: _Asked, nth: int
) -> Iterator[tuple[tuple[object, ...], Weight]]:
    """Yield of each group its most frequent value, and how many persons have it."""
    by, column = ["margin", *(f"d{dim}" for dim in range(len(asked.dims)))], asked.conditions[nth]
    inner = f"""
        SELECT {_margin(asked)} AS margin{_dims(asked)}, CAST({column} AS VARCHAR) AS x,
            count(DISTINCT {engine.name(person)}) AS n
        FROM held WHERE {_who(person, asked)} AND {column} IS NOT NULL GROUP BY {_sets(asked, column)}
    """  # noqa: S608 -- names are quoted, the condition is of cohorts
    keys = ", ".join(by)
    sql = f"SELECT {keys}, arg_max(x, (n, x)), max(n), sum(n) FROM ({inner}) GROUP BY {keys}"  # noqa: S608 -- ours
    for row in con.execute(sql).fetchall():
        value, most, all_ = row[len(by) :]
        yield row[: len(by)], Weight("mode", value, int(all_), at=int(most))


def _group(
    row: tuple[object, ...],
    asked: _Asked,
    around: Sequence[Mapping[tuple[object, ...], list[int]]],
    modes: Sequence[Mapping[tuple[object, ...], Weight]],
) -> Group:
    wide = len(asked.dims)
    margin, dims, numbers = int(str(row[0])), row[1 : wide + 1], iter(row[wide + 2 :])
    raw, persons = row[: wide + 1], int(str(row[wide + 1]))
    key = tuple(None if margin >> (wide - 1 - nth) & 1 else _written(value) for nth, value in enumerate(dims))
    weights = []
    for nth, measure in enumerate(asked.measures):
        if measure.verb == "persons":
            weights.append(Weight("persons", persons, persons, persons, persons))
        elif measure.verb == "mode":
            weights.append(modes[nth].get(raw, Weight("mode", None, 0)))
        else:
            value, n, total, absolute, top, negatives, low, high = (next(numbers) for _ in range(8))
            weights.append(
                Weight(measure.verb, value, n, total or 0.0, absolute or 0.0, tuple(top or ()), negatives, low, high,  # type: ignore[arg-type] # as _cells selects them
                       *around[nth].get(raw, ()))
            )  # fmt: skip
    return Group(key, persons, tuple(weights))


def _written(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value).removesuffix(" 00:00:00")


# --- finding each number's group --------------------------------------------------------------------------------------
def _placed(asked: _Asked, groups: tuple[Group, ...], rows: Sequence[Sequence[str]]) -> Measured:
    exact = {group.key: nth for nth, group in enumerate(groups)}
    loose = _loose(groups)
    places, seen, twice = list[Place](), dict[tuple[int, int], int](), list[int]()
    for at, row in enumerate(rows):
        for column, measure in asked.columns:
            said = tuple(asked.heads[column] if place < 0 else row[place].strip() for place in asked.at)
            group = _looked_up(said, asked, exact, loose)
            if group >= 0 and seen.setdefault((group, measure), at) != at:
                twice.append(at)
            places.append(Place(at, column, measure, group))
    shown = {place.group for place in places}
    left_out = tuple(nth for nth, group in enumerate(groups) if nth not in shown and None not in group.key)
    return Measured(groups, tuple(places), left_out, tuple(dict.fromkeys(twice)), asked.unsaid)


def _loose(groups: Iterable[Group]) -> dict[tuple[str | None, ...], int]:
    """Return groups by their values as any tool writes them; not those that would be written alike."""
    found = dict[tuple[str | None, ...], int]()
    for nth, group in enumerate(groups):
        key = tuple(None if value is None else _plain(value) for value in group.key)
        found[key] = -1 if key in found else nth
    return found


def _looked_up(
    said: tuple[str, ...],
    asked: _Asked,
    exact: Mapping[tuple[str | None, ...], int],
    loose: Mapping[tuple[str | None, ...], int],
) -> int:
    if said in exact and "" not in said:
        return exact[said]
    key = tuple(_meant(text, missing=nth in asked.missing) for nth, text in enumerate(said))
    return loose.get(tuple(None if each is None else _plain(each) for each in key), -1)


def _meant(text: str, *, missing: bool) -> str | None:
    word = _word(text)
    if missing and word in {"", *NOTHING}:
        return ""
    return None if word in ANY else text


def _word(text: str) -> str:
    return text.strip().lower()


def _plain(text: str) -> str:
    """Write a value as all would: 1, 1.0 and 01 are equal, and so are True and true."""
    try:
        return f"{float(text):.15g}"
    except ValueError:
        return text.strip().casefold()
