"""How easily one person of an extract could be picked out by what others may know of them.

Persons are grouped by all quasi-identifiers of the plan together; k is the smallest group. A person with several rows
stands in the group of all their values. Rows are never counted.
"""

from dataclasses import dataclass

import duckdb

from tre.data import engine
from tre.data.deid.plan import Plan


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
    """Average chance to pick out a person: groups / persons."""
    smallest: int
    """What the committee asks of k."""
    quasi_identifiers: tuple[str, ...]
    sensitive: dict[str, int]
    """Sensitive column -> least number of different values in a group (l)."""

    @property
    def passed(self) -> bool:
        """Whether no group is smaller than it may be."""
        return self.k >= self.smallest


def assess(con: duckdb.DuckDBPyConnection, plan: Plan, *, smallest: int) -> Risk:
    """Measure an extract whose tables are views `out_<table>` of the connection."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE person AS {_persons(plan)}")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE class AS "  # noqa: S608 -- made of our own names only
        f"SELECT {_list(_labels(plan.quasi_identifiers, 'q'))}count(*) AS n FROM person GROUP BY ALL"
    )
    counted = con.execute(
        "SELECT coalesce(sum(n), 0), coalesce(min(n), 0), coalesce(sum(n) FILTER (n = 1), 0),"
        " coalesce(sum(n) FILTER (n < ?), 0), count(*) FROM class",
        [smallest],
    ).fetchone()
    persons, k, uniques, below, classes = (int(one) for one in counted or (0, 0, 0, 0, 0))
    return Risk(
        persons=persons,
        k=k,
        uniques=uniques,
        below=below,
        classes=classes,
        average=round(classes / persons, 6) if persons else 0.0,
        smallest=smallest,
        quasi_identifiers=tuple(".".join(place) for place in plan.quasi_identifiers),
        sensitive=_diversity(con, plan),
    )


def _persons(plan: Plan) -> str:
    """One row a person, one column a quasi-identifier or sensitive column: the sorted list of all their values."""
    everybody = " UNION ".join(
        f"SELECT {engine.name(table.subject)} AS who FROM {engine.name('out_' + table.name)}"  # noqa: S608 -- quoted
        for table in plan.tables
    )
    joins, columns = [], ["everybody.who"]
    for letter, places in (("q", plan.quasi_identifiers), ("s", plan.sensitive)):
        for at, (table, column) in enumerate(places):
            label = f"{letter}{at}"
            joins.append(f" LEFT JOIN ({_values(plan, table, column)}) AS {label} ON {label}.who = everybody.who")
            columns.append(f"{label}.held AS {label}")
    return f"SELECT {', '.join(columns)} FROM ({everybody}) AS everybody{''.join(joins)}"  # noqa: S608 -- quoted


def _values(plan: Plan, table: str, column: str) -> str:
    held = plan.table(table)
    subject = engine.name(held.subject if held else "")
    values = f"list_sort(list(DISTINCT coalesce(CAST({engine.name(column)} AS VARCHAR), '')))"
    return f"SELECT {subject} AS who, {values} AS held FROM {engine.name('out_' + table)} GROUP BY 1"  # noqa: S608


def _diversity(con: duckdb.DuckDBPyConnection, plan: Plan) -> dict[str, int]:
    """Count, for each sensitive column, the different values in the group that has the fewest (l)."""
    found = {}
    groups = ", ".join(_labels(plan.quasi_identifiers, "q"))
    by = f" GROUP BY {groups}" if groups else ""
    for place, label in zip(plan.sensitive, _labels(plan.sensitive, "s"), strict=True):
        row = con.execute(f"SELECT min(n) FROM (SELECT count(DISTINCT {label}) AS n FROM person{by})").fetchone()  # noqa: S608
        found[".".join(place)] = int(row[0] or 0) if row else 0
    return found


def _labels(places: tuple[tuple[str, str], ...], letter: str) -> list[str]:
    return [f"{letter}{at}" for at in range(len(places))]


def _list(names: list[str]) -> str:
    return "".join(f"{name}, " for name in names)
