"""What becomes of single records: dates of which a part is known, panels, releases of FHIR, what stands twice."""

import json
from datetime import date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tre.data import omop
from tests.tre.data.omop import House, coding, rows
from tre.data.harmonise import coverage
from tre.errors import Refused, Unreadable

GLUCOSE = {"code": coding(omop.LOINC, "2339-0"), "effectiveDateTime": "2020-03-04T08:09:10+02:00", "status": "final"}
WORDS = (
    "code", "coding", "system", "value", "valueQuantity", "valueCodeableConcept", "component", "category", "class",
    "period", "start", "end", "encounter", "reference", "effectiveDateTime", "onsetDateTime", "authoredOn", "status",
    "referenceRange", "low", "medicationCodeableConcept", "dispenseRequest", "dosageInstruction", "route", "comparator",
)  # fmt: skip
VITAL = [{"coding": [{"code": "vital-signs"}]}]


def told(tmp_path, kind, table, **said):
    house = House()
    person = house.somebody()
    house.told(kind, "a", person, **said)
    summary = house.make(tmp_path)
    return rows(tmp_path, table), summary


BORN = [
    ("1980-05-17", (1980, 5, 17, datetime(1980, 5, 17))),  # noqa: DTZ001 -- OMOP has no zone
    ("1980-05", (1980, 5, None, None)),
    ("1980", (1980, None, None, None)),
]


@pytest.mark.parametrize(("said", "expected"), BORN)
def test_of_a_birth_date_as_much_is_told_as_is_known(tmp_path, said, expected):
    house = House()
    house.somebody(birthDate=said)
    house.make(tmp_path)
    (row,) = rows(tmp_path, "person")
    assert (row["year_of_birth"], row["month_of_birth"], row["day_of_birth"], row["birth_datetime"]) == expected


@pytest.mark.parametrize("said", [{"birthDate": None}, {"birthDate": "unknown"}])
def test_a_person_without_a_year_of_birth_is_left_out_with_their_records(tmp_path, said):
    house = House()
    house.told("Observation", "a", house.somebody(**said), **GLUCOSE)
    summary = house.make(tmp_path)
    assert (rows(tmp_path, "person"), rows(tmp_path, "measurement")) == ([], [])
    assert sum(summary.held.values()) == 2
    assert summary.persons == set()


@pytest.mark.parametrize("when", ["2020", "2020-03", "", None])
def test_a_record_without_a_full_date_is_counted_not_dated(tmp_path, when):
    found, summary = told(tmp_path, "Observation", "measurement", **{**GLUCOSE, "effectiveDateTime": when})
    assert found == []
    assert dict(summary.held) == {"omop, Observation: no full date": 1}
    said = json.loads((tmp_path / "omop" / "coverage.json").read_text())
    assert said["left_out"] == [{"resource": "Observation", "why": "no full date", "records": 1}]


def test_a_time_is_as_it_stood_on_the_wall(tmp_path):
    (row,), _ = told(tmp_path, "Observation", "measurement", **GLUCOSE)
    assert row["measurement_date"] == date(2020, 3, 4)
    assert row["measurement_datetime"] == datetime(2020, 3, 4, 8, 9, 10)  # noqa: DTZ001 -- OMOP has no zone
    assert row["measurement_time"] == "08:09:10"


def test_a_value_has_its_number_unit_operator_and_range(tmp_path):
    (row,), _ = told(
        tmp_path,
        "Observation",
        "measurement",
        **GLUCOSE,
        valueQuantity={"value": 5.5, "comparator": "<", "unit": "x", "system": omop.UCUM, "code": "mmol/L"},
        referenceRange=[{"low": {"value": 3.9}, "high": {"value": 5.6}}],
    )
    assert (row["measurement_concept_id"], row["measurement_source_value"]) == (3000483, "2339-0")
    assert (row["value_as_number"], row["operator_concept_id"]) == (5.5, 4171756)
    assert (row["unit_concept_id"], row["unit_source_value"]) == (8753, "mmol/L")
    assert (row["range_low"], row["range_high"]) == (3.9, 5.6)
    assert row["measurement_type_concept_id"] == 32817


ANSWERS = [
    ({"valueBoolean": True}, 4188539),
    ({"valueBoolean": False}, 4188540),
    ({"valueCodeableConcept": coding(omop.SNOMED, "73211009")}, 201820),
    ({"valueCodeableConcept": coding(omop.SNOMED, "10828004")}, 0),
    ({}, None),
]


@pytest.mark.parametrize(("said", "concept"), ANSWERS)
def test_an_answer_is_a_concept(tmp_path, said, concept):
    asked = {**GLUCOSE, "code": coding(omop.LOINC, "72166-2")}
    (row,), _ = told(tmp_path, "Observation", "observation", **asked, **said)
    assert row["observation_concept_id"] == 43054909
    assert row["value_as_concept_id"] == concept


def test_a_panel_is_told_by_its_components(tmp_path):
    parts = [
        {"code": coding(omop.LOINC, code), "valueQuantity": {"value": value, "system": omop.UCUM, "code": "mm[Hg]"}}
        for code, value in (("8480-6", 120), ("8462-4", 80))
    ]
    asked = {**GLUCOSE, "code": coding(omop.LOINC, "85354-9")}
    found, _ = told(tmp_path, "Observation", "measurement", **asked, category=VITAL, component=parts)
    assert {(row["measurement_concept_id"], row["value_as_number"]) for row in found} == {(3004249, 120), (3012888, 80)}
    assert len({row["measurement_id"] for row in found}) == 2


def test_a_condition_whose_concept_is_an_observation_is_one(tmp_path):
    said = {"code": coding(omop.SNOMED, "314529007"), "onsetDateTime": "2020-01-01"}
    (row,), _ = told(tmp_path, "Condition", "observation", **said)
    assert (row["observation_concept_id"], row["observation_source_value"]) == (4199788, "314529007")
    assert rows(tmp_path, "condition_occurrence") == []


def test_of_several_codes_the_one_with_a_standard_concept_is_taken(tmp_path):
    said = {"coding": [*coding(omop.ICD10CM, "Z99.9")["coding"], *coding(omop.SNOMED, "44054006")["coding"]]}
    (row,), _ = told(tmp_path, "Condition", "condition_occurrence", code=said, onsetDateTime="2020-01-01")
    assert (row["condition_concept_id"], row["condition_source_value"]) == (201826, "44054006")


def test_a_code_that_no_mapping_has_is_concept_0_with_its_code(tmp_path):
    said = {"code": coding(omop.SNOMED, "10828004"), "onsetDateTime": "2020-01-01"}
    (row,), summary = told(tmp_path, "Condition", "condition_occurrence", **said)
    assert (row["condition_concept_id"], row["condition_source_value"]) == (0, "10828004")
    assert summary.counts["omop condition_occurrence, with a standard concept"] == 0


STATUSES = [
    ("Condition", "condition_occurrence", {"verificationStatus": {"coding": [{"code": "refuted"}]}}),
    ("Condition", "condition_occurrence", {"verificationStatus": {"coding": [{"code": "entered-in-error"}]}}),
    ("Procedure", "procedure_occurrence", {"status": "not-done"}),
    ("Encounter", "visit_occurrence", {"status": "cancelled"}),
    ("Observation", "measurement", {"status": "entered-in-error"}),
    ("MedicationRequest", "drug_exposure", {"status": "draft"}),
]


@pytest.mark.parametrize(("kind", "table", "said"), STATUSES)
def test_what_did_not_happen_is_no_row(tmp_path, kind, table, said):
    dates = dict.fromkeys(("onsetDateTime", "performedDateTime", "effectiveDateTime", "authoredOn"), "2020-01-01")
    more = {"code": coding(omop.SNOMED, "44054006"), "period": {"start": "2020-01-01"}, **dates}
    found, summary = told(tmp_path, kind, table, **more, **said)
    assert found == []
    assert dict(summary.held) == {f"omop, {kind}: planned, not done, or an error": 1}


SUPPLIES = [
    ({"dispenseRequest": {"expectedSupplyDuration": {"value": 30, "code": "d"}}}, date(2020, 1, 30), 30),
    ({"dispenseRequest": {"expectedSupplyDuration": {"value": 30, "code": "wk"}}}, date(2020, 1, 1), None),
    ({"dispenseRequest": {"expectedSupplyDuration": {"value": 1e12, "code": "d"}}}, date(2020, 1, 1), None),
    ({}, date(2020, 1, 1), None),
]


@pytest.mark.parametrize(("said", "end", "days"), SUPPLIES)
def test_a_drug_ends_with_its_supply_or_on_its_day(tmp_path, said, end, days):
    drug = {"medicationCodeableConcept": coding(omop.RXNORM, "243670"), "authoredOn": "2020-01-01", "status": "active"}
    (row,), _ = told(tmp_path, "MedicationRequest", "drug_exposure", **drug, **said)
    assert (row["drug_exposure_end_date"], row["days_supply"], row["verbatim_end_date"]) == (end, days, None)
    assert row["drug_type_concept_id"] == 32838


def test_a_drug_may_be_a_resource_of_its_own(tmp_path):
    house = House()
    drug = house.naming.code("record", "drug")
    house.add("Medication", drug, code=coding(omop.RXNORM, "243670"))
    said = {"status": "active", "authoredOn": "2020-01-01", "medicationReference": {"reference": f"Medication/{drug}"}}
    house.told("MedicationRequest", "a", house.somebody(), **said)
    house.make(tmp_path)
    (row,) = rows(tmp_path, "drug_exposure")
    assert row["drug_source_value"] == "243670"
    assert row["drug_concept_id"] > 0


def test_release_5_says_the_same_otherwise(tmp_path):
    house = House()
    person = house.somebody()
    visit = house.told(
        "Encounter",
        "v",
        person,
        status="completed",
        **{"class": [coding(omop.ACT, "EMER")], "actualPeriod": {"start": "2020-01-01", "end": "2020-01-02"}},
    )
    at = {"encounter": {"reference": f"Encounter/{visit}"}, "status": "completed"}
    house.told("Procedure", "p", person, **at, code=coding(omop.SNOMED, "430193006"), occurrenceDateTime="2020-01-01")
    drug = {"medication": {"concept": coding(omop.RXNORM, "243670")}, "occurenceDateTime": "2020-01-01"}
    house.told("MedicationAdministration", "m", person, **at, **drug)
    house.make(tmp_path)
    (seen,) = rows(tmp_path, "visit_occurrence")
    assert (seen["visit_concept_id"], seen["visit_end_date"]) == (9203, date(2020, 1, 2))
    for table in ("procedure_occurrence", "drug_exposure"):
        (row,) = rows(tmp_path, table)
        assert row["visit_occurrence_id"] == seen["visit_occurrence_id"]


def test_a_merged_person_is_one(tmp_path):
    house = House()
    person = house.somebody(birthDate=None)
    house.somebody(birthDate="1975-01-01", deceasedDateTime="2021-02-03T04:05:06Z")
    house.told("Observation", "a", person, **GLUCOSE)
    house.make(tmp_path)
    (row,) = rows(tmp_path, "person")
    assert (row["year_of_birth"], row["person_source_value"], row["person_id"]) == (1975, person, house.numbers[person])
    (death,) = rows(tmp_path, "death")
    assert (death["death_date"], death["person_id"]) == (date(2021, 2, 3), row["person_id"])


def test_a_resource_that_stands_twice_is_told_once(tmp_path):
    house = House()
    person = house.somebody()
    visit = {"period": {"start": "2020-03-04"}, "class": {"system": omop.ACT, "code": "AMB"}}
    for _ in range(2):
        name = house.told("Encounter", "v", person, **visit)
        house.told("Observation", "a", person, **GLUCOSE, encounter={"reference": f"Encounter/{name}"})
    summary = house.make(tmp_path)
    assert [len(rows(tmp_path, table)) for table in ("visit_occurrence", "measurement")] == [1, 1]
    assert dict(summary.held) == {"omop, Encounter: stands twice": 1, "omop, Observation: stands twice": 1}


def test_two_persons_of_one_number_are_refused(tmp_path):
    house = House()
    house.somebody("one")
    house.somebody("two")
    house.numbers = dict.fromkeys(house.numbers, 7)
    with pytest.raises(Refused, match="two persons got the same number"):
        house.make(tmp_path)


def test_race_and_ethnicity_are_what_us_core_says(tmp_path):
    core, race = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-", "urn:oid:2.16.840.1.113883.6.238"
    said = [
        {"url": core + kind, "extension": [{"url": "ombCategory", "valueCoding": {"system": race, "code": code}}]}
        for kind, code in (("race", "2106-3"), ("ethnicity", "2186-5"))
    ]
    house = House()
    house.somebody(extension=said)
    house.somebody("two", gender="other", extension=[{**said[0], "extension": said[0]["extension"] * 2}])
    house.make(tmp_path)
    found = {row["person_source_value"]: row for row in rows(tmp_path, "person")}
    one, two = (found[pseudonym] for pseudonym in house.numbers)
    assert (one["race_concept_id"], one["ethnicity_concept_id"]) == (8527, 38003564)
    assert (one["race_source_value"], one["ethnicity_source_value"]) == ("2106-3", "2186-5")
    # Two races are none that OMOP has; a gender that is neither is none.
    assert (two["race_concept_id"], two["race_source_value"], two["gender_concept_id"]) == (0, None, 0)


def test_no_resources_are_empty_tables(tmp_path):
    (tmp_path / "fhir").mkdir()
    house = House()
    summary = house.make(tmp_path)
    assert (summary.records, summary.persons) == (0, set())
    assert rows(tmp_path, "person") == []


def test_what_is_no_fhir_is_one_line_without_a_value(tmp_path):
    house = House()
    house.somebody(birthDate={"Quillfeather": 1})
    house.resources.append({"resourceType": "Condition", "id": "x", "code": "Quillfeather"})
    with pytest.raises(Unreadable) as caught:
        house.make(tmp_path)
    assert "Quillfeather" not in str(caught.value)
    assert "fhir/" in str(caught.value)


def test_few_persons_codes_are_counted_and_not_named(tmp_path):
    house = House()
    persons = [house.somebody(str(at)) for at in range(coverage.SMALLEST + 3)]
    common, rare = coding(omop.SNOMED, "10828004"), coding(omop.SNOMED, "260385009")
    for at, person in enumerate(persons):
        house.told("Condition", f"a{at}", person, code=common, onsetDateTime="2020-01-01")
    house.told("Condition", "b", persons[0], code=rare, onsetDateTime="2020-01-01")
    house.make(tmp_path)
    said = json.loads((tmp_path / "omop" / "coverage.json").read_text())["tables"]["condition_occurrence"]
    assert said["unmapped"] == [{"vocabulary": "SNOMED", "code": "10828004", "persons": coverage.SMALLEST}]
    assert (said["unmapped_codes_of_few_persons"], said["records"], said["mapped"]) == (1, len(persons) + 1, 0)
    assert "260385009" not in (tmp_path / "omop" / "coverage.json").read_text()


def test_a_number_out_of_all_bounds_does_not_stop_the_others(tmp_path):
    house = House()
    person = house.somebody()
    drug = {"medicationCodeableConcept": coding(omop.RXNORM, "243670"), "authoredOn": "9999-12-31"}
    house.told("MedicationRequest", "a", person, **drug, dispenseRequest={"numberOfRepeatsAllowed": 10**30})
    house.told("Observation", "b", person, **{**GLUCOSE, "valueInteger": 10**30})
    house.told("Observation", "c", person, **GLUCOSE)
    house.make(tmp_path)
    assert [row["refills"] for row in rows(tmp_path, "drug_exposure")] == [None]
    assert {row["value_as_number"] for row in rows(tmp_path, "measurement") + rows(tmp_path, "observation")} == {
        1e30,
        None,
    }


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)


def test_what_stands_in_the_wrong_place_in_another_alphabet_is_refused_in_one_line(tmp_path):
    with pytest.raises(Unreadable, match=r"^omop: fhir/Observation.ndjson is not what FHIR says of this resource$"):
        told(tmp_path, "Observation", "measurement", component={"referenceRange": None, "onsetDateTime": {"code": "ࠀ"}})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from(WORDS), ANYTHING, max_size=6), min_size=1, max_size=4))
def test_whatever_stands_in_a_resource_it_is_told_or_refused_in_one_line(tmp_path_factory, found):
    folder = tmp_path_factory.mktemp("any")
    house = House()
    person = house.somebody()
    for at, said in enumerate(found):
        for kind in ("Condition", "Observation", "Encounter", "MedicationRequest"):
            house.told(kind, str(at), person, **{key: value for key, value in said.items() if key != "subject"})
    refusal = ""
    try:
        house.make(folder)
    except Unreadable as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert refusal or len(rows(folder, "person")) == 1
