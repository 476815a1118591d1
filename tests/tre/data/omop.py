"""De-identified FHIR as it lies in an extract, for tests of harmonising: made here, or from Synthea's patients."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet

from tre.data.deid.omop import Omop
from tre.data.deid.pseudonyms import Domain, Naming, PatientId, ProjectKeys
from tre.data.harmonise import make

SNOMED, LOINC, RXNORM = "http://snomed.info/sct", "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX, UCUM, ICD10CM = "http://hl7.org/fhir/sid/cvx", "http://unitsofmeasure.org", "http://hl7.org/fhir/sid/icd-10-cm"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
GONE = {"display", "text", "name", "telecom", "address", "identifier", "meta", "note"}


def naming(key=b"k" * 32):
    return Naming(ProjectKeys(key, key))


class House:
    """One project's names, and the resources told with them."""

    def __init__(self, key=b"k" * 32):
        self.naming, self.numbers, self.resources = naming(key), {}, []

    def somebody(self, subject="one", **said):
        pseudonym = self.naming.pseudonym(PatientId(f"hospital:{subject}"))
        self.numbers[pseudonym] = self.naming.number(Domain.PERSON_NUMBER, f"hospital:{subject}")
        self.add("Patient", pseudonym, **{"gender": "female", "birthDate": "1980-05-17", **said})
        return pseudonym

    def add(self, kind, name, **said):
        self.resources.append({"resourceType": kind, "id": name, **said})

    def told(self, kind, name, person, **said):
        """Add a resource of a person under the name that the project gives it."""
        domain = Domain.ENCOUNTER if kind == "Encounter" else Domain.RECORD
        renamed = self.naming.code(domain, name)
        self.add(kind, renamed, subject={"reference": f"Patient/{person}"}, **said)
        return renamed

    def write(self, folder):
        (folder / "fhir").mkdir(parents=True)
        lines = {}
        for one in self.resources:
            lines.setdefault(one["resourceType"], []).append(json.dumps(one))
        for kind, said in lines.items():
            (folder / "fhir" / f"{kind}.ndjson").write_text("\n".join(said) + "\n", "utf-8")
        return folder

    def make(self, folder, **more):
        if not (folder / "fhir").exists():
            self.write(folder)
        return make.make(folder, part=Omop(), numbers=self.numbers, naming=self.naming, **more)


def coding(system, *codes):
    return {"coding": [{"system": system, "code": code} for code in codes]}


def rows(folder, table):
    return pyarrow.parquet.read_table(folder / "omop" / f"{table}.parquet").to_pylist()


def synthea(folder, count=6):
    """Bundles of so many seeded patients (a second or two each)."""
    program = Path(sys.executable).with_name("synthea")
    words = [program, "-p", str(count), "-s", "7", "-r", "20240101", "-o", folder, "--log-level", "error"]
    subprocess.run(words, check=True, capture_output=True, timeout=240)
    return [json.loads(path.read_bytes()) for path in sorted((folder / "fhir").glob("*.json"))]


def deidentified(bundles, key=b"k" * 32):
    """The bundles' resources, renamed and without texts; their dates as they were."""
    house = House(key)
    for bundle in bundles:
        names = {}
        for entry in bundle["entry"]:
            one = entry["resource"]
            names["urn:uuid:" + one["id"]] = f"{one['resourceType']}/{_renamed(house, one)}"
        for entry in bundle["entry"]:
            one = _walked(entry["resource"], names)
            house.resources.append({**one, "id": names["urn:uuid:" + one["id"]].partition("/")[2]})
    return house


def _renamed(house, one):
    if one["resourceType"] != "Patient":
        domain = Domain.ENCOUNTER if one["resourceType"] == "Encounter" else Domain.RECORD
        return house.naming.code(domain, one["id"])
    pseudonym = house.naming.pseudonym(PatientId(one["id"]))
    house.numbers[pseudonym] = house.naming.number(Domain.PERSON_NUMBER, one["id"])
    return pseudonym


def _walked(said, names):
    if isinstance(said, dict):
        return {key: _walked(value, names) for key, value in said.items() if key not in GONE}
    if isinstance(said, list):
        return [_walked(value, names) for value in said]
    return names.get(said, said) if isinstance(said, str) else said
