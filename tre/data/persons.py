"""Who is in a dataset whose own tables say it; there a person is the id by which these tables know them."""

from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from sqlalchemy.orm import Session

from tre.data import catalogue, silo, withdrawals
from tre.data.deid import plan as plans
from tre.data.deid.pseudonyms import PatientId
from tre.errors import NotFound, StepRefused
from tre.records.db import Records
from tre.settings import Settings

ROWS = 131_072


def of_version(session: Session, settings: Settings, dataset: str, number: int) -> pa.Array:
    """Return every id of a person in one version, each once, sorted."""
    _, manifest = catalogue.version(session, dataset, number)
    plan, key = plans.parse(manifest.plan), silo.open_key(settings, dataset, number, manifest.key)
    found = [pa.array([], pa.string())]
    brought = {file.name for file in manifest.files}
    for table in (table for table in plan.tables if table.name in brought):
        columns = [column.name for column in table.columns if column.is_person]
        path, place = silo.path_of(settings, dataset, number, table.name), silo.place_of(dataset, number, table.name)
        with silo.SealedReader(path, key, place) as sealed:
            found += _different(sealed, columns)
    known = pc.unique(pa.chunked_array(found)).drop_null()
    return known.take(pc.array_sort_indices(known))


def withdraw(
    records: Records, settings: Settings, dataset: str, value: str, *, reason: str, actor: str, now: datetime
) -> None:
    """Leave a person out of every further extract of a dataset that lists its persons itself."""
    with records.read() as session:
        plan = plans.parse(catalogue.get(session, dataset).plan)
        if plan.linkage_name:
            raise StepRefused(
                f"cannot withdraw from {dataset} by itself: the linkage {plan.linkage_name} says who is who",
                remedies=[f"`tre linkage withdraw {plan.linkage_name} SYSTEM TYPE --dataset {dataset} --reason ...`"],
            )
        versions = [row.number for row in catalogue.versions(session, dataset)]
        if not any(pc.index(of_version(session, settings, dataset, one), value).as_py() >= 0 for one in versions):
            raise NotFound(f"no version of dataset {dataset} knows this id: look at it again")
    person = withdrawals.Person(withdrawals.scope_of(dataset, ""), PatientId(value))
    with records.act(actor, "linkage.withdraw", f"dataset/{dataset}") as session:
        withdrawals.withdraw(session, settings, person, dataset=dataset, reason=reason, actor=actor, now=now)


def _different(sealed: silo.SealedReader, columns: list[str]) -> Iterator[pa.Array]:
    """Yield the different values of these columns, portion by portion."""
    file = pyarrow.parquet.ParquetFile(pa.PythonFile(sealed, "r"))
    for batch in file.iter_batches(ROWS, columns=columns, use_threads=False):
        yield from (pc.unique(column) for column in batch.columns)
