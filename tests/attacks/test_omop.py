"""Somebody hides a name or a number in a place of a resource that harmonising copies, or has a record say another's.

De-identification of the resources comes first and looks at each element by itself; here it is as if it had failed.
"""

import json

import pyarrow.parquet
import pytest

from tests.tre.data import omop
from tests.tre.data.omop import House, coding, rows
from tre.data.harmonise import cdm

NAME, NUMBER = "Quillfeather", "9434765919"
AT = "2020-01-01"
HIDDEN = {
    "a name as the code of a local system": ("Condition", {"code": coding("https://ehr.example/dx", NAME)}),
    "a number as the code of a local system": ("Condition", {"code": coding("https://ehr.example/mrn", NUMBER)}),
    "a name as a SNOMED code": ("Condition", {"code": coding(omop.SNOMED, NAME)}),
    "a number as a SNOMED code": ("Condition", {"code": coding(omop.SNOMED, NUMBER)}),
    "a number as a LOINC code": ("Observation", {"code": coding(omop.LOINC, NUMBER)}),
    "a number as an RxNorm code": ("MedicationRequest", {"medicationCodeableConcept": coding(omop.RXNORM, NUMBER)}),
    "a name as an ICD-10 code": ("Condition", {"code": coding(omop.ICD10CM, NAME)}),
    "a code after a code": ("Condition", {"code": coding(omop.SNOMED, "44054006", NAME)}),
    "a code with a line of its own": ("Condition", {"code": coding(omop.SNOMED, f"44054006\n{NAME}")}),
    "a system that only looks like one": ("Condition", {"code": coding(f"{omop.SNOMED} ", NAME)}),
    "no system": ("Condition", {"code": {"coding": [{"code": NAME}]}}),
    "a text": ("Condition", {"code": {"coding": [], "text": NAME}}),
    "a display": ("Condition", {"code": {"coding": [{"system": omop.SNOMED, "code": "1", "display": NAME}]}}),
    "a valueString": ("Observation", {"code": coding(omop.LOINC, "2339-0"), "valueString": NAME}),
    "a component's valueString": (
        "Observation",
        {"component": [{"code": coding(omop.LOINC, "2339-0"), "valueString": NAME}]},
    ),
    "a name as an answer": (
        "Observation",
        {"code": coding(omop.LOINC, "72166-2"), "valueCodeableConcept": coding(omop.LOINC, NAME)},
    ),
    "a name as a unit": (
        "Observation",
        {"code": coding(omop.LOINC, "2339-0"), "valueQuantity": {"value": 1, "system": omop.UCUM, "code": NAME}},
    ),
    "a name in a unit's braces": (
        "Observation",
        {
            "code": coding(omop.LOINC, "2339-0"),
            "valueQuantity": {"value": 1, "system": omop.UCUM, "code": f"{{{NAME}}}"},
        },
    ),
    "a unit in words": (
        "Observation",
        {"code": coding(omop.LOINC, "2339-0"), "valueQuantity": {"value": 1, "unit": NAME}},
    ),
    "a comparator": (
        "Observation",
        {"code": coding(omop.LOINC, "2339-0"), "valueQuantity": {"value": 1, "comparator": NAME}},
    ),
    "a class of encounter": ("Encounter", {"class": {"system": omop.ACT, "code": NAME}}),
    "a class of a hospital's": ("Encounter", {"class": {"system": "https://ehr.example/class", "code": NUMBER}}),
    "a verification": ("Condition", {"verificationStatus": {"coding": [{"code": NAME}]}}),
    "a category": ("Condition", {"category": [coding("https://ehr.example/category", NAME)]}),
    "a route": (
        "MedicationRequest",
        {"dosageInstruction": [{"text": NAME, "route": coding("https://ehr.example/route", NAME)}]},
    ),
    "a note": ("Condition", {"note": [{"text": NAME}], "code": coding(omop.SNOMED, "44054006")}),
    "an identifier": ("Condition", {"identifier": [{"system": "urn:x", "value": NUMBER}]}),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "said"), HIDDEN.values(), ids=HIDDEN)
def test_what_is_hidden_where_a_code_should_be_does_not_come_out(tmp_path, kind, said):
    house = House()
    person = house.somebody()
    dates = dict.fromkeys(("onsetDateTime", "effectiveDateTime", "authoredOn"), AT)
    house.told(kind, "a", person, **dates, period={"start": AT}, **said)
    summary = house.make(tmp_path)
    assert summary.records == 2, "the record itself is told"
    assert NAME not in everything(tmp_path)
    assert NUMBER not in everything(tmp_path)
    assert NAME not in repr(summary)
    assert NUMBER not in repr(summary)


@pytest.mark.parametrize("gender", [NAME, NUMBER])
def test_a_name_as_a_gender_or_a_race_does_not_come_out(tmp_path, gender):
    url = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"
    inner = {"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": gender}}
    house = House()
    house.somebody(gender=gender, extension=[{"url": url, "extension": [inner, {"url": "text", "valueString": NAME}]}])
    house.make(tmp_path)
    assert len(rows(tmp_path, "person")) == 1
    assert gender not in everything(tmp_path)
    assert NAME not in everything(tmp_path)


def test_a_record_in_another_persons_encounter_is_not_put_there(tmp_path):
    house = House()
    one, two = house.somebody("one"), house.somebody("two")
    visit = house.told("Encounter", "v", two, period={"start": AT}, **{"class": {"system": omop.ACT, "code": "AMB"}})
    said = {"code": coding(omop.SNOMED, "44054006"), "onsetDateTime": AT}
    house.told("Condition", "c", one, encounter={"reference": f"Encounter/{visit}"}, **said)
    summary = house.make(tmp_path)
    (row,) = rows(tmp_path, "condition_occurrence")
    assert (row["person_id"], row["visit_occurrence_id"]) == (house.numbers[one], None)
    assert summary.counts["omop, reference to an encounter that is not this person's or not there: dropped"] == 1


STRANGE = ["Patient/tre1-AAAAAAAAAAAAAAAAAAAAAAAAAA", f"Patient/{NUMBER}", NUMBER, "urn:uuid:1", "Group/x", None]


@pytest.mark.parametrize("reference", STRANGE)
def test_a_record_of_nobody_we_know_is_nobodys(tmp_path, reference):
    house = House()
    house.somebody()
    said = {"code": coding(omop.SNOMED, "44054006"), "onsetDateTime": AT, "subject": {"reference": reference}}
    house.add("Condition", "c", **said)
    summary = house.make(tmp_path)
    assert rows(tmp_path, "condition_occurrence") == []
    assert dict(summary.held) == {"omop, Condition: of nobody who is in the person table": 1}
    assert NUMBER not in everything(tmp_path)


def test_a_person_whom_the_project_does_not_have_is_not_told(tmp_path):
    house = House()
    house.somebody()
    house.add("Patient", NUMBER, gender="female", birthDate="1980-01-01")
    summary = house.make(tmp_path)
    assert len(rows(tmp_path, "person")) == 1
    assert NUMBER not in everything(tmp_path)
    assert sum(summary.held.values()) == 1


def test_an_id_that_was_never_renamed_cannot_be_guessed_from_a_rows_number(tmp_path):
    """Two projects have the same id in clear, and the numbers are not the same: there is a key in them."""
    found = []
    for key in (b"k" * 32, b"o" * 32):
        house = House(key)
        said = {"code": coding(omop.SNOMED, "44054006"), "onsetDateTime": AT}
        house.add("Condition", NUMBER, subject={"reference": f"Patient/{house.somebody()}"}, **said)
        house.make(tmp_path / key.decode()[0])
        found.append(rows(tmp_path / key.decode()[0], "condition_occurrence")[0]["condition_occurrence_id"])
    assert found[0] != found[1]


def test_nothing_but_the_tables_is_left_behind(tmp_path):
    house = House()
    house.somebody()
    summary = house.make(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in (tmp_path / "omop").rglob("*")}
    assert left == set(summary.files)
    assert left == {f"omop/{name}.parquet" for name in cdm.tables()} | {"omop/coverage.json"}


def everything(folder):
    """All that the tables say, and their bytes too."""
    said = [(folder / "omop" / "coverage.json").read_text()]
    for name in cdm.tables():
        path = folder / "omop" / f"{name}.parquet"
        said.append(json.dumps(rows(folder, name), default=str))
        said.append(path.read_bytes().decode("latin-1"))
        said.append(str(pyarrow.parquet.read_metadata(path).metadata))
    return "\n".join(said)
