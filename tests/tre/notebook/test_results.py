"""What an analyst writes down about a file goes with it when it is asked for."""

import json

import pytest

import tre.notebook as room
from airlock.checks import about
from tests.tre.notebook.test_notebook import R


@pytest.fixture
def trial(house, outbox, tmp_path):
    (tmp_path / "trial").mkdir()
    (tmp_path / "trial" / "visits.parquet").touch()
    house.answers["GET", "/v1/me"] = 200, {"datasets": [{"name": "trial", "version": 2, "path": f"{tmp_path}/trial"}]}
    house.answers["POST", "/v1/requests"] = 201, R
    (outbox / "t.csv").write_text("arm,n\n")
    return house


def test_what_is_described_is_what_the_airlock_reads(trial, outbox):
    made = room.made("trial", by=["arm"], measures={"n": "persons"}, where="age >= 40", hidden_below=10)
    room.describe("t.csv", kind="table", context="Table 2", controls="small arms left out", made=made)
    room.request_export("t.csv", why="the paper")
    sent = trial.asked[-1][2]["about"]["t.csv"]
    said = about.read(sent)
    assert (said.kind, said.controls) == ("table", "small arms left out")
    assert said.made == about.Made(
        "trial", 2, "visits", "age >= 40", ("arm",), (about.Measure("n", "persons"),), suppress_below=10
    )
    assert about.as_json(said)["made"] == {**made, "dimensions": ["arm"]}


def test_a_description_that_cannot_be_read_is_said_before_anything_is_sent(trial, outbox):
    (outbox / "t.csv.about.json").write_text("{")
    with pytest.raises(room.Refused, match=r"t\.csv\.about\.json cannot be read"):
        room.request_export("t.csv", why="the paper")
    assert not [one for one in trial.asked if one[0] == "POST"]


@pytest.mark.parametrize(
    ("kind", "context", "says"), [("pie", "x", "no kind pie"), ("table", " ", "what the file shows")]
)
def test_a_description_says_what_it_lacks(trial, kind, context, says):
    with pytest.raises(room.Refused, match=says):
        room.describe("t.csv", kind=kind, context=context)


def test_what_the_kind_asks_for_besides_is_kept(trial, outbox):
    room.describe("t.csv", kind="regression", context="Table 3", outcome="died", regressors=["age"])
    assert json.loads((outbox / "t.csv.about.json").read_text())["more"] == {"outcome": "died", "regressors": ["age"]}
