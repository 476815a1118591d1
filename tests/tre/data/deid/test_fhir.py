"""A resource keeps what is allowed, at its path and in its shape; all else is gone."""

import pytest

from tests.tre.data.deid.fhir_files import (
    ANNA,
    LOINC,
    MRN,
    OTTO,
    PART,
    UCUM,
    bundle,
    concept,
    extract,
    ndjson,
    observation,
    one,
    patient,
    quantity,
)
from tre.data.deid.fhir import part as parts
from tre.data.deid.fhir import rules
from tre.data.deid.fhir.part import Dates, Fhir
from tre.errors import Unreadable


def test_an_observation_keeps_its_code_and_its_value(tmp_path):
    made = one(tmp_path, observation(valueQuantity=quantity(), encounter={"reference": "Encounter/e1"}))
    assert made["code"] == {"coding": [{"system": LOINC, "code": "8302-2"}]}
    assert made["valueQuantity"] == {"value": 172.5, "unit": "cm", "system": UCUM, "code": "cm"}
    assert made["subject"] == {"reference": f"Patient/{ANNA.pseudonym}"}
    assert made["meta"]["security"][0]["code"] == "PSEUDED"
    assert made["encounter"]["reference"].startswith("Encounter/")


def test_a_patient_keeps_sex_state_and_three_digits(tmp_path):
    made = one(
        tmp_path,
        patient(
            name=[{"family": "Quillfeather", "given": ["Anna"]}],
            telecom=[{"system": "phone", "value": "555-0100"}],
            address=[
                {"line": ["1 Elm St"], "city": "Boston", "state": "MA", "postalCode": "02115-1234", "country": "US"}
            ],
        ),
    )
    assert made["id"] == ANNA.pseudonym
    assert made["address"] == [{"state": "MA", "postalCode": "021", "country": "US"}]
    assert set(made) == {"resourceType", "id", "meta", "gender", "birthDate", "address"}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ({"postalCode": "03601", "country": "US"}, {"postalCode": "000", "country": "US"}),
        ({"postalCode": "10115", "country": "DE", "state": "Berlin"}, {"country": "DE", "state": "Berlin"}),
        ({"postalCode": "02115"}, None),
        ({"state": "Elm Street", "country": "Mrs Smith"}, None),
    ],
)
def test_a_place_is_no_smaller_than_a_state(tmp_path, address, expected):
    assert one(tmp_path, patient(address=[address])).get("address") == (expected and [expected])


@pytest.mark.parametrize(
    ("system", "code", "stays"),
    [
        (LOINC, "8302-2", True),
        (LOINC, "MRN4711", False),
        ("http://snomed.info/sct", "195662009", True),
        ("http://snomed.info/sct", "Smith", False),
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "308136", True),
        ("http://hl7.org/fhir/sid/icd-10-cm", "I21.9", True),
        ("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "I21.9", True),
        ("http://www.cms.gov/Medicare/Coding/ICD10", "0DTJ4ZZ", True),
        ("http://hl7.org/fhir/sid/cvx", "140", True),
        ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB", True),
        ("http://terminology.hl7.org/CodeSystem/JohnSmith", "AMB", False),
        ("https://ehr.example/local", "4711", False),
        ("", "4711", False),
    ],
)
def test_a_code_stays_under_a_known_system_in_its_shape(tmp_path, system, code, stays):
    made = one(tmp_path, observation(code={"coding": [{"system": system, "code": code}]}))
    assert ("coding" in made["code"]) is stays
    if not stays:
        assert made["code"]["extension"][0]["valueCode"] == "masked"


def test_the_plan_may_allow_a_system(tmp_path):
    part = Fhir("ehr", "fhir", code_systems=("https://ehr.example/local",))
    made = one(tmp_path, observation(code=concept("HB-1", "https://ehr.example/local")), part=part)
    assert made["code"] == concept("HB-1", "https://ehr.example/local")


@pytest.mark.parametrize(
    "unit", ["mm[Hg]", "10*3/uL", "m[IU]/L", "mg/dL", "{score}", "mL/min/{1.73_m2}", "%", "[degF]", "meq/L", "kg/m2"]
)
def test_units_stay(tmp_path, unit):
    assert one(tmp_path, observation(valueQuantity=quantity(code=unit)))["valueQuantity"]["code"] == unit


@pytest.mark.parametrize(
    "unit",
    [
        "Quillfeather",
        "{Quillfeather}",
        "cm{Anna}",
        "4711471147",
        "[Anna]",
        "cm Anna",
        "555-0100",
        "943.476.591.9",
        "2020-01-01",
    ],
)
def test_what_is_no_unit_goes(tmp_path, unit):
    assert one(tmp_path, observation(valueQuantity=quantity(code=unit)))["valueQuantity"] == {"value": 172.5}


def test_a_text_stays_only_for_the_codes_of_the_plan(tmp_path):
    part = Fhir("ehr", "fhir", texts=("883-9",))
    both = observation(
        valueString="in words",
        component=[{"code": concept("883-9"), "valueString": "A"}, {"code": concept("1-8"), "valueString": "Anna"}],
    )
    made = one(tmp_path, both, part=part)
    assert "valueString" not in made
    assert [part.get("valueString") for part in made["component"]] == ["A", None]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"valueCodeableConcept": concept("LA32-8")}, {"valueCodeableConcept": concept("LA32-8")}),
        ({"valueBoolean": True}, {"valueBoolean": True}),
        ({"valueInteger": 4}, {"valueInteger": 4}),
        ({"valueInteger": "4"}, {}),
        ({"valueTime": "09:30:00"}, {"valueTime": "09:30:00"}),
        ({"valueTime": "Anna"}, {}),
        ({"valueRange": {"low": quantity(1)}}, {"valueRange": {"low": quantity(1)}}),
        (
            {"valueRatio": {"numerator": quantity(1), "denominator": quantity(2)}},
            {"valueRatio": {"numerator": quantity(1), "denominator": quantity(2)}},
        ),
        (
            {"valueSampledData": {"origin": quantity(0), "period": 10, "dimensions": 1, "data": "1 2 -3.5 E U"}},
            {"valueSampledData": {"origin": quantity(0), "period": 10, "dimensions": 1, "data": "1 2 -3.5 E U"}},
        ),
        (
            {"valueSampledData": {"origin": quantity(0), "period": 10, "dimensions": 1, "data": "Anna"}},
            {"valueSampledData": {"origin": quantity(0), "period": 10, "dimensions": 1}},
        ),
        ({"valueAttachment": {"data": "QW5uYQ=="}}, {}),
        ({"valueString": "Anna"}, {}),
    ],
)
def test_each_kind_of_value(tmp_path, value, expected):
    made = one(tmp_path, observation(**value))
    assert {key: made[key] for key in made if key.startswith("value")} == expected


def test_race_and_birth_sex_stay_and_their_words_go(tmp_path):
    core = "http://hl7.org/fhir/us/core/StructureDefinition/"
    omb = {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3", "display": "White"}
    made = one(
        tmp_path,
        patient(
            extension=[
                {
                    "url": f"{core}us-core-race",
                    "extension": [{"url": "ombCategory", "valueCoding": omb}, {"url": "text", "valueString": "White"}],
                },
                {"url": f"{core}us-core-birthsex", "valueCode": "F"},
                {"url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", "valueString": "Marca"},
            ]
        ),
    )
    race, sex = made["extension"]
    assert race["extension"] == [{"url": "ombCategory", "valueCoding": {"system": omb["system"], "code": "2106-3"}}]
    assert sex == {"url": f"{core}us-core-birthsex", "valueCode": "F"}


def test_the_plan_may_allow_an_extension(tmp_path):
    part = Fhir("ehr", "fhir", extensions=("https://ehr.example/ward", "https://ehr.example/words"))
    made = one(
        tmp_path,
        patient(
            extension=[
                {"url": "https://ehr.example/ward", "valueBoolean": True},
                {"url": "https://ehr.example/words", "valueString": "Anna"},
            ]
        ),
        part=part,
    )
    assert made["extension"] == [{"url": "https://ehr.example/ward", "valueBoolean": True}]


def test_an_unknown_modifier_holds_the_record_back(tmp_path):
    negated = observation(modifierExtension=[{"url": "https://ehr.example/not", "valueBoolean": True}])
    summary, found = extract(tmp_path, ndjson(negated))
    assert found == {}
    assert list(summary.held) == ["an extension that changes the meaning of the rest, and is not known"]


def test_a_medication_in_a_request_stays_with_it(tmp_path):
    request = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "contained": [
            {
                "resourceType": "Medication",
                "id": "anna-pills",
                "code": concept("308136", "http://www.nlm.nih.gov/research/umls/rxnorm"),
            }
        ],
        "medicationReference": {"reference": "#anna-pills"},
        "subject": {"reference": "Patient/p1"},
    }
    made = one(tmp_path, request)
    (inner,) = made["contained"]
    assert made["medicationReference"]["reference"] == f"#{inner['id']}"
    assert inner["code"]["coding"][0]["code"] == "308136"
    assert "anna" not in str(made)


def test_a_contained_patient_is_only_pointed_at(tmp_path):
    inside = {
        "resourceType": "Patient",
        "id": "pat",
        "identifier": [{"system": MRN, "value": "4712"}],
        "name": [{"family": "Marca"}],
    }
    made = one(tmp_path, observation(contained=[inside], subject={"reference": "#pat"}))
    assert made["subject"]["reference"] == f"Patient/{OTTO.pseudonym}"
    assert "contained" not in made


def test_a_contained_record_of_another_person_holds_all_back(tmp_path):
    inner = {**observation(), "id": "x", "subject": {"reference": "Patient/p2"}}
    summary, found = extract(tmp_path, ndjson(observation(contained=[inner])))
    assert (found, dict(summary.held)) == ({}, {"ids of two persons in one record": 1})


def test_a_lost_concept_that_is_needed_is_masked_and_a_lost_word_holds_back(tmp_path):
    assert one(tmp_path, observation(code={"text": "Anna's height"}))["code"]["extension"][0]["valueCode"] == "masked"
    summary, _ = extract(tmp_path / "b", ndjson(observation(status="Anna")))
    assert sum(summary.held.values()) == 1


def test_an_image_study_has_the_names_of_the_images(tmp_path):
    naming_of = {
        "resourceType": "ImagingStudy",
        "id": "i1",
        "status": "available",
        "subject": {"reference": "Patient/p1"},
        "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}, {"system": MRN, "value": "4711"}],
        "series": [
            {"uid": "1.2.4", "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}}
        ],
    }
    from tests.tre.data.deid.fhir_files import who

    made = one(tmp_path, naming_of)
    naming = who().naming
    assert made["identifier"] == [{"system": "urn:dicom:uid", "value": f"urn:oid:{naming.uid('1.2.3')}"}]
    assert made["series"][0]["uid"] == naming.uid("1.2.4")


def test_release_5_is_read_and_stu3_is_held(tmp_path):
    five = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medication": {"concept": concept("308136", "http://www.nlm.nih.gov/research/umls/rxnorm")},
    }
    assert one(tmp_path, five)["medication"]["concept"]["coding"][0]["code"] == "308136"
    three = {"resourceType": "Condition", "id": "c", "clinicalStatus": "active", "subject": {"reference": "Patient/p1"}}
    summary, found = extract(tmp_path / "3", ndjson(three))
    assert (found, dict(summary.held)) == ({}, {"FHIR STU3; export it as R4 or later": 1})


def test_types_that_are_not_taken_are_counted_and_a_made_up_one_is_not_named(tmp_path):
    summary, found = extract(
        tmp_path, ndjson({"resourceType": "Claim", "id": "1"}, {"resourceType": "AnnaMarca"}, {"a": 1})
    )
    assert found == {}
    assert dict(summary.held) == {
        "a type that is not taken: Claim": 1,
        "a type that is not FHIR's": 1,
        "JSON, but no FHIR resource": 1,
    }


def test_whoever_treats_is_a_name_and_no_more(tmp_path):
    made = one(
        tmp_path,
        {
            "resourceType": "Practitioner",
            "id": "dr1",
            "name": [{"family": "Jones"}],
            "gender": "female",
            "active": True,
        },
    )
    assert set(made) == {"resourceType", "id", "meta", "active"}
    assert made["id"] != "dr1"


@pytest.mark.parametrize(("said", "held"), [("4712", True), ("4711", False), ("unheard", False)])
def test_a_patients_identifiers_must_not_be_another_persons(tmp_path, said, held):
    summary, found = extract(tmp_path, ndjson(patient(identifier=[{"system": MRN, "value": said}])))
    assert (found == {}) is held
    assert sum(summary.held.values()) == held


def test_a_plan_says_what_more_may_stay():
    said = parts.read(
        {"system": "ehr", "patient": "fhir", "code_systems": ["https://x"], "dates": "year"}, "plan, fhir"
    )
    assert (said.code_systems, said.dates) == (("https://x",), Dates.YEAR)
    with pytest.raises(Unreadable, match="unknown key names"):
        parts.read({"system": "ehr", "patient": "fhir", "names": []}, "plan, fhir")


def test_every_type_that_points_at_another_points_at_one_that_is_taken():
    known = rules.load().resources
    for name, resource in known.items():
        for said in _actions(resource.tree):
            if said.startswith("reference"):
                assert set(said.replace("| CodeableReference", "").split()[1:]) <= known.keys(), name


def _actions(tree):
    for _, below in tree.below.values():
        yield from _actions(below) if below.below else [below.action]


def test_a_bundle_in_a_bundle_is_read(tmp_path):
    from json import dumps

    _, found = extract(tmp_path, dumps(bundle(bundle(patient()), observation()), indent=1).encode())
    assert set(found) == {"Patient", "Observation"}
    assert PART.system == "ehr"
