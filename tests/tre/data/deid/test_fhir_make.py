"""An extract is the same bytes twice, has no order of its source, and is FHIR as the standard's models read it."""

import gzip
import importlib
import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tre.data.deid.fhir_files import (
    ANNA,
    PART,
    bundle,
    bytes_of,
    concept,
    extract,
    lines,
    ndjson,
    observation,
    patient,
    quantity,
    who,
)
from tre.data.deid.fhir import check, look, runs
from tre.data.deid.fhir.part import Fhir
from tre.data.deid.pseudonyms import PatientId
from tre.errors import Unreadable

SYNTHEA = Fhir("ehr", "fhir")


def _many(count=300):
    yield patient()
    yield patient(id="p2", birthDate="1975-01-01")
    for at in range(count):
        yield observation(id=f"o{at}", subject={"reference": f"Patient/p{1 + at % 2}"}, valueQuantity=quantity(at))


def test_twice_is_the_same_bytes(tmp_path):
    content = ndjson(*_many())
    extract(tmp_path / "a", content)
    extract(tmp_path / "b", content)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def test_the_order_of_the_source_is_gone(tmp_path):
    resources = list(_many())
    extract(tmp_path / "a", ndjson(*resources))
    random.Random(3).shuffle(resources)
    extract(tmp_path / "b", ndjson(*resources[:100]), ndjson(*resources[100:]))
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def test_runs_on_disk_come_to_the_same(tmp_path, monkeypatch):
    from tre.data.deid.fhir import make

    content = ndjson(*_many(), observation(id="o1", valueQuantity=quantity(999), meta={"versionId": "7"}))
    extract(tmp_path / "a", content)
    monkeypatch.setattr(make, "MOST", 2000)
    monkeypatch.setattr(runs, "TOGETHER", 4)
    extract(tmp_path / "b", content)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def test_two_projects_have_no_name_and_no_order_in_common(tmp_path):
    content = ndjson(*_many())
    one = extract(tmp_path / "a", content)[1]
    other = extract(tmp_path / "b", content, by=who("b"))[1]
    assert not _ids(one) & _ids(other)
    values = [[made["valueQuantity"]["value"] for made in found["Observation"]] for found in (one, other)]
    assert values[0] != values[1] != sorted(values[1])


def _ids(found):
    said = json.dumps(found)
    return {made["id"] for rows in found.values() for made in rows} | {
        word for word in said.replace('"', " ").split() if "/tre1-" in word
    }


@pytest.mark.parametrize(
    ("first", "second", "stays"),
    [
        ({}, {}, 2),
        ({"versionId": "2"}, {"versionId": "10"}, 2),
        ({"versionId": "10"}, {"versionId": "2"}, 1),
        ({"lastUpdated": "2020-01-01T00:00:00Z"}, {"lastUpdated": "2019-01-01T00:00:00Z", "versionId": "9"}, 1),
        ({"lastUpdated": "2020-01-01T00:00:00+14:00"}, {"lastUpdated": "2019-12-31T23:00:00Z"}, 2),
        ({"lastUpdated": "Anna", "versionId": "x"}, {}, 2),
    ],
)
def test_of_two_with_one_id_the_newer_stays(tmp_path, first, second, stays):
    content = ndjson(
        observation(meta=first, valueQuantity=quantity(1)), observation(meta=second, valueQuantity=quantity(2))
    )
    _, found = extract(tmp_path, content)
    assert [made["valueQuantity"]["value"] for made in found["Observation"]] == [stays]


def test_who_withdraws_is_not_in_it(tmp_path):
    content = ndjson(*_many(10))
    summary, found = extract(tmp_path, content, by=who(withdrawn=("h:otto",)))
    assert summary.persons == {ANNA.pseudonym}
    assert summary.held["a person who withdrew"] == 6
    assert len(found["Observation"]) == 5


def test_what_was_done_is_counted(tmp_path):
    summary, _ = extract(tmp_path, ndjson(patient(name=[{"family": "Marca"}]), observation(valueQuantity=quantity())))
    assert (summary.records, summary.files) == (2, ["fhir/Observation.ndjson", "fhir/Patient.ndjson"])
    assert summary.counts["code"] == 1
    assert summary.counts["drop"] >= 1
    assert (ANNA.pseudonym, "Marca") in summary.identifiers
    assert set(summary.rules) == {"fhir/rules.toml", "fhir/codes.toml"}


def test_nothing_is_left_of_the_work_or_of_an_empty_extract(tmp_path):
    extract(tmp_path / "a", ndjson(patient()))
    assert [path.name for path in (tmp_path / "a/fhir").iterdir()] == ["Patient.ndjson"]
    extract(tmp_path / "b", ndjson({"resourceType": "Claim"}))
    assert bytes_of(tmp_path / "b") == {}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("kind", ["collection", "transaction", "searchset"])
def test_a_bundle_and_lines_come_to_the_same(tmp_path, pack, kind):
    resources = list(_many(20))
    extract(tmp_path / "a", ndjson(*resources))
    extract(tmp_path / "b", pack(json.dumps(bundle(*resources, kind=kind), indent=2).encode()))
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def test_what_is_no_fhir_when_made_stops_the_extract(tmp_path, monkeypatch):
    monkeypatch.setattr("tre.data.deid.fhir.dates.shifted", lambda text, days: "soon Anna")
    with pytest.raises(Unreadable, match="a Observation as it was made is not valid at effectiveDateTime") as told:
        extract(tmp_path, ndjson(observation(effectiveDateTime="2020-01-01")))
    assert "Anna" not in str(told.value)


@pytest.fixture(scope="module")
def synthea(tmp_path_factory):
    """Two invented patients, seeded."""
    folder = tmp_path_factory.mktemp("synthea")
    from click.testing import CliRunner

    cli = importlib.import_module("synthea.cli")
    done = CliRunner().invoke(
        next(getattr(cli, name) for name in ("main", "cli") if hasattr(cli, name)),
        ["-p", "2", "-s", "7", "-r", "20260101", "--threads", "1", "-o", str(folder)],
    )
    assert done.exit_code == 0, done.output
    return [path.read_bytes() for path in sorted((folder / "fhir").glob("*.json"))]


def test_synthea_patients_are_valid_when_made_and_nothing_of_theirs_is_left(tmp_path, synthea):
    people = [json.loads(content) for content in synthea]
    links = {("ehr", "fhir"): {}}
    planted = set()
    for number, content in enumerate(synthea):
        import io

        seen = look.look(io.BytesIO(content), SYNTHEA)
        links["ehr", "fhir"] |= {one.value: PatientId(f"h:{number}") for one in seen.ids}
    for entry in (entry["resource"] for person in people for entry in person["entry"]):
        planted.add(entry["id"])
        for name in entry.get("name", []) if entry["resourceType"] in {"Patient", "Practitioner"} else []:
            planted |= {f"{name['given'][0]} {name['family']}", name["family"]}
        for field in ("identifier", "telecom"):
            said = entry.get(field, [])
            planted |= {one["value"] for one in said if entry["resourceType"] == "Patient"}
    summary, found = extract(tmp_path, *synthea, part=SYNTHEA, by=who(links=links))
    assert len(summary.persons) == 2
    assert set(summary.held) <= {
        f"a type that is not taken: {name}"
        for name in ("Claim", "Coverage", "DocumentReference", "ExplanationOfBenefit", "Provenance", "SupplyDelivery")
    }
    text = b"".join(bytes_of(tmp_path).values()).decode()
    words = set(text.replace('"', " ").replace("/", " ").split())
    assert not {one for one in planted if one in words or (len(one) > 8 and one in text)}
    for kind, path in ((path.stem, path) for path in tmp_path.glob("fhir/*.ndjson")):
        for line in path.read_bytes().splitlines():
            check.valid(kind, line)
    ids = {f"{made['resourceType']}/{made['id']}" for rows in found.values() for made in rows}
    assert {made["subject"]["reference"] for made in found["Observation"]} <= ids
    assert {made["encounter"]["reference"] for made in found["Observation"]} <= ids


ALLOWED = st.sampled_from(
    [
        "status",
        "code",
        "subject",
        "text",
        "note",
        "valueString",
        "display",
        "coding",
        "system",
        "extension",
        "contained",
        "url",
        "identifier",
        "value",
        "name",
        "family",
        "component",
        "category",
        "resourceType",
        "id",
        "meta",
        "_status",
        "valueCodeableConcept",
        "effectiveDateTime",
        "unit",
        "valueQuantity",
        "reference",
        "encounter",
        "performer",
        "Status",
        "period",
        "start",
        "address",
        "line",
        "city",
        "state",
        "language",
        "profile",
        "tag",
        "source",
    ]
)
PLANTED = "Quillfeather"
JSONISH = st.recursive(
    st.sampled_from(
        [
            PLANTED,
            f"Mr {PLANTED}",
            f"Encounter/{PLANTED}",
            f"http://loinc.org/{PLANTED}",
            f"#{PLANTED}",
            4711,
            None,
            True,
            1.5,
        ]
    ),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(ALLOWED | st.just(PLANTED), below, max_size=6),
    max_leaves=25,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["Observation", "Patient", "Encounter", "Condition", "Procedure", "Device"]),
    st.dictionaries(ALLOWED, JSONISH, max_size=10),
)
def test_no_planted_word_survives_anywhere(tmp_path_factory, kind, more):
    folder = tmp_path_factory.mktemp("planted")
    whose = {} if kind == "Patient" else {"subject": {"reference": "Patient/p1"}}
    resource = {**more, "resourceType": kind, "id": "p1", **whose}
    summary, _ = extract(folder, ndjson(resource), part=PART)
    made = b"".join(bytes_of(folder).values())
    assert PLANTED.encode() not in made
    assert not any(PLANTED in said for said in (*summary.held, *summary.counts))


def test_every_type_of_the_table_can_be_valid(tmp_path):
    """A record with little in it, of each type, R4; what it needs is there or masked."""
    mine = {"reference": "Patient/p1"}
    rx = {"medicationCodeableConcept": concept("308136", "http://www.nlm.nih.gov/research/umls/rxnorm")}
    little = [
        patient(),
        observation(),
        {"resourceType": "RelatedPerson", "patient": mine},
        {"resourceType": "Encounter", "status": "finished", "class": {"code": "x"}, "subject": mine},
        {"resourceType": "Condition", "subject": mine},
        {"resourceType": "Procedure", "status": "completed", "subject": mine},
        {
            "resourceType": "AllergyIntolerance",
            "patient": mine,
            "reaction": [{"manifestation": [{"text": "Anna itches"}]}],
        },
        {
            "resourceType": "Immunization",
            "status": "completed",
            "patient": mine,
            "vaccineCode": {"text": "x"},
            "occurrenceString": "last year",
        },
        {"resourceType": "Medication"},
        {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": mine, **rx},
        {"resourceType": "MedicationStatement", "status": "active", "subject": mine, **rx},
        {
            "resourceType": "MedicationAdministration",
            "status": "completed",
            "subject": mine,
            **rx,
            "effectiveDateTime": "2020-01-01",
        },
        {
            "resourceType": "MedicationDispense",
            "status": "completed",
            "subject": mine,
            "medicationCodeableConcept": {"text": "x"},
        },
        {"resourceType": "DiagnosticReport", "status": "final", "subject": mine, "code": {"text": "x"}},
        {"resourceType": "Specimen", "subject": mine},
        {"resourceType": "Device", "patient": mine},
        {"resourceType": "Device"},
        {
            "resourceType": "ImagingStudy",
            "status": "available",
            "subject": mine,
            "series": [{"uid": "1.2", "modality": {"code": "x"}}, {"uid": "x"}],
        },
        {"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": mine},
        {"resourceType": "CareTeam", "subject": mine},
        {"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "x"}, "subject": mine},
        *({"resourceType": name} for name in ("Organization", "Practitioner", "PractitionerRole", "Location")),
    ]
    summary, found = extract(tmp_path, ndjson(*little))
    assert not summary.held
    from tre.data.deid.fhir import rules

    assert found.keys() == rules.load().resources.keys()
    assert lines(tmp_path / "fhir/Immunization.ndjson")[0]["occurrenceString"] == "masked"
