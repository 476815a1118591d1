"""Risk beside what is published of it, and beside pycanon."""

from itertools import combinations

import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pycanon import anonymity

from tre.data import engine, risk
from tre.data.deid import plan as plans
from tre.data.risk import Held, Thresholds


def assessed(frame, quasi, sensitive=(), *, smallest=2, **more):
    """The risk of a table with one row a person."""
    said = {name: {"action": "keep", "reason": "r"} for name in frame.columns}
    said["id"] = {"action": "pseudonym", "of": "subject", "reason": "r"}
    places = {"quasi_identifiers": [f"t.{q}" for q in quasi], "sensitive": [f"t.{s}" for s in sensitive]}
    plan = plans.parse(yaml.safe_dump({"tables": {"t": {"subject": "id", "columns": said}}, **places}))
    with engine.connection() as con:
        con.register("out_t", frame.assign(id=range(len(frame))).convert_dtypes())
        return risk.assess(con, plan, smallest=smallest, **more)


def by_choice(found):
    return {tuple(place.removeprefix("t.") for place in choice.of): choice for choice in found.choices}


# --- what is published ------------------------------------------------------------------------------------------------
SWEENEY = pd.DataFrame(  # k-anonymity (2002), figure 2: k = 2 for race, birth, gender, ZIP
    [
        ("Black", 1965, "m", "0214*", "short of breath"), ("Black", 1965, "m", "0214*", "chest pain"),
        ("Black", 1965, "f", "0213*", "hypertension"), ("Black", 1965, "f", "0213*", "hypertension"),
        ("Black", 1964, "f", "0213*", "obesity"), ("Black", 1964, "f", "0213*", "chest pain"),
        ("White", 1964, "m", "0213*", "chest pain"), ("White", 1964, "m", "0213*", "obesity"),
        ("White", 1964, "m", "0213*", "short of breath"), ("White", 1967, "m", "0213*", "chest pain"),
        ("White", 1967, "m", "0213*", "chest pain"),
    ],
    columns=["race", "birth", "gender", "zip", "problem"],
)  # fmt: skip
HEART, VIRAL, CANCER = "heart disease", "viral infection", "cancer"
FOUR_ANONYMOUS = pd.DataFrame(  # l-diversity (2007), table 2: k = 4, and everybody in their thirties has cancer
    [("130**", "<30", one) for one in (HEART, HEART, VIRAL, VIRAL)]
    + [("1485*", ">=40", one) for one in (CANCER, HEART, VIRAL, VIRAL)]
    + [("130**", "3*", CANCER)] * 4,
    columns=["zip", "age", "condition"],
)
THREE_DIVERSE = pd.DataFrame(  # the same, table 3: l = 3
    [("1305*", "<=40", one) for one in (HEART, VIRAL, CANCER, CANCER)]
    + [("1485*", ">40", one) for one in (CANCER, HEART, VIRAL, VIRAL)]
    + [("1306*", "<=40", one) for one in (HEART, VIRAL, CANCER, CANCER)],
    columns=["zip", "age", "condition"],
)
SALARIES = pd.DataFrame(  # t-closeness (2007), table 4: 3-diverse, yet the first group earns least of all
    [("476**", "2*", one) for one in (3, 4, 5)]
    + [("4790*", ">=40", one) for one in (6, 11, 8)]
    + [("476**", "3*", one) for one in (7, 9, 10)],
    columns=["zip", "age", "salary"],
)


def test_k_is_that_of_its_paper():
    found = assessed(SWEENEY, ["race", "birth", "gender", "zip"], ["problem"])
    assert (found.k, found.classes, found.uniques, found.sensitive) == (2, 5, 0, {"t.problem": 1})
    assert (found.average, found.maximum) == (round(5 / 11, 6), 0.5)


@pytest.mark.parametrize(("table", "k", "least"), [(FOUR_ANONYMOUS, 4, 1), (THREE_DIVERSE, 4, 3)])
def test_l_is_that_of_its_paper(table, k, least):
    found = assessed(table, ["zip", "age"], ["condition"])
    assert (found.k, found.sensitive) == (k, {"t.condition": least})


def test_t_is_that_of_its_paper():
    """Section 3.2: the distance of {3k, 4k, 5k} is 0.375, that of {6k, 8k, 11k} is 0.167."""
    found = assessed(SALARIES, ["zip", "age"], ["salary"])
    assert found.closeness["t.salary"] == risk.Closeness(0.375, "ordered")
    second = SALARIES.assign(zip=["a"] * 3 + ["b"] * 3 + ["a"] * 3)
    assert assessed(second, ["zip"], ["salary"]).closeness["t.salary"].t == pytest.approx(1 / 6, abs=1e-5)


# --- a peer -----------------------------------------------------------------------------------------------------------
rows = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.integers(0, 2), st.integers(0, 6), st.sampled_from("xyz")),
    min_size=2,
    max_size=40,
)


@pytest.mark.filterwarnings("ignore:In a future version, the keys of `groups`")  # pycanon's way with pandas
@settings(max_examples=25, deadline=None)
@given(rows)
def test_every_choice_of_quasi_identifiers_has_the_k_l_and_t_that_pycanon_has(some):
    frame = pd.DataFrame(some, columns=["a", "b", "c", "number", "word"])
    found = by_choice(assessed(frame, ["a", "b", "c"], ["number", "word"]))
    choices = [each for size in (1, 2, 3) for each in combinations("abc", size)]
    assert set(found) == set(choices)
    for choice in choices:
        quasi = list(choice)
        assert found[choice].k == anonymity.k_anonymity(frame, quasi)
        least = min(anonymity.l_diversity(frame, quasi, [name]) for name in ("number", "word"))
        assert found[choice].l == least
        several = [name for name in ("number", "word") if len(set(frame[name])) > 1]
        close = max((anonymity.t_closeness(frame, quasi, [name]) for name in several), default=0)
        assert found[choice].t == pytest.approx(close, abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(rows)
def test_fewer_quasi_identifiers_never_tell_more(some):
    frame = pd.DataFrame(some, columns=["a", "b", "c", "number", "word"])
    found = by_choice(assessed(frame, ["a", "b", "c"], ["word"]))
    whole = found["a", "b", "c"]
    for each in found.values():
        assert (each.k >= whole.k, each.l >= whole.l, each.t <= whole.t + 1e-6) == (True, True, True)
        assert (each.uniques <= whole.uniques, each.below <= whole.below) == (True, True)


# --- what is asked ----------------------------------------------------------------------------------------------------
ASKED = [
    ({"smallest": 3}, "a group has fewer than 3 persons"),
    ({"asked": Thresholds(l=2)}, "t.problem has fewer than 2 different values in a group"),
    ({"asked": Thresholds(t=0.2)}, "t.problem is distributed in a group too unlike in everybody (t above 0.2)"),
    ({"asked": Thresholds(maximum=0.33)}, "the risk of a person is above 0.33"),
    ({"asked": Thresholds(average=0.1)}, "the average risk is above 0.1"),
]


@pytest.mark.parametrize(("asked", "why"), ASKED)
def test_what_is_beyond_the_threshold_does_not_pass(asked, why):
    quasi = ["race", "birth", "gender", "zip"]
    assert assessed(SWEENEY, quasi, ["problem"]).passed
    found = assessed(SWEENEY, quasi, ["problem"], **asked)
    assert found.failed == (why,)
    assert not found.passed


def test_every_set_of_thresholds_says_where_it_is_from():
    for name in ("none", "diverse", "close", "public", "partners"):
        asked = risk.thresholds(name)
        assert asked.title
        assert asked.source
    none = risk.thresholds("none")
    assert (none.l, none.t, none.maximum, none.average) == (1, 1.0, 1.0, 1.0)


def test_what_was_not_looked_at_does_not_pass():
    wide = pd.DataFrame({f"q{at}": ["same"] * 4 for at in range(11)})
    found = assessed(wide, list(wide.columns))
    assert (len(found.choices), found.not_looked, found.k) == (1023, 1024, 4)
    assert found.failed == ("1024 choices of quasi-identifiers were not looked at; name fewer than eleven",)
    assert found.choices[0].of == found.quasi_identifiers


def test_a_quasi_identifier_that_the_extract_has_not_does_not_pass():
    with engine.connection() as con:
        con.execute("CREATE TABLE out_t AS SELECT i AS id, 'm' AS sex FROM range(9) AS r(i)")
        found = risk.assess(con, an_omop_plan(), smallest=2, tables={"t": Held("out_t", "id")})
    assert "omop/person.year_of_birth is not in the extract" in found.failed


def an_omop_plan():
    columns = {"id": {"action": "pseudonym", "of": "subject", "reason": "r"}, "sex": {"action": "keep", "reason": "r"}}
    places = ["t.sex", "omop/person.year_of_birth", "omop/condition_occurrence.condition_concept_id"]
    return plans.parse(
        yaml.safe_dump({"tables": {"t": {"subject": "id", "columns": columns}}, "quasi_identifiers": places})
    )


def test_made_tables_stand_beside_the_plans_own_under_one_person():
    """OMOP's number of a person leads to the pseudonym that the other tables have."""
    with engine.connection() as con:
        con.execute("CREATE TABLE out_t AS SELECT 'p' || i AS id, 'mf'[1 + i % 2] AS sex FROM range(8) AS r(i)")
        con.execute(
            "CREATE TABLE op AS SELECT 900 + i AS person_id, 'p' || i AS person_source_value,"
            " 1950 + i // 4 AS year_of_birth FROM range(8) AS r(i)"
        )
        con.execute(
            "CREATE TABLE oc AS SELECT 900 + i AS person_id, 7 AS condition_concept_id FROM range(7) AS r(i)"
            " UNION ALL SELECT 900, 8"
        )
        tables = {
            "t": Held("out_t", "id"),
            "omop/person": Held("op", "person_id"),
            "omop/condition_occurrence": Held("oc", "person_id"),
        }
        found = risk.assess(con, an_omop_plan(), smallest=2, tables=tables)
    assert (found.persons, found.k, found.classes, found.uniques) == (8, 1, 6, 4)
    sex_and_year = next(c for c in found.choices if c.of == ("t.sex", "omop/person.year_of_birth"))
    assert (sex_and_year.k, sex_and_year.classes) == (2, 4)


def test_nobody_is_no_extract_that_passes():
    found = assessed(SWEENEY.iloc[:0], ["race", "birth"], ["problem"])
    assert (found.persons, found.k, found.passed) == (0, 0, False)


def test_groups_are_told_by_size_in_steps_of_what_is_asked():
    frame = pd.DataFrame({"q": ["a"] * 3 + ["b"] * 5 + ["c"] * 60})
    assert assessed(frame, ["q"], smallest=5).sizes == (
        ("fewer than 5", 1, 3), ("5-9", 1, 5), ("10-24", 0, 0), ("25-49", 0, 0), ("50 and more", 1, 60),
    )  # fmt: skip


def test_an_extract_without_a_table_has_nobody():
    plan = plans.parse("linkage: {name: h}\nquasi_identifiers: []\nreads: {system: lab, sample: s}\n")
    with engine.connection() as con:
        assert risk.assess(con, plan, smallest=2).persons == 0


def test_a_row_of_nobody_is_not_a_person():
    with engine.connection() as con:
        con.execute("CREATE TABLE out_t AS SELECT nullif(i, 0) AS id, 'm' AS sex FROM range(4) AS r(i)")
        plan = an_omop_plan()
        assert risk.assess(con, plan, smallest=2, tables={"t": Held("out_t", "id")}).persons == 3
