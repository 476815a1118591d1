"""What acro said is compared with what we find; it opens nothing. Its results are as acro 1.0.2 writes them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.checks import claims
from airlock.checks.file import File
from tests.airlock.again import Data, a_case, found, made

WARDS = "ward,v\nx,69.0\ny,68.0"


@pytest.fixture
def database():
    """No records are asked."""
    return ""


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    ages, wards = [20 + n % 50 for n in range(200)], ["x" if n % 2 else "y" for n in range(200)]
    return Data(tmp_path_factory.mktemp("claims"), ward=wards, age=ages)


def results(status="pass", file="output_0_0.csv", cells=()) -> str:
    check = "MinimumThresholdCheck"
    sdc = {"summary": {check: len(cells)}, "cells": {check: [list(cell) for cell in cells]}}
    said = {
        "uid": "output_0", "status": status, "type": "table", "files": [{"name": file, "sdc": sdc}], "outcome": {},
        "properties": {"method": "crosstab", "mitigation": "none"}, "command": "acro.crosstab(..)", "summary": "",
        "timestamp": "2026-11-24T00:26:40", "comments": [], "exception": "",
    }  # fmt: skip
    return json.dumps({"version": "1.0.2", "tool": {"name": "ACRO"}, "results": {"output_0": said}})


def said_of(clinic, text, manifest, **acro):
    other = a_case(clinic, text, manifest, name="out/output_0_0.csv")
    case = a_case(clinic, (), None, name="results.json", others=(other,))
    case = case.__class__(**{**vars(case), "file": File("results.json", "json", results(**acro).encode())})
    return [(one.rule, str(one.severity), one.message) for one in found(case, "claims")]


def test_a_table_of_largest_values_that_acro_lets_pass(clinic):
    said = said_of(clinic, WARDS, made(["ward"], v="max(age)"))
    assert said == [("C3", "warn", "acro lets a table pass in which we find E1")]


def test_a_pass_that_somebody_wrote_into_the_results(clinic):
    said = said_of(clinic, "ward,n\nx,100\ny,7", made(["ward"]))
    assert [one[2] for one in said] == ["acro lets a table pass in which we find C1"]


def test_where_both_say_the_same_nothing_is_said(clinic):
    assert said_of(clinic, "ward,n\nx,100\ny,100", made(["ward"])) == []
    assert said_of(clinic, WARDS, made(["ward"], v="max(age)"), status="fail", cells=[(0, 0), (1, 0)]) == []


def test_cells_that_acro_does_not_flag_are_counted(clinic):
    said = said_of(clinic, WARDS, made(["ward"], v="max(age)"), status="fail", cells=[(1, 0)])
    assert said == [("C3", "note", "we find 1 cells unsafe that acro does not flag")]


def test_a_table_that_acro_stops_and_one_that_is_not_there_are_told(clinic):
    assert said_of(clinic, "ward,n\nx,100\ny,100", made(["ward"]), status="fail")[0][1:] == (
        "warn", "acro does not let a table pass in which we find nothing",
    )  # fmt: skip
    said = said_of(clinic, "ward,n\nx,100\ny,100", made(["ward"]), file="output_9_0.csv")
    assert [one[2] for one in said] == ["acro speaks of a file that is not in the request"]


JSON = st.recursive(
    st.none() | st.integers() | st.sampled_from(["pass", "fail", "x.csv"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["version", "results", "status", "files", "name", "sdc", "cells"]), inner)
    ),
    max_leaves=15,
)


@given(JSON)
def test_no_json_makes_the_reader_raise(value):
    claims.read(json.dumps(value).encode())
    claims.read(json.dumps({"version": "1", "results": {"a": value, "b": {"status": "pass", "files": value}}}).encode())


def test_what_is_no_result_of_acro_is_no_claim():
    assert claims.read(b"{") == claims.read(b"[]") == claims.read(b'{"results": {"a": 1}}') == ()
