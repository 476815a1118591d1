"""A survival curve falls when somebody dies: a step of few events, or over few at risk, points at them (S1)."""

from collections.abc import Iterator
from itertools import pairwise

from airlock.checks.about import Sort
from airlock.checks.case import Case
from airlock.checks.file import Table
from airlock.checks.finding import Exhibit, Finding, Severity
from airlock.checks.heads import find, numbers
from airlock.checks.rules import rule

TIMES = ("time", "times", "timeline", "t", "day", "days", "week", "weeks", "month", "months", "year", "years")
CURVES = ("survival", "surv", "km_estimate", "survival_probability", "s", "cumulative_incidence", "cif", "cum_hazard")
AT_RISK = ("at_risk", "atrisk", "n_risk", "n_at_risk", "number_at_risk")
EVENTS = ("events", "observed", "n_event", "n_events", "deaths", "d", "event")
EVEN = 0.01
"""Times that differ by less than this share of their step are evenly spaced: they were binned."""


def check(case: Case) -> Iterator[Finding | Exhibit]:
    """Look at every table that has times and a curve, or is said to be of survival."""
    found = [(at, table) for at, table in enumerate(case.look.tables) if _is_curve(table)]
    for at, table in found:
        yield from _curve(case, table, at)
    if case.about.kind is Sort.SURVIVAL and not found:
        yield _says(Severity.BLOCK, "file", "holds no table with time and survival: write one beside the picture")


def _is_curve(table: Table) -> bool:
    return find(table, *TIMES) is not None and find(table, *CURVES) is not None


def _curve(case: Case, table: Table, at: int) -> Iterator[Finding]:
    risk, events, limits = find(table, *AT_RISK), find(table, *EVENTS), case.limits
    if risk is None or events is None:
        yield _says(
            Severity.BLOCK, f"table {at + 1}", "a curve leaves with the persons at risk and the events of each step"
        )
        return
    few = [row for row, n in enumerate(numbers(table, risk)) if n is None or 0 < n < limits.smallest_count]
    if few:
        cells = [(at, row, risk) for row in few]
        yield _says(
            Severity.BLOCK,
            f"column {risk + 1}",
            f"{len(few)} steps over fewer than {limits.smallest_count} at risk",
            *cells,
        )
    least = limits.smallest_steps
    steps = [row for row, n in enumerate(numbers(table, events)) if n is None or 0 < n < least]
    if steps:
        cells = [(at, row, events) for row in steps]
        yield _says(Severity.BLOCK, f"column {events + 1}", f"{len(steps)} steps of fewer than {least} events", *cells)
    if not _binned(table):
        yield _says(
            Severity.WARN, f"table {at + 1}", "the times are not evenly spaced: are they the days of single events?"
        )


def _binned(table: Table) -> bool:
    column = find(table, *TIMES)
    times = sorted({n for n in numbers(table, column) if n is not None}) if column is not None else []
    steps = [later - earlier for earlier, later in pairwise(times)]
    return len(steps) > 0 and max(steps) - min(steps) <= EVEN * max(steps)


def _says(severity: Severity, where: str, message: str, *cells: tuple[int, int, int]) -> Finding:
    return Finding("survival", severity, where, message, rule="S1", fix=rule("S1").fix, cells=cells)
