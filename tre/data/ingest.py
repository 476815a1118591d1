"""The front door: files come in as they are, are checked against the plan row by row, and lie sealed in the silo.

All or nothing: the files of a version are sealed aside; the folder gets its name in the same act that records the
version. Whoever is killed on the way leaves no version, and the same command runs again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
from sqlalchemy import func, select

from tre.data import catalogue, formats, keeping, linkage, rows, silo
from tre.data.deid import plan as plans
from tre.data.manifest import File, Manifest
from tre.errors import Unreadable
from tre.records import audit
from tre.records.db import Records
from tre.records.tables import DatasetVersionRow
from tre.settings import Settings

ROW_GROUP = 131_072


def no_ticks(done: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class _Arrival:
    """What is coming in, and under what."""

    settings: Settings
    dataset: str
    number: int
    key: bytes
    people: linkage.People
    ticks: Callable[[int], None]


def ingest(
    records: Records,
    settings: Settings,
    name: str,
    paths: Sequence[Path],
    *,
    actor: str,
    now: datetime,
    ticks: Callable[[int], None] = no_ticks,
) -> int:
    """Bring files in as the next version of a dataset; return its number. `ticks` hears of bytes read."""
    with records.read() as session:
        registered = catalogue.in_use(session, name)
    plan = plans.parse(registered.plan)
    ordered = _matched(paths, plan)
    folder = silo.folder_of(settings, name)
    with keeping.alone(folder, f"dataset {name}"), keeping.aside(folder) as made:
        number = _next(records, name)
        key, sealed = silo.new_key(settings, name, number)
        arrival = _Arrival(settings, name, number, key, linkage.People(plan), ticks)
        files = tuple(_store(path, table, arrival, made) for path, table in ordered)
        manifest = Manifest(files, registered.plan, registered.plan_sha256, sealed)
        _record(records, arrival, manifest, made, actor=actor, now=now)
    return number


def _matched(paths: Sequence[Path], plan: plans.Plan) -> list[tuple[Path, plans.Table]]:
    """Find each file's table and each table's file; the linkage comes first."""
    found: dict[str, Path] = {}
    for path in paths:
        if plan.table(path.stem) is None:
            known = ", ".join(table.name for table in plan.tables)
            raise Unreadable(f"{path.name}: the plan has no table {path.stem}; it has {known}")
        if path.stem in found:
            raise Unreadable(f"{path.name}: a second file for the table {path.stem}")
        if not path.is_file():
            raise Unreadable(f"{path}: no such file")
        found[path.stem] = path
    for table in plan.tables:
        if table.name not in found:
            raise Unreadable(f"no file for the table {table.name} of the plan: give {table.name}.csv or .parquet too")
    return sorted(((found[t.name], t) for t in plan.tables), key=lambda pair: pair[1].name != plan.linkage)


def _store(path: Path, table: plans.Table, arrival: _Arrival, made: Path) -> File:
    """Read, check and seal one file."""
    place = silo.place_of(arrival.dataset, arrival.number, table.name)
    sink = silo.SealedWriter(made / f"{table.name}.sealed", arrival.key, place)
    try:
        with formats.opened(path, arrival.people.plan.missing) as source:
            rows.same_columns(source.columns, table, source.name)
            count = _copy(source, table, arrival, sink)
        sink.finish()
    finally:
        sink.close()
    if table.name == arrival.people.plan.linkage:
        arrival.people.settle()
    read = source.watched
    return File(
        table.name,
        path.name,
        source.format,
        count,
        read.bytes,
        read.sha256,
        sink.stored_bytes,
        sink.stored_sha256,
    )


def _copy(source: formats.Source, table: plans.Table, arrival: _Arrival, sink: silo.SealedWriter) -> int:
    """Write all rows as Parquet of text into the sink; return how many."""
    schema = pa.schema([(column, pa.string()) for column in source.columns])
    count = told = 0
    with pyarrow.parquet.ParquetWriter(pa.PythonFile(sink, "w"), schema, compression="zstd") as writer:
        for batch in source.batches:
            rows.check(batch, table, arrival.people, name=source.name, first_row=source.first_row + count)
            writer.write_batch(batch, row_group_size=ROW_GROUP)
            count += batch.num_rows
            arrival.ticks(source.watched.bytes - told)
            told = source.watched.bytes
    if not count:
        raise Unreadable(f"{source.name}: a header and no rows")
    return count


def _next(records: Records, name: str) -> int:
    newest = select(func.max(DatasetVersionRow.number)).where(DatasetVersionRow.dataset == name)
    with records.read() as session:
        return (session.scalar(newest) or 0) + 1


def _record(records: Records, arrival: _Arrival, manifest: Manifest, made: Path, *, actor: str, now: datetime) -> None:
    """Give the folder its name and write the version down, in one act."""
    name, number = arrival.dataset, arrival.number
    count = sum(file.rows for file in manifest.files)
    persons = len(arrival.people.seen)
    with records.act(actor, "dataset.ingest", f"dataset/{name}") as session:
        catalogue.in_use(session, name, for_update=True)
        session.add(
            DatasetVersionRow(
                dataset=name, number=number, manifest=manifest.to_json(), persons=persons, rows=count, ingested_at=now
            )
        )
        hashes = {file.name: file.sha256 for file in manifest.files}
        facts: dict[str, audit.Fact] = {"version": number, "persons": persons, "rows": count, "files": dict(hashes)}
        audit.append(
            session,
            "dataset.ingest",
            actor=actor,
            subject=f"dataset/{name}",
            at=now,
            plan_sha256=manifest.plan_sha256,
            **facts,
        )
        keeping.settle(made, silo.folder_of(arrival.settings, name) / str(number))
