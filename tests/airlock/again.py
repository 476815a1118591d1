"""A table that people counted, its manifest, and the data it is made again from."""

import csv
import io
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq

from airlock.checks import about, run, thresholds
from airlock.checks.case import Case
from airlock.checks.confined import Look
from airlock.checks.file import File, Table
from airlock.checks.finding import Exhibit, Finding
from tre.data import counting, measures

TEN = thresholds.load("default")
FIVES = thresholds.load("opensafely")
_NTH = count()


class Data:
    """One table of one dataset, as a project has it."""

    def __init__(self, folder, **columns):
        self.folder = folder / f"data{next(_NTH)}"
        self.folder.mkdir()
        columns = columns if "person" in columns else {"person": persons(len(next(iter(columns.values())))), **columns}
        pq.write_table(pa.table(columns), self.folder / "t.parquet")
        self.held = [SimpleNamespace(dataset="d", version=2, folder=self.folder, person={"t": "person"})]

    def measured(self, made, heads, rows):
        return measures.measured(self.held, made, heads, rows)

    def persons(self, dims):
        return counting.persons([(self.folder, {"t": "person"})], dims)

    def leaks(self, data):
        return ()


def persons(many):
    return [f"p{n}" for n in range(many)]


def table(text: str) -> Table:
    heads, *rows = (tuple(row) for row in csv.reader(io.StringIO(text.strip())))
    return Table(heads, tuple(rows))


def made(dims=(), cohort="", **measured):
    """Return what an author says of a table; `n="persons"` if nothing else."""
    again = {key: measured.pop(key) for key in ("suppress_below", "round_to", "dataset", "version", "table")
             if key in measured}  # fmt: skip
    return {"dataset": "d", "version": 2, "table": "t", "cohort": cohort, "dimensions": list(dims),
            "measures": measured or {"n": "persons"}, **again}  # fmt: skip


def a_case(data, text, said, *, limits=TEN, name="t.csv", others=(), **about_it) -> Case:
    """Return one file as the checks see it."""
    said = {"kind": "table", "made": said, **about_it} if said is not None else about_it
    held = (table(text),) if isinstance(text, str) else tuple(text)
    look = Look(findings=(), ran=frozenset(), tables=held, read=True)
    content = text.encode() if isinstance(text, str) else b""
    return Case(File(name, name.rsplit(".", 1)[-1], content), look, limits, data, about.read(said), others=others)


def found(case, *checks, **limits) -> list[Finding]:
    """Run checks of the list by name, without a guard: what raises fails the test."""
    case = replace(case, limits=replace(case.limits, **limits)) if limits else case
    held = {check.name: check for check in run.CHECKS}
    said = [one for name in checks for one in held[name].run(case)]
    return [one for one in said if not isinstance(one, Exhibit)]


def blocks(findings) -> dict[str, list[tuple[int, int]]]:
    """Return the rules that block, each with the rows and columns it means."""
    return {
        rule: sorted({(row, column) for one in findings if (one.rule, one.severity) == (rule, "block")
                      for _, row, column in one.cells})
        for rule in sorted({one.rule for one in findings if one.severity == "block"})
    }  # fmt: skip
