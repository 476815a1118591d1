"""A new table against a thousand that left, and the hidden cells of a large one."""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.checks import about, bounds, differencing, thresholds
from airlock.checks.case import Case
from airlock.checks.confined import Look
from airlock.checks.file import File, Table
from airlock.checks.told import Told
from tre.data import differences

pytestmark = pytest.mark.bench

PERSONS, RELEASES = 100_000, 1000
TEN = thresholds.load("default")
DAY = datetime(2026, 11, 2, tzinfo=UTC)


@dataclass
class Held:
    dataset: str
    folder: Path
    person: dict


class Data:
    """The data's side of a project, without its records."""

    def __init__(self, held: Held) -> None:
        self.held, self.asked = held, 0

    def apart(self, manifests):
        self.asked += 1
        return differences.together([self.held], manifests)

    def cohort(self, made):
        return b""

    def differ(self, one, other):
        return None


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    random = np.random.default_rng(7)
    folder = tmp_path_factory.mktemp("extract")
    people = {
        "person": [f"tre1-{at:026d}" for at in range(PERSONS)],
        "age": random.integers(18, 95, PERSONS),
        "year": random.integers(2000, 2020, PERSONS),
        "site": random.integers(0, 12, PERSONS),
        "arm": random.choice(["a", "b", "c", "d"], PERSONS),
        "sex": random.integers(0, 2, PERSONS),
    }
    pq.write_table(pa.table(people), folder / "people.parquet")
    return Data(Held("trial", folder, {"people": "person"}))


def made(cohort: str, dims: tuple[str, ...]) -> about.Made:
    return about.Made("trial", 1, "people", cohort, dims, (about.Measure("n", "persons"),))


def tables(data: Data, mades: list[about.Made]) -> list[Table]:
    """Each table as it would leave, out of the data."""
    apart = data.apart(mades)
    found = []
    for nth, one in enumerate(mades):
        counts = {key: int(apart.persons[held].sum()) for key, held in apart.members(nth, one.dimensions).items()}
        rows = [(*(dict(key)[name] for name in one.dimensions), str(count)) for key, count in counts.items()]
        found.append(Table((*one.dimensions, "n"), tuple(rows)))
    return found


def test_a_thousand_earlier_releases(data, report):
    dims = [("arm",), ("sex",), ("arm", "sex"), ("site",), ("arm", "site")]
    random = np.random.default_rng(3)
    mades = [made("age >= 40", ("arm", "sex"))]
    for at in range(RELEASES):
        age, year = random.integers(18, 80), random.integers(2000, 2015)
        mades.append(made(f"age >= {age} and year > {year} and site != {at % 12}", dims[at % len(dims)]))
    held = tables(data, mades)
    told = tuple(Told(at, 1, 1, "p", "trial", 1, one, table, b"", DAY)
                 for at, (one, table) in enumerate(zip(mades[1:], held[1:], strict=True)))  # fmt: skip
    new = held[0]
    case = Case(
        file=File("t.csv", "csv", b""), look=Look((), frozenset(), (new,), read=True), limits=TEN, evidence=data,
        about=replace(about.About(), made=mades[0]), told=told, project="p",
    )  # fmt: skip
    data.asked = 0
    began = time.perf_counter()
    found = list(differencing.check(case))
    took = time.perf_counter() - began
    assert data.asked == 1
    assert all(one.shows if hasattr(one, "shows") else one.rule == "L2" for one in found)
    report(f"a table against {RELEASES} earlier ones, {PERSONS:,} people", took, "s", 10)
    assert took < 10


def test_the_hidden_cells_of_thirty_by_twenty(report):
    random = np.random.default_rng(5)
    held = random.integers(10, 200, (30, 20))
    few = random.choice(600, 35, replace=False)
    held.flat[few] = random.integers(1, 10, 35)
    rows = [tuple("*" if row * 20 + at in few else str(held[row, at]) for at in range(20)) for row in range(30)]
    lines = [(f"r{at}", *row, str(held[at].sum())) for at, row in enumerate(rows)]
    table = Table(
        ("site", *(f"c{at}" for at in range(20)), "Total"),
        (*lines, ("Total", *map(str, held.sum(axis=0)), str(held.sum()))),
    )
    source = bounds._source(table, None, TEN, "this file", 0)
    began = time.perf_counter()
    world = bounds._worked_out([source], TEN)
    solved = time.perf_counter() - began
    assert world is not None
    began = time.perf_counter()
    found = list(bounds.audit([source], [], TEN))
    took = time.perf_counter() - began
    assert found
    report("limits of 35 hidden cells in 30 x 20", solved, "s", 2)
    report("the same with what else to hide", took, "s", 6)
    assert solved < 2
