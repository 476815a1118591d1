"""What each action of a plan does to a column, as DuckDB's SQL, all rows at a time.

In every expression `t` is the table as it lies in the silo, all text; `w` is the crosswalk of its person: system,
type and value of the id, pseudonym, days. Ids of other things are joined from `code` (domain, system, value, code).
Whatever the action, NULL stays NULL; a value that the plan does not know becomes NULL, and is counted.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from tre.data import engine
from tre.data.deid import hierarchy
from tre.data.deid.columns import Action, Column, Partial, Type
from tre.data.deid.plan import Table
from tre.data.deid.text import FUNCTION
from tre.data.deid.zip3 import RESTRICTED

SQL_TYPES = {
    Type.TEXT: "VARCHAR",
    Type.INTEGER: "BIGINT",
    Type.NUMBER: "DOUBLE",
    Type.DATE: "DATE",
    Type.DATETIME: "TIMESTAMP",
}
OTHER = "other"
LOST = "no value of the plan"
RARE = "too rare"


def query(table: Table, *, tally: bool = False) -> str:
    """Select the extract of one table: actions applied, ordered by pseudonym, so that the source's order is gone.

    With `tally` there are columns more, which `tallied` counts and takes away again.
    """
    columns = [f"{expression(column, table)} AS {engine.name(column.name)}" for column in table.kept]
    if tally:
        columns += [f"t.{engine.name(column.name)} IS NOT NULL AS {_mark(at)}" for at, column in _counted(table)]
    joins = "".join(_join(column, table) for column in table.kept)
    order = ", ".join([engine.name(table.subject), *(engine.name(column.name) for column in table.kept)])
    who = table.column(table.subject)
    person = _same_person(who, "w") if who else ""
    return (
        f"SELECT {', '.join(columns)}"  # noqa: S608 -- names are quoted
        f" FROM source AS t JOIN crosswalk AS w ON {person}{joins} ORDER BY {order}"
    )


def expression(column: Column, table: Table) -> str:
    """Return the SQL of one column."""
    if column.is_code or _is_other_person(column, table):
        return f"{_alias(column, table)}.{'code' if column.is_code else 'pseudonym'}"
    done = ACTIONS[column.action](column, table)
    return _without_rare(done, column) if column.least and column.action is not Action.REGION else done


def schema(found: pa.Schema, table: Table) -> pa.Schema:
    """Return the columns of an extract, without those that are only counted."""
    return pa.schema([found.field(column.name) for column in table.kept])


def tallied(batches: Iterator[pa.RecordBatch], table: Table, counts: Counter[str]) -> Iterator[pa.RecordBatch]:
    """Count what was done, cell by cell, and pass on the columns of the extract."""
    for batch in batches:
        for at, column in _counted(table):
            there, left = batch.column(f"tally {at}"), pc.is_valid(batch.column(column.name))
            counts[str(column.action)] += pc.sum(there).as_py() or 0
            if lost := pc.sum(pc.and_(there, pc.invert(left))).as_py() or 0:
                counts[f"{column.action}: {RARE if column.action is Action.SUPPRESS else LOST}"] += lost
        yield batch.select([column.name for column in table.kept])


def codes(table: Table) -> Iterator[Column]:
    """Yield the columns whose different values must stand in `code` before the query runs."""
    yield from (column for column in table.kept if column.is_code)


def _counted(table: Table) -> list[tuple[int, Column]]:
    return list(enumerate(table.kept))


def _mark(at: int) -> str:
    return engine.name(f"tally {at}")


# --- what is joined ---------------------------------------------------------------------------------------------------
def _join(column: Column, table: Table) -> str:
    other, value = _alias(column, table), f"t.{engine.name(column.name)}"
    if _is_other_person(column, table):
        return f" LEFT JOIN crosswalk AS {other} ON {_same_person(column, other)}"
    if column.is_code:
        place = f"{other}.domain = {engine.text(column.of)} AND {other}.system = {engine.text(column.system)}"
        return f" LEFT JOIN code AS {other} ON {place} AND {other}.value = {value}"
    if column.mapping:
        lines = ", ".join(f"({engine.text(one)}, {engine.text(becomes)})" for one, becomes in _regions(column))
        return f" LEFT JOIN (VALUES {lines}) AS {other}(value, becomes) ON {value} = {other}.value"
    if column.hierarchy:
        return _join_codes(column, other)
    return ""


def _same_person(column: Column, who: str) -> str:
    """Find the person by an id of the column's source and type: equal numbers of two sources are two persons."""
    place = f"{who}.system = {engine.text(column.system)} AND {who}.type = {engine.text(column.id)}"
    return f"t.{engine.name(column.name)} = {who}.value AND {place}"


def _regions(column: Column) -> Iterator[tuple[str, str]]:
    """Yield value -> what becomes of it; regions with too few people are merged."""
    people = dict(column.population)
    for value, becomes in column.mapping:
        small = column.action is Action.REGION and people[becomes] < column.least
        yield value, (column.other or OTHER) if small else becomes


def _join_codes(column: Column, other: str) -> str:
    ranges = hierarchy.shipped()[column.hierarchy].levels[column.level]
    if not ranges:
        return ""
    lines = ", ".join("({}, {}, {})".format(*map(engine.text, (*each.split("-"), each))) for each in ranges)
    between = f"{_stem(column)} BETWEEN {other}.low AND {other}.high"
    return f" LEFT JOIN (VALUES {lines}) AS {other}(low, high, becomes) ON {between}"


def _stem(column: Column) -> str:
    known, value = hierarchy.shipped()[column.hierarchy], f"upper(t.{engine.name(column.name)})"
    shaped = f"regexp_full_match({value}, {engine.text(known.shape)})"
    return f"CASE WHEN {shaped} THEN substr({value}, 1, {known.stem}) END"


# --- what each action does --------------------------------------------------------------------------------------------
def _pseudonym(column: Column, table: Table) -> str:
    del column, table  # the subject is the person of the row
    return "w.pseudonym"


def _shift(column: Column, table: Table) -> str:
    del table
    kind = SQL_TYPES[column.type]
    if column.partial is None:
        return f"CAST({_value(column)} + to_days(w.days) AS {kind})"
    moved = f"CAST(TRY_CAST({_source(column)} AS {kind}) + to_days(w.days) AS {kind})"
    if column.partial is Partial.DROP:
        return moved
    # What cannot be moved says its year; then the column is text.
    return f"coalesce(CAST({moved} AS VARCHAR), substr({_source(column)}, 1, 4))"


def _year(column: Column, table: Table) -> str:
    del table
    if column.partial is None:
        return f"CAST(year({_value(column)}) AS INTEGER)"
    year = f"TRY_CAST(substr({_source(column)}, 1, 4) AS INTEGER)"
    return year if column.partial is Partial.YEAR else f"CASE WHEN {_whole(column)} THEN {year} END"


def _month(column: Column, table: Table) -> str:
    """Write YYYY-MM; of a partial date its month, or its year, as far as it is known."""
    del table
    month = f"substr({_source(column)}, 1, 7)"
    return month if column.partial is not Partial.DROP else f"CASE WHEN {_whole(column)} THEN {month} END"


def _age(column: Column, table: Table) -> str:
    """Count whole years; nobody has an age before they are born."""
    del table
    years = _years(column)
    at = f"{column.at or 0:g}"
    return f"CASE WHEN {years} >= {at} THEN '{at}+' WHEN {years} >= 0 THEN CAST({years} AS VARCHAR) END"


def _years(column: Column) -> str:
    born = _source(column)
    if column.when.isdecimal():
        return f"({int(column.when)} - TRY_CAST(substr({born}, 1, 4) AS INTEGER))"
    if column.partial is Partial.YEAR:
        born = f"rpad({born}, 10, '-01-01')" if column.type is Type.DATE else born
    day = f"TRY_CAST({engine.text(column.when)} AS DATE)" if re.match(r"\d{4}-", column.when) else _day_of(column.when)
    birth = f"CAST(TRY_CAST({born} AS TIMESTAMP) AS DATE)"
    return f"CASE WHEN {birth} <= {day} THEN date_sub('year', {birth}, {day}) END"


def _day_of(name: str) -> str:
    return f"CAST(TRY_CAST(t.{engine.name(name)} AS TIMESTAMP) AS DATE)"


def _generalise(column: Column, table: Table) -> str:
    if column.prefix:
        return f"substr({_source(column)}, 1, {column.prefix})"
    if column.hierarchy and not column.mapping and not hierarchy.shipped()[column.hierarchy].levels[column.level]:
        return _stem(column)
    return f"{_alias(column, table)}.becomes"


def _region(column: Column, table: Table) -> str:
    return f"{_alias(column, table)}.becomes"


def _zip3(column: Column, table: Table) -> str:
    """Keep three digits of a US ZIP code, 000 where few people live; what is no ZIP code becomes NULL."""
    del table
    value = f"trim({_source(column)})"
    few = ", ".join(map(engine.text, RESTRICTED))
    shaped = rf"regexp_full_match({value}, '\d{{5}}([ -]?\d{{4}})?')"
    three = f"substr({value}, 1, 3)"
    return f"CASE WHEN NOT {shaped} THEN NULL WHEN {three} IN ({few}) THEN '000' ELSE {three} END"


def _bin(column: Column, table: Table) -> str:
    """Name the bin: `40-49` for whole numbers, `40 to <50` for others; what lies outside is under and over."""
    del table
    value = f"CAST({_value(column)} AS DOUBLE)"
    base, width = column.low or 0.0, column.width
    start = f"({base!r} + {width!r} * floor(({value} - {base!r}) / {width!r}))"
    cases = [f"WHEN {value} IS NULL THEN NULL"]
    if column.low is not None:
        cases.append(f"WHEN {value} < {column.low!r} THEN 'under {column.low:g}'")
    if column.high is not None:
        cases.append(f"WHEN {value} >= {column.high!r} THEN '{column.high:g} and over'")
    return f"CASE {' '.join(cases)} ELSE {_label(column, start)} END"


def _label(column: Column, start: str) -> str:
    if column.type is Type.INTEGER:
        return f"CAST({start} AS BIGINT) || '-' || CAST({start} + {column.width - 1!r} AS BIGINT)"
    return f"printf('%g to <%g', {start}, {start} + {column.width!r})"


def _round(column: Column, table: Table) -> str:
    """Go to the nearest multiple of `to`; halves go away from zero."""
    del table
    near = f"round(CAST({_value(column)} AS DOUBLE) / {column.width!r}) * {column.width!r}"
    return f"CAST({near} AS {SQL_TYPES[column.type]})"


def _topcode(column: Column, table: Table) -> str:
    del table
    value = bounded = _value(column)
    if column.at is not None:
        return f"CASE WHEN {value} >= {column.at!r} THEN '{column.at:g}+' ELSE CAST({value} AS VARCHAR) END"
    if column.high is not None:
        bounded = f"least({bounded}, {column.high!r})"
    if column.low is not None:
        bounded = f"greatest({bounded}, {column.low!r})"
    # least() and greatest() pass over NULL, so a missing value would become the bound.
    return f"CASE WHEN {value} IS NULL THEN NULL ELSE CAST({bounded} AS {SQL_TYPES[column.type]}) END"


def _text(column: Column, table: Table) -> str:
    del table
    return f"{FUNCTION.format(column.recogniser)}({_source(column)}, w.pseudonym)"


def _keep(column: Column, table: Table) -> str:
    del table
    return _value(column)


def _without_rare(done: str, column: Column) -> str:
    """Take away the values that fewer persons carry than the plan asks."""
    carried = f"count(DISTINCT w.pseudonym) OVER (PARTITION BY {done})"
    instead = f"CASE WHEN {done} IS NOT NULL THEN {engine.text(column.other)} END" if column.other else "NULL"
    return f"CASE WHEN {carried} >= {column.least} THEN {_as_said(done, column)} ELSE {instead} END"


def _as_said(done: str, column: Column) -> str:
    return f"CAST({done} AS VARCHAR)" if column.other else done


def _source(column: Column) -> str:
    return f"t.{engine.name(column.name)}"


def _value(column: Column) -> str:
    return f"CAST({_source(column)} AS {SQL_TYPES[column.type]})"


def _whole(column: Column) -> str:
    return f"length({_source(column)}) >= 10"


ACTIONS: dict[Action, Callable[[Column, Table], str]] = {
    Action.PSEUDONYM: _pseudonym,
    Action.SHIFT: _shift,
    Action.YEAR: _year,
    Action.MONTH: _month,
    Action.AGE: _age,
    Action.GENERALISE: _generalise,
    Action.REGION: _region,
    Action.ZIP3: _zip3,
    Action.BIN: _bin,
    Action.ROUND: _round,
    Action.TOPCODE: _topcode,
    Action.SUPPRESS: _keep,
    Action.TEXT: _text,
    Action.KEEP: _keep,
}


def _is_other_person(column: Column, table: Table) -> bool:
    """Say whether a column names a person who is not the row's own: a mother, a spouse."""
    return column.is_person and column.name != table.subject


def _alias(column: Column, table: Table) -> str:
    return engine.name(f"w{table.columns.index(column)}")
