"""DuckDB as we use it: in memory, no extension, nothing of it ever spilled to the disk in clear."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import duckdb
import pyarrow as pa

from tre.errors import Unavailable

# An empty temp_directory forbids spilling: rows of the silo would lie on the disk unencrypted.
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "temp_directory": "",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "preserve_insertion_order": "true",
}


@contextmanager
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an engine for one task; say in one line when its memory is too small."""
    with _at_work(_opened()) as con:
        yield con


@contextmanager
def question() -> Iterator[duckdb.DuckDBPyConnection]:
    """Ask one question of files, of an engine that stays open for the next; all it may create is temporary."""
    with _at_work(_kept().cursor()) as con:
        yield con


def _opened() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:", config=CONFIG)


_kept = cache(_opened)


@contextmanager
def _at_work(con: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    con.execute("SET enable_progress_bar = false")  # it would print into what a command says
    try:
        yield con
    except duckdb.OutOfMemoryException as error:
        raise Unavailable("not enough memory for this table; nothing was kept, use a machine with more") from error
    finally:
        con.close()


def table(con: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    """Run a query and hold its result."""
    found = con.sql(sql).to_arrow_table()
    if found is None:
        raise AssertionError("a query without a result")
    return found


def reader(con: duckdb.DuckDBPyConnection, sql: str, rows: int) -> pa.RecordBatchReader:
    """Run a query and read its result in portions."""
    found = con.sql(sql).to_arrow_reader(rows)
    if found is None:
        raise AssertionError("a query without a result")
    return found


def name(column: str) -> str:
    """Quote the name of a column or a table."""
    return '"' + column.replace('"', '""') + '"'


def text(value: str) -> str:
    """Quote a string."""
    return "'" + value.replace("'", "''") + "'"
