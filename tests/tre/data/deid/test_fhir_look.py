"""The front door reads a file of FHIR through, tells what is in it, and stumbles over nothing."""

import gzip
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tre.data.deid.fhir_files import MRN, PART, bundle, ndjson, observation, patient
from tre.data.deid.fhir import look, make, source
from tre.data.deid.stored import Kind, Stored, nobody
from tre.data.deid.who import Id
from tre.errors import Unreadable


def seen(content):
    return look.look(io.BytesIO(content), PART)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "content",
    [
        ndjson(patient(), observation(subject={"reference": "Patient/p2"})),
        json.dumps(bundle(patient(), observation(subject={"reference": "Patient/p2"}))).encode(),
        json.dumps(bundle(patient(), bundle(observation(subject={"reference": "Patient/p2"}))), indent=4).encode(),
        b"\xef\xbb\xbf" + ndjson(patient()) + b"\n\n" + ndjson(observation(subject={"reference": "Patient/p2"})),
        ndjson(patient(), observation(subject={"reference": "Patient/p2"})).replace(b"\n", b"\r\n"),
    ],
)
def test_it_tells_types_and_whose(pack, content):
    found = seen(pack(content))
    assert set(found.ids) == {Id("ehr", "fhir", "p1"), Id("ehr", "fhir", "p2")}
    assert found.records == 2
    assert found.facts["resources"] == "Observation 1, Patient 1"
    assert found.held == {}


def test_it_tells_identifiers_of_the_plans_systems():
    found = seen(ndjson(patient(identifier=[{"system": MRN, "value": "4711"}, {"system": "https://x", "value": "1"}])))
    assert set(found.ids) == {Id("ehr", "fhir", "p1"), Id("ehr", "mrn", "4711")}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"resourceType":"Patient","id":"p1","id":"p2"}', "a key stands twice in one object"),
        (b'{"resourceType" : "Patient", "id":"p1", "name":[{"x":1,"x":2}]}', "a key stands twice in one object"),
        (b'{"resourceType":"Patient","i\\u0064":"p1","id":"p2"}', "a key stands twice in one object"),
        (b'{"resourceType":"Patient","id":"p1"', "not JSON in UTF-8, or nested too deeply"),
        (b'{"resourceType":"Patient","id":"\xff"}', "not JSON in UTF-8, or nested too deeply"),
        (b'{"resourceType":"Patient","id":NaN}', "not JSON in UTF-8, or nested too deeply"),
        (b"[" * 5000 + b"]" * 5000, "not JSON in UTF-8, or nested too deeply"),
        (b'{"a":' * 900 + b'"x"' + b"}" * 900, "not JSON in UTF-8, or nested too deeply"),
        (b"[1]", "JSON, but no object"),
        (b'{"resourceType":"Observation","id":"x"}', "it names no patient"),
        (b'{"resourceType":"Observation","id":"x","subject":{"reference":"Group/1"}}', "its subject is not a patient"),
        (b'{"resourceType":"Condition","clinicalStatus":"active"}', "FHIR STU3; export it as R4 or later"),
        (b'{"resourceType":"Bundle","entry":{}}', "a Bundle whose entries are no list"),
    ],
)
def test_a_line_that_cannot_be_read_is_held_with_its_place(line, reason):
    found = seen(ndjson(patient()) + line + b"\n" + ndjson(observation()))
    assert found.records >= 2
    assert found.held == {"line 2": reason}


def test_what_is_held_at_the_door_is_left_out_of_the_extract(tmp_path):
    from tests.tre.data.deid.fhir_files import extract

    summary, _ = extract(tmp_path, ndjson(patient()) + b'{"resourceType":"Patient","id":"p2","id":"p1"}\n{"resourceT\n')
    assert dict(summary.held) == {"a key stands twice in one object": 1, "not JSON in UTF-8, or nested too deeply": 1}


def test_what_is_not_taken_is_a_fact_and_no_fault():
    found = seen(ndjson(patient(), {"resourceType": "Claim"}, {"resourceType": "AnnaMarca"}))
    assert found.facts["not taken"] == "a type that is not FHIR's (1), a type that is not taken: Claim (1)"
    assert found.held == {}


def test_release_5_is_told():
    assert (
        seen(ndjson({"resourceType": "Procedure", "subject": {"reference": "Patient/p1"}, "recorded": "2020"})).facts[
            "FHIR release"
        ]
        == "R5"
    )


def test_many_faults_are_counted():
    found = seen(ndjson(patient(), *[{"resourceType": "Observation"}] * (look.TOLD + 5)))
    assert found.held["others"] == "5 x it names no patient"
    assert len(found.held) == look.TOLD + 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "not JSON"),
        (b"name,age\nAnna,3\n", "not JSON in UTF-8"),
        (b"{", "not JSON in UTF-8"),
        (json.dumps(patient()).encode("utf-16"), "not JSON in UTF-8"),
        (b'{"resourceType":"Claim"}', "no resource that is taken; a type that is not taken: Claim"),
        (b'{"a":1}', "no resource that is taken; JSON, but no FHIR resource"),
        (gzip.compress(ndjson(patient()), mtime=0)[:-9], "torn or damaged"),
        (gzip.compress(ndjson(patient()), mtime=0)[:40] + b"Anna", "torn or damaged"),
        (gzip.compress(b'{"a":"' + b"0" * (80 << 20), mtime=0), "unpacks to more than"),
    ],
)
def test_what_is_no_fhir_is_refused_in_one_line(content, reason):
    with pytest.raises(Unreadable, match=reason) as told:
        seen(content)
    assert "Anna" not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_document_that_is_too_large_is_refused_with_a_way_out(monkeypatch):
    monkeypatch.setattr(source, "LARGEST", 1000)
    with pytest.raises(Unreadable, match="export it as bulk data"):
        seen(json.dumps(bundle(*[observation()] * 20)).encode())
    with pytest.raises(Unreadable, match="export it as bulk data"):
        seen(json.dumps(bundle(*[observation()] * 20), indent=1).encode())


def test_bundles_too_deep_are_held():
    deep = patient()
    for _ in range(6):
        deep = bundle(deep)
    found = seen(ndjson(patient(), deep))
    assert set(found.held.values()) == {"Bundles within Bundles within Bundles"}


WHOLE = ndjson(patient(identifier=[{"system": MRN, "value": "4711"}]), observation(), bundle(observation()))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(max_size=4)), max_size=6),
    st.integers(0, len(WHOLE)),
    st.booleans(),
)
def test_broken_files_are_read_or_refused(tmp_path_factory, edits, cut, packed):
    broken = bytearray(WHOLE)
    for at, what in edits:
        broken[at : at + len(what)] = what
    content = bytes(broken[:cut])
    content = gzip.compress(content, mtime=0)[: max(20, cut)] if packed else content
    _all_the_way(content, tmp_path_factory)


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda below: (
            st.lists(below, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "resourceType",
                        "entry",
                        "resource",
                        "id",
                        "fullUrl",
                        "subject",
                        "reference",
                        "contained",
                        "identifier",
                        "system",
                        "value",
                        "code",
                        "coding",
                        "meta",
                        "status",
                        "extension",
                        "modifierExtension",
                        "address",
                    ]
                ),
                below,
            )
        ),
        max_leaves=30,
    ),
    st.sampled_from(["Patient", "Observation", "Bundle", "Encounter", "ImagingStudy"]),
)
def test_any_json_is_read_or_refused(tmp_path_factory, value, kind):
    document = {**value, "resourceType": kind} if isinstance(value, dict) else value
    _all_the_way(json.dumps(document).encode(), tmp_path_factory)


def _all_the_way(content, folders):
    from tests.tre.data.deid.fhir_files import who

    try:
        seen(content)
    except Unreadable:
        return
    file = Stored(0, Kind.FHIR, "x", len(content), "", lambda: io.BytesIO(content))
    make.make([file], folders.mktemp("broken"), part=PART, who=who(), tell=nobody)
