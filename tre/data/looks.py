"""What the confined process does with a file it is shown: it looks at it by its kind, or turns a table into Parquet.

It knows the plan and nothing else of the house. What it answers is data for the parent to judge.
"""

import importlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from tre.data import formats, rows
from tre.data.confined import DATA, SAID, TICK, Say
from tre.data.deid import plan as plans
from tre.data.deid.stored import Kind, Look
from tre.data.people import People
from tre.errors import Unreadable

# Kind -> section of the plan, and the module that looks.
LOOKS: dict[Kind, tuple[str, str]] = {
    Kind.FHIR: ("fhir", "tre.data.deid.fhir.look"),
    Kind.DICOM: ("dicom", "tre.data.deid.dicom.look"),
    Kind.VCF: ("variants", "tre.data.deid.variants.look"),
    Kind.BCF: ("variants", "tre.data.deid.variants.look"),
    Kind.BAM: ("reads", "tre.data.deid.reads.look"),
    Kind.CRAM: ("reads", "tre.data.deid.reads.look"),
}
ROW_GROUP = 131_072
PIECE = 4 * 1024 * 1024
"""Bytes of one frame of a table."""
HELD = 10_000
"""Places of one file that are told; what is held beyond is counted only."""
Job = Mapping[str, object]


def serve(setup: Mapping[str, object]) -> Callable[[Job, BinaryIO, Say], None]:
    """Read the plan, and make ready what will be needed before nothing more can be."""
    plan = plans.parse(str(setup["plan"]))
    looks = _ready(plan, setup.get("looks"))
    people = People(plan)

    def answer(job: Job, file: BinaryIO, say: Say) -> None:
        if job["do"] == "look":
            _look(looks, str(job["kind"]), file, say)
        elif job["do"] == "columns":
            with formats.opened(file, plan.missing, name="it") as source:
                say(SAID, json.dumps(source.columns).encode())
        else:
            _table(job, file, say, people)

    return answer


def _ready(plan: plans.Plan, others: object) -> dict[str, Callable[[BinaryIO], Look]]:
    """Import what looks at the kinds that the plan speaks of."""
    modules = {str(kind): place for kind, place in LOOKS.items()}
    modules.update({kind: tuple(place) for kind, place in others.items()} if isinstance(others, dict) else {})
    ready = {}
    for kind, (section, module) in modules.items():
        part = getattr(plan, section)
        if part is not None:
            ready[kind] = _looker(module, part)
    return ready


def _looker(module: str, part: object) -> Callable[[BinaryIO], Look]:
    look = importlib.import_module(module).look
    return lambda file: look(file, part)


def _look(looks: Mapping[str, Callable[[BinaryIO], Look]], kind: str, file: BinaryIO, say: Say) -> None:
    """Look, and say what was found."""
    found = looks[kind](file)
    held = list(found.held.items())
    said = {
        "ids": [[one.system, one.type, one.value] for one in found.ids],
        "records": found.records,
        "facts": dict(found.facts),
        "held": dict(held[:HELD]),
        "held_count": len(held),
    }
    say(SAID, json.dumps(said).encode())


# --- tables ----------------------------------------------------------------------------------------------------------
def _table(job: Job, file: BinaryIO, say: Say, people: People) -> None:
    """Check a table row by row and give it back as Parquet of text, then say what was in it."""
    table = people.plan.table(str(job["table"]))
    if table is None:
        raise Unreadable("a table that the plan does not know")
    sink = _Sink(say)
    with formats.opened(file, people.plan.missing, name=str(job["name"])) as source:
        rows.same_columns(source.columns, table, source.name)
        count = 0
        schema = pa.schema([(column, pa.string()) for column in source.columns])
        with pyarrow.parquet.ParquetWriter(pa.PythonFile(sink, "w"), schema, compression="zstd") as writer:
            for batch in source.batches:
                _check(batch, table, people, source, first=source.first_row + count, say=say)
                writer.write_batch(batch, row_group_size=ROW_GROUP)
                count += batch.num_rows
                say(TICK, str(file.tell()).encode())
    sink.end()
    if not count:
        raise Unreadable(f"{source.name}: a header and no rows")
    if table.name == people.plan.linkage:
        people.settle()
    persons = 0 if people.plan.linkage_name else len(people.seen)
    say(SAID, json.dumps({"rows": count, "format": source.format, "persons": persons}).encode())


def _check(
    batch: pa.RecordBatch, table: plans.Table, people: People, source: formats.Source, *, first: int, say: Say
) -> None:
    """Check values; where a linkage says whose the ids are, name them, so that the parent can ask it."""
    if not people.plan.linkage_name:
        rows.check(batch, table, people, name=source.name, first_row=first)
        return
    rows.check(_nobody_filled(batch, table), table, people, name=source.name, first_row=first)
    people.seen.clear()
    for column in table.columns:
        if column.action is plans.Action.PSEUDONYM and column.system:
            counted = list(_counted(batch.column(column.name)))
            said = {"ids": [column.system, column.id], "subject": column.name == table.subject, "counts": counted}
            say(SAID, json.dumps(said).encode())


def _nobody_filled(batch: pa.RecordBatch, table: plans.Table) -> pa.RecordBatch:
    """Let a row without an id pass: it is held, not refused."""
    at = batch.schema.get_field_index(table.subject)
    return batch.set_column(at, table.subject, pc.fill_null(batch.column(at), ""))


def _counted(values: pa.Array) -> Iterator[tuple[str | None, int]]:
    for one in pc.value_counts(values).to_pylist():
        yield one["values"], one["counts"]


class _Sink(io.RawIOBase):
    """Sends what is written, in pieces."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say, self._held, self._at = say, bytearray(), 0

    def writable(self) -> bool:
        """Say yes: pyarrow asks."""
        return True

    def tell(self) -> int:
        """Position in what was written."""
        return self._at

    def write(self, data: bytes) -> int:  # type: ignore[override]  # any buffer, as the parent in fact takes
        """Take bytes."""
        self._held += data
        self._at += len(data)
        if len(self._held) >= PIECE:
            self.end()
        return len(data)

    def end(self) -> None:
        """Send what is left."""
        if self._held:
            self._say(DATA, bytes(self._held))
            self._held.clear()
