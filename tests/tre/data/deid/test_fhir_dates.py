"""Dates move with their person or are not there; nobody is told to be over 89."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tre.data.deid.fhir_files import ANNA, extract, ndjson, observation, one, patient, quantity
from tre.data.deid.fhir import dates
from tre.data.deid.fhir.part import Dates, Fhir

YEAR = Fhir("ehr", "fhir", dates=Dates.YEAR)


@pytest.mark.parametrize(
    ("said", "days", "expected"),
    [
        ("2024-03-01", -1, "2024-02-29"),
        ("2023-03-01", -1, "2023-02-28"),
        ("2024-02-29", -366, "2023-02-28"),
        ("2024-02-29T10:00:00Z", -1, "2024-02-28T10:00:00Z"),
        ("2024-02-29T23:59:60.123+14:00", -1, "2024-02-28T23:59:60.123+14:00"),
        ("2024-02-30", -1, None),
        ("2023-02-29", -1, None),
        ("2024-02", -1, None),
        ("2024", -1, None),
        ("2024-02-29T25:00:00Z", -1, None),
        ("2024-02-29T10:00:00", -1, None),
        ("2024-02-29T10:00:00Z Anna", -1, None),
        ("9999-12-31", -1, None),
        ("1900-01-01", -1, None),
        ("20240229", -1, None),
        ("2024-W09-4", -1, None),
        ("Anna", -1, None),
        ("\uff12024-02-29", -1, None),
        ("", -1, None),
    ],
)
def test_a_whole_date_moves_and_any_other_is_dropped(said, days, expected):
    assert dates.shifted(said, days) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2024-02-29", "2024"),
        ("2024-02", "2024"),
        ("2024", "2024"),
        ("2024-13", None),
        ("1850", None),
        ("9999", None),
        ("20x4", None),
        ("2024-02-29T10:00:00Z", "2024"),
        ("2024-02-30", None),
    ],
)
def test_of_a_partial_date_the_year_may_stay(said, expected):
    assert dates.year(said) == expected


@given(st.dates(date(1905, 1, 1), date(2090, 1, 1)), st.integers(0, 400), st.integers(-365, -1))
def test_intervals_stay_true(first, apart, days):
    then = first + timedelta(days=apart)
    moved = [date.fromisoformat(dates.shifted(one.isoformat(), days)) for one in (first, then)]
    assert (moved[1] - moved[0]).days == apart
    assert (first - moved[0]).days == -days


@pytest.mark.parametrize(
    ("born", "last", "expected"),
    [
        ("1930-05-02", "2020-05-01", "1930"),
        ("1930-05-02", "2020-05-02", "1930"),
        ("1900-02-02", "2020-05-02", "1930"),
        ("1960-05-02", "2020-05-02", "1960"),
        ("1929-05-02", "2020-01-01", "1930"),
        ("1930", "2020", "1930"),
        ("1920", "2020", "1930"),
        ("1920-02-29", "", "1920"),
    ],
)
def test_who_is_ninety_is_told_to_be_ninety(born, last, expected):
    assert dates.birth(born, last) == expected


def _moved(text):
    return (date.fromisoformat(text) + timedelta(days=ANNA.days)).isoformat()


def test_a_record_moves_as_its_person_does(tmp_path):
    seen = observation(
        effectivePeriod={"start": "2020-02-29", "end": "2020-03"},
        issued="2020-03-01T08:30:00.5+01:00",
        valueDateTime="2019",
    )
    made = one(tmp_path, seen)
    assert made["effectivePeriod"] == {"start": _moved("2020-02-29")}
    assert made["issued"] == _moved("2020-03-01") + "T08:30:00.5+01:00"
    assert "valueDateTime" not in made


def test_under_year_only_years_are_left(tmp_path):
    made = one(
        tmp_path,
        observation(effectiveDateTime="2020-02-29T10:00:00Z", issued="2020-02-29T10:00:00Z", valueDateTime="2019-04"),
        part=YEAR,
    )
    assert made["effectiveDateTime"] == "2020"
    assert made["valueDateTime"] == "2019"
    assert "issued" not in made


def test_timings_move(tmp_path):
    made = one(
        tmp_path,
        observation(
            effectiveTiming={
                "event": ["2020-01-01", "2020-01"],
                "repeat": {"boundsPeriod": {"start": "2020-01-05"}, "frequency": 2},
            }
        ),
    )
    assert made["effectiveTiming"] == {
        "event": [_moved("2020-01-01")],
        "repeat": {"boundsPeriod": {"start": _moved("2020-01-05")}, "frequency": 2},
    }


@pytest.mark.parametrize("later", [[], [observation(effectiveDateTime="2021-01-01")]])
def test_a_person_of_93_is_told_to_be_90_by_the_last_record_of_all(tmp_path, later):
    _, found = extract(tmp_path, ndjson(patient(birthDate="1927-06-01"), *later))
    (made,) = found["Patient"]
    expected = "1931" if later else "1927"
    assert made["birthDate"] == expected


def test_the_dead_are_not_told_to_be_older(tmp_path):
    made = one(tmp_path, patient(birthDate="1920-06-01", deceasedDateTime="2015-06-01"))
    assert made["birthDate"] == "1925"


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (
            quantity(93, "a"),
            {"value": 90, "comparator": ">=", "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"},
        ),
        (quantity(89, "a"), quantity(89, "a")),
        (
            quantity(1200, "mo"),
            {"value": 90, "comparator": ">=", "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"},
        ),
        ({"value": 93, "unit": "years"}, None),
    ],
)
def test_an_age_ends_at_90(tmp_path, age, expected):
    condition = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p1"}, "onsetAge": age}
    assert one(tmp_path, condition).get("onsetAge") == expected


def test_an_age_among_the_observations_ends_at_90(tmp_path):
    from tests.tre.data.deid.fhir_files import concept

    made = one(tmp_path, observation(code=concept("30525-0"), valueQuantity=quantity(97, "a")))
    assert (made["valueQuantity"]["value"], made["valueQuantity"]["comparator"]) == (90, ">=")
