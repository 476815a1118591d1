"""The FHIR resources of an extract, already de-identified, become tables of the OMOP CDM, set at a time in DuckDB.

Nothing here sees the source: a person is a pseudonym and the number that goes with it, an encounter is what its FHIR
id was renamed to. A row's number is made from the renamed id and a word that only this project has, so that it is the
same in each extract of the project and unrelated to any other project's.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet

from tre.data import engine
from tre.data.deid.omop import Omop
from tre.data.deid.pseudonyms import Domain, Naming
from tre.data.deid.stored import Summary, nobody
from tre.data.harmonise import cdm, concepts, coverage
from tre.data.harmonise.concepts import sql
from tre.data.harmonise.vocabulary import Vocabulary
from tre.errors import Refused, Unreadable

FOLDER = "omop"
READS = (
    "Patient", "Encounter", "Medication", "Condition", "Observation", "Procedure", "MedicationRequest",
    "MedicationAdministration", "MedicationDispense", "MedicationStatement", "Immunization",
)  # fmt: skip
ROWS = 100_000
MEMORY = "1GB"
"""More than that lies below the extract while it is made, de-identified as it is."""


def make(
    folder: Path,
    *,
    part: Omop,
    numbers: Mapping[str, int],
    naming: Naming,
    vocabulary: Vocabulary | None = None,
    smallest: int = coverage.SMALLEST,
    tell: Callable[[int], None] = nobody,
) -> Summary:
    """Make folder/omop from folder/fhir. `numbers` is the number of each pseudonym (`Person.number`)."""
    del part
    made = Summary()
    with _engine(folder / FOLDER) as con:
        con.execute("SET VARIABLE secret = ?", [naming.code(Domain.RECORD, "", system="omop")])
        _take_numbers(con, numbers)
        con.execute(sql("begin.sql"))
        _take_rules(con)
        read = _read(con, folder / "fhir", tell)
        made.rules = {"omop cdm": cdm.VERSION, **concepts.resolve(con, vocabulary)}
        for step in ("person", "visit", "fact"):
            con.execute(sql(f"{step}.sql"))
        if _double(con, "fact"):
            con.execute(sql("double.sql"))
            con.execute(sql("fact.sql"))
        if _double(con, "fact") or _double(con, "visit"):
            raise Refused("omop: two records got the same number; a new epoch of the project gives them others")
        for table in cdm.tables().values():
            made.counts[f"omop {table.name}"] = _write(con, table, folder / FOLDER / f"{table.name}.parquet")
            made.files.append(f"{FOLDER}/{table.name}.parquet")
            made.tables[f"{FOLDER}/{table.name}"] = "person_id"
        coverage.write(con, folder / FOLDER / "coverage.json", read=read, smallest=smallest)
        made.files.append(f"{FOLDER}/coverage.json")
        coverage.sum_up(con, made)
    return made


@contextmanager
def _engine(into: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an engine that may put what it holds, de-identified, below the extract; all of that is gone at the end."""
    into.mkdir(parents=True, exist_ok=True)
    spill = into / ".spill"
    try:
        with engine.connection() as con:
            con.execute(f"SET temp_directory = {engine.text(str(spill))}")
            con.execute(f"SET memory_limit = '{MEMORY}'")
            yield con
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def _take_numbers(con: duckdb.DuckDBPyConnection, numbers: Mapping[str, int]) -> None:
    if len(set(numbers.values())) < len(numbers):
        raise Refused("omop: two persons got the same number; a new epoch of the project gives them others")
    columns = [list(numbers), list(numbers.values())]
    schema = pa.schema([("pseudonym", pa.string()), ("person_id", pa.int64())])
    con.register("number", pa.table(columns, schema=schema))


def _take_rules(con: duckdb.DuckDBPyConnection) -> None:
    for name, file in (("domain_table", "domains.tsv"), ("left_out", "left_out.tsv")):
        con.register(name, pa.Table.from_pylist(list(cdm.rows(file))))


def _read(con: duckdb.DuckDBPyConnection, folder: Path, tell: Callable[[int], None]) -> dict[str, bool]:
    """Read what there is; say of each file whether it is harmonised."""
    there = {path.stem: path for path in sorted(folder.glob("*.ndjson"))}
    for name in READS:
        if name in there:
            try:
                con.execute(sql(f"read/{name}.sql"), {"path": str(there[name])})
            except (duckdb.InvalidInputException, duckdb.ConversionException, UnicodeDecodeError):
                # the last one: duckdb cuts what it quotes in its message, perhaps in the middle of a letter
                raise Unreadable(f"omop: fhir/{name}.ndjson is not what FHIR says of this resource") from None
            tell(there[name].stat().st_size)
    con.execute(
        "UPDATE event SET codings = m.codings"
        " FROM (SELECT id, first(codings ORDER BY rowid) AS codings FROM medication GROUP BY id) AS m"
        " WHERE event.codings IS NULL AND m.id = event.medication"
    )
    return {name: name in READS for name in there}


def _double(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Say whether two rows have one number: a resource that stands twice, or two numbers that met."""
    found = con.execute(f"SELECT count(*) > count(DISTINCT number) FROM {table} WHERE why IS NULL").fetchone()  # noqa: S608 -- our own name
    return found is not None and bool(found[0])


def _write(con: duckdb.DuckDBPyConnection, table: cdm.Table, path: Path) -> int:
    """Write one table with all columns of the standard, ordered by person and key, in row groups of a fixed size."""
    con.execute(f"CREATE VIEW {engine.name('out_' + table.name)} AS {sql(f'write/{table.name}.sql')}")
    view = con.execute(f"DESCRIBE {engine.name('out_' + table.name)}").fetchall()
    there = {str(row[0]) for row in view}
    columns = ", ".join(
        engine.name(column.name) if column.name in there else f"NULL AS {engine.name(column.name)}"
        for column in table.columns
    )
    query = f"SELECT {columns} FROM {engine.name('out_' + table.name)} ORDER BY person_id, {table.key}"  # noqa: S608
    count = 0
    with pyarrow.parquet.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for batch in engine.reader(con, query, ROWS):
            writer.write_batch(pa.RecordBatch.from_arrays(
                [array.cast(field.type) for array, field in zip(batch.columns, table.schema, strict=True)],
                schema=table.schema,
            ), row_group_size=ROWS)  # fmt: skip
            count += batch.num_rows
    path.chmod(0o444)
    return count
