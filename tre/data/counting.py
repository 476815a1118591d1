"""A number stands for persons, not for rows: how many different people are behind each row of a table."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet

from tre.data import engine

ANY = ("", "all", "total", "overall")
"""What a table writes for `whatever the value`, or for `missing`: read as the one that counts fewer persons."""


def persons(extracts: Iterable[tuple[Path, Mapping[str, str]]], dims: pa.Table) -> tuple[int, ...] | None:
    """Return the distinct persons behind each row of `dims`, or None when no one table has all its columns.

    Where several tables have them, the smallest count that is not zero is told.
    """
    counts = [
        _in_table(folder / f"{table}.parquet", column, dims)
        for folder, tables in extracts
        for table, column in sorted(tables.items())
        if _has(folder / f"{table}.parquet", dims.column_names)
    ]
    if not counts:
        return None
    return tuple(min((n for n in row if n), default=0) for row in zip(*counts, strict=True))


def _has(path: Path, names: list[str]) -> bool:
    return set(names) <= set(pyarrow.parquet.read_schema(path).names)


def _in_table(path: Path, person: str, dims: pa.Table) -> tuple[int, ...]:
    if not dims.num_rows:
        return ()
    with engine.question() as con:
        con.execute(f"CREATE TEMP VIEW held AS SELECT * FROM read_parquet({engine.text(str(path))})")  # noqa: S608 -- quoted
        return tuple(_rows(con, person, dims))


def _rows(con: duckdb.DuckDBPyConnection, person: str, dims: pa.Table) -> Iterable[int]:
    """Group once by all columns, then add up each row's groups as sets of persons."""
    names = dims.column_names
    asked = pa.table({name: dims[name].cast(pa.string()) for name in names} or {"row": pa.nulls(dims.num_rows)})
    con.register("asked_as_given", asked.append_column("nth", pa.array(range(dims.num_rows), pa.int64())))
    exact = " AND ".join(_exact(name) for name in names) or "true"
    loose = " AND ".join(f"({_exact(name)} OR {_any(name)})" for name in names) or "true"
    sql = f"""
        WITH groups AS (SELECT DISTINCT {engine.name(person)} AS person{_columns(names)} FROM held),
        asked AS (SELECT nth{_columns(names)} FROM asked_as_given)
        SELECT count(DISTINCT g.person) FILTER ({exact}), count(DISTINCT g.person)
        FROM asked a LEFT JOIN groups g ON {loose} GROUP BY a.nth ORDER BY a.nth
    """  # noqa: S608 -- names are quoted
    return [int(exactly) or int(at_most) for exactly, at_most in con.execute(sql).fetchall()]


def _columns(names: list[str]) -> str:
    return "".join(f", {_comparable(name)} AS {engine.name(name)}" for name in names)


def _comparable(name: str) -> str:
    """Write a value as both sides would: 1, 1.0 and '1' are equal."""
    column = f"CAST({engine.name(name)} AS VARCHAR)"
    return f"coalesce(CAST(TRY_CAST({column} AS DOUBLE) AS VARCHAR), {column})"


def _exact(name: str) -> str:
    return f"a.{engine.name(name)} IS NOT DISTINCT FROM g.{engine.name(name)}"


def _any(name: str) -> str:
    words = ", ".join(engine.text(word) for word in ANY)
    return f"lower(coalesce(a.{engine.name(name)}, '')) IN ({words})"
