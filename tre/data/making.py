"""How a table of the silo becomes a table of a project, without one row of it in clear on a disk on the way.

Two passes over each table: one for its persons and for what names them, one that writes. Rows leave in the order of
their pseudonyms, in row groups of one size: the same input gives the same bytes, and the source's order is gone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet

from tre.data import engine, silo
from tre.data.deid import actions, dates, pseudonyms
from tre.data.deid import plan as plans
from tre.data.manifest import Manifest
from tre.records import files
from tre.settings import Settings

ROWS = 131_072  # of one row group


@dataclass(frozen=True)
class Order:
    """What is to be made: which version, for whom, under what."""

    settings: Settings
    dataset: str
    version: int
    project: str
    smallest: int
    manifest: Manifest
    plan: plans.Plan
    keys: pseudonyms.ProjectKeys
    data_key: bytes


def make(con: duckdb.DuckDBPyConnection, order: Order, made: Path) -> list[dict[str, object]]:
    """Write all tables of the extract; leave `crosswalk`, `identifier` and views `out_<table>` for the checks."""
    data = made / "data"
    data.mkdir()
    for table in order.plan.tables:
        _collect(con, order, table)
    who = engine.table(con, "SELECT DISTINCT subject FROM subject ORDER BY subject")
    named = pseudonyms.crosswalk(who["subject"], order.keys.pseudonym)
    con.register("crosswalk_given", dates.with_shifts(named, order.keys.date))
    con.execute("CREATE TEMP TABLE crosswalk AS SELECT * FROM crosswalk_given")
    _gather_identifiers(con, order.plan)
    return [_write(con, order, table, data / f"{table.name}.parquet") for table in order.plan.tables]


def _collect(con: duckdb.DuckDBPyConnection, order: Order, table: plans.Table) -> None:
    """Read once through a table for its persons and what names them."""
    names = ", ".join(engine.name(column) for column in _naming(table))
    with _from_silo(con, order, table):
        con.execute(f"CREATE TEMP TABLE {engine.name('in_' + table.name)} AS SELECT DISTINCT {names} FROM source")  # noqa: S608
    con.execute("CREATE TEMP TABLE IF NOT EXISTS subject (subject VARCHAR)")
    for column in table.columns:
        if column.action is plans.Action.PSEUDONYM:
            name = engine.name(column.name)
            con.execute(
                f"INSERT INTO subject SELECT DISTINCT {name} FROM {engine.name('in_' + table.name)}"  # noqa: S608
                f" WHERE {name} IS NOT NULL"
            )


def _gather_identifiers(con: duckdb.DuckDBPyConnection, plan: plans.Plan) -> None:
    """Fill `identifier`: place (table.column), the person's pseudonym, the value."""
    con.execute("CREATE TEMP TABLE identifier (place VARCHAR, pseudonym VARCHAR, value VARCHAR)")
    for table in plan.tables:
        for column in table.identifiers:
            name = f"t.{engine.name(column.name)}"
            con.execute(
                f"INSERT INTO identifier SELECT DISTINCT ?, w.pseudonym, {name}"  # noqa: S608 -- names are quoted
                f" FROM {engine.name('in_' + table.name)} AS t"
                f" JOIN crosswalk AS w ON w.subject = t.{engine.name(table.subject)} WHERE {name} IS NOT NULL",
                [f"{table.name}.{column.name}"],
            )


def _naming(table: plans.Table) -> dict[str, None]:
    return dict.fromkeys([table.subject, *(column.name for column in table.identifiers)])


@contextmanager
def _from_silo(con: duckdb.DuckDBPyConnection, order: Order, table: plans.Table) -> Iterator[None]:
    """Let the connection read one table of the silo, once, as `source`."""
    path = silo.path_of(order.settings, order.dataset, order.version, table.name)
    place = silo.place_of(order.dataset, order.version, table.name)
    with silo.SealedReader(path, order.data_key, place) as sealed:
        file = pyarrow.parquet.ParquetFile(pa.PythonFile(sealed, "r"))
        batches = file.iter_batches(ROWS, use_threads=False)
        with pa.RecordBatchReader.from_batches(file.schema_arrow, batches) as reader:
            con.register("source", reader)
            try:
                yield
            finally:
                con.unregister("source")


def _write(con: duckdb.DuckDBPyConnection, order: Order, table: plans.Table, path: Path) -> dict[str, object]:
    """Write one table, row groups of a fixed size, and say what was written."""
    count = 0
    with _from_silo(con, order, table):
        reader = engine.reader(con, actions.query(table), ROWS)
        with pyarrow.parquet.ParquetWriter(path, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch, row_group_size=ROWS)
                count += batch.num_rows
    path.chmod(0o444)
    files.sync(path)
    with path.open("rb") as file:
        sha = file_digest(file, "sha256").hexdigest()
    view = engine.name("out_" + table.name)
    con.execute(f"CREATE VIEW {view} AS SELECT * FROM read_parquet({engine.text(str(path))})")  # noqa: S608 -- quoted
    return {"name": path.name, "rows": count, "bytes": path.stat().st_size, "sha256": sha}
