"""Fits, curves, pictures, variants and models: what each of them may not tell, on real tables and real trials."""

import io
import json
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from airlock.checks import genomics, graphs, learned, regression, survival, thresholds
from airlock.checks.about import About, Sort
from airlock.checks.case import Case
from airlock.checks.confined import Look
from airlock.checks.file import File, Table
from airlock.checks.finding import Finding
from tre.data import actg175, regressed
from tre.data.measures import Why

TEN = thresholds.load("default")


@pytest.fixture
def database():
    """No database is asked."""
    return ""


@dataclass(frozen=True)
class Held:
    """An extract as evidence knows it."""

    dataset: str
    version: int
    folder: object
    person: dict


@dataclass(frozen=True)
class Known:
    """The two questions that these checks ask."""

    datasets: tuple

    def regressed(self, more):
        return regressed.told(self.datasets, more)

    def everybody(self, more):
        return regressed.everybody(self.datasets, more)


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """ACTG175: 2,139 persons, a row each."""
    folder = tmp_path_factory.mktemp("trial")
    table = csv.read_csv(io.BytesIO(actg175._trial(folder).encode()))
    alone = np.zeros(table.num_rows)
    alone[17] = 1
    who = pa.array([f"p{at}" for at in range(table.num_rows)])
    pq.write_table(table.append_column("who", who).append_column("alone", pa.array(alone)), folder / "trial.parquet")
    return Known((Held("trial", 1, folder, {"trial": "who"}),))


def a_case(known=None, text="term,coef,std_err\nage,0.1,0.01\n", about=None, content=b"", kind="csv", name="t.csv"):
    lines = [tuple(line.split(",")) for line in text.strip().splitlines()]
    look = Look(findings=(), ran=frozenset(), tables=(Table(lines[0], tuple(lines[1:])),) if lines else (), read=True)
    return Case(
        file=File(name, kind, content or text.encode()), look=look, limits=TEN, evidence=known, about=about or About()
    )


def rules(found):
    return sorted({one.rule for one in found if isinstance(one, Finding) and one.severity == "block"})


def fit(**more):
    said = {"dataset": "trial", "table": "trial", "outcome": "cens", "regressors": ["age", "wtkg"]} | more
    return About(kind=Sort.REGRESSION, said=True, more=said)


# --- regressions ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("more", "blocked"),
    [
        ({}, []),
        ({"regressors": ["age", "wtkg", "gender", "karnof"]}, []),
        ({"interactions": [["age", "gender"]]}, []),
        ({"regressors": ["age", "alone"]}, ["R2"]),
        ({"cohort": "age > 66"}, ["R1"]),
        ({"regressors": ["gender"]}, ["R2"]),
        ({"regressors": ["age", "patient_of_the_month"]}, ["R2"]),
        ({"table": "visits"}, ["R2"]),
        ({"outcome": ""}, ["R2"]),
    ],
)
def test_a_fit_is_looked_at_on_the_data(trial, more, blocked):
    assert rules(regression.check(a_case(trial, about=fit(**more)))) == blocked


def test_leverage_is_that_of_the_hat_matrix():
    random = np.random.default_rng(1)
    design = np.column_stack([np.ones(60), random.normal(size=(60, 3))])
    design = np.column_stack([design, design[:, 1] * 2])
    rank, leverage = regressed._leverage(design)
    assert rank == 4
    assert leverage == pytest.approx(np.diag(design @ np.linalg.pinv(design)).max())


@pytest.mark.parametrize(
    ("text", "blocked"),
    [
        ("id,resid\n" + "".join(f"{n},{n / 7:.4f}\n" for n in range(20)), ["R3"]),
        ("model,df_resid\na,400\nb,3\n", ["R1"]),
        ("model,dof\na,400\n", []),
    ],
)
def test_what_a_table_says_itself_is_read(trial, text, blocked):
    assert rules(regression.check(a_case(trial, text))) == blocked


def test_coefficients_of_which_nothing_is_said_are_for_the_approvers(trial):
    assert [one.severity for one in regression.check(a_case(trial))] == ["warn"]


def test_what_cannot_be_made_again_is_said_in_words(trial):
    found = trial.regressed({"dataset": "trial", "table": "trial", "outcome": "cens", "regressors": ["nothing"]})
    assert isinstance(found, Why)
    assert found.says == "the fit cannot be looked at: no column 'nothing' in the data"


# --- curves -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "blocked"),
    [
        ("time,survival,at_risk,events\n0,1,400,0\n30,0.9,360,40\n60,0.8,300,40\n", []),
        ("time,survival,at_risk,events\n0,1,400,0\n30,0.9975,399,1\n", ["S1"]),
        ("time,survival,at_risk,events\n0,1,400,0\n30,0.9,8,40\n", ["S1"]),
        ("time,survival\n0,1\n30,0.9\n", ["S1"]),
        ("time,KM_estimate,at_risk,observed\n0,1,400,0\n30,0.9,,\n", ["S1"]),
        ("arm,n\na,30\n", []),
    ],
)
def test_each_step_of_a_curve_is_of_enough_persons(text, blocked):
    assert rules(survival.check(a_case(text=text))) == blocked


def test_times_of_single_events_are_for_the_approvers():
    text = "time,survival,at_risk,events\n0,1,400,0\n31,0.9,360,40\n77,0.8,300,40\n"
    assert [one.severity for one in survival.check(a_case(text=text))] == ["warn"]


def test_a_curve_without_a_table_stays():
    assert rules(survival.check(a_case(text="a,b\n1,2\n", about=About(kind=Sort.SURVIVAL)))) == ["S1"]


# --- pictures ---------------------------------------------------------------------------------------------------------
def test_a_picture_leaves_with_its_numbers():
    picture = a_case(text="", content=b"\x89PNG", kind="png", name="curve.png")
    numbers = a_case(text="arm,n\na,30\n", about=About(said=True, supports="curve.png"))
    assert rules(graphs.check(picture)) == ["G1"]
    assert [one.severity for one in graphs.check(replace(picture, others=(a_case(),)))] == ["warn"]
    assert list(graphs.check(replace(picture, others=(numbers,)))) == []


@pytest.mark.parametrize(
    ("others", "says"),
    [
        ({}, []), ({"a.csv": ("other.png", False)}, []), ({"a.csv": ("curve.png", False)}, ["G1"]),
        ({"a.csv": ("curve.png", False), "b.csv": ("curve.png", True)}, []),
    ],
)  # fmt: skip
def test_a_picture_stays_with_its_numbers(others, says):
    assert rules(graphs.alone("curve.png", others)) == says


# --- variants ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "blocked"),
    [
        ("snp,beta,p\nrs1,0.1,0.05\n", []),
        ("rsid,maf\nrs1,0.12\n", []),
        ("rsid,maf\nrs1,0.123456789\n", ["N1"]),
        ("rsid,maf\nrs1,1.5e-7\n", ["N1"]),
        ("chrom,pos,ac\n1,1000,2\n", ["N1"]),
        ("chrom,pos,ac,n_carriers\n1,1000,400,3\n", ["N1"]),
        ("snp,beta\n" + "".join(f"rs{n},0.1\n" for n in range(TEN.largest_variants + 1)), ["N1"]),
        ("arm,freq\na,0.123456789\n", []),
    ],
)
def test_statistics_of_variants_are_few_and_coarse(text, blocked):
    assert rules(genomics.check(a_case(text=text))) == blocked


# --- models -----------------------------------------------------------------------------------------------------------
def tensors(*shapes, behind=b"", **metadata):
    header, end = {}, 0
    for at, shape in enumerate(shapes):
        size = 4 * int(np.prod(shape))
        header[f"t{at}"] = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    head = json.dumps(header | ({"__metadata__": metadata} if metadata else {})).encode()
    return len(head).to_bytes(8, "little") + head + bytes(end) + behind


@pytest.mark.parametrize(
    ("content", "more", "blocked"),
    [
        (tensors((8, 4), (4,)), {"dataset": "trial", "table": "trial"}, []),
        (tensors((2139, 2)), {"dataset": "trial", "table": "trial"}, ["ML1"]),
        (tensors((400, 400)), {"dataset": "trial", "table": "trial"}, ["ML1"]),
        (tensors((8, 4), behind=b"more"), {"dataset": "trial", "table": "trial"}, ["ML1"]),
        (tensors((8, 4), note="x" * 5000), {"dataset": "trial", "table": "trial"}, ["ML1"]),
        (tensors((8, 4)), {"dataset": "nothing", "table": "trial"}, ["ML1"]),
        (b"\x80\x04\x95" + bytes(40), {"dataset": "trial", "table": "trial"}, ["ML1"]),
    ],
)
def test_a_model_is_far_smaller_than_the_persons_it_learned_from(trial, content, more, blocked):
    about = About(kind=Sort.MODEL, said=True, more=more)
    assert rules(learned.check(a_case(trial, "", about, content, "model", "m.safetensors"))) == blocked
