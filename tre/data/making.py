"""How a table of the silo becomes a table of a project, without one row of it in clear on a disk on the way.

Two passes over each table: one for its persons and for what names them, one that writes. Rows leave in the order of
their pseudonyms, in row groups of one size: the same input gives the same bytes, and the source's order is gone.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from tre.data import engine, silo
from tre.data.deid import actions, dates, pseudonyms, text
from tre.data.deid import plan as plans
from tre.data.deid.pseudonyms import PatientId
from tre.data.deid.who import Absent
from tre.data.links import Links
from tre.data.manifest import Manifest
from tre.data.withdrawals import Withdrawn
from tre.errors import Tampered
from tre.records import files
from tre.settings import Settings

ROWS = 131_072  # of one row group
ROWS_OF = '"rows of these"'


@dataclass(frozen=True)
class Order:
    """What is to be made: which version, for whom, under what."""

    settings: Settings
    dataset: str
    version: int
    project: str
    smallest: int
    """Persons in the smallest group that the extract may hold."""
    asked: str
    """What else the committee asks of its risk: a set of `risk.toml`."""
    manifest: Manifest
    plan: plans.Plan
    keys: pseudonyms.ProjectKeys
    data_key: bytes
    epoch: int = 1
    links: Links | None = None
    """The newest loading of the linkage that the plan names."""
    withdrawn: Withdrawn | None = None
    groups: tuple[str, ...] = ()
    """Consent groups whose persons may be in it; none where the dataset has none."""
    inside: frozenset[PatientId] | None = None
    """The persons of these; None: everybody."""

    def outside(self, subjects: Iterable[PatientId]) -> frozenset[PatientId]:
        """Return those who are in no consent group that was approved."""
        return frozenset() if self.inside is None else frozenset(subjects) - self.inside


def make(con: duckdb.DuckDBPyConnection, order: Order, made: Path) -> list[dict[str, object]]:
    """Write all tables of the extract; leave `crosswalk`, `identifier` and views `out_<table>` for the checks."""
    data = made / "data"
    data.mkdir(exist_ok=True)
    for table in order.plan.tables:
        _collect(con, order, table)
    _find_persons(con, order)
    _name_persons(con, order)
    _name_others(con, order)
    _gather_identifiers(con, order.plan)
    text.register(con, (column for table in order.plan.tables for column in table.columns))
    return [_write(con, order, table, data / f"{table.name}.parquet") for table in order.plan.tables]


def _collect(con: duckdb.DuckDBPyConnection, order: Order, table: plans.Table) -> None:
    """Read once through a table for its persons and what names them, and count the rows of each."""
    names = ", ".join(engine.name(column) for column in _naming(table))
    rows = f"SELECT {names}, count(*) AS {ROWS_OF} FROM source GROUP BY ALL"  # noqa: S608 -- names are quoted
    with _from_silo(con, order, table):
        _unchanged(order, table)
        con.execute(f"CREATE TEMP TABLE {_met(table)} AS {rows}")


def _unchanged(order: Order, table: plans.Table) -> None:
    """Refuse a stored table that is not, byte by byte, what the version's manifest names."""
    path = silo.path_of(order.settings, order.dataset, order.version, table.name)
    if table.name not in _stored(order):
        return
    with path.open("rb") as file:
        found = file_digest(file, "sha256").hexdigest()
    if found != _stored(order)[table.name]:
        what = f"{order.dataset}, version {order.version}, table {table.name}"
        raise Tampered(f"{what} in the silo is not what was stored: restore it from its backup")


def _stored(order: Order) -> dict[str, str]:
    """Return table -> SHA-256 in the silo, of those tables for which a file was brought."""
    return {file.name: file.stored_sha256 for file in order.manifest.files}


def _find_persons(con: duckdb.DuckDBPyConnection, order: Order) -> None:
    """Fill `whose`: system, type and value of each id that is somebody's -> subject."""
    con.execute("CREATE TEMP TABLE met (system VARCHAR, type VARCHAR, value VARCHAR)")
    for table in order.plan.tables:
        for column in (column for column in table.columns if column.is_person):
            name = engine.name(column.name)
            con.execute(
                f"INSERT INTO met SELECT DISTINCT ?, ?, {name} FROM {_met(table)} WHERE {name} IS NOT NULL",  # noqa: S608
                [column.system, column.id],
            )
    if order.links is None:
        con.execute("CREATE TEMP TABLE whose AS SELECT DISTINCT *, value AS subject FROM met")
        return
    met = engine.table(con, "SELECT DISTINCT * FROM met")
    con.register("met_given", met.append_column("plain", pc.utf8_trim_whitespace(met["value"])))
    con.register("links", order.links.arrow())
    con.execute(
        "CREATE TEMP TABLE whose AS SELECT m.system, m.type, m.value, l.subject FROM met_given AS m"
        " JOIN links AS l ON l.system = m.system AND l.type = m.type AND l.value = m.plain"
    )
    con.unregister("links")


def _name_persons(con: duckdb.DuckDBPyConnection, order: Order) -> None:
    """Fill `crosswalk`: id -> subject, pseudonym, days, without those who stay out (`withdrew`, `outside`)."""
    subjects = engine.table(con, "SELECT DISTINCT subject FROM whose ORDER BY subject")["subject"]
    everybody = subjects.to_pylist()
    gone = order.withdrawn.among(everybody) if order.withdrawn else frozenset()
    outside = order.outside(everybody) - gone
    staying = subjects.filter(pc.invert(pc.is_in(subjects, pa.array(sorted(gone | outside), pa.string()))))
    named = dates.with_shifts(pseudonyms.crosswalk(staying, order.keys.pseudonym), order.keys.date)
    con.register("named", named)
    con.execute(
        "CREATE TEMP TABLE crosswalk AS"
        " SELECT w.*, n.pseudonym, n.days FROM whose AS w JOIN named AS n ON n.subject = w.subject"
    )
    for name, who in (("withdrew", gone), ("outside", outside)):
        con.register("these", pa.table({"subject": pa.array(sorted(who), pa.string())}))
        con.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM whose WHERE subject IN (SELECT subject FROM these)")  # noqa: S608
        con.unregister("these")
    con.unregister("named")


def _gather_identifiers(con: duckdb.DuckDBPyConnection, plan: plans.Plan) -> None:
    """Fill `identifier`: place (table.column), the person's pseudonym, the value."""
    con.execute("CREATE TEMP TABLE identifier (place VARCHAR, pseudonym VARCHAR, value VARCHAR)")
    for table in plan.tables:
        for column in table.identifiers:
            name = f"t.{engine.name(column.name)}"
            con.execute(
                f"INSERT INTO identifier SELECT DISTINCT ?, w.pseudonym, {name}"  # noqa: S608 -- names are quoted
                f" FROM {_met(table)} AS t JOIN crosswalk AS w ON {_same_person(table, 'w')} WHERE {name} IS NOT NULL",
                [f"{table.name}.{column.name}"],
            )


def _name_others(con: duckdb.DuckDBPyConnection, order: Order) -> None:
    """Fill `code`: what stands for the ids of encounters, specimens and others that are no persons."""
    con.execute("CREATE TEMP TABLE code (domain VARCHAR, system VARCHAR, value VARCHAR, code VARCHAR)")
    naming = pseudonyms.Naming(order.keys)
    wanted = {(column.of, column.system): column for table in order.plan.tables for column in actions.codes(table)}
    for column in wanted.values():
        values = engine.table(con, " UNION ".join(_values_of(order.plan, column)))["value"].to_pylist()
        named = [naming.code(column.domain, value.strip(), system=column.system) for value in values]
        con.register("code_given", pa.table({"value": pa.array(values, pa.string()), "code": named}))
        con.execute("INSERT INTO code SELECT ?, ?, value, code FROM code_given", [column.of, column.system])


def _values_of(plan: plans.Plan, like: plans.Column) -> Iterator[str]:
    for table in plan.tables:
        for column in actions.codes(table):
            if (column.of, column.system) == (like.of, like.system):
                name = engine.name(column.name)
                yield f"SELECT {name} AS value FROM {_met(table)} WHERE {name} IS NOT NULL"  # noqa: S608


def _naming(table: plans.Table) -> dict[str, None]:
    return dict.fromkeys([table.subject, *(column.name for column in table.identifiers)])


@contextmanager
def _from_silo(con: duckdb.DuckDBPyConnection, order: Order, table: plans.Table) -> Iterator[None]:
    """Let the connection read one table of the silo, once, as `source`; without rows if none were brought."""
    if table.name not in _stored(order):
        con.register("source", pa.table({column.name: pa.array([], pa.string()) for column in table.columns}))
        yield
        con.unregister("source")
        return
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
    """Write one table, row groups of a fixed size, and say what was written and what was left out."""
    count, done = 0, Counter[str]()
    with _from_silo(con, order, table):
        reader = engine.reader(con, actions.query(table, tally=True), ROWS)
        schema = actions.schema(reader.schema, table)
        with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in actions.tallied(iter(reader), table, done):
                writer.write_batch(batch, row_group_size=ROWS)
                count += batch.num_rows
    path.chmod(0o444)
    files.sync(path)
    with path.open("rb") as file:
        sha = file_digest(file, "sha256").hexdigest()
    view = engine.name("out_" + table.name)
    con.execute(f"CREATE VIEW {view} AS SELECT * FROM read_parquet({engine.text(str(path))})")  # noqa: S608 -- quoted
    said = {"name": path.name, "rows": count, "bytes": path.stat().st_size, "sha256": sha}
    return said | {"actions": dict(sorted(done.items())), "held": _left_out(con, table)}


def _left_out(con: duckdb.DuckDBPyConnection, table: plans.Table) -> dict[str, int]:
    """Count the rows of nobody who is known, and of those who stay out."""
    rows = f"SELECT coalesce(sum({ROWS_OF}), 0) FROM {_met(table)} AS t WHERE {{}} EXISTS (FROM {{}} WHERE {{}})"  # noqa: S608
    found = {}
    reasons = ((Absent.UNKNOWN, "NOT", "whose"), (Absent.WITHDRAWN, "", "withdrew"), (Absent.OUTSIDE, "", "outside"))
    for why, negated, which in reasons:
        ((count,),) = con.execute(rows.format(negated, which, _same_person(table, which))).fetchall()
        if count:
            found[str(why)] = int(count)
    return found


def _same_person(table: plans.Table, which: str) -> str:
    """Find the row's person in a table of ids."""
    who = next(column for column in table.columns if column.name == table.subject)
    place = f"{which}.system = {engine.text(who.system)} AND {which}.type = {engine.text(who.id)}"
    return f"t.{engine.name(who.name)} = {which}.value AND {place}"


def _met(table: plans.Table) -> str:
    return engine.name("in_" + table.name)
