"""Two hundred thousand observations told in OMOP tables, beside DuckDB that only reads the same file."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.bench

ROWS, PERSONS = 200_000, 2_000
MEGABYTES = 1500

# A process of its own, so that its memory is its own.
PROGRAM = f"""
import json, resource, sys, time
from pathlib import Path
import pandas  # DuckDB asks for it, once in a process
from tre.data import engine
from tre.data.deid.omop import Omop
from tre.data.deid.pseudonyms import Domain, Naming, PatientId, ProjectKeys
from tre.data.harmonise import make

folder = Path(sys.argv[1])
(folder / "fhir").mkdir()
naming = Naming(ProjectKeys(b"k" * 32, b"k" * 32))
persons = [naming.pseudonym(PatientId(f"h:{{at}}")) for at in range({PERSONS})]
numbers = {{name: naming.number(Domain.PERSON_NUMBER, name) for name in persons}}
CODES = ["8302-2", "29463-7", "8867-4", "9279-1", "8310-5", "39156-5", "2339-0", "4548-4", "72514-3", "21000-5"]
with (folder / "fhir" / "Patient.ndjson").open("w") as file:
    for name in persons:
        file.write(json.dumps({{"resourceType": "Patient", "id": name, "birthDate": "1970-01-01"}}) + "\\n")
with (folder / "fhir" / "Encounter.ndjson").open("w") as file:
    for at in range({ROWS} // 10):
        file.write(json.dumps({{
            "resourceType": "Encounter", "id": naming.code(Domain.ENCOUNTER, str(at)), "status": "finished",
            "class": {{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}},
            "subject": {{"reference": "Patient/" + persons[at % {PERSONS}]}}, "period": {{"start": "2020-01-01"}},
        }}) + "\\n")
with (folder / "fhir" / "Observation.ndjson").open("w") as file:
    for at in range({ROWS}):
        visit = at % ({ROWS} // 10)
        file.write(json.dumps({{
            "resourceType": "Observation", "id": naming.code(Domain.RECORD, str(at)), "status": "final",
            "category": [{{"coding": [{{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
                                        "code": "vital-signs"}}]}}],
            "code": {{"coding": [{{"system": "http://loinc.org", "code": CODES[at % 10]}}]}},
            "subject": {{"reference": "Patient/" + persons[visit % {PERSONS}]}},
            "encounter": {{"reference": "Encounter/" + naming.code(Domain.ENCOUNTER, str(visit))}},
            "effectiveDateTime": "2020-01-01T10:11:12.131415+00:00",
            "valueQuantity": {{"value": at % 200, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm"}},
        }}) + "\\n")
began = time.perf_counter()
with engine.connection() as con:
    con.execute(
        "CREATE TABLE t AS FROM read_json(?, format = 'newline_delimited', columns = {{id: 'VARCHAR',"
        " status: 'VARCHAR', subject: 'STRUCT(reference VARCHAR)', encounter: 'STRUCT(reference VARCHAR)',"
        " effectiveDateTime: 'VARCHAR',"
        " code: 'STRUCT(coding STRUCT(system VARCHAR, code VARCHAR)[])',"
        " valueQuantity: 'STRUCT(\\"value\\" DOUBLE, system VARCHAR, code VARCHAR)'}})",
        [str(folder / "fhir" / "Observation.ndjson")],
    )
floor = time.perf_counter() - began
began = time.perf_counter()
made = make.make(folder, part=Omop(), numbers=numbers, naming=naming)
seconds = time.perf_counter() - began
assert made.counts["omop measurement"] == {ROWS}, made.counts
assert made.counts["omop measurement, with a standard concept"] == {ROWS} * 8 // 10, made.counts
assert not made.held
print(seconds, floor, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def test_observations_become_measurements(tmp_path, report):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path], capture_output=True, text=True, check=True, timeout=280
    )
    seconds, floor, megabytes = map(float, done.stdout.split())
    said = f"DuckDB reads the file in {floor:.2f} s"
    report("omop: observations a second", ROWS / seconds, "/s", None, said)
    report("omop: beside reading alone", seconds / floor, "x", None, said)
    report("omop: memory", megabytes, "MB", MEGABYTES)
