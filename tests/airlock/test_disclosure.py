"""What the field's tools let pass is found, what they find is found, and what is safe is let go.

The 1- to 4-dimensional tables with known unsafe cells are after `test/test_tables_syntheticdata.py` of ACRO (Copyright
(c) GRAIMATTER and SACRO projects, MIT licence): its data, written anew from their description, and its verdicts.
"""

import json
from dataclasses import replace
from itertools import product

import pandas as pd
import pytest

from airlock.checks import disclosure, dominance, numbers, rounding
from airlock.checks.disclosure import Shown
from tests.airlock.again import FIVES, TEN, Data, a_case, blocks, found, made
from tre.data.measures import Weight

BOTH = ("recompute", "disclosure")


@pytest.fixture
def database():
    """No records are asked."""
    return ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("disclosure")


# --- ACRO's own tables ------------------------------------------------------------------------------------------------
def synthetic(dims: int, *, safe: bool = False) -> pd.DataFrame:
    """Eleven records in each of 81 cells, and five in three of them; 1 to 4 dimensions are looked at."""
    rows = [
        (*levels, nth)
        for levels in product("ABC", repeat=4)
        for nth in range(5 if levels[0] == levels[2] == levels[3] == "C" else 11)
    ]
    data = pd.DataFrame(rows, columns=["one", "two", "three", "four", "x"])
    for name in ["four", "three", "two"][: 4 - dims]:
        data = data[data[name] == "C"]
    few = (data.one == "C") & (data.three == "C") & (data.four == "C")
    return data[~few] if safe else data


DIMS = ["one", "two", "three", "four"]


@pytest.mark.parametrize(("dims", "unsafe"), [(1, 1), (2, 3), (3, 3), (4, 3)])
@pytest.mark.parametrize("measure", ["persons", "mean(x)", "sum(x)", "sd(x)"])
def test_acros_tables_have_the_unsafe_cells_that_acro_finds(folder, dims, unsafe, measure):
    data, by = synthetic(dims), DIMS[:dims]
    how = {"persons": "count", "mean(x)": "mean", "sum(x)": "sum", "sd(x)": "std"}[measure]
    shown = data.groupby(by).x.agg(how).rename("v").reset_index()
    held = Data(folder, **{name: list(data[name]) for name in [*by, "x"]})
    said = blocks(found(a_case(held, shown.to_csv(index=False), made(by, v=measure)), *BOTH))
    few = shown.index[(shown.one == "C") & (data.groupby(by).size().to_numpy() == 5)]
    assert len(few) == unsafe
    assert said == {"F1": [(row, dims) for row in few]}


@pytest.mark.parametrize("dims", [1, 2, 3, 4])
def test_acros_safe_tables_pass_with_their_margins(folder, dims):
    data, by = synthetic(dims, safe=True), DIMS[:dims]
    shown = data.groupby(by).agg(n=("x", "size"), m=("x", "mean")).reset_index()
    everybody = pd.DataFrame([{**dict.fromkeys(by, "All"), "n": len(data), "m": data.x.mean()}])
    text = pd.concat([shown, everybody]).to_csv(index=False)
    held = Data(folder, **{name: list(data[name]) for name in [*by, "x"]})
    assert blocks(found(a_case(held, text, made(by, n="persons", m="mean(x)")), *BOTH)) == {}


@pytest.mark.parametrize("measure", ["persons", "mean(x)", "sum(x)", "sd(x)", "mode(x)"])
def test_acros_safe_table_passes_for_each_of_its_functions(folder, measure):
    data = synthetic(2, safe=True).replace({8: 9})
    how = {"persons": "count", "mean(x)": "mean", "sum(x)": "sum", "sd(x)": "std", "mode(x)": lambda x: x.mode()[0]}
    text = data.groupby(["one", "two"]).x.agg(how[measure]).rename("v").reset_index().to_csv(index=False)
    held = Data(folder, one=list(data.one), two=list(data.two), x=list(data.x))
    assert blocks(found(a_case(held, text, made(["one", "two"], v=measure)), *BOTH)) == {}


def test_acros_dominated_cell_is_the_one_that_is_dominated(folder):
    data = synthetic(4).reset_index(drop=True)
    data.loc[data.index[-1], "x"] = 10000
    text = data.groupby(["one", "two"]).x.sum().rename("v").reset_index().to_csv(index=False)
    held = Data(folder, one=list(data.one), two=list(data.two), x=list(data.x))
    said = blocks(found(a_case(held, text, made(["one", "two"], v="sum(x)")), *BOTH))
    assert said == {"M1": [(8, 2)], "M2": [(8, 2)]}


# --- what ACRO lets pass ----------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def clinic(folder):
    """200 people of two arms; one more came 20 times to ward z, of which the ward's only patient is known."""
    people = [f"p{n}" for n in range(200)] + ["p200"] * 20
    return Data(
        folder,
        person=people,
        ward=["x" if n % 2 else "y" for n in range(200)] + ["z"] * 20,
        arm=["ab"[n // 2 % 2] for n in range(200)] + ["a"] * 20,
        age=[20 + n % 50 for n in range(200)] + [99] * 20,
        cost=[float(10 + n % 7) for n in range(200)] + [5.0] * 20,
        gain=[float((-1) ** n * (10 + n % 7)) for n in range(199)] + [90000.0] + [-1.0] * 20,
        died=[n < 30 for n in range(200)] + [False] * 20,
        never=[0] * 220,
    )


def test_twenty_admissions_of_one_patient_are_one_patient(clinic):
    said = found(a_case(clinic, "ward,n\nx,100\ny,100\nz,20", made(["ward"])), *BOTH)
    assert blocks(said) == {"C1": [(2, 1)], "F1": [(2, 1)]}
    assert any("count persons, not rows" in one.message for one in said)


@pytest.mark.parametrize(("verb", "values"), [("max", (69, 68)), ("min", (21, 20))])
def test_a_smallest_or_largest_value_is_somebodys(clinic, verb, values):
    text = "ward,v\n" + "\n".join(f"{ward},{value}" for ward, value in zip("xy", values, strict=True))
    assert blocks(found(a_case(clinic, text, made(["ward"], v=f"{verb}(age)")), *BOTH)) == {"E1": [(0, 1), (1, 1)]}


def test_an_end_of_a_scale_is_for_people_to_look_at(clinic):
    case = a_case(clinic, "ward,v\nx,69", made(["ward"], v="max(age)"), more={"bounds": {"v": [18, 69]}})
    assert [(one.rule, str(one.severity)) for one in found(case, "disclosure")] == [("E1", "warn")]


def test_shares_are_judged_by_the_counts_behind_them(clinic):
    text = "ward,p\nx,0.15\ny,0.15"
    assert blocks(found(a_case(clinic, text, made(["ward"], p="proportion(died = 1)")), *BOTH)) == {}
    few = "ward,p\nx,5.0%\ny,5.0%"
    said = found(a_case(clinic, few, made(["ward"], p="proportion(age <= 21 or age = 23)")), *BOTH)
    assert {"F4"} <= set(blocks(said))


def test_a_share_that_leaves_few_out_is_a_count_of_few(clinic):
    said = found(a_case(clinic, "p\n0.99", made(p="proportion(age < 69)", cohort="age < 99")), "disclosure")
    assert "F4" in blocks(said)


def test_a_count_that_was_rounded_up_from_few_is_of_few(folder):
    held = Data(folder, arm=["a"] * 3 + ["b"] * 4 + ["c"] * 8 + ["d"] * 40)
    case = a_case(held, "arm,n\na,5\nb,5\nc,10\nd,40", made(["arm"], round_to=5))
    assert blocks(found(case, *BOTH)) == {"F1": [(0, 1), (1, 1), (2, 1)]}


def test_negatives_are_judged_by_size_in_their_cell_alone(clinic):
    said = found(a_case(clinic, "ward,v\nx,9673\ny,1298", made(["ward"], v="sum(gain)")), "disclosure")
    assert blocks(said) == {"M1": [(0, 1)], "M2": [(0, 1)]}
    assert [str(one.severity) for one in said if one.rule == "M4"] == ["note"]


def test_nobody_is_not_a_count_of_few(clinic):
    text = "ward,arm,n\nx,a,50\nx,b,50\nx,c,0"
    said = found(a_case(clinic, text, made(["ward", "arm"])), *BOTH)
    assert blocks(said) == {}
    refused = found(a_case(clinic, text, made(["ward", "arm"])), *BOTH, zeros="refused")
    assert blocks(refused) == {"F3": [(2, 2)]}


def test_everybody_of_a_group_in_one_cell_is_told(folder):
    held = Data(folder, sex=["f"] * 50 + ["m"] * 50, ill=["yes"] * 50 + ["no"] * 48 + ["yes"] * 2)
    text = "sex,ill,n\nf,yes,50\nm,no,48\nm,yes,*"
    said = found(a_case(held, text, made(["sex", "ill"], suppress_below=10)), *BOTH)
    assert {(one.rule, str(one.severity)) for one in said} == {("F3", "warn")}
    assert blocks(found(a_case(held, text, made(["sex", "ill"], suppress_below=10)), *BOTH, zeros="refused")) == {
        "F3": [(0, 2), (1, 2)]
    }


def test_a_value_that_all_have_is_told(clinic):
    said = found(a_case(clinic, "m\n0", made(m="mode(never)")), *BOTH)
    assert blocks(said) == {"E3": [(0, 0)]}


def test_a_median_near_the_end_of_a_group_is_of_few(folder):
    held = Data(folder, x=[float(n) for n in range(100)])
    said = blocks(found(a_case(held, "q\n94", made(q="percentile(x, 0.95)")), "disclosure"))
    assert said == {"E2": [(0, 0)]}
    assert blocks(found(a_case(held, "q\n50", made(q="median(x)")), *BOTH)) == {}


# --- what can be computed again ---------------------------------------------------------------------------------------
def test_an_honest_table_has_no_finding(clinic):
    said = made(["ward", "arm"], n="persons", mean_cost="mean(cost)", died="proportion(died = 1)")
    frame = _frame().groupby(["ward", "arm"]).agg(n=("age", "size"), mean_cost=("cost", "mean"), died=("died", "mean"))
    lines = [f"{w},{a},{r.n},{r.mean_cost:.2f},{r.died:.1%}" for (w, a), r in frame.iterrows()]
    text = "\n".join(["ward,arm,n,mean_cost,died", *lines])
    assert found(a_case(clinic, text, {**said, "cohort": "ward in ('x', 'y')"}, limits=replace(TEN, smallest_count=5)),
                 *BOTH, "small_counts") == []  # fmt: skip


def _frame():
    return pd.DataFrame(
        {
            "ward": ["x" if n % 2 else "y" for n in range(200)],
            "arm": ["ab"[n // 2 % 2] for n in range(200)],
            "age": [20 + n % 50 for n in range(200)],
            "cost": [float(10 + n % 7) for n in range(200)],
            "died": [n < 30 for n in range(200)],
        }
    )


@pytest.mark.parametrize(
    ("text", "said", "rules"),
    [
        ("ward,n\nx,100\ny,99", {}, {"C1": [(1, 1)]}),
        ("ward,n\nx,100\ny,100\nw,40", {}, {"C1": [(2, 1)]}),
        ("ward,n\nx,100\ny,100\nx,100", {}, {"C1": [(2, 0)]}),
        ("ward,n\nx,100\ny,a hundred", {}, {"C1": [(1, 1)]}),
        ('ward,n\nx,100\ny,"100,0"', {}, {"C1": [(1, 1)]}),
        ("ward,n\nx,100\ny,102", {"round_to": 5}, {"C1": [(1, 1)]}),
        ("ward,n\nx,100\ny,105", {"round_to": 5}, {"C1": [(1, 1)]}),
        ("ward,n\nx,100\ny,100", {"version": 1}, {"C2": []}),
        ("ward,n\nx,100\ny,100", {"dataset": "other"}, {"C2": []}),
        ("ward,n\nx,100\ny,100", {"cohort": "ward ="}, {"C2": []}),
        ("ward,n\nx,100\ny,100", {}, {}),
        ("ward,n\nx,100\ny,*", {"suppress_below": 10}, {}),
        ('ward,n\nx,"100 (50.0%)"\ny,100', {}, {}),
    ],
)
def test_what_differs_from_the_data_is_pointed_at(clinic, text, said, rules):
    assert blocks(found(a_case(clinic, text, made(["ward"], **said)), "recompute")) == rules


@pytest.mark.parametrize(
    ("printed", "agrees"),
    [("12.99", True), ("13.0", True), ("13", True), ("1.3e1", True), ("12.98", False), ("13.00", False), ("14", False)],
)
def test_a_mean_agrees_to_its_last_digit(folder, printed, agrees):
    held = Data(folder, x=[12.99] * 40 + [12.0, 13.98] * 10)
    case = a_case(held, f"m\n{printed}", made(m="mean(x)"))
    assert ("C1" in blocks(found(case, "recompute"))) is not agrees


def test_no_finding_quotes_the_file(clinic):
    case = a_case(clinic, "ward,n,secret\nx,12345,77\ny,words,77\nz,20,78", made(["ward"]))
    for one in found(case, *BOTH, "small_counts"):
        assert not {"12345", "words", "77", "secret"} & set(one.message.replace(":", " ").split())


def test_what_was_made_again_is_shown_beside_what_is_claimed(clinic):
    from airlock.checks import recompute
    from airlock.checks.finding import Exhibit

    said = list(recompute.check(a_case(clinic, "ward,n\nx,100\ny,99", made(["ward"]))))
    shows = [one.shows for one in said if isinstance(one, Exhibit)]
    assert shows == [{"table": 0, "cells": [[1, 1, "99", 100, False], [0, 1, "100", 100, True]], "of": 2}]
    json.dumps(shows)


@pytest.mark.parametrize(
    ("text", "about", "severity"),
    [
        ("ward,n\nx,100\ny,100", {}, "warn"),
        ("group,n\nold,100\nyoung,100", {}, "warn"),
        ("ward,n\nx,100\ny,100", {"kind": "table"}, "warn"),
        ("group,n\nold,100\nyoung,100", {"kind": "table"}, "block"),
        ("term,estimate\nage,0.12", {"kind": "regression"}, None),
    ],
)
def test_a_table_needs_a_manifest_where_it_cannot_be_compared_otherwise(clinic, text, about, severity):
    said = [str(one.severity) for one in found(a_case(clinic, text, None, **about), "recompute")]
    assert said == ([severity] if severity else [])


# --- published numbers ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("largest", "total", "nk", "p"),
    [
        ((50, 30, 10), 100, False, False),
        ((60, 31), 100, True, False),
        ((90, 5), 100, True, True),
        ((0, 0), 0, False, False),
    ],
)
def test_dominance_is_the_handbooks(largest, total, nk, p):
    assert dominance.dominated(largest, total, n=2, k=0.9) is nk
    assert dominance.close(largest, total, p=0.1) is p


def test_protection_levels_are_the_handbooks():
    assert dominance.apart((60, 31), 100, n=1, k=0.5) == pytest.approx(100 / 50 * 60 - 100)
    assert dominance.apart_from((90, 5), 100, p=0.1) == pytest.approx(0.1 * 90 - (100 - 90 - 5))
    assert dominance.close_to((50, 30), 100, p=0.2, q=0.4) is (100 - 50 - 30 < 0.2 / 0.4 * 50)
    assert dominance.protection((90.0, 5.0), 100.0, TEN) == pytest.approx(max(95 / 0.9 - 100, 9 - 5))


@pytest.mark.parametrize(
    ("count", "midpoint"), [(0, 0), (1, 3), (3, 3), (6, 3), (7, 9), (12, 9), (13, 15), (100, 99), (103, 105)]
)
def test_midpoints_of_six_are_opensafelys(count, midpoint):
    assert rounding.midpoint_of(count) == midpoint
    assert rounding.is_midpoint(midpoint)


def test_opensafelys_counts_are_redacted_and_rounded(folder):
    """Seven or fewer are redacted, and then all others rounded to five; or all are midpoints of six."""
    held = Data(folder, sex=["f"] * 108 + ["m"] * 92, ill=["no"] * 101 + ["yes"] * 7 + ["no"] * 80 + ["yes"] * 12)
    by, how = ["sex", "ill"], {"suppress_below": 8, "round_to": 5}
    right = "sex,ill,n\nf,no,100\nf,yes,[REDACTED]\nm,no,80\nm,yes,10"
    assert blocks(found(a_case(held, right, made(by, **how), limits=FIVES), *BOTH)) == {}
    first = "sex,ill,n\nf,no,100\nf,yes,5\nm,no,80\nm,yes,10"
    assert blocks(found(a_case(held, first, made(by, round_to=5), limits=FIVES), *BOTH)) == {"F1": [(1, 2)]}
    raw = "sex,ill,n\nf,no,101\nf,yes,*\nm,no,80\nm,yes,12"
    said = blocks(found(a_case(held, raw, made(by, suppress_below=8), limits=FIVES), *BOTH))
    assert said == {"F2": [(0, 2), (3, 2)]}
    middle = "sex,ill,n_midpoint6\nf,no,99\nf,yes,9\nm,no,81\nm,yes,9"
    case = a_case(held, middle, made(by, n_midpoint6="persons", round_to=6), limits=FIVES)
    assert blocks(found(case, *BOTH)) == {}


def test_a_rate_is_of_rounded_counts(folder):
    held = Data(folder, ill=[1] * 33 + [0] * 70)
    said = made(p="proportion(ill = 1)", round_to=5)
    assert blocks(found(a_case(held, "p\n0.3204", said, limits=FIVES), *BOTH)) == {"F2": [(0, 0)]}
    assert blocks(found(a_case(held, "p\n0.3333", said, limits=FIVES), *BOTH)) == {}


def test_a_total_is_the_sum_of_rounded_counts(folder):
    held = Data(folder, sex=["f"] * 52 + ["m"] * 52)
    said = made(["sex"], round_to=5)
    wrong = found(a_case(held, "sex,n\nf,50\nm,50\nAll,105", said, limits=FIVES), *BOTH)
    assert [(one.rule, one.cells) for one in wrong if one.rule == "F2"] == [("F2", ((0, 2, 1),))]
    assert found(a_case(held, "sex,n\nf,50\nm,50\nAll,100", said, limits=FIVES), *BOTH) == []


@pytest.mark.parametrize(
    ("cell", "sort", "value", "half"),
    [
        ("12", "number", 12, 0), ("1,234", "number", 1234, 0), ("-0.50", "number", -0.5, 0.005),
        ("\N{MINUS SIGN}3.1", "number", -3.1, 0.05), ("45%", "number", 0.45, 0.005), ("4.5 %", "number", 0.045, 0.0005),
        ("1.2e-3", "number", 0.0012, 0.00005), ("3 (1.2%)", "number", 3, 0), ("3.2 ± 1.1", "number", 3.2, 0.05),
        ("12,5", "unclear", 0, 0), ("1.234,56", "unclear", 0, 0), ("*", "hidden", 0, 0), ("<10", "hidden", 0, 0),
        ("[REDACTED]", "hidden", 0, 0), ("", "hidden", 0, 0), ("NaN", "hidden", 0, 0), ("inf", "words", 0, 0),
        ("ten", "words", 0, 0), ("1 2", "words", 0, 0), ("1.2.3", "words", 0, 0), ("0x1A", "words", 0, 0),
    ],
)  # fmt: skip
def test_numbers_are_read_as_printed(cell, sort, value, half):
    read = numbers.read(cell)
    assert (read.sort, read.value) == (sort, pytest.approx(value))
    assert read.half == pytest.approx(half)


def test_a_column_with_a_decimal_comma_is_unclear_wherever_it_has_commas():
    assert [str(one.sort) for one in numbers.column(["1,234", "12,5", "7"])] == ["unclear", "unclear", "number"]


@pytest.mark.parametrize("rule", disclosure.RULES)
def test_each_rule_says_what_it_is_of_and_lets_a_safe_number_go(rule):
    assert rule.__doc__.startswith(("F", "M", "E"))
    safe = Weight("mean", 12.5, 400, 5000.0, 5000.0, (40.0, 39.0, 38.0), 0, 1.0, 40.0)
    assert list(rule((safe, Shown(numbers.read("12.5")), TEN))) == []
