"""Whoever writes a plan carelessly, or on purpose, to carry a person's name into a project."""

import json

import pytest
import yaml

from tests.tre.data import made
from tre.data import extract
from tre.data.deid import plan as plans
from tre.data.deid import text
from tre.errors import Unreadable


@pytest.fixture
def database():
    """What stands in the data does not depend on where the records lie: one database is enough."""
    return ""


SOURCE = list(made.some_people())


def with_column(column, *, name="note", table="people", **top):
    said = yaml.safe_load(made.PLAN)
    said["tables"][table]["columns"][name] = {"reason": "a good one", **column}
    return yaml.safe_dump(said | top)


# --- what no plan may say ---------------------------------------------------------------------------------------------
SAYING = {
    "keep a name that is said to be one": {"action": "keep", "is": "name"},
    "call three letters of a name general": {"action": "generalise", "prefix": 3, "is": "name"},
    "let a mapping leave each value as it is": {"action": "generalise", "mapping": {"Ann": "Ann", "Bo": "Bo"}},
    "let a region be the place itself": {
        "action": "region", "mapping": {"Tiree": "Tiree"}, "population": {"Tiree": 99999},
    },
    "leave out how many live in a region": {"action": "region", "mapping": {"Tiree": "Isles"}, "population": {}},
    "write ages up to two hundred": {"action": "age", "when": "2020-01-01", "at": 200, "type": "date"},
    "write an age at no age": {"action": "age", "when": "2020-01-01", "at": 0, "type": "date"},
    "count an age at the name": {"action": "age", "when": "name", "type": "date"},
    "count an age on no day": {"action": "age", "when": "2020-02-31", "type": "date"},
    "suppress what nobody carries": {"action": "suppress", "least": 1},
    "suppress what minus one persons carry": {"action": "suppress", "least": -1},
    "name a recogniser that is not there": {"action": "text", "recogniser": "mine"},
    "leave the recogniser out": {"action": "text"},
    "take a hierarchy that is not there": {"action": "generalise", "hierarchy": "mine", "level": "top"},
    "take a level that is not there": {"action": "generalise", "hierarchy": "icd10", "level": "code"},
    "name a pseudonym of nothing known": {"action": "pseudonym", "of": "secret"},
    "call it a kind that is not there": {"action": "keep", "is": "harmless"},
    "call free text by the action of a date": {"action": "year", "type": "text"},
}  # fmt: skip


@pytest.mark.parametrize("how", SAYING)
def test_a_plan_cannot(how):
    with pytest.raises(Unreadable, match=r"^plan, table people, column note"):
        plans.parse(with_column(SAYING[how]))


# --- what a plan that names a standard may not say --------------------------------------------------------------------
CLAIMING = {
    "an age with a topcode of 200": {"action": "topcode", "max": 200, "type": "integer", "is": "age"},
    "an age by its decade, without end": {"action": "bin", "width": 10, "type": "integer", "is": "age"},
    "a moved date": {"action": "shift", "is": "date"},
    "a moved date that is said to be a measurement": {"action": "shift", "is": "measurement"},
    "a column that does not say what it holds": {"action": "keep"},
    "a whole postcode": {"action": "keep", "is": "postcode"},
    "a year of birth": {"action": "year", "is": "birth"},
    "free text, cut": {"action": "text", "recogniser": "known"},
    "free text, cut, that is said to be sex": {"action": "text", "recogniser": "known", "is": "sex"},
}


def harboured(column):
    columns = {"id": {"action": "pseudonym", "of": "subject", "reason": "r"}, "x": {"reason": "r", **column}}
    tables = {"t": {"subject": "id", "columns": columns}}
    return yaml.safe_dump({"profile": "hipaa-safe-harbor", "tables": tables, "quasi_identifiers": []})


@pytest.mark.parametrize("how", CLAIMING)
def test_safe_harbor_is_not_claimed_for(how):
    with pytest.raises(Unreadable, match=r"^plan, t\.x: HIPAA Safe Harbor, row"):
        plans.parse(harboured(CLAIMING[how]))


# --- what the front door sees -----------------------------------------------------------------------------------------
LIES = {
    "an e-mail address as an occupation": ("occupation", "someone@mail.example"),
    "an e-mail address in a measurement": ("measurement", "7 (ask ann.b@mail.example)"),
    "a telephone number as a diagnosis": ("diagnosis", "+44 20 7946 0958"),
    "a page as ethnicity": ("ethnicity", "https://people.example/ann"),
    "a social security number as a visit": ("study", "078-05-1120"),
    "an NHS number as a sex": ("sex", "943 476 5919"),
}


@pytest.mark.parametrize("how", LIES)
def test_a_column_that_lies_about_what_it_holds_does_not_come_in(settings, records, now, tmp_path, how):
    says, value = LIES[how]
    people = [{**person, "note": value if at == 41 else "well"} for at, person in enumerate(SOURCE)]
    plan = with_column({"action": "keep", "is": says})
    with pytest.raises(Unreadable) as caught:
        made.bring_in(records, settings, now, made.files(tmp_path, people), plan=plan)
    assert "column note, row 43: looks like" in str(caught.value)
    assert value not in str(caught.value)


# --- what the search of the extract sees ------------------------------------------------------------------------------
CARRYING = {
    "a mapping that gives one person their own name": (
        {"action": "generalise", "mapping": {"a": SOURCE[7]["name"], "b": "b"}}, "a",
    ),
    "a name that a hierarchy goes up to": (
        {"action": "generalise", "hierarchy": "up", "level": "two"}, "a",
    ),
    "a number that is rounded to itself": ({"action": "round", "to": 1, "type": "integer"}, SOURCE[7]["nhs"]),
    "a number below the top": ({"action": "topcode", "max": 10**12, "type": "integer"}, SOURCE[7]["nhs"]),
    "a name that two persons carry": ({"action": "suppress", "least": 2}, SOURCE[7]["name"]),
}  # fmt: skip


@pytest.mark.parametrize("how", CARRYING)
def test_a_plan_that_carries_a_name_makes_no_extract(settings, records, now, tmp_path, how):
    column, value = CARRYING[how]
    people = [
        {**person, "note": value if at < 9 else "" if column.get("type") else "b"} for at, person in enumerate(SOURCE)
    ]
    plan = with_column(column, hierarchies={"up": f"one,two\na,{SOURCE[7]['name']}\nb,b\n"})
    made.bring_in(records, settings, now, made.files(tmp_path, people), plan=plan)
    made.let_use(records, settings, now)
    row = made.prepare(records, settings, now)
    assert not row.assessed
    assert any("note" in why for why in extract.refusal(row).remedies)
    assert json.loads(row.report)["leaks"]["found"][0]["column"] == "note"


# --- free text --------------------------------------------------------------------------------------------------------
def test_a_cut_text_is_searched_afterwards_and_passes(settings, records, now, tmp_path):
    """Every identifier of every person written into another's note: all of them are cut out."""
    people = []
    for at, person in enumerate(SOURCE):
        other = SOURCE[(at * 7 + 3) % len(SOURCE)]
        note = f"{other['name'].upper()} ({other['nhs']}, {other['email']}) of {other['postcode']}, and {person['id']}."
        people.append({**person, "note": note})
    plan = with_column({"action": "text", "recogniser": "known"})
    made.bring_in(records, settings, now, made.files(tmp_path, people), plan=plan)
    made.let_use(records, settings, now)
    row = made.prepare(records, settings, now)
    assert row.assessed, row.report


HIDING = {
    "in capitals": lambda v: v.upper(),
    "with dots between": ".".join,
    "with accents": lambda v: v.replace("a", "á").replace("i", "ï"),
    "in full-width letters": lambda v: "".join(chr(ord(c) + 0xFEE0) if c.isalnum() else c for c in v),
    "glued to words": lambda v: f"xx{v}yy",
    "over two lines": lambda v: v.replace(" ", "\n"),
    "last name first": lambda v: ", ".join(reversed(v.split(" "))),
}


@pytest.mark.parametrize("how", HIDING)
def test_a_name_cannot_hide_in_a_text(how):
    cut = text.known([("p", "Mary Quillfeather")])
    left = cut(f"seen {HIDING[how]('Mary Quillfeather')} today", "another")
    assert left in {"seen [removed] today", "seen xx[removed]yy today"}


def test_what_a_text_still_tells_is_said():
    """A nickname is in no column; nobody claims that it is found."""
    cut = text.known([("p", "Mary Quillfeather")])
    assert "Quilly" in cut("they call her Quilly", "p")
    assert "nicknames" in text.BLIND[text.Recogniser.KNOWN]


# --- the plan itself --------------------------------------------------------------------------------------------------
INJECTED = "x' ) UNION SELECT name, 'b' FROM source --"


@pytest.mark.parametrize(
    "column",
    [
        {"action": "generalise", "mapping": {INJECTED: "a", "b": "c"}},
        {"action": "generalise", "mapping": {"b": INJECTED}},
        {"action": "region", "mapping": {INJECTED: "r"}, "population": {"r": 5}, "other": INJECTED},
        {"action": "suppress", "least": 2, "other": INJECTED},
        {"action": "generalise", "hierarchy": "up", "level": "two"},
    ],
    ids=str,
)
def test_words_of_a_plan_are_no_sql(settings, records, now, tmp_path, column):
    plan = with_column(column, hierarchies={"up": f'one,two\nwell,"{INJECTED}"\n'})
    made.bring_in(records, settings, now, made.files(tmp_path, SOURCE), plan=plan)
    made.let_use(records, settings, now)
    assert made.prepare(records, settings, now).assessed
