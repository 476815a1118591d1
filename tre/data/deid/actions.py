"""What each action of a plan does to a column, as DuckDB's SQL.

In every expression `t` is the table as it lies in the silo, all text; `w` is the crosswalk of its person: subject,
pseudonym, days.
"""

from collections.abc import Callable

from tre.data import engine
from tre.data.deid.plan import Action, Column, Table, Type

SQL_TYPES = {
    Type.TEXT: "VARCHAR",
    Type.INTEGER: "BIGINT",
    Type.NUMBER: "DOUBLE",
    Type.DATE: "DATE",
    Type.DATETIME: "TIMESTAMP",
}


def query(table: Table) -> str:
    """Select the extract of one table: actions applied, ordered by pseudonym, so that the source's order is gone."""
    columns = ", ".join(f"{expression(column, table)} AS {engine.name(column.name)}" for column in table.kept)
    others = [column for column in table.kept if _is_other_person(column, table)]
    joins = "".join(_join(column, table) for column in others)
    order = ", ".join([engine.name(table.subject), *(engine.name(column.name) for column in table.kept)])
    return (
        f"SELECT {columns} FROM source AS t JOIN crosswalk AS w ON t.{engine.name(table.subject)} = w.subject"  # noqa: S608 -- names are quoted
        f"{joins} ORDER BY {order}"
    )


def expression(column: Column, table: Table) -> str:
    """Return the SQL of one column."""
    if _is_other_person(column, table):
        return f"{_alias(column, table)}.pseudonym"
    return ACTIONS[column.action](column)


def _join(column: Column, table: Table) -> str:
    other = _alias(column, table)
    return f" LEFT JOIN crosswalk AS {other} ON t.{engine.name(column.name)} = {other}.subject"


def _pseudonym(column: Column) -> str:
    del column  # the subject is the person of the row
    return "w.pseudonym"


def _shift(column: Column) -> str:
    moved = f"{_value(column)} + to_days(w.days)"
    return f"CAST({moved} AS {SQL_TYPES[column.type]})"


def _year(column: Column) -> str:
    return f"CAST(year({_value(column)}) AS INTEGER)"


def _generalise(column: Column) -> str:
    value = f"t.{engine.name(column.name)}"
    if column.prefix:
        return f"substr({value}, 1, {column.prefix})"
    cases = " ".join(f"WHEN {engine.text(one)} THEN {engine.text(other)}" for one, other in column.mapping)
    return f"CASE {value} {cases} ELSE NULL END"


def _bin(column: Column) -> str:
    """Name the bin: `40-49` for whole numbers, `40 to <50` for others; what lies outside is under and over."""
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


def _topcode(column: Column) -> str:
    value = bounded = _value(column)
    if column.high is not None:
        bounded = f"least({bounded}, {column.high!r})"
    if column.low is not None:
        bounded = f"greatest({bounded}, {column.low!r})"
    # least() and greatest() pass over NULL, so a missing value would become the bound.
    return f"CASE WHEN {value} IS NULL THEN NULL ELSE CAST({bounded} AS {SQL_TYPES[column.type]}) END"


def _value(column: Column) -> str:
    return f"CAST(t.{engine.name(column.name)} AS {SQL_TYPES[column.type]})"


ACTIONS: dict[Action, Callable[[Column], str]] = {
    Action.PSEUDONYM: _pseudonym,
    Action.SHIFT: _shift,
    Action.YEAR: _year,
    Action.GENERALISE: _generalise,
    Action.BIN: _bin,
    Action.TOPCODE: _topcode,
    Action.KEEP: _value,
}


def _is_other_person(column: Column, table: Table) -> bool:
    """Say whether a column names a person who is not the row's own: a mother, a spouse."""
    return column.action is Action.PSEUDONYM and column.name != table.subject


def _alias(column: Column, table: Table) -> str:
    return engine.name(f"w{table.columns.index(column)}")
