"""A finding says what a check saw and where, and never quotes what it saw."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """What follows from a finding: the request is returned, an approver looks closely, an approver knows."""

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
