"""A finding says what a check saw and where, and never quotes what it saw; an exhibit is what it shows approvers."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """What follows from a finding: the file is returned, an approver looks closely, an approver knows."""

    BLOCK = "block"
    WARN = "warn"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One thing a check points at."""

    check: str
    severity: Severity
    where: str
    message: str
    rule: str = ""
    """Id of the rule in `policies/disclosure.toml` that it is about; empty for a check of form."""
    fix: str = ""
    """What the author does about it, in a sentence."""
    cells: tuple[tuple[int, int, int], ...] = ()
    """(table, row, column) of each cell it means, from 0; row -1 is the header."""


@dataclass(frozen=True)
class Exhibit:
    """Evidence beside the findings, for people to look at; JSON once it is written down.

    - recomputed: `table` and `cells`: [row, column, claimed, recomputed, agrees]
    - intervals: `table` and `cells`: [row, column, low, high], what a reader can work out of a hidden cell
    - overlaps: `releases`: [{request, round, position, project, released_at, persons, says}]
    - rows: `columns` (mapped to the data's), `single` and `by_chance`: how many rows point at one person
    """

    name: str
    shows: Mapping[str, object]
