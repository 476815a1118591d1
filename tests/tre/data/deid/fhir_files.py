"""Invented people in FHIR, and an extract of them for one project."""

import copy
import io
import json

from tre.data.deid.fhir import make
from tre.data.deid.fhir.part import Fhir
from tre.data.deid.pseudonyms import Naming, PatientId, ProjectKeys
from tre.data.deid.stored import Kind, Stored, nobody
from tre.data.deid.who import Who

MRN = "https://ehr.example/mrn"
PART = Fhir("ehr", "fhir", identifiers=((MRN, "mrn"),))
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
LINKS = {
    ("ehr", "fhir"): {"p1": PatientId("h:anna"), "p2": PatientId("h:otto"), "gone": PatientId("h:gone")},
    ("ehr", "mrn"): {"4711": PatientId("h:anna"), "4712": PatientId("h:otto")},
}


def who(project="a", links=None, withdrawn=("h:gone",)):
    keys = ProjectKeys(project.encode() * 32, project.upper().encode() * 32)
    return Who(Naming(keys), LINKS if links is None else links, frozenset(map(PatientId, withdrawn)))


ANNA, OTTO = who().known(PatientId("h:anna")), who().known(PatientId("h:otto"))


def concept(code="8302-2", system=LOINC, **more):
    return {"coding": [{"system": system, "code": code, **more}]}


def patient(**more):
    return {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1960-02-29", **more}


def observation(**more):
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": concept(),
        "subject": {"reference": "Patient/p1"},
        **more,
    }


def quantity(value=172.5, code="cm"):
    return {"value": value, "unit": code, "system": UCUM, "code": code}


def bundle(*resources, urls=(), kind="collection"):
    entries = [{"resource": one} for one in resources]
    for entry, url in zip(entries, urls, strict=False):
        entry["fullUrl"] = url
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def ndjson(*resources):
    return b"".join(json.dumps(one).encode() + b"\n" for one in resources)


def stored(content, number=0):
    return Stored(number, Kind.FHIR, f"file-{number}", len(content), "", lambda: io.BytesIO(content))


def extract(folder, *contents, part=PART, by=None):
    """Make an extract; return its summary and all resources by type."""
    folder.mkdir(exist_ok=True, parents=True)
    files = [stored(content, number) for number, content in enumerate(contents)]
    summary = make.make(files, folder, part=part, who=by or who(), tell=nobody)
    found = {path.stem: lines(path) for path in sorted(folder.glob("fhir/*.ndjson"))}
    return summary, found


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def one(folder, resource, **more):
    """Return what became of a single resource."""
    _, found = extract(folder, ndjson(copy.deepcopy(resource)), **more)
    (resources,) = found.values()
    (made,) = resources
    return made


def bytes_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
