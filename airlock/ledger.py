"""Every table that left is remembered as what it told about whom: what is asked for later is held against it."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from airlock import staging
from airlock.checks import about, tables
from airlock.checks.file import File, Table
from airlock.checks.told import Told
from airlock.tables import FileRow, RequestRow, ToldRow
from tre.data import evidence
from tre.settings import Settings


def write(session: Session, settings: Settings, row: RequestRow, files: Sequence[FileRow], now: datetime) -> int:
    """Write down every table of the files that leave, in the act in which they do; return how many."""
    known = evidence.of(session, settings, row.project)
    written = 0
    for file in files:
        for table in _tables(settings, file):
            session.add(_told(row, file, table, known, now))
            written += 1
    return written


def _tables(settings: Settings, file: FileRow) -> tuple[Table, ...]:
    """Read the tables in what leaves of a file: bytes that we wrote ourselves."""
    content = staging.kept(settings, file.leaves_sha256 or file.sha256)
    return tables.tables(File(file.name, file.kind, content))


def _told(row: RequestRow, file: FileRow, table: Table, known: evidence.Evidence, now: datetime) -> ToldRow:
    made = about.load(file.about).made
    only = known.datasets[0] if len(known.datasets) == 1 else None
    return ToldRow(
        request=row.id,
        round=file.round,
        position=file.position,
        project=row.project,
        dataset=made.dataset if made else only.dataset if only else "",
        version=made.version if made else only.version if only else 0,
        manifest=json.dumps(about.made_json(made) if made else {}, sort_keys=True),
        cells=json.dumps({"heads": table.heads, "rows": table.rows}),
        cohort=known.cohort(made) if made else b"",
        released_at=now,
    )


def told(session: Session, project: str, datasets: Collection[str]) -> tuple[Told, ...]:
    """Return what left of this project, and of any other what left of a dataset that both have; newest first."""
    query = (
        select(ToldRow)
        .where(or_(ToldRow.project == project, ToldRow.dataset.in_([each for each in datasets if each])))
        .order_by(ToldRow.released_at.desc(), ToldRow.id.desc())
    )
    return tuple(_read(session.scalars(query)))


def _read(rows: Iterable[ToldRow]) -> Iterator[Told]:
    for row in rows:
        cells, manifest = json.loads(row.cells), json.loads(row.manifest)
        yield Told(
            request=row.request,
            round=row.round,
            position=row.position,
            project=row.project,
            dataset=row.dataset,
            version=row.version,
            made=about.read({"kind": "table", "made": manifest}).made if manifest else None,
            table=Table(tuple(cells["heads"]), tuple(tuple(line) for line in cells["rows"])),
            cohort=row.cohort,
            released_at=row.released_at,
        )
