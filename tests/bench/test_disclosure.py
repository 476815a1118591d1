"""A table of 20,000 cells over a million persons: all evidence, person by person, beside acro in the same run.

acro wants an older pandas than the service has, so it is put into a virtual environment that is thrown away. It is
given its table in memory, and made to do nothing else: no output is written. Ours is read from the extract's file.
"""

import json
import subprocess
import time

import numpy as np
import pandas as pd
import pytest

from tests.airlock.again import TEN, Data, a_case, found, made
from tre.data.measures import Measured
from tre.host import rootfs

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

PERSONS, WIDE, HIGH = 1_000_000, 200, 100
ACRO = "acro==1.0.2"
RATIO = 20
ROUNDS = 3
SCRIPT = """
import json, logging, sys, time
logging.disable(logging.CRITICAL)
import numpy, pandas, acro
held = numpy.load(sys.argv[1])
data = pandas.DataFrame({name: held[name] for name in ("a", "b", "x")})
peer = acro.ACRO(suppress=False)
began = time.perf_counter()
shown = peer.crosstab(data.a, data.b, values=data.x, aggfunc="mean")
took = time.perf_counter() - began
record = peer.results.get_index(-1)
print(json.dumps({"seconds": took, "status": record.status, "shape": shown.shape,
                  "first": float(shown.iloc[0, 0])}))
"""


@pytest.fixture
def database():
    """No records are asked."""
    return ""


@pytest.fixture(scope="module")
def cohort():
    chance = np.random.default_rng(5)
    columns = {"a": chance.integers(0, WIDE, PERSONS), "b": chance.integers(0, HIGH, PERSONS)}
    return {**columns, "x": chance.gamma(2.0, 10.0, PERSONS).round(3)}


@pytest.fixture(scope="module")
def peer(tmp_path_factory, cohort):
    """What acro takes and says."""
    place = tmp_path_factory.mktemp("acro")
    uv = rootfs.tool("uv", package="uv")
    subprocess.run([uv, "venv", "--quiet", str(place / "venv")], check=True, timeout=120)
    python = str(place / "venv" / "bin" / "python")
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, ACRO], check=True, timeout=600)
    np.savez(place / "cohort.npz", **cohort)
    words = [python, "-c", SCRIPT, str(place / "cohort.npz")]
    said = subprocess.run(words, check=True, capture_output=True, cwd=place, timeout=600).stdout
    return json.loads(said.splitlines()[-1])


@pytest.fixture(scope="module")
def extract(tmp_path_factory, cohort):
    """The same, as a project has it: each row a person's, under pseudonyms in no order."""
    numbers = np.random.default_rng(6).permutation(PERSONS)
    person = [f"tre1-{number:026d}" for number in numbers]
    return Data(tmp_path_factory.mktemp("extract"), person=person, **cohort)


def test_evidence_of_twenty_thousand_cells_beside_acro(cohort, extract, peer, report):
    means = pd.DataFrame(cohort).groupby(["a", "b"]).x.mean().round(3).rename("m").reset_index()
    case = a_case(extract, means.to_csv(index=False), made(["a", "b"], m="mean(x)"))
    (shown,), said = case.look.tables, case.about.made
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        again = extract.measured(said, shown.heads, shown.rows)
        took.append(time.perf_counter() - began)
    assert isinstance(again, Measured)
    assert len(again.groups) == len(shown.rows) == WIDE * HIGH
    assert sum(group.persons for group in again.groups) == PERSONS
    assert peer["shape"] == [WIDE, HIGH]
    assert abs(peer["first"] - float(shown.rows[0][2])) < 0.001
    report(
        "evidence of 20,000 cells, 1 M persons",
        min(took),
        "s",
        peer["seconds"] / RATIO,
        f"acro {peer['seconds']:.1f} s / {RATIO}",
    )


def test_twenty_thousand_cells_through_all_checks(cohort, extract, report):
    """Evidence, comparison of each cell, and every rule."""
    means = pd.DataFrame(cohort).groupby(["a", "b"]).x.mean().round(3).rename("m").reset_index()
    case = a_case(extract, means.to_csv(index=False), made(["a", "b"], m="mean(x)"))
    began = time.perf_counter()
    assert [one for one in found(case, "recompute") if one.severity == "block"] == []
    assert {one.rule for one in found(case, "disclosure") if one.severity == "block"} <= {"F1"}
    report("20,000 cells compared and judged", time.perf_counter() - began, "s", None, f"limits {TEN.profile}")
