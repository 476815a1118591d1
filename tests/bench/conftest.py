"""Every measured figure goes into one table, which stands at the end of a run: what, how much, beside what, met or not.

A bench fails when what it measured is wrong, never because a machine is slow: slow is what the table is there to say.
"""

from collections.abc import Callable
from typing import NamedTuple

import pytest

Report = Callable[..., None]


class Figure(NamedTuple):
    name: str
    value: float
    unit: str
    target: float | None
    of: str

    @property
    def cells(self) -> tuple[str, ...]:
        met = "" if self.target is None else "met" if self.value <= self.target else "NOT MET"
        target = "" if self.target is None else f"<= {_short(self.target)} {self.unit}"
        return self.name, f"{_short(self.value)} {self.unit}", target, met, self.of


HEAD = ("figure", "measured", "target", "", "beside")
FIGURES = pytest.StashKey[list[Figure]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """`report(name, value, unit, target=1.2, of="plain 2.1 s")`: a target is the most that a figure may be."""

    def add(name: str, value: float, unit: str, target: float | None = None, of: str = "") -> None:
        request.config.stash.setdefault(FIGURES, []).append(Figure(name, value, unit, target, of))

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    figures = config.stash.get(FIGURES, [])
    if not figures:
        return
    rows = [HEAD, *(figure.cells for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    terminalreporter.section("figures and targets")
    for row in rows:
        cells = zip(row, widths, strict=True)
        terminalreporter.write_line("  ".join(cell.ljust(width) for cell, width in cells).rstrip())


def _short(value: float) -> str:
    """Three figures that say something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
