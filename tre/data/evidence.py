"""What the airlock may know of a project's data: whether a file names a person, and how many persons a count counts.

    evidence = of(session, settings, "sunrise")
    evidence.leaks(data)     pseudonyms of any project, and this project's source identifiers, wherever they hide
    evidence.persons(dims)   distinct persons behind each row of a table

The silo is not opened for it: identifiers are known by their keyed hashes alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.data import counting, differences, identifiers, measures, named, regressed, singled, sketches
from tre.data.deid import pseudonyms
from tre.data.named import Leak
from tre.records.tables import ExtractRow, ProjectRow
from tre.settings import Settings


@dataclass(frozen=True)
class Mounted:
    """One extract of the project."""

    dataset: str
    version: int
    number: int
    folder: Path
    person: Mapping[str, str]
    """Table -> its column of pseudonyms."""


@dataclass(frozen=True)
class Evidence:
    """What is known of one project's data, gathered once for one look at one request."""

    project: str
    datasets: tuple[Mounted, ...]
    """Of each dataset the newest extract that passed its checks."""
    _keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    """Project and pseudonym key, of every project and each of its epochs: a leak may be another's, or an old one."""
    _indexes: tuple[tuple[Path, bytes], ...] = field(repr=False)
    """Index of an extract, and the key under which it was made."""
    _made: dict[object, measures.Measured | measures.Why] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def _known(self) -> named.Known:
        indexes = tuple((identifiers.read(path), key) for path, key in self._indexes)
        return named.Known(self._keys, indexes, self.project)

    def leaks(self, data: bytes) -> tuple[Leak, ...]:
        """Point at every place of a file that names a person."""
        return named.leaks(data, self._known)

    def persons(self, dims: pa.Table) -> tuple[int, ...] | None:
        """Count the distinct persons behind each row of `dims`; None when no one extract table has its columns."""
        return counting.persons([(each.folder, each.person) for each in self.datasets], dims)

    def singled(
        self, heads: Sequence[str], rows: Sequence[Sequence[str]], *, smallest: int
    ) -> tuple[singled.Singled, ...]:
        """Say where the rows of a table are single persons of the mounted data."""
        return singled.singled([(each.folder, each.person) for each in self.datasets], heads, rows, smallest=smallest)

    def measured(
        self, made: measures.Made, heads: tuple[str, ...], rows: tuple[tuple[str, ...], ...]
    ) -> measures.Measured | measures.Why:
        """Make the numbers of a table again as its manifest says, once for all who ask; or say why not."""
        asked = (made, heads, rows)
        if asked not in self._made:
            self._made[asked] = measures.measured(self.datasets, made, heads, rows)
        return self._made[asked]

    def regressed(self, more: Mapping[str, object]) -> regressed.Regressed | measures.Why:
        """Look at what a regression rests on, as its author describes it; or say why not."""
        return regressed.told(self.datasets, more)

    def everybody(self, more: Mapping[str, object]) -> int | measures.Why:
        """Count the persons of the dataset and table that an author names; or say why not."""
        return regressed.everybody(self.datasets, more)

    def apart(self, manifests: Sequence[differences.Made]) -> differences.Apart:
        """Sort the people of the project's extracts by the tables they are counted in."""
        return differences.together(self.datasets, manifests)

    def cohort(self, made: differences.Made) -> bytes:
        """Write down who a table counts, to be compared when the data is gone; nothing where that cannot be asked."""
        who = differences.people(self.datasets, made)
        return b"" if who is None else sketches.write(who, self._cohort_key(made, who))

    @staticmethod
    def differ(one: bytes, other: bytes) -> tuple[int, bool] | None:
        """Return by how many people two such cohorts differ and whether exactly (else by at least as many)."""
        held = sketches.read(one), sketches.read(other)
        found = sketches.differs(held[0], held[1]) if held[0] is not None and held[1] is not None else None
        return (found.here + found.there, found.exact) if found is not None else None

    def _cohort_key(self, made: differences.Made, who: Sequence[str]) -> bytes:
        """Return the key whose names these are; of names that bear no check one of this extract alone."""
        own = [key for project, key in self._keys if project == self.project]
        bears = (key for key in own if who and pseudonyms.verify(who[0], key))
        numbers = {each.dataset: each.number for each in self.datasets}
        alone = b"".join(own[:1]) + f"{made.dataset}|{numbers.get(made.dataset)}".encode()
        return next(bears, sha256(alone).digest())


def of(session: Session, settings: Settings, project: str) -> Evidence:
    """Gather what is needed to look at a project's files."""
    rows = session.scalars(select(ExtractRow).where(ExtractRow.project == project).order_by(ExtractRow.number)).all()
    newest = {row.dataset: row for row in rows if row.assessed}  # one that did not pass hides none that did
    epochs = session.execute(select(ProjectRow.name, ProjectRow.epoch).order_by(ProjectRow.name)).all()
    keys = {
        (name, epoch): pseudonyms.keys_of(settings, name, epoch=epoch).pseudonym
        for name, last in epochs
        for epoch in range(last, 0, -1)
    }
    return Evidence(
        project=project,
        datasets=tuple(_mounted(row, settings) for row in newest.values()),
        _keys=tuple((name, key) for (name, _), key in keys.items()),
        _indexes=tuple((index_of(settings, row), keys[project, epoch_of(row)]) for row in rows if row.assessed),
    )


def epoch_of(row: ExtractRow) -> int:
    """Return under which keys of its project an extract was made."""
    return int(json.loads(row.manifest).get("epoch", 1))


def index_of(settings: Settings, row: ExtractRow) -> Path:
    """Where the hashes of an extract's source identifiers lie: beside the folder that a room mounts, not in it."""
    folder = settings.extract(row.project, row.dataset, row.number)
    return folder.with_name(f"{folder.name}.identifiers")


def _mounted(row: ExtractRow, settings: Settings) -> Mounted:
    person = json.loads(row.manifest)["person"]
    folder = settings.extract(row.project, row.dataset, row.number)
    return Mounted(row.dataset, row.version, row.number, folder, person)
