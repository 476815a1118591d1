"""Every way to point at one thing comes to one name, or to none."""

import json

import pytest

from tests.tre.data.deid.fhir_files import ANNA, MRN, OTTO, bundle, extract, ndjson, observation, one, patient, who
from tre.data.deid.fhir.part import Fhir
from tre.data.deid.pseudonyms import Domain

FORMS = [
    {"reference": "Patient/p1"},
    {"reference": "Patient/p1", "display": "Anna Marca"},
    {"reference": "https://ehr.example/fhir/Patient/p1"},
    {"reference": "https://ehr.example/fhir/Patient/p1/_history/3"},
    {"reference": "Patient/p1/_history/2"},
    {"reference": "Patient?identifier=https://ehr.example/mrn|4711"},
    {"reference": "Patient?identifier=https%3A%2F%2Fehr.example%2Fmrn%7C4711".replace("%7C", "|")},
    {"identifier": {"system": MRN, "value": "4711"}},
    {"type": "Patient", "identifier": {"system": MRN, "value": "4711"}},
    {"reference": "urn:uuid:p1"},
]


@pytest.mark.parametrize("subject", FORMS)
def test_each_form_is_the_same_person(tmp_path, subject):
    assert one(tmp_path, observation(subject=subject))["subject"] == {"reference": f"Patient/{ANNA.pseudonym}"}


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ({"reference": "Patient/nobody"}, "an id that is not in the linkage"),
        ({"reference": "Patient/gone"}, "a person who withdrew"),
        (
            {"reference": "Patient/p1", "identifier": {"system": MRN, "value": "4712"}},
            "ids of two persons in one record",
        ),
        ({"reference": "Group/g1"}, "its subject is not a patient"),
        ({"reference": "patient/p1"}, "it names no patient"),
        ({"reference": "Patient?identifier=https://other.example|4711"}, "it names no patient"),
        ({"identifier": {"system": "https://other.example", "value": "4711"}}, "it names no patient"),
        ({"identifier": {"system": MRN, "value": "9"}}, "an id that is not in the linkage"),
        ({"display": "Anna Marca"}, "it names no patient"),
        ("Patient/p1", "it names no patient"),
        ({"reference": "#nothing"}, "it names no patient"),
    ],
)
def test_a_record_of_nobody_who_is_known_is_held(tmp_path, subject, reason):
    summary, found = extract(tmp_path, ndjson(observation(subject=subject)))
    assert (found, dict(summary.held)) == ({}, {reason: 1})


ENCOUNTERS = [
    "Encounter/e1",
    "Encounter/e1/_history/9",
    "https://ehr.example/fhir/Encounter/e1",
    "urn:uuid:5a7e",
    "urn:oid:1.2.3.4",
]


def test_each_form_within_a_bundle_is_the_same_encounter(tmp_path):
    encounter = {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/p1"},
    }
    other = {**encounter, "id": "e1"}
    seen = [observation(id=f"o{at}", encounter={"reference": form}) for at, form in enumerate(ENCOUNTERS)]
    content = json.dumps(bundle(encounter, other, *seen, urls=["urn:uuid:5a7e", "urn:oid:1.2.3.4"])).encode()
    _, found = extract(tmp_path, content)
    names = {made["encounter"]["reference"] for made in found["Observation"]}
    assert names == {f"Encounter/{found['Encounter'][0]['id']}"}
    assert names == {"Encounter/" + who().naming.code(Domain.ENCOUNTER, "e1", system="ehr")}


def test_a_patient_that_came_without_an_id_is_known_by_identifiers(tmp_path):
    new = {"resourceType": "Patient", "gender": "male", "identifier": [{"system": MRN, "value": "4712"}]}
    content = json.dumps(
        bundle(new, observation(subject={"reference": "urn:uuid:1"}), urls=["urn:uuid:1"], kind="transaction")
    )
    _, found = extract(tmp_path, content.encode())
    assert found["Patient"][0]["id"] == OTTO.pseudonym
    assert found["Observation"][0]["subject"]["reference"] == f"Patient/{OTTO.pseudonym}"


def test_a_record_without_a_patient_is_its_encounters(tmp_path):
    encounter = {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/p2"},
    }
    lone = observation(encounter={"reference": "Encounter/e1"})
    del lone["subject"]
    _, found = extract(tmp_path, json.dumps(bundle(encounter, lone)).encode())
    assert found["Observation"][0]["subject"]["reference"] == f"Patient/{OTTO.pseudonym}"


def test_only_the_servers_of_the_plan_are_ours(tmp_path):
    part = Fhir("ehr", "fhir", bases=("https://ehr.example/fhir/",))
    assert one(tmp_path, observation(subject={"reference": "https://ehr.example/fhir/Patient/p1"}), part=part)
    summary, _ = extract(
        tmp_path / "b", ndjson(observation(subject={"reference": "https://else.example/Patient/p1"})), part=part
    )
    assert dict(summary.held) == {"it names no patient": 1}


@pytest.mark.parametrize(
    "said",
    [
        "Encounter/e1?name=Anna",
        "urn:uuid:unknown",
        "https://x/y",
        "Questionnaire/q1",
        "Practitioner/dr1",
        "http://hl7.org/fhir/ValueSet/x|4",
        "",
        "#x",
        "Encounter/",
    ],
)
def test_what_cannot_stand_there_is_dropped(tmp_path, said):
    assert "encounter" not in one(tmp_path, observation(encounter={"reference": said, "display": "Anna"}))


def test_equal_ids_of_two_types_have_unrelated_names(tmp_path):
    _, found = extract(tmp_path, ndjson(observation(id="p1"), patient(), {"resourceType": "Organization", "id": "p1"}))
    assert len({made["id"] for rows in found.values() for made in rows}) == 3


def test_the_same_string_as_id_of_two_persons_references_is_two_persons(tmp_path):
    """In two Bundles one urn may stand for two persons; what was learned in one is forgotten in the next."""
    first = bundle(patient(), observation(id="1", subject={"reference": "urn:uuid:x"}), urls=["urn:uuid:x"])
    second = bundle(patient(id="p2"), observation(id="2", subject={"reference": "urn:uuid:x"}), urls=["urn:uuid:x"])
    _, found = extract(tmp_path, ndjson(first, second))
    assert {made["subject"]["reference"] for made in found["Observation"]} == {
        f"Patient/{one.pseudonym}" for one in (ANNA, OTTO)
    }
