"""Somebody hides a person's name or number in a resource, or whose it is. None of it comes through."""

import base64
import json

import pytest

from tests.tre.data.deid.fhir_files import (
    ANNA,
    LOINC,
    MRN,
    OTTO,
    bundle,
    bytes_of,
    concept,
    extract,
    ndjson,
    observation,
    patient,
    quantity,
)
from tre.data.deid.fhir import look
from tre.data.deid.fhir.part import Dates, Fhir

NAME, NUMBER = "Quillfeather", "4400817723"
CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"

HIDDEN = {
    "in a display": observation(code=concept(display=NAME)),
    "in a concept's text": observation(code={**concept(), "text": NAME}),
    "in the display of a reference": observation(subject={"reference": "Patient/p1", "display": NAME}),
    "in a type of a reference": observation(performer=[{"reference": "Practitioner/1", "type": NAME}]),
    "in a contained patient": observation(
        contained=[
            {
                "resourceType": "Patient",
                "id": "x",
                "name": [{"family": NAME}],
                "identifier": [{"system": MRN, "value": "4711"}],
            }
        ]
    ),
    "in the name of a contained resource": observation(
        contained=[{"resourceType": "Specimen", "id": NAME}], specimen={"reference": f"#{NAME}"}
    ),
    "in a type smuggled in as contained": observation(contained=[{"resourceType": NAME, "id": "x", "text": NAME}]),
    "in a Bundle smuggled in as contained": observation(contained=[bundle(patient(name=[{"text": NAME}]))]),
    "in something contained in something contained": observation(
        contained=[
            {
                "resourceType": "Specimen",
                "id": "a",
                "contained": [{"resourceType": "Specimen", "id": "b", "note": NAME}],
            }
        ]
    ),
    "in an extension's text": patient(
        extension=[{"url": f"{CORE}us-core-race", "extension": [{"url": "text", "valueString": NAME}]}]
    ),
    "in an extension within one that is known": patient(
        extension=[
            {
                "url": f"{CORE}us-core-race",
                "extension": [{"url": NAME, "valueCoding": {"system": LOINC, "code": "1-8"}}],
            }
        ]
    ),
    "in an extension's address": patient(extension=[{"url": f"https://x/{NAME}", "valueBoolean": True}]),
    "as the code of an extension": patient(extension=[{"url": f"{CORE}us-core-birthsex", "valueCode": NAME}]),
    "in an extension of a primitive": patient(_birthDate={"extension": [{"url": "https://x", "valueString": NAME}]}),
    "in _family": patient(
        name=[{"family": "x", "_family": {"extension": [{"url": "https://x", "valueString": NAME}]}}]
    ),
    "in _status": observation(_status={"id": NAME}),
    "in the id of an element": observation(code={"id": NAME, **concept()}),
    "in a conditional reference": observation(encounter={"reference": f"Encounter?identifier={MRN}|{NUMBER}"}),
    "in the identifier of a reference": observation(performer=[{"identifier": {"system": MRN, "value": NUMBER}}]),
    "in the query of a reference": observation(encounter={"reference": f"Encounter/1?name={NAME}"}),
    "in the fragment of a reference": observation(encounter={"reference": f"Encounter/1#{NAME}"}),
    "as an id": observation(id=NUMBER, encounter={"reference": f"Encounter/{NUMBER}"}),
    "in a urn of another Bundle": observation(encounter={"reference": f"urn:uuid:{NUMBER}"}),
    "in the narrative": observation(text={"status": "generated", "div": f"<div>{NAME}</div>"}),
    "in a note": observation(note=[{"text": NAME, "authorString": NAME}]),
    "in an attachment": observation(valueAttachment={"data": base64.b64encode(NAME.encode()).decode(), "title": NAME}),
    "as a text of a value": observation(valueString=NUMBER),
    "as a number in text": observation(valueQuantity={"value": NUMBER}),
    "as a unit": observation(valueQuantity=quantity(code=NAME)),
    "in a unit's braces": observation(valueQuantity=quantity(code=f"cm{{{NAME}}}")),
    "as a comparator": observation(valueQuantity={"value": 1, "comparator": NAME}),
    "as a code of an unknown system": observation(code=concept(NUMBER, "https://ehr.example/codes")),
    "as a code of no system": observation(code={"coding": [{"code": NUMBER}]}),
    "as a code of the wrong shape": observation(code=concept(NAME, LOINC)),
    "in a system's address": observation(code=concept("8302-2", f"http://terminology.hl7.org/CodeSystem/{NAME}")),
    "in a system's address, after a known one": observation(code=concept("8302-2", f"{LOINC}?{NAME}")),
    "in a system's version": observation(code=concept(version=NAME)),
    "as a word of a status": observation(status="final", category=[{"text": NAME}], interpretation=NAME),
    "under a key of another case": {**observation(), "ValueString": NAME, "STATUS": NAME, "Code": {"text": NAME}},
    "under a key with a blank": {**observation(), "status ": NAME, "\u200bcode": NAME},
    "as a key": {**observation(), NAME: 1, "code": {**concept(), NAME: {NAME: NAME}}},
    "deep down": observation(
        component=[{"code": concept(), "referenceRange": [{"text": NAME, "low": {"value": {"value": [NAME]}}}]}]
    ),
    "as a list where one is meant": observation(valueString=[NAME], valueQuantity=[quantity(code=NAME)]),
    "in a date": observation(effectiveDateTime=f"2020-01-01T00:00:00Z{NAME}"),
    "as a language": observation(language=NAME),
    "as a profile": observation(meta={"profile": [f"{CORE}{NAME}"]}),
    "in the meta": observation(
        meta={"source": NAME, "tag": [{"code": NAME}], "security": [{"code": NAME}], "versionId": NAME}
    ),
    "as the rules to read it by": observation(implicitRules=f"https://x/{NAME}"),
    "in an address": patient(
        address=[{"text": NAME, "line": [NAME], "city": NAME, "district": NAME, "state": NAME, "country": NAME}]
    ),
    "in a photo": patient(photo=[{"url": f"https://x/{NAME}"}]),
    "in a link": patient(link=[{"other": {"reference": f"Patient/{NUMBER}"}, "type": "seealso"}]),
    "as a language that is spoken": patient(
        communication=[{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": NAME}], "text": NAME}}]
    ),
    "in samples": observation(
        valueSampledData={"origin": quantity(0), "period": 1, "dimensions": 1, "data": f"1 {NUMBER}"}
    ),
    "in a series' name": {
        "resourceType": "ImagingStudy",
        "id": "1",
        "status": "available",
        "subject": {"reference": "Patient/p1"},
        "description": NAME,
        "series": [
            {
                "uid": "1.2",
                "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"},
                "description": NAME,
            }
        ],
    },
    "in a dose's words": {
        "resourceType": "MedicationRequest",
        "id": "1",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {"text": NAME},
        "dosageInstruction": [{"text": NAME, "patientInstruction": NAME, "sequence": 1}],
    },
    "as a practitioner": {
        "resourceType": "Practitioner",
        "id": NUMBER,
        "name": [{"family": NAME}],
        "qualification": [{"code": {"text": NAME}}],
    },
    "as a ward": {"resourceType": "Location", "id": NUMBER, "name": NAME, "alias": [NAME], "address": {"city": NAME}},
    "as a device": {
        "resourceType": "Device",
        "id": "1",
        "serialNumber": NUMBER,
        "udiCarrier": [{"carrierHRF": NUMBER}],
        "owner": {"display": NAME},
    },
    "as a next of kin": {
        "resourceType": "RelatedPerson",
        "id": "1",
        "patient": {"reference": "Patient/p1"},
        "name": [{"family": NAME}],
    },
}


@pytest.mark.parametrize("where", HIDDEN)
@pytest.mark.parametrize("dates", list(Dates))
def test_a_name_or_number_hidden(tmp_path, where, dates):
    part = Fhir("ehr", "fhir", identifiers=((MRN, "mrn"),), dates=dates)
    summary, found = extract(tmp_path, ndjson(HIDDEN[where]), part=part)
    assert sum(map(len, found.values())) == 1, "the record itself is there, without it"
    _nothing(tmp_path, summary)


def _nothing(folder, summary):
    made = bytes_of(folder)
    for planted in (NAME, NUMBER, base64.b64encode(NAME.encode()).decode()):
        assert planted not in "".join(made)
        assert planted.lower() not in b"".join(made.values()).decode().lower()
        assert planted not in f"{summary.held} {summary.counts} {summary.files}"


def test_a_name_in_unicode_escapes(tmp_path):
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in NAME)
    line = json.dumps(observation(valueString="@", note=[{"text": "@"}], code=concept(display="@"))).replace(
        "@", escaped
    )
    summary, _ = extract(tmp_path, line.replace('"note"', '"\\u006eote"').encode())
    _nothing(tmp_path, summary)


def test_a_second_key_that_is_read_by_one_and_not_by_the_other(tmp_path):
    """The first `subject` is Otto's, the last Anna's: the front door and the walk must not differ."""
    line = json.dumps(observation())[:-1] + ', "subject": {"reference": "Patient/p2"}}'
    summary, found = extract(tmp_path, ndjson(patient()) + line.encode())
    assert "Observation" not in found
    assert dict(summary.held) == {"a key stands twice in one object": 1}


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/p1", "identifier": {"system": MRN, "value": "4712"}},
        {"reference": "#x"},
    ],
)
def test_a_record_given_to_another_person(tmp_path, subject):
    inside = {
        "resourceType": "Patient",
        "id": "x",
        "identifier": [{"system": MRN, "value": "4711"}, {"system": MRN, "value": "4712"}],
    }
    summary, found = extract(tmp_path, ndjson(observation(subject=subject, contained=[inside])))
    assert found == {}
    assert set(summary.held) == {"ids of two persons in one record"}


def test_a_urn_of_another_bundle_gives_no_record_to_anybody(tmp_path):
    first = bundle(patient(), urls=["urn:uuid:1"])
    second = bundle(observation(subject={"reference": "urn:uuid:1"}))
    summary, found = extract(tmp_path, ndjson(first, second))
    assert "Observation" not in found
    assert dict(summary.held) == {"it names no patient": 1}


def test_who_withdrew_is_reached_by_no_other_id(tmp_path):
    from tests.tre.data.deid.fhir_files import who

    said = [
        observation(id="1", subject={"reference": "Patient/p2"}),
        observation(id="2", subject={"identifier": {"system": MRN, "value": "4712"}}),
        patient(identifier=[{"system": MRN, "value": "4712"}]),
        observation(id="3", focus=[{"reference": "Patient/p2"}]),
        {
            "resourceType": "CareTeam",
            "id": "t",
            "subject": {"reference": "Patient/p1"},
            "participant": [{"member": {"reference": "Patient/p2"}}],
        },
    ]
    summary, found = extract(tmp_path, ndjson(*said), by=who(withdrawn=("h:otto",)))
    assert OTTO.pseudonym.encode() not in b"".join(bytes_of(tmp_path).values())
    assert summary.held["a person who withdrew"] == 3
    assert summary.persons == {ANNA.pseudonym}
    assert set(found) == {"Observation", "CareTeam"}


def test_a_date_that_stands_for_never_tells_by_how_many_days(tmp_path):
    _, found = extract(
        tmp_path,
        ndjson(
            observation(effectivePeriod={"start": "2020-01-01", "end": "9999-12-31"}), patient(birthDate="1900-01-01")
        ),
    )
    assert set(found["Observation"][0]["effectivePeriod"]) == {"start"}
    assert "birthDate" not in found["Patient"][0]


def test_the_front_door_says_no_value(tmp_path):
    import io

    content = ndjson(
        *HIDDEN.values(), {"resourceType": NAME}, {"resourceType": "Observation", "subject": {"reference": NAME}}
    )
    found = look.look(io.BytesIO(content), Fhir("ehr", "fhir"))
    assert NAME not in f"{found.held} {found.facts}"
    assert NUMBER not in f"{found.held} {found.facts}"


@pytest.mark.parametrize(
    "urls",
    [
        ["urn:uuid:1", "urn:uuid:1"],
        ["https://ehr.example/fhir/Patient/p2", ""],
    ],
)
def test_an_address_that_stands_for_two_gives_no_record_to_the_wrong_one(tmp_path, urls):
    both = bundle(patient(), patient(id="p2"), observation(subject={"reference": urls[0]}), urls=urls)
    _, found = extract(tmp_path, ndjson(both))
    pointed = {made["subject"]["reference"] for made in found.get("Observation", [])}
    assert pointed <= {f"Patient/{OTTO.pseudonym}"} if "Patient" in urls[0] else not pointed
