"""One file of a round with everything that may be asked about it: what each check is given."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from airlock.checks.about import About, Made
from airlock.checks.confined import Look
from airlock.checks.file import File
from airlock.checks.thresholds import Thresholds
from airlock.checks.told import Told
from tre.data.differences import Apart
from tre.data.measures import Measured, Why
from tre.data.regressed import Regressed
from tre.data.singled import Singled


class Leak(Protocol):
    """What the search of the data's side answers."""

    @property
    def where(self) -> str:
        """Where in the file."""

    @property
    def detail(self) -> str:
        """Whose it is, never what."""


class Evidence(Protocol):
    """What the data's side answers (`tre.data.evidence.Evidence`)."""

    def leaks(self, data: bytes) -> Iterable[Leak]:
        """Point at every place that names a person."""

    def persons(self, dims: pa.Table) -> tuple[int, ...] | None:
        """Count the distinct persons behind each row."""

    def singled(
        self, heads: tuple[str, ...], rows: tuple[tuple[str, ...], ...], *, smallest: int
    ) -> tuple[Singled, ...]:
        """Say where the rows of a table are single persons of the project's data."""

    def measured(self, made: Made, heads: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> Measured | Why:
        """Make a table's numbers again, person by person, or say why not."""

    def regressed(self, more: Mapping[str, object]) -> Regressed | Why:
        """Look at what a regression rests on, or say why not."""

    def everybody(self, more: Mapping[str, object]) -> int | Why:
        """Count the persons of a table, or say why not."""

    def apart(self, manifests: Sequence[Made]) -> Apart:
        """Sort the people of the project's data by the tables they are counted in."""

    def cohort(self, made: Made) -> bytes:
        """Write down who a table counts, for tables to come; empty where that cannot be asked."""

    def differ(self, one: bytes, other: bytes) -> tuple[int, bool] | None:
        """Return by how many people two such cohorts differ, and whether exactly."""


@dataclass(frozen=True)
class Case:
    """A file, what the throw-away process saw in it, what its author says, and what it is held against."""

    file: File
    look: Look
    limits: Thresholds
    evidence: Evidence
    about: About = field(default_factory=About)
    others: tuple["Case", ...] = ()
    """The other files of the round."""
    told: tuple[Told, ...] = ()
    """What left before and may be held against it, newest first."""
    project: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    """What the records say of the project: `ml_plan`, `versions` (dataset -> newest version), ..."""
