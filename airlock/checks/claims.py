"""What the acro tool said of a table is a claim of the author's own process: it is compared with what we find.

acro writes `results.json` beside its tables: for each output a status (pass, fail, review), its files, and the cells
that it flags. Anyone can change it, so it opens nothing; where it says less than we find, approvers are told.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from airlock.checks import rules
from airlock.checks.case import Case
from airlock.checks.file import Table
from airlock.checks.finding import Finding, Severity

NAME = "claims"
STATUSES = ("pass", "fail", "review")
_MOST = 1000
Verdict = Callable[[Case], Iterable[Finding]]
"""What our own checks find in another file of the round."""


class Claim(NamedTuple):
    """What acro says of one file."""

    output: int
    """Which output of the results, from 1."""
    file: str
    status: str
    cells: frozenset[tuple[int, int]]
    """Flagged: row and column among the numbers, without the columns that name the rows."""


def check(case: Case, verdict: Verdict) -> Iterator[Finding]:
    """Compare each claim with what we find in the file of that name."""
    beside = {PurePosixPath(other.file.name).name: other for other in case.others}
    for claim in read(case.file.content)[:_MOST]:
        other = beside.get(PurePosixPath(claim.file).name)
        if other is None:
            yield _says(Severity.WARN, claim, "acro speaks of a file that is not in the request")
        else:
            yield from _compared(claim, other, list(verdict(other)))


def read(content: bytes) -> tuple[Claim, ...]:
    """Return what acro says of each file, or nothing if these are not its results."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return ()
    results = said.get("results") if isinstance(said, dict) and "version" in said else None
    if not isinstance(results, dict):
        return ()
    return tuple(claim for nth, output in enumerate(results.values(), 1) for claim in _claims(nth, output))


def _claims(nth: int, output: object) -> Iterator[Claim]:
    if not isinstance(output, Mapping) or output.get("status") not in STATUSES:
        return
    files = output.get("files")
    for file in files if isinstance(files, list) else ():
        if isinstance(file, Mapping) and isinstance(file.get("name"), str):
            yield Claim(nth, file["name"], str(output["status"]), frozenset(_cells(file.get("sdc"))))


def _cells(sdc: object) -> Iterator[tuple[int, int]]:
    cells = sdc.get("cells") if isinstance(sdc, Mapping) else None
    for places in cells.values() if isinstance(cells, Mapping) else ():
        for place in places if isinstance(places, list) else ():
            if isinstance(place, list) and [type(one) for one in place] == [int, int]:
                yield place[0], place[1]


def _compared(claim: Claim, other: Case, ours: list[Finding]) -> Iterator[Finding]:
    blocks = [finding for finding in ours if finding.severity is Severity.BLOCK]
    if claim.status == "pass" and blocks:
        names = ", ".join(sorted({finding.rule or finding.check for finding in blocks}))
        yield _says(Severity.WARN, claim, f"acro lets a table pass in which we find {names}")
    elif claim.status == "fail" and not blocks:
        yield _says(Severity.WARN, claim, "acro does not let a table pass in which we find nothing")
    before = _labels(other.look.tables[0]) if len(other.look.tables) == 1 else 0
    held = {(row, column) for finding in blocks for _, row, column in finding.cells}
    missed = held - {(row, column + before) for row, column in claim.cells}
    if missed and claim.status != "pass":
        yield _says(Severity.NOTE, claim, f"we find {len(missed)} cells unsafe that acro does not flag")


def _labels(table: Table) -> int:
    """Return how many columns name the rows: those before the first that holds numbers alone."""
    return next((at for at in range(1, len(table.heads)) if all(map(_is_number, table.column(at)))), 1)


def _is_number(cell: str) -> bool:
    try:
        float(cell or "0")
    except ValueError:
        return False
    return True


def _says(severity: Severity, claim: Claim, message: str) -> Finding:
    return Finding(NAME, severity, f"output {claim.output}", message, "C3", rules.fix_of("C3"))
