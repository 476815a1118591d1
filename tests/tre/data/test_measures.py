"""The numbers of a table are made again person by person, and who makes them up is told with them."""

import math
import statistics
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.checks.about import read
from tests.airlock.again import Data, made, table
from tre.data.measures import Measured, Why


@pytest.fixture
def database():
    """No records are asked."""
    return ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("measures")


@pytest.fixture(scope="module")
def visits(folder):
    """Four people; p0 came three times, once of them in the other arm."""
    return Data(
        folder,
        person=["p0", "p0", "p0", "p1", "p2", "p3"],
        arm=["a", "a", "b", "a", "b", "b"],
        sex=[1, 1, 1, 2, 2, None],
        x=[10.0, 20.0, 5.0, -3.0, 7.0, None],
        died=[0, 1, 0, 0, 1, 0],
        drug=["u", "v", "v", "v", "w", "w"],
    )


def again(data, text, said) -> Measured | Why:
    shown = table(text)
    return data.measured(read({"made": said}).made, shown.heads, shown.rows)


def numbers(measured: Measured) -> dict:
    """Return the value of each place by row and column."""
    return {(p.row, p.column): (f[1].value if (f := measured.of(p)) else None) for p in measured.places}


@pytest.mark.parametrize(
    ("measure", "a", "b"),
    [
        ("persons", 2, 3),
        ("sum(x)", 27, 12),
        ("mean(x)", 6, 6),
        ("sd(x)", math.sqrt(162), math.sqrt(2)),
        ("median(x)", 6, 6),
        ("percentile(x, 0.25)", 1.5, 5.5),
        ("min(x)", -3, 5),
        ("max(x)", 20, 7),
        ("mode(drug)", "v", "w"),
        ("proportion(died = 1)", 0.5, 1 / 3),
        ("proportion(drug = 'v' and x > 0)", 0.5, 1 / 3),
    ],
)
def test_a_measure_is_of_persons(visits, measure, a, b):
    found = numbers(again(visits, "arm,m\na,0\nb,0", made(["arm"], m=measure)))
    assert [found[row, 1] for row in (0, 1)] == [pytest.approx(a), pytest.approx(b)]


def test_a_total_counts_a_person_of_two_groups_once(visits):
    found = again(visits, "arm,n\na,2\nb,3\nAll,4", made(["arm"]))
    assert numbers(found) == {(0, 1): 2, (1, 1): 3, (2, 1): 4}


def test_who_makes_a_sum_up_is_told(visits):
    _, weight = (found := again(visits, "arm,s\na,27", made(["arm"], s="sum(x)"))).of(found.places[0])
    assert (weight.persons, weight.total, weight.absolute, weight.largest) == (2, 27, 33, (30, 3))
    assert (weight.negatives, weight.low, weight.high) == (1, -3, 30)


def test_a_value_that_is_missing_is_nobodys(visits):
    group, weight = (found := again(visits, "arm,m\nb,6", made(["arm"], m="mean(x)"))).of(found.places[0])
    assert (group.persons, weight.persons) == (3, 2)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("sex,n\n1,1\n2,2\n,3", [1, 2, 3]),
        ("sex,n\n1.0,1\n2,2\nnan,1", [1, 2, 1]),
        ("sex,n\n01,1\ntotal,4\n,1", [1, 4, 1]),
        ("sex,n\n9,1", [None]),
    ],
)
def test_groups_are_found_as_any_tool_writes_them(visits, text, values):
    assert list(numbers(again(visits, text, made(["sex"]))).values()) == values


def test_a_dimension_may_lie_across(visits):
    found = again(visits, "sex,a,b,All\n1,1,1,1\n2,1,1,2\nAll,2,2,3", made(["sex", "arm"]))
    assert list(numbers(found).values()) == [1, 1, 1, 1, 1, 2, 2, 2, 3]


def test_what_is_missing_twice_and_unsaid_is_told(visits):
    found = again(visits, "arm,n,note\na,2,x\na,2,y", made(["arm"]))
    assert (found.twice, found.unsaid) == ((1,), (2,))
    assert [found.groups[nth].key for nth in found.left_out] == [("b",)]


def test_a_cohort_is_who_is_counted(visits):
    assert numbers(again(visits, "arm,n\na,1\nb,2", made(["arm"], "sex = 2 or x is null"))) == {(0, 1): 1, (1, 1): 2}


def test_without_dimensions_everybody_is_one_group(visits):
    assert numbers(again(visits, "n,m\n4,5", made(n="persons", m="mean(x)"))) == {
        (0, 0): 4,
        (0, 1): pytest.approx(47 / 9),
    }


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (made(["arm"], dataset="e"), "dataset: the project mounts d, not"),
        (made(["arm"], version=1), "version 2 of d, and the table was made on version 1"),
        (made(["arm"], table="u"), "no table of persons of this name; it has t"),
        (made(["Arm"]), "no column 'Arm'; write arm"),
        (made(["person"]), "dimensions: the table has no column"),
        (made(["arm"], n="mean(y)"), "measures, mean: the table has no column 'y'"),
        (made(["arm"], n="mean(person)"), "measures, mean: the table has no column"),
        (made(["arm"], n="mean(drug)"), "holds no numbers"),
        (made(["arm"], n="percentile(x)"), "write percentile"),
        (made(["arm"], n="proportion(x)"), "cohort"),
        (made(["arm"], m="persons"), "1 are no column of the file"),
        (made(["arm", "sex", "drug"]), "one may lie across"),
        (made(["arm"], "arm = (SELECT 1)"), "cohort"),
    ],
)
def test_a_manifest_that_lies_is_answered_in_words(visits, said, why):
    found = again(visits, "arm,n\na,2", said)
    assert isinstance(found, Why)
    assert why in found.says
    assert "\n" not in found.says


def test_data_that_are_gone_are_said_to_be(folder):
    gone = Data(folder, x=[1])
    (gone.folder / "t.parquet").unlink()
    assert isinstance(again(gone, "n\n1", made()), Why)


ROWS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from("ab"), st.sampled_from("uv"), st.integers(-20, 20)), min_size=1
)


@settings(max_examples=25)
@given(ROWS)
def test_it_is_what_a_loop_over_people_finds(folder, rows):
    person, one, two, x = map(list, zip(*rows, strict=True))
    data = Data(folder, person=[f"p{n}" for n in person], one=one, two=two, x=x)
    text = "one,two,n,s,top\n" + "\n".join(f"{i},{j},0,0,0" for i in ["a", "b", "all"] for j in ["u", "v", "all"])
    found = again(data, text, made(["one", "two"], n="persons", s="sum(x)", top="max(x)"))
    for place in found.places:
        i, j = table(text).rows[place.row][:2]
        each = defaultdict(list)
        for who, a, b, value in rows:
            if i in {a, "all"} and j in {b, "all"}:
                each[who].append(value)
        behind = found.of(place)
        if not each:
            assert behind is None
            continue
        group, weight = behind
        sums = [sum(values) for values in each.values()]
        assert group.persons == len(each)
        if place.measure == 1:
            assert (weight.value, weight.total) == (sum(sums), sum(sums))
            assert weight.largest == tuple(sorted(map(abs, sums), reverse=True))[:10]
            assert weight.negatives == sum(value < 0 for value in sums)
        elif place.measure == 2:
            most = [max(values) for values in each.values()]
            assert (weight.value, weight.at) == (max(most), most.count(max(most)))


def test_a_median_knows_who_is_around_it(folder):
    data = Data(folder, x=[1.0, 2.0, 3.04, 3.01, 9.0])
    _, weight = (found := again(data, "m\n3.0", made(m="median(x)"))).of(found.places[0])
    assert weight.value == statistics.median([1.0, 2.0, 3.04, 3.01, 9.0])
    assert (weight.below, weight.at, weight.above) == (2, 2, 1)
