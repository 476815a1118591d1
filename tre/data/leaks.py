"""Before an extract is mounted, every identifier of its source is looked for in every cell of it.

Three searches, each over all cells: the cell is a distinctive identifier of anybody (or holds one as words, or, from
eight characters, anywhere inside); the cell is an identifier of the row's own person, more often than chance explains
(this finds short numbers too); the cell has the shape of the source's subject id where a pseudonym should be.
What cannot be searched is said.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from tre.data import engine, identifiers
from tre.data.deid.plan import Action, Plan, Table
from tre.data.deid.pseudonyms import SHAPE

INSIDE = 8  # least length of an identifier that is looked for inside words
OWN = frozenset({Action.KEEP, Action.GENERALISE, Action.REGION, Action.ROUND, Action.SUPPRESS, Action.TEXT})
TELLING = 0.5  # share of persons that a column's values tell apart, for its short values to be looked for
CHANCE = 3  # times more often than chance explains

_PLAIN = r"regexp_replace(lower(strip_accents(CAST({} AS VARCHAR))), '[^\p{{L}}\p{{N}}]', '', 'g')"


@dataclass(frozen=True)
class Found:
    """A column of the extract in which identifiers stand."""

    table: str
    column: str
    cells: int
    how: str


@dataclass(frozen=True)
class Search:
    """What was looked for, where, and what was found."""

    identifiers: int
    columns: tuple[str, ...]
    cells: int
    not_searched: tuple[str, ...]
    found: tuple[Found, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.found


def search(con: duckdb.DuckDBPyConnection, plan: Plan) -> Search:
    """Look through the views `out_<table>` for what stands in the table `identifier` (see `tre.data.extract`)."""
    not_searched = tuple(_prepare(con))
    found: list[Found] = []
    columns: list[str] = []
    cells = 0
    for table in plan.tables:
        for column in table.kept:
            columns.append(f"{table.name}.{column.name}")
            cells += _cells(con, table, column.name)
            found += _in_column(con, table, column.name, own=column.action in OWN)
    count = _one(con, "SELECT count(DISTINCT value) FROM identifier")
    return Search(count, tuple(columns), cells, not_searched, tuple(found))


def distinctive_values(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Yield every identifier that cannot occur by chance: what the airlock's index is made of."""
    for (value,) in con.execute("SELECT DISTINCT value FROM identifier ORDER BY value").fetchall():
        if identifiers.distinctive(value):
            yield value


def _prepare(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """Sort the identifiers into `needle` (anybody's) and `own` (short, for the person's own rows)."""
    forms = sorted({form for value in distinctive_values(con) for form in identifiers.spellings(value)})
    con.register("needles", pa.table({"form": pa.array(forms, pa.string())}))
    con.execute("CREATE TEMP TABLE needle AS SELECT form, length(form) AS n FROM needles")
    con.execute(
        f"CREATE TEMP TABLE own AS SELECT DISTINCT place, pseudonym, {_PLAIN.format('value')} AS form FROM identifier"  # noqa: S608
    )
    con.execute("DELETE FROM own WHERE form = '' OR form IN (SELECT form FROM needle)")
    share = "count(DISTINCT form) / (SELECT count(DISTINCT pseudonym) FROM crosswalk)"
    blunt = f"SELECT place FROM own GROUP BY place HAVING {share} < ? ORDER BY place"  # noqa: S608
    for (place,) in con.execute(blunt, [TELLING]).fetchall():
        con.execute("DELETE FROM own WHERE place = ?", [place])
        yield f"{place}: values that are short and shared by many persons"


def _in_column(con: duckdb.DuckDBPyConnection, table: Table, column: str, *, own: bool) -> Iterator[Found]:
    cell, view = engine.name(column), engine.name("out_" + table.name)
    if column == table.subject:
        strange = f"SELECT count(*) FROM {view} WHERE NOT regexp_full_match({cell}, ?)"  # noqa: S608
        if count := _one(con, strange, SHAPE.pattern):
            yield Found(table.name, column, count, "not a pseudonym")
        return
    con.execute(
        "CREATE OR REPLACE TEMP TABLE cell AS "  # noqa: S608 -- names are quoted
        f"SELECT CAST({cell} AS VARCHAR) AS value, {_PLAIN.format(cell)} AS form, count(*) AS cells"
        f" FROM {view} WHERE {cell} IS NOT NULL GROUP BY ALL"
    )
    if count := _anybody(con):
        yield Found(table.name, column, count, "an identifier of a person")
    elif own and (count := _own(con, table, column)):
        yield Found(table.name, column, count, "an identifier of the row's own person")


def _anybody(con: duckdb.DuckDBPyConnection) -> int:
    """Count the cells that are, or hold, a distinctive identifier of anybody."""
    whole = _one(con, "SELECT sum(cells) FROM cell WHERE form IN (SELECT form FROM needle)")
    return whole or _inside(con) or _as_words(con)


def _inside(con: duckdb.DuckDBPyConnection) -> int:
    longest = _one(con, "SELECT max(length(form)) FROM cell")
    wanted = "SELECT DISTINCT n FROM needle WHERE n >= ? AND n < ? ORDER BY n"
    lengths = con.execute(wanted, [INSIDE, longest]).fetchall()
    pieces = (
        "SELECT sum(cells) FROM (SELECT DISTINCT c.form, c.value, c.cells FROM cell AS c,"
        " range(1, length(c.form) - {n} + 2) AS r(i)"
        " WHERE length(c.form) > {n} AND substr(c.form, r.i, {n}) IN (SELECT form FROM needle WHERE n = {n}))"
    )
    return max((_one(con, pieces.format(n=int(n))) for (n,) in lengths), default=0)


def _as_words(con: duckdb.DuckDBPyConnection) -> int:
    """Look word by word, for shorter identifiers within a text."""
    needles = {form for (form,) in con.execute("SELECT form FROM needle").fetchall()}
    lengths = frozenset(len(form) for form in needles)
    texts = con.execute(r"SELECT value, cells FROM cell WHERE regexp_matches(value, '[^\p{L}\p{N}]')").fetchall()
    return sum(
        int(cells) for value, cells in texts if any(run in needles for _, run in identifiers.runs(value, lengths))
    )


def _own(con: duckdb.DuckDBPyConnection, table: Table, column: str) -> int:
    """Count the cells that are the row's own person's identifier, if chance does not explain them."""
    cell, view = engine.name(column), engine.name("out_" + table.name)
    pairs = (
        f"SELECT count(*) FROM {view} AS e JOIN (SELECT DISTINCT pseudonym, form FROM own) AS o"  # noqa: S608
        f" ON o.pseudonym = e.{engine.name(table.subject)} AND o.form = {_PLAIN.format('e.' + cell)}"
    )
    hits = _one(con, pairs)
    expected = con.execute(
        "SELECT coalesce(sum(c.cells * o.persons), 0) / (SELECT count(DISTINCT pseudonym) FROM crosswalk)"
        " FROM cell AS c"
        " JOIN (SELECT form, count(DISTINCT pseudonym) AS persons FROM own GROUP BY form) AS o ON o.form = c.form"
    ).fetchone()
    return hits if expected and hits > CHANCE * float(expected[0]) else 0


def _cells(con: duckdb.DuckDBPyConnection, table: Table, column: str) -> int:
    return _one(con, f"SELECT count({engine.name(column)}) FROM {engine.name('out_' + table.name)}")  # noqa: S608


def _one(con: duckdb.DuckDBPyConnection, sql: str, *values: object) -> int:
    row = con.execute(sql, list(values)).fetchone()
    return int(row[0] or 0) if row else 0
