"""What the house's virus scanner said of a file; what it did not look at is never called clean.

The worker has asked it: `facts["scanned"]` names each file's verdict and detail, `facts["scanner"]` whether the house
has one.
"""

from collections.abc import Iterator, Mapping

from airlock.checks.case import Case
from airlock.checks.finding import Finding, Severity

_FIX = "ask an admin whether the scanner runs, and submit again"


def found(case: Case) -> Iterator[Finding]:
    """Refuse what the scanner knows, and where a scan is a must what it did not look at."""
    verdict, detail = _said(case)
    if verdict == "found":
        yield Finding(
            "virus", Severity.BLOCK, "file", f"the scanner found {detail}", fix="do not open it; tell an admin"
        )
    elif verdict != "clean" and case.limits.scan == "required":
        yield Finding("virus", Severity.BLOCK, "file", f"was not scanned, and must be: {detail}", fix=_FIX)


def looked(case: Case) -> Iterator[Finding]:
    """Say of each file that was not scanned that it was not."""
    verdict, detail = _said(case)
    if verdict in {"clean", "found"} or case.limits.scan == "required":
        return
    if case.limits.scan == "off" and not case.facts.get("scanner"):
        yield Finding("scanned", Severity.NOTE, "file", f"not scanned for viruses: {detail}")
        return
    yield Finding("scanned", Severity.BLOCK, "file", f"not scanned for viruses: {detail}", fix=_FIX)


def _said(case: Case) -> tuple[str, str]:
    """Return the verdict on this file; one of which nothing is known was not scanned."""
    said = case.facts.get("scanned")
    one = said.get(case.file.name) if isinstance(said, Mapping) else None
    return one if isinstance(one, tuple) else ("not run", "nobody asked the scanner")
