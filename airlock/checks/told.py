"""A table that left before, of this project or of another on the same dataset: later tables are held against it."""

from dataclasses import dataclass
from datetime import datetime

from airlock.checks.about import Made
from airlock.checks.file import Table


@dataclass(frozen=True)
class Told:
    """What one released table told; the same project's may be any, another's only of a dataset both have."""

    request: int
    round: int
    position: int
    project: str
    dataset: str
    version: int
    made: Made | None
    table: Table
    cohort: bytes
    """Who was counted, as `tre.data.evidence` wrote it down; empty where it could not be said."""
    released_at: datetime
