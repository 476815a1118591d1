import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.tre.data.made import PLAN
from tre.data import actg175
from tre.data.deid import plan as plans
from tre.data.deid.plan import Action
from tre.errors import Unreadable


def changed(path, value):
    """The good plan with one thing changed; None takes it away."""
    said = yaml.safe_load(PLAN)
    *way, last = path.split("/")
    place = said
    for step in way:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return yaml.safe_dump(said)


def test_a_good_plan_is_read():
    plan = plans.parse(PLAN)
    assert [table.name for table in plan.tables] == ["people", "visits"]
    assert plan.table("people").column("born").action is Action.YEAR
    assert plan.linkage == "people"
    assert plan.quasi_identifiers == (("people", "sex"),)


def test_the_plan_of_the_trial_is_good():
    assert len(plans.parse(actg175.plan_text()).tables) == 3


def test_what_a_plan_drops_or_pseudonymises_is_an_identifier_unless_it_says_no():
    table = plans.parse(PLAN).table("people")
    assert [column.name for column in table.identifiers] == ["id", "name", "nhs", "email", "postcode"]
    table = plans.parse(changed("tables/people/columns/name/identifier", False)).table("people")
    assert "name" not in [column.name for column in table.identifiers]


COLUMN = "tables/people/columns/sex"
FAULTS = [
    ("extra", 1, "plan: unknown key extra"),
    ("quasi_identifiers", None, "plan: quasi_identifiers is missing"),
    ("tables", {}, "plan, tables: there is none"),
    ("tables", [], "plan, tables: needs `key: value`"),
    ("tables/people/subject", None, "plan, table people: subject is missing"),
    ("tables/people/subject", "pid", "plan, table people: its subject column pid is not among its columns"),
    ("tables/people/subject", "sex", "plan, table people, column sex: it is the subject"),
    ("tables/people/extra", 1, "plan, table people: unknown key extra"),
    ("tables/a b", {"subject": "id", "columns": {}}, "plan, table a b: a table's name"),
    (f"{COLUMN}/reason", None, "plan, table people, column sex: the reason is missing"),
    (f"{COLUMN}/reason", "  ", "plan, table people, column sex: the reason is missing"),
    (f"{COLUMN}/action", None, "plan, table people, column sex, action: needs one of pseudonym, shift"),
    (f"{COLUMN}/action", "hash", "plan, table people, column sex, action: needs one of"),
    (f"{COLUMN}/width", 5, "plan, table people, column sex: unknown key width"),
    (f"{COLUMN}/type", "colour", "plan, table people, column sex, type: needs one of text"),
    (COLUMN, {"action": "shift", "type": "text", "reason": "x"}, "shift is for date and datetime, not for text"),
    (COLUMN, {"action": "bin", "reason": "x"}, "column sex: width is missing"),
    (COLUMN, {"action": "bin", "width": 0, "reason": "x"}, "width: needs a number above 0"),
    (COLUMN, {"action": "bin", "width": "ten", "reason": "x"}, "width: needs a number"),
    (COLUMN, {"action": "bin", "width": 10, "low": 5, "high": 18, "reason": "x"}, "not a whole number of bins"),
    (COLUMN, {"action": "topcode", "reason": "x"}, "column sex: max is missing"),
    (COLUMN, {"action": "topcode", "max": 1, "min": 2, "reason": "x"}, "the lower end is not below"),
    (COLUMN, {"action": "generalise", "reason": "x"}, "either `prefix` (1 or more) or `mapping`"),
    (COLUMN, {"action": "generalise", "prefix": 1, "mapping": {"m": "x"}, "reason": "x"}, "either `prefix`"),
    (COLUMN, {"action": "generalise", "mapping": {"m": 1}, "reason": "x"}, "mapping, m: needs a text"),
    (COLUMN, {"action": "generalise", "mapping": {1: "a"}, "reason": "x"}, "put the key 1 in quotes"),
    (COLUMN, {"action": "pseudonym", "of": "visit", "reason": "x"}, "of: only `subject`"),
    (COLUMN, {"action": "drop", "identifier": "maybe", "reason": "x"}, "identifier: needs true or false"),
    (COLUMN, "drop", "column sex: needs `key: value`"),
    ("linkage", "persons", "plan, linkage: no table persons"),
    ("quasi_identifiers", ["sex"], "no column sex; write table.column"),
    ("quasi_identifiers", ["people.name"], "people.name is not in the extract (drop)"),
    ("quasi_identifiers", "people.sex", "plan, quasi_identifiers: needs a list"),
    ("sensitive", ["visits.what"], "no column visits.what"),
    ("missing", ["", 9], "plan, missing: needs a text"),
]


@pytest.mark.parametrize(("path", "value", "said"), FAULTS)
def test_a_fault_in_a_plan_is_told_with_its_place(path, value, said):
    with pytest.raises(Unreadable) as caught:
        plans.parse(changed(path, value))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "plan: needs `key: value`"),
        ("a: [", "plan, line 1"),
        ("missing: []\nmissing: []", "plan, line 2: the key missing stands twice"),
        ("a: &x 1\nb: *x", "plan, line 2: a link"),
        ("a: !!python/object/apply:os.system [ls]", "plan, line 1"),
        ("\x00", "plan"),
    ],
)
def test_what_is_no_plan_is_told_with_its_line(text, said):
    with pytest.raises(Unreadable) as caught:
        plans.parse(text)
    assert str(caught.value).startswith(said)


@given(st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(yaml.safe_dump))
def test_any_text_is_a_plan_or_one_line_of_fault(text):
    assert fault_of(text).startswith("plan")


def fault_of(text):
    try:
        plans.parse(text)
    except Unreadable as fault:
        return str(fault)
    return "plan: good"
