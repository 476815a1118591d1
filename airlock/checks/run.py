"""The checks, each with what it promises; an error, a time-out, a check that did not run: all of them mean no."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa

from airlock.checks import (
    bounds,
    claims,
    counts,
    declared,
    differencing,
    disclosure,
    genomics,
    graphs,
    leaks,
    learned,
    recalled,
    recompute,
    regression,
    scanned,
    singled,
    survival,
)
from airlock.checks.case import Case, Evidence
from airlock.checks.file import Table
from airlock.checks.finding import Exhibit, Finding, Severity
from airlock.checks.kinds import ALL

VERSION = 2
"""Raised whenever a check finds more or less than before; it is in every certificate."""
PICTURES = frozenset({"png", "jpeg"})
TABLES = frozenset({"csv", "json", "txt", "md", "ipynb"})

Said = Iterator[Finding | Exhibit]


class Check(NamedTuple):
    """A check, the kinds it looks at, and what holds when it finds nothing."""

    name: str
    kinds: frozenset[str]
    promise: str
    run: Callable[[Case], Said] | None = None
    """None: it runs in the throw-away process (`confined.CHECKS`)."""
    excepted: bool = False
    """Whether a named exception may let a file go on that it blocks, or that it did not look at."""


Guard = Callable[[str, Callable[[], Iterable[Finding | Exhibit]]], tuple[Finding | Exhibit, ...]]
"""Runs one check; what it raises becomes `did_not_run`."""


def of_kind(kind: str) -> tuple[str, ...]:
    """Return the names of the checks a file of this kind must pass."""
    return tuple(check.name for check in CHECKS if kind in check.kinds)


def run(case: Case, *, guard: Guard) -> tuple[Finding | Exhibit, ...]:
    """Run every check of a file; each of them runs, or is a blocking finding."""
    said: list[Finding | Exhibit] = list(case.look.findings)
    for check in CHECKS:
        if case.file.kind not in check.kinds:
            continue
        if check.run is not None:
            said += guard(check.name, lambda run=check.run: run(case))  # type: ignore[misc]
        elif check.name not in case.look.ran:
            said.append(did_not_run(check.name))
    return tuple(one for at, one in enumerate(said) if isinstance(one, Exhibit) or one not in said[:at])


def did_not_run(check: str) -> Finding:
    """Say that a check gave no answer, which means no."""
    return Finding(check, Severity.BLOCK, "file", "the check did not run: mend the file, or ask an admin to look")


def _leaks(case: Case) -> Said:
    """Search the bytes, and the name: it leaves too."""
    yield from leaks.check(case.evidence.leaks(case.file.content))
    if case.look.leaves not in {None, case.file.content}:  # what signs that nobody sees tore apart is whole again
        yield from leaks.check(case.evidence.leaks(case.look.leaves or b""))
    for leak in case.evidence.leaks(case.file.name.encode()):
        yield Finding("leaks", Severity.BLOCK, "name of the file", f"{leak.detail}: rename the file")


def _counts(case: Case) -> Said:
    look, evidence, limits = case.look, case.evidence, case.limits
    if not look.read:
        yield did_not_run("small_counts")
    for table in look.tables:
        groups = [at for at, _ in enumerate(table.heads) if not _fractions(table.column(at))]
        named = _named(table, evidence)
        judged = declared.judged(case, table)
        yield from counts.check(table, _persons(table, groups, evidence), limits, groups=named, judged=judged)


def _claims(case: Case) -> Said:
    yield from claims.check(case, _found)


def _found(case: Case) -> Iterator[Finding]:
    """Yield what our own checks of tables find in another file of the round."""
    for judge in (_counts, recompute.check, disclosure.check, bounds.check):
        yield from (one for one in judge(case) if isinstance(one, Finding))


def _named(table: Table, evidence: Evidence) -> tuple[int, ...]:
    """Return the columns that are named as in the project's data."""
    nobody = pa.array([], pa.string())
    heads = [(at, head.strip()) for at, head in enumerate(table.heads)]
    return tuple(at for at, head in heads if head and evidence.persons(pa.table({head: nobody})) is not None)


def _persons(table: Table, columns: Iterable[int], evidence: Evidence) -> tuple[int, ...] | None:
    """Count the persons behind each row, by those of the columns that are named as in the project's data."""
    counted = set(counts.count_columns(table))
    named = {table.heads[at].strip(): table.column(at) for at in columns if at not in counted}
    known = [table.heads[at].strip() for at in _named(table, evidence) if table.heads[at].strip() in named]
    return evidence.persons(pa.table({head: named[head] for head in known})) if known and table.rows else None


def _fractions(cells: Iterable[str]) -> bool:
    return any("." in cell and counts.whole(cell) is None and _is_number(cell) for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


CHECKS = (
    Check("kind", ALL, "The file is of a kind that may leave, by its bytes, and no longer than a result."),
    Check(
        "disguise",
        ALL,
        "No records of people, no file packed into another, no sign that is not seen, under whatever name.",
    ),
    Check("plain_table", TABLES, "A table has one header, equal rows, and no more of them than a result."),
    Check("formulas", frozenset({"csv"}), "No cell is run by a spreadsheet."),
    Check(
        "picture",
        frozenset({"png", "jpeg"}),
        "A picture is pixels: no text, nothing after its end, nothing behind its rows.",
    ),
    Check("rewrite", ALL, "What leaves is written anew from what the file says; what it merely carries stays behind."),
    Check("virus", ALL, "The house's scanner knows nothing bad of it.", scanned.found),
    Check(
        "scanned", ALL, "It was scanned for viruses: what was not is never called clean.", scanned.looked, excepted=True
    ),
    Check("recalled", ALL, "What was called back does not leave again.", recalled.check, excepted=True),
    Check("notebook", frozenset({"ipynb"}), "A notebook has no outputs, attachments or metadata."),
    Check(
        "leaks",
        ALL,
        "No pseudonym, no identifier of the source: plain, or in base64, base32, hex, gzip, UTF-16.",
        _leaks,
    ),
    Check(
        "small_counts",
        TABLES,
        "No count below the threshold; counts are of persons, made again from the data.",
        _counts,
    ),
    Check("recompute", TABLES, "What can be computed again agrees with the data, cell by cell.", recompute.check),
    Check(
        "disclosure",
        TABLES,
        "Enough persons are behind each number that was made again, and none of them makes it up.",
        disclosure.check,
        excepted=True,
    ),
    Check(
        "row_level", TABLES, "Rows are not people: they do not single out persons of the project's data.", singled.check
    ),
    Check(
        "bounds", TABLES, "A hidden cell cannot be worked out from totals, of this table or of others.", bounds.check
    ),
    Check(
        "differencing",
        TABLES,
        "With what left before, of this project or another, it does not tell of a few people.",
        differencing.check,
        excepted=True,
    ),
    Check("claims", frozenset({"json"}), "What acro said of a table is what we find in it.", _claims),
    Check(
        "regression",
        TABLES,
        "A fit leaves enough freedom, and no record draws a coefficient to itself.",
        regression.check,
    ),
    Check("survival", TABLES, "Each step of a survival curve is of enough events over enough at risk.", survival.check),
    Check(
        "genomics", TABLES, "Statistics of variants are too few and too coarse to tell who is in them.", genomics.check
    ),
    Check("graphs", PICTURES, "A picture leaves with a table of its numbers.", graphs.check),
    Check(
        "learned",
        frozenset({"model"}),
        "A model is plain weights, far fewer than the persons it learned from.",
        learned.check,
    ),
)
"""Each check in the order in which it is told; every one that looks at a kind must have run."""
