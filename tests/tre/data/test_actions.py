"""What each action does to each kind of value: tables with the expected answer last."""

from collections import Counter
from datetime import date
from itertools import pairwise

import duckdb
import pyarrow as pa
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tre.data import identifiers
from tre.data.deid import actions, hierarchy, spelling, text
from tre.data.deid import plan as plans
from tre.data.deid.pseudonyms import Domain

PLACES = "town,region,country\nLeith,Lothian,Scotland\nPenicuik,Lothian,Scotland\nMold,Flintshire,Wales\n"
REGIONS = {
    "mapping": {"Leith": "Lothian", "Tiree": "Isles", "Mold": "Flint"},
    "population": {"Lothian": 900000, "Isles": 700, "Flint": 20000},
}


def made(column, values, *, others=None, known=()):
    """The column `x` after its action; one person a row; also what was counted."""
    rows = {"id": [f"p{at}" for at in range(len(values))], "x": values, **(others or {})}
    columns = {"id": {"action": "pseudonym", "of": "subject", "reason": "r"}, "x": {**column, "reason": "r"}}
    columns |= {name: {"action": "drop", "type": "date", "reason": "r"} for name in others or {}}
    said = {
        "tables": {"t": {"subject": "id", "columns": columns}},
        "hierarchies": {"places": PLACES},
        "quasi_identifiers": [],
    }
    table = plans.parse(yaml.safe_dump(said)).tables[0]
    with duckdb.connect() as con:
        con.register("source", pa.table({name: pa.array(held, pa.string()) for name, held in rows.items()}))
        con.execute(
            "CREATE TABLE crosswalk AS "
            "SELECT '' AS system, '' AS type, id AS value, 'q' || id AS pseudonym, -31 AS days FROM source"
        )
        con.execute("CREATE TABLE code (domain VARCHAR, system VARCHAR, value VARCHAR, code VARCHAR)")
        con.execute("INSERT INTO code VALUES ('encounter', '', '7', 'ENC7'), ('specimen', '', '7', 'SPC7')")
        con.execute("CREATE TABLE identifier (place VARCHAR, pseudonym VARCHAR, value VARCHAR)")
        for who, value in known:
            con.execute("INSERT INTO identifier VALUES ('t.x', ?, ?)", [who, value])
        text.register(con, table.columns)
        counts = Counter()
        reader = con.sql(actions.query(table, tally=True)).to_arrow_reader()
        found = [row for batch in actions.tallied(reader, table, counts) for row in batch.to_pylist()]
    by_person = {row["id"]: row["x"] for row in found}
    return [by_person[f"qp{at}"] for at in range(len(values))], counts


NULLS = [
    {"action": "shift"}, {"action": "shift", "partial": "year"}, {"action": "year"}, {"action": "month"},
    {"action": "age", "when": "2020-01-01"}, {"action": "generalise", "prefix": 2},
    {"action": "generalise", "mapping": {"a": "b"}}, {"action": "generalise", "hierarchy": "icd10", "level": "block"},
    {"action": "zip3"}, {"action": "region", **REGIONS}, {"action": "bin", "width": 5}, {"action": "round", "to": 5},
    {"action": "topcode", "max": 5}, {"action": "topcode", "at": 90}, {"action": "suppress", "least": 2},
    {"action": "suppress", "least": 2, "other": "other"}, {"action": "text", "recogniser": "known"},
    {"action": "keep"}, {"action": "pseudonym", "of": "encounter"},
]  # fmt: skip


@pytest.mark.parametrize("column", NULLS, ids=str)
def test_a_missing_value_stays_missing(column):
    assert made(column, [None, None])[0] == [None, None]


DONE = [
    ({"action": "shift"}, "2020-03-02", date(2020, 1, 31)),
    ({"action": "shift", "partial": "drop"}, "2020", None),
    ({"action": "shift", "partial": "year"}, "2020-05", "2020"),
    ({"action": "shift", "partial": "year"}, "2020-03-02", "2020-01-31"),
    ({"action": "year", "partial": "year"}, "2020-05", 2020),
    ({"action": "year", "partial": "drop"}, "2020-05", None),
    ({"action": "month"}, "2020-05-09", "2020-05"),
    ({"action": "month", "partial": "year"}, "2020", "2020"),
    ({"action": "month", "partial": "drop"}, "2020-05", None),
    ({"action": "age", "when": "2020-06-15"}, "1931-06-15", "89"),
    ({"action": "age", "when": "2020-06-15"}, "1930-06-16", "89"),
    ({"action": "age", "when": "2020-06-15"}, "1930-06-15", "90+"),
    ({"action": "age", "when": "2020-06-15"}, "1900-01-01", "90+"),
    ({"action": "age", "when": "2020-06-15"}, "2020-06-15", "0"),
    ({"action": "age", "when": "2020-06-15"}, "2021-01-01", None),
    ({"action": "age", "when": "2020-06-15", "at": 80}, "1940-01-01", "80+"),
    ({"action": "age", "when": "2020-02-28"}, "2000-02-29", "19"),
    ({"action": "age", "when": 2020}, "1930-12-31", "90+"),
    ({"action": "age", "when": 2020, "type": "integer"}, "1931", "89"),
    ({"action": "age", "when": "2020-06-15", "partial": "year"}, "1950", "70"),
    ({"action": "age", "when": "2020-06-15", "partial": "drop"}, "1950", None),
    ({"action": "generalise", "hierarchy": "icd10", "level": "category"}, "C50.1", "C50"),
    ({"action": "generalise", "hierarchy": "icd10", "level": "block"}, "C50.1", "C50-C50"),
    ({"action": "generalise", "hierarchy": "icd10", "level": "block"}, "c341", "C30-C39"),
    ({"action": "generalise", "hierarchy": "icd10", "level": "chapter"}, "D48.9", "C00-D48"),
    ({"action": "generalise", "hierarchy": "icd10", "level": "chapter"}, "D50", "D50-D89"),
    ({"action": "generalise", "hierarchy": "icd10", "level": "chapter"}, "W19", "V01-Y98"),
    ({"action": "generalise", "hierarchy": "icd10", "level": "chapter"}, "Smith", None),
    ({"action": "generalise", "hierarchy": "icd10", "level": "category"}, "Bob", None),
    ({"action": "generalise", "hierarchy": "places", "level": "region"}, "Leith", "Lothian"),
    ({"action": "generalise", "hierarchy": "places", "level": "country"}, "Mold", "Wales"),
    ({"action": "generalise", "hierarchy": "places", "level": "country"}, "Atlantis", None),
    ({"action": "zip3"}, "02139", "021"),
    ({"action": "zip3"}, "02139-4307", "021"),
    ({"action": "zip3"}, "03601", "000"),
    ({"action": "zip3"}, "89301", "000"),
    ({"action": "zip3"}, "2139", None),
    ({"action": "zip3"}, "EH8 9YL", None),
    ({"action": "region", **REGIONS}, "Leith", "Lothian"),
    ({"action": "region", **REGIONS}, "Tiree", "other"),
    ({"action": "region", **REGIONS}, "Mold", "Flint"),
    ({"action": "region", **REGIONS, "least": 20001}, "Mold", "other"),
    ({"action": "region", **REGIONS, "other": "small"}, "Tiree", "small"),
    ({"action": "region", **REGIONS}, "Atlantis", None),
    ({"action": "bin", "type": "integer", "width": 10, "low": 20, "high": 60}, "20", "20-29"),
    ({"action": "bin", "type": "integer", "width": 10, "low": 20, "high": 60}, "29", "20-29"),
    ({"action": "bin", "type": "integer", "width": 10, "low": 20, "high": 60}, "19", "under 20"),
    ({"action": "bin", "type": "integer", "width": 10, "low": 20, "high": 60}, "60", "60 and over"),
    ({"action": "bin", "width": 0.5}, "-0.25", "-0.5 to <0"),
    ({"action": "round", "to": 5}, "12.5", 15.0),
    ({"action": "round", "to": 5}, "-12.5", -15.0),
    ({"action": "round", "to": 100, "type": "integer"}, "149", 100),
    ({"action": "topcode", "at": 90, "type": "integer"}, "89", "89"),
    ({"action": "topcode", "at": 90, "type": "integer"}, "90", "90+"),
    ({"action": "topcode", "max": 90, "min": 18, "type": "integer"}, "3", 18),
    ({"action": "pseudonym", "of": "encounter"}, "7", "ENC7"),
    ({"action": "pseudonym", "of": "specimen"}, "7", "SPC7"),
]


@pytest.mark.parametrize(("column", "value", "expected"), DONE, ids=str)
def test_a_value_becomes_what_the_plan_says(column, value, expected):
    assert made(column, [value])[0] == [expected]


def test_an_age_is_counted_at_the_date_of_another_column_even_if_that_is_dropped():
    column = {"action": "age", "when": "seen"}
    found, _ = made(
        column, ["1950-01-02", "1950-01-02", "1950-01-02"], others={"seen": ["2000-01-02", "2000-01-01", "x"]}
    )
    assert found == ["50", "49", None]


def test_values_that_fewer_persons_carry_are_taken_away_and_counted():
    values = ["nurse"] * 3 + ["bishop"] + [None]
    assert made({"action": "suppress", "least": 2}, values)[0] == ["nurse"] * 3 + [None, None]
    found, counts = made({"action": "suppress", "least": 2, "other": "other"}, values)
    assert found == ["nurse"] * 3 + ["other", None]
    _, counts = made({"action": "suppress", "least": 2}, values)
    assert counts == {"pseudonym": 5, "suppress": 4, "suppress: too rare": 1}


def test_a_generalised_value_may_be_too_rare_as_well():
    column = {"action": "generalise", "hierarchy": "places", "level": "region", "least": 2}
    assert made(column, ["Leith", "Penicuik", "Mold"])[0] == ["Lothian", "Lothian", None]


def test_a_value_that_the_hierarchy_does_not_know_is_counted():
    _, counts = made({"action": "generalise", "hierarchy": "places", "level": "region"}, ["Leith", "Atlantis", None])
    assert counts == {"pseudonym": 3, "generalise": 2, "generalise: no value of the plan": 1}


# --- bins -------------------------------------------------------------------------------------------------------------
@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=30), st.integers(1, 500))
def test_a_whole_number_lies_in_the_bin_that_its_name_says_and_binning_again_changes_nothing(values, width):
    column = {"action": "bin", "type": "integer", "width": width}
    found, _ = made(column, [str(value) for value in values])
    starts = []
    for value, name in zip(values, found, strict=True):
        low, high = map(int, name.removeprefix("-").rsplit("-", 1)) if not name.startswith("-") else _negative(name)
        assert low <= value <= high
        assert high - low == width - 1
        starts.append(str(low))
    assert made(column, starts)[0] == found


def _negative(name):
    low, _, high = name[1:].partition("-")
    return -int(low), int(high)


@given(st.lists(st.none() | st.integers(0, 130), min_size=1, max_size=20), st.integers(1, 90))
def test_nobody_older_than_the_category_is_told_apart(ages, at):
    column = {"action": "topcode", "type": "integer", "at": at}
    found, _ = made(column, [None if age is None else str(age) for age in ages])
    assert found == [None if age is None else f"{at}+" if age >= at else str(age) for age in ages]


# --- free text --------------------------------------------------------------------------------------------------------
OWN = (("qp0", "Mary Quillfeather"), ("qp0", "4711"), ("qp1", "Bo Ek"), ("qp1", "QX99 4AB"))
TEXTS = [
    ("Seen by mary today", "Seen by [removed] today"),
    ("QUILLFEATHER, Mary: well", "[removed]: well"),
    ("no 4711, dose 47110", "no [removed], dose 47110"),
    ("with her friend Bo Ek of qx994ab", "with her friend Bo Ek of [removed]"),
    ("maryland is a state", "maryland is a state"),
    ("Máry Quíllfeather", "[removed]"),
    ("mail mary.q@mail.example or +44 20 7946 0958 now", "mail [removed] or [removed] now"),
    ("NHS 943 476 5919, SSN 078-05-1120", "[removed], [removed]"),
    ("MRN: A12/7 on 3/4/2019 and 3rd May 2019", "[removed]/7 on [removed] and [removed]"),
    ("see https://x.example/p?id=3 please", "see [removed] please"),
    ("BP 120/80, Hb 12.5, stable", "BP 120/80, Hb 12.5, stable"),
    ("", ""),
]


@pytest.mark.parametrize(("said", "left"), TEXTS)
def test_what_is_recognised_is_cut_out_of_a_text(said, left):
    assert made({"action": "text", "recogniser": "known"}, [said], known=OWN)[0] == [left]


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["Mary Quillfeather", "9434765919", "QX99 4AB"]))
def test_no_distinctive_identifier_is_left_in_a_text(before, after, value):
    cut = text.known([("somebody", value)])
    left = cut(f"{before} {value} {after}", "another")
    assert spelling.plain(value) not in spelling.plain(left.replace(text.REMOVED, "\0")) or value in (before, after)


@given(st.text())
def test_the_letters_of_a_text_are_those_that_identifiers_are_compared_by(said):
    letters, places = text._letters(said)
    assert letters == spelling.plain(said) == identifiers.plain(said)
    assert len(places) == len(letters)


def test_every_recogniser_says_what_it_cannot_see():
    assert set(text.RECOGNISERS) == set(text.BLIND) == set(text.Recogniser)


def test_the_ranges_of_a_hierarchy_do_not_overlap():
    for codes in hierarchy.shipped().values():
        for level, ranges in codes.levels.items():
            ends = sorted(tuple(each.split("-")) for each in ranges)
            assert all(low <= high for low, high in ends), level
            assert all(one[1] < other[0] for one, other in pairwise(ends)), level


def test_every_domain_of_names_can_be_asked_for():
    for domain in Domain:
        assert made({"action": "pseudonym", "of": str(domain)}, ["unknown"])[0] == [None]
