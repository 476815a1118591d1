"""Which datasets the house holds: what an applicant must know before asking, and no row of any.

It shows what was written down when a version came in (`DatasetVersionRow.entry`); the data are not opened for it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from policies import duo
from tre.errors import NotFound
from tre.governance import accounts, committee, ontology, projects
from tre.records.db import Records
from tre.records.tables import DatasetRow, DatasetVersionRow, ExtractRow
from tre.settings import Settings

READERS = frozenset({"admin", "committee", "approver"})
"""Roles that may read the report of any extract; others read those of their own projects."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One dataset as the page shows it."""

    name: str
    title: str
    withdrawn: bool
    version: int
    ingested_at: datetime | None
    entry: Mapping[str, object]
    projects: tuple[str, ...]

    def says(self, words: str) -> bool:
        """Whether every word stands somewhere in the entry."""
        text = " ".join([self.name, self.title, *self.projects, *_texts(self.entry)]).casefold()
        return all(word in text for word in words.casefold().split())


@dataclass(frozen=True, kw_only=True)
class Report:
    """An extract whose report may be read."""

    project: str
    number: int
    version: int
    passed: bool
    prepared_at: datetime


def listed(records: Records, *, now: datetime, words: str = "") -> tuple[Dataset, ...]:
    """Return the datasets in which all words stand, by name."""
    with records.read() as session:
        found = (_dataset(session, row, now) for row in session.scalars(select(DatasetRow).order_by(DatasetRow.name)))
        return tuple(one for one in found if one.says(words))


def shown(records: Records, name: str, person: str, *, now: datetime) -> tuple[Dataset, tuple[Report, ...]]:
    """Return one dataset, and the reports of its extracts that this person may read."""
    with records.read() as session:
        row = session.get(DatasetRow, name)
        if row is None:
            raise NotFound("there is no dataset of this name")
        extracts = select(ExtractRow).where(ExtractRow.dataset == name).order_by(ExtractRow.id.desc())
        reports = tuple(
            Report(
                project=one.project,
                number=one.number,
                version=one.version,
                passed=one.assessed,
                prepared_at=one.prepared_at,
            )
            for one in session.scalars(extracts)
            if _may_read(session, one.project, person, now)
        )
        return _dataset(session, row, now), reports


def report(
    records: Records, settings: Settings, person: str, *, project: str, dataset: str, number: int, now: datetime
) -> bytes:
    """Return the page of one extract's report, for those who answer for it and those who work with it."""
    wanted = select(ExtractRow).where(
        ExtractRow.project == project, ExtractRow.dataset == dataset, ExtractRow.number == number
    )
    with records.read() as session:
        row = session.scalars(wanted).first()
        if row is None or not _may_read(session, project, person, now):
            raise NotFound("there is no such report, or it is not yours to read")
        folder = settings.extract(row.project, row.dataset, row.number)
    page = folder.with_name(f"{folder.name}.report.html")
    try:
        return page.read_bytes()
    except OSError:
        raise NotFound("this extract was prepared before reports were kept: prepare it again") from None


def _data_use(session: Session, row: DatasetRow) -> dict[str, list[str]]:
    """Say what the data may be used for now, whatever it was when the version came; nothing where nothing is stated."""
    try:
        codes = list(duo.said(duo.DataUse.from_json(row.data_use), ontology.here(session).label))
    except duo.DataUseUnfit:
        codes = ["a use limitation that cannot be read: nobody may use these data"]
    return {"data_use": codes} if codes else {}


def _dataset(session: Session, row: DatasetRow, now: datetime) -> Dataset:
    newest = session.scalars(
        select(DatasetVersionRow).where(DatasetVersionRow.dataset == row.name).order_by(DatasetVersionRow.number.desc())
    ).first()
    return Dataset(
        name=row.name,
        title=row.title,
        withdrawn=row.withdrawn,
        version=newest.number if newest else 0,
        ingested_at=newest.ingested_at if newest else None,
        entry=(json.loads(newest.entry) if newest else {}) | _data_use(session, row),
        projects=committee.using(session, row.name, now=now),
    )


def _texts(entry: object) -> Iterator[str]:
    """Yield what an entry says, without the names of its parts."""
    if isinstance(entry, dict):
        entry = list(entry.values())
    if isinstance(entry, list):
        for one in entry:
            yield from _texts(one)
    elif isinstance(entry, str):
        yield entry


def _may_read(session: Session, project: str, person: str, now: datetime) -> bool:
    roles = {str(role) for role in accounts.roles_of(session, person)}
    return bool(roles & READERS) or projects.is_member(session, project, person, now=now)
