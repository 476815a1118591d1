"""A text as its detectors look at it: the signs, the lines, the tables in it."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from airlock.checks import tables
from airlock.checks.file import File, Table
from airlock.checks.finding import Finding, Severity

CHECK = "disguise"
SHOWN = 5
_MOST_CELLS = 4_000_000


@dataclass(frozen=True)
class Seen:
    """One text."""

    file: File

    @cached_property
    def text(self) -> str:
        """Return the signs as they were submitted."""
        return self.file.content.decode("utf-8-sig", "replace")

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """Return the tables in it; none if it cannot be taken apart, which other checks say."""
        if self.file.kind == "csv" and self.text.count(",") > _MOST_CELLS:
            return ()
        try:
            return tables.tables(self.file)
        except (ValueError, RecursionError, csv.Error):
            return ()

    def line(self, at: int) -> str:
        """Name the line of a place."""
        return f"line {self.text.count(chr(10), 0, at) + 1}"


def block(where: str, message: str, fix: str, *, rule: str = "T1") -> Finding:
    """Point at what may not leave."""
    return Finding(CHECK, Severity.BLOCK, where, message, rule=rule, fix=fix)


def warn(where: str, message: str, fix: str = "") -> Finding:
    """Point at what an approver looks at closely."""
    return Finding(CHECK, Severity.WARN, where, message, rule="T1", fix=fix)


def first(found: Iterator[Finding]) -> Iterator[Finding]:
    """Say the first few of many that are alike."""
    return islice(found, SHOWN)
