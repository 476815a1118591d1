"""How easily one person of an extract could be picked out by what others may know of them.

Persons are grouped by the quasi-identifiers of the plan, by all together and by every choice of some; k is the
smallest group. A person with several rows stands in the group of all their values. Rows are never counted. A value
that is missing is a value: it is the same for all who lack it.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from itertools import islice, pairwise

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tre.data import engine, groups
from tre.data.deid.plan import Plan

MOST = 1023
"""Choices of quasi-identifiers that are looked at: all of ten."""
SHAPES = (1, 2, 5, 10)
"""Groups are shown by size in these multiples of the smallest allowed."""


@dataclass(frozen=True)
class Held:
    """A table of the extract: the view that shows it, and its column that says who."""

    view: str
    person: str


@dataclass(frozen=True)
class Thresholds:
    """What the committee asks beside k; unasked, a figure stops nothing. Sets of them with sources: `risk.toml`."""

    l: int = 1  # noqa: E741 -- its name in every paper
    t: float = 1.0
    maximum: float = 1.0
    average: float = 1.0
    title: str = ""
    source: str = ""


@dataclass(frozen=True)
class Closeness:
    """How far the most different group's distribution of a sensitive column is from everybody's."""

    t: float
    distance: str
    """equal: of words, variational distance; ordered: of numbers, over their order."""


@dataclass(frozen=True)
class Choice:
    """What one choice of quasi-identifiers tells."""

    of: tuple[str, ...]
    k: int
    uniques: int
    below: int
    classes: int
    average: float
    maximum: float
    l: int | None  # noqa: E741 -- its name in every paper
    """Of the sensitive column that has the least."""
    t: float | None


@dataclass(frozen=True)
class Risk:
    """What the report says; numbers are persons."""

    persons: int
    k: int
    """Size of the smallest group."""
    uniques: int
    """Persons who are alone in their group."""
    below: int
    """Persons in groups smaller than the project's smallest."""
    classes: int
    average: float
    """Average chance to pick out a person who is known to be here: groups / persons."""
    smallest: int
    """What the committee asks of k."""
    quasi_identifiers: tuple[str, ...]
    sensitive: dict[str, int]
    """Sensitive column -> least number of different values in a group (l)."""
    maximum: float = 0.0
    """Chance to pick out whoever is in the smallest group: 1 / k."""
    closeness: dict[str, Closeness] = field(default_factory=dict)
    choices: tuple[Choice, ...] = ()
    """Every choice of quasi-identifiers, all of them first."""
    not_looked: int = 0
    """Choices that were too many to look at."""
    missing: tuple[str, ...] = ()
    """Quasi-identifiers and sensitive columns that the extract has not."""
    sizes: tuple[tuple[str, int, int], ...] = ()
    """Size of groups, how many groups, how many persons."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    failed: tuple[str, ...] = ()
    """Why it did not pass."""

    @property
    def passed(self) -> bool:
        """Whether no figure is beyond what was asked."""
        return not self.failed


def thresholds(name: str) -> Thresholds:
    """Return a set of thresholds by its name in `risk.toml`."""
    return Thresholds(**tomllib.loads(resources.files("tre.data").joinpath("risk.toml").read_text("utf-8"))[name])


def assess(
    con: duckdb.DuckDBPyConnection,
    plan: Plan,
    *,
    smallest: int,
    tables: Mapping[str, Held] | None = None,
    asked: Thresholds | None = None,
) -> Risk:
    """Measure an extract. Without `tables` these are the plan's, as views `out_<table>` of the connection."""
    held = tables or {table.name: Held(f"out_{table.name}", table.subject) for table in plan.tables}
    there = _columns(con, held)
    quasi = [place for place in plan.quasi_identifiers if place in there]
    sensitive = [place for place in plan.sensitive if place in there]
    absent = [place for place in (*plan.quasi_identifiers, *plan.sensitive) if place not in there]
    found = engine.table(con, _persons(con, held, quasi, sensitive))
    whole = _grouped(found, len(quasi), len(sensitive))
    seen = tuple(islice(groups.subsets(whole), MOST)) if quasi else (whole,)
    choices = tuple(_choice(each, quasi, smallest) for each in seen)
    return _judged(
        _measured(choices, whole, quasi, sensitive, smallest),
        asked or Thresholds(),
        not_looked=max(0, 2 ** len(quasi) - 1 - len(seen)) if quasi else 0,
        missing=tuple(map(_told, absent)),
    )


# --- persons ----------------------------------------------------------------------------------------------------------
Place = tuple[str, str]
OMOP = "omop/person"
NOBODY = "SELECT NULL AS who WHERE false"


def _columns(con: duckdb.DuckDBPyConnection, held: Mapping[str, Held]) -> set[Place]:
    found = set[Place]()
    for name, table in held.items():
        shown = con.execute(f"DESCRIBE {engine.name(table.view)}").fetchall()
        found |= {(name, str(row[0])) for row in shown}
    return found


def _persons(
    con: duckdb.DuckDBPyConnection, held: Mapping[str, Held], quasi: list[Place], sensitive: list[Place]
) -> str:
    """Count persons by their values: columns q0, q1, ..., s0, s1, ... and n."""
    labels = [(f"q{at}", place) for at, place in enumerate(quasi)]
    labels += [(f"s{at}", place) for at, place in enumerate(sensitive)]
    shown = ", ".join(label for label, _ in labels)
    by = f"{shown}, " if shown else ""
    once = {name: _one_row_each(con, held, name) for name in {name for _, (name, _) in labels}}
    if len(held) == 1 and all(once.values()):
        columns = "".join(f"{engine.name(column)} AS {label}, " for label, (_, column) in labels)
        return f"SELECT {columns}count(*) AS n FROM {_rows(held, next(iter(held)))} GROUP BY ALL"  # noqa: S608 -- quoted
    everybody = " UNION ".join(f"SELECT who FROM {_rows(held, name)}" for name in held) or NOBODY  # noqa: S608 -- quoted
    joins = "".join(
        f" LEFT JOIN ({_values(held, name, labels, once=once[name])}) AS {engine.name(name)} USING (who)"
        for name in sorted(once)
    )
    return f"SELECT {by}count(*) AS n FROM ({everybody}) AS everybody{joins} GROUP BY ALL"  # noqa: S608 -- quoted


def _values(held: Mapping[str, Held], table: str, labels: list[tuple[str, Place]], *, once: bool) -> str:
    """Select one row a person; where the table has several, the sorted list of all their values."""
    mine = [(label, engine.name(column)) for label, (name, column) in labels if name == table]
    if once:
        # A missing value is not the same as no row at all.
        shown = [
            f"{name} AS {label}" if label.startswith("s") else f"coalesce(CAST({name} AS VARCHAR), '') AS {label}"
            for label, name in mine
        ]
        return f"SELECT who, {', '.join(shown)} FROM {_rows(held, table)}"  # noqa: S608 -- quoted
    many = "array_to_string(list_sort(list(DISTINCT coalesce(CAST({} AS VARCHAR), ''))), chr(31)) AS {}"
    shown = [many.format(name, label) for label, name in mine]
    return f"SELECT who, {', '.join(shown)} FROM {_rows(held, table)} GROUP BY who"  # noqa: S608 -- quoted


def _rows(held: Mapping[str, Held], name: str) -> str:
    """Return a table with the column `who`; OMOP's numbers of persons become their pseudonyms."""
    table = held[name]
    view, person = engine.name(table.view), engine.name(table.person)
    if name.startswith("omop/") and table.person == "person_id" and OMOP in held:
        people = engine.name(held[OMOP].view)
        return (
            f"(SELECT p.person_source_value AS who, t.* FROM {view} AS t"  # noqa: S608 -- quoted
            f" JOIN {people} AS p ON p.person_id = t.{person} WHERE p.person_source_value IS NOT NULL) AS {view}"
        )
    return f"(SELECT {person} AS who, * FROM {view} WHERE {person} IS NOT NULL) AS {view}"  # noqa: S608 -- quoted


def _one_row_each(con: duckdb.DuckDBPyConnection, held: Mapping[str, Held], name: str) -> bool:
    ((once,),) = con.execute(f"SELECT count(*) = count(DISTINCT who) FROM {_rows(held, name)}").fetchall()  # noqa: S608
    return bool(once)


def _grouped(found: pa.Table, quasi: int, sensitive: int) -> groups.Groups:
    persons = found["n"].to_numpy().astype(np.int64)
    codes = [_codes(found[f"q{at}"]) for at in range(quasi)]
    return groups.of(codes, persons, [(_codes(found[f"s{at}"]), _ordered(found, at)) for at in range(sensitive)])


def _codes(column: pa.ChunkedArray) -> groups.Ints:
    """Give the different values numbers from 0 in their order; none comes last."""
    coded = column.combine_chunks().dictionary_encode("encode")
    order = pc.sort_indices(coded.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    codes: groups.Ints = rank[coded.indices.to_numpy()]
    return codes


def _ordered(found: pa.Table, at: int) -> bool:
    kind = found.schema.field(f"s{at}").type
    return any((pa.types.is_integer(kind), pa.types.is_floating(kind), pa.types.is_temporal(kind)))


# --- what it comes to -------------------------------------------------------------------------------------------------
def _choice(found: groups.Groups, quasi: list[Place], smallest: int) -> Choice:
    persons = int(found.persons.sum())
    k = int(found.persons.min(initial=persons))
    return Choice(
        of=tuple(_told(quasi[at]) for at in found.chosen),
        k=k,
        uniques=int((found.persons == 1).sum()),
        below=int(found.persons[found.persons < smallest].sum()),
        classes=len(found.persons),
        average=round(len(found.persons) / persons, 6) if persons else 0.0,
        maximum=round(1 / k, 6) if k else 0.0,
        l=min(found.distinct, default=None),
        t=max((round(t, 6) for t in found.closeness), default=None),
    )


def _measured(
    choices: tuple[Choice, ...], whole: groups.Groups, quasi: list[Place], sensitive: list[Place], smallest: int
) -> Risk:
    first = choices[0]
    names = tuple(map(_told, sensitive))
    close = zip(names, whole.closeness, whole.pairs, strict=True)
    return Risk(
        persons=int(whole.persons.sum()),
        k=first.k,
        uniques=first.uniques,
        below=first.below,
        classes=first.classes,
        average=first.average,
        smallest=smallest,
        quasi_identifiers=tuple(map(_told, quasi)),
        sensitive=dict(zip(names, whole.distinct, strict=True)),
        maximum=first.maximum,
        closeness={name: Closeness(round(t, 6), "ordered" if pairs.ordered else "equal") for name, t, pairs in close},
        choices=choices if quasi else (),
        sizes=tuple(_sizes(whole.persons, smallest)),
    )


def _sizes(persons: groups.Ints, smallest: int) -> Iterator[tuple[str, int, int]]:
    edges = [smallest * times for times in SHAPES]
    names = [f"fewer than {smallest}", *(f"{low}-{high - 1}" for low, high in pairwise(edges))]
    counted = groups.sizes(persons, [0, *edges, int(persons.max(initial=0)) + edges[-1] + 1])
    for name, (classes, people) in zip([*names, f"{edges[-1]} and more"], counted, strict=True):
        yield name, classes, people


def _judged(risk: Risk, asked: Thresholds, *, not_looked: int, missing: tuple[str, ...]) -> Risk:
    judged = replace(risk, thresholds=asked, not_looked=not_looked, missing=missing)
    return replace(judged, failed=tuple(_faults(judged)))


def _faults(risk: Risk) -> Iterator[str]:
    asked = risk.thresholds
    if risk.k < risk.smallest:
        yield f"a group has fewer than {risk.smallest} persons"
    for column, least in risk.sensitive.items():
        if least < asked.l:
            yield f"{column} has fewer than {asked.l} different values in a group"
    for column, close in risk.closeness.items():
        if close.t > asked.t:
            yield f"{column} is distributed in a group too unlike in everybody (t above {asked.t:g})"
    if risk.maximum > asked.maximum:
        yield f"the risk of a person is above {asked.maximum:g}"
    if risk.average > asked.average:
        yield f"the average risk is above {asked.average:g}"
    if risk.not_looked:
        yield f"{risk.not_looked} choices of quasi-identifiers were not looked at; name fewer than eleven"
    for place in risk.missing:
        yield f"{place} is not in the extract"


def _told(place: Place) -> str:
    return ".".join(place)
