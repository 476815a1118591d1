"""All records as lines of JSON, and back: the same for every database, so that one can be restored into another.

The first line of each table names it and its columns; a line is a row. Bytes and moments, which JSON does not have, are
written as {"bytes": base64} and {"moment": RFC 3339}.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import IO, Any

from sqlalchemy import Connection, Table, delete, func, insert, select
from sqlalchemy.orm import Session

from tre.errors import Unreadable
from tre.records import audit, guards, schema
from tre.records.db import Records, answering

AT_ONCE = 500


def write(session: Session, to: IO[bytes]) -> int:
    """Write every row of one moment, which the session holds; return how many."""
    count = 0
    for table in schema.metadata().sorted_tables:
        to.write(audit.canonical({"table": table.name, "columns": [column.name for column in table.columns]}) + b"\n")
        with session.execute(select(table).order_by(*table.primary_key).execution_options(yield_per=AT_ONCE)) as rows:
            for row in rows:
                to.write(audit.canonical([_written(value) for value in row]) + b"\n")
                count += 1
    return count


@contextmanager
def restoring(records: Records, lines: Iterable[bytes]) -> Iterator[Session]:
    """Put rows into a database that has tables and nothing else; all of it is kept when the block ends well."""
    with answering(), records.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            guards.take_down(connection)
            _fill(connection, lines)
            guards.put_up(connection)
            with Session(bind=connection) as session:
                yield session
            connection.commit()
        finally:
            connection.rollback()


def _fill(connection: Connection, lines: Iterable[bytes]) -> None:
    tables = schema.metadata().tables
    for table in reversed(schema.metadata().sorted_tables):
        connection.execute(delete(table))
    for name, columns, rows in _by_table(lines):
        table = tables.get(name)
        if table is None or columns != [column.name for column in table.columns]:
            raise Unreadable(f"the backup's table {name[:40]!r} is not as in this version: restore it with its own")
        while some := list(islice(rows, AT_ONCE)):
            connection.execute(insert(table), [dict(zip(columns, row, strict=True)) for row in some])
        _count_on(connection, table)


def _by_table(lines: Iterable[bytes]) -> Iterator[tuple[str, list[str], Iterator[list[Any]]]]:
    """Give each table with its rows, which must be read before the next is asked for."""
    said = (json.loads(line) for line in lines)
    heads: list[dict[str, Any]] = []

    def rows() -> Iterator[list[Any]]:
        for one in said:
            if isinstance(one, dict):
                heads.append(one)
                return
            yield [_read(value) for value in one]

    list(rows())
    while heads:
        head = heads.pop()
        yield str(head["table"]), list(head["columns"]), rows()


def _count_on(connection: Connection, table: Table) -> None:
    """Let PostgreSQL count on from the highest number there is; SQLite does so itself."""
    key = table.autoincrement_column
    if connection.dialect.name == "sqlite" or key is None:
        return
    place = connection.execute(select(func.pg_get_serial_sequence(table.name, key.name))).scalar()
    highest = connection.execute(select(func.max(key))).scalar()
    if place and highest:
        connection.execute(select(func.setval(place, highest)))


def _read(value: Any) -> Any:  # noqa: ANN401 -- any value of a column
    if not isinstance(value, dict):
        return value
    if "bytes" in value:
        return base64.b64decode(value["bytes"], validate=True)
    return datetime.fromisoformat(value["moment"])


def _written(value: object) -> Any:  # noqa: ANN401 -- any value of a column
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, datetime):
        return {"moment": audit.stamp(value)}
    return value
