"""A picture leaves with its numbers: a table of the same request that passes its own checks holds them (G1)."""

from collections.abc import Iterator, Mapping

from airlock.checks.case import Case
from airlock.checks.finding import Exhibit, Finding, Severity
from airlock.checks.rules import rule


def check(case: Case) -> Iterator[Finding | Exhibit]:
    """Look for the table that a picture was drawn from."""
    tables = [other for other in case.others if other.look.tables]
    if any(other.about.supports == case.file.name for other in tables):
        return
    if not tables:
        yield _says(Severity.BLOCK, "no table of this request has its numbers")
    else:
        yield _says(Severity.WARN, "no table of this request is said to have its numbers: compare them by eye")


def alone(name: str, others: Mapping[str, tuple[str, bool]]) -> Iterator[Finding]:
    """Say of a picture that no table with its numbers stands; `others` are file -> what it supports, and whether so."""
    stands = [may for supports, may in others.values() if supports == name]
    if stands and not any(stands):
        yield _says(Severity.BLOCK, "the table with its numbers does not pass its own checks")


def _says(severity: Severity, message: str) -> Finding:
    return Finding("graphs", severity, "file", message, rule="G1", fix=rule("G1").fix)
