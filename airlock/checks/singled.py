"""Rows are people: a table whose rows point at single persons of the project's data is data, not a result."""

from collections.abc import Iterator

from airlock.checks import rows
from airlock.checks.case import Case
from airlock.checks.finding import Exhibit, Finding, Severity
from tre.data.singled import Singled

_FIX = "export counts, means or models of groups, not rows of people"
_SHOWN = 5


def check(case: Case) -> Iterator[Finding | Exhibit]:
    """Hold each table of a file against the persons of the mounted data, and look at its shape."""
    if not case.look.read:
        message = "the check did not run: mend the file, or ask an admin to look"
        yield Finding("row_level", Severity.BLOCK, "file", message, "P2")
    for at, table in enumerate(case.look.tables):
        yield from rows.check(table, case.limits)
        for one in case.evidence.singled(table.heads, table.rows, smallest=case.limits.smallest_count)[:_SHOWN]:
            yield from _told(at, len(case.look.tables), one)


def _told(at: int, tables: int, one: Singled) -> Iterator[Finding | Exhibit]:
    where = f"table {at + 1}, {one.where}" if tables > 1 else one.where
    severity = Severity.BLOCK if one.sure else Severity.WARN
    yield Finding("row_level", severity, where, one.says, "P2", _FIX)
    shows = {"table": at, "columns": [list(pair) for pair in one.columns], "rows": one.rows}
    yield Exhibit("rows", shows | {"single": one.single, "by_chance": one.by_chance})
