"""Public test files of the field go through the front door in one go: each is taken, held or refused with a reason."""

import json
import shutil
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pydicom
import pytest

import tre.settings
from tests.golden.journey import House
from tests.golden.key import Key
from tests.tre.data import omop
from tre.records.db import opened

pytestmark = pytest.mark.timeout(600)

PLAN = """
linkage: {name: public}
fhir: {system: ehr, patient: fhir}
omop: {}
dicom:
  system: pacs
  patient: mrn
  options: [retain-modified-dates, retain-patient-characteristics]
  structured_reports: true
quasi_identifiers: []
"""
PATIENTS = 2


@pytest.fixture(scope="module")
def house(made_home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("public")
    delivery = folder / "delivery"
    _images(delivery / "images")
    people = _synthea(delivery / "fhir")
    (delivery / "linkage.csv").write_text(_linkage(delivery / "images", people), "utf-8")
    (folder / "plan.yaml").write_text(PLAN, "utf-8")
    shutil.copytree(made_home, folder / "home", symlinks=True)
    settings = tre.settings.load(folder / "home")
    records = opened(settings)
    house = House(settings, records, folder, Key())
    assert house.tre("dataset", "register", "public", "--plan", folder / "plan.yaml").code == 0
    said = house.tre("dataset", "ingest", "public", delivery)
    assert said.code == 0, said.whole
    yield house
    records.close()


def test_every_public_file_is_taken_held_or_refused_with_a_reason(house):
    delivered = [path.relative_to(house.delivery).as_posix() for path in house.delivery.rglob("*") if path.is_file()]
    said = json.loads(house.tre("--json", "dataset", "quarantine", "public").out)
    assert Counter(one["state"] for one in said).keys() <= {"held", "refused"}
    assert all(one["reason"] and "\n" not in one["reason"] for one in said)
    left_out = {one["path"].split("/", 1)[1] for one in said}
    assert left_out <= set(delivered)
    assert 20 < len(left_out) < len(delivered) - 20


def test_an_extract_is_made_of_what_was_taken(house):
    house.allow("sunrise", "public")
    folder = house.prepare("sunrise", "public")
    images = list(folder.glob("dicom/**/*.dcm"))
    assert len(images) > 20
    assert all(pydicom.dcmread(path).PatientIdentityRemoved == "YES" for path in images)
    patients = (folder / "fhir" / "Patient.ndjson").read_text("utf-8").splitlines()
    assert len(patients) == PATIENTS
    assert (folder / "omop" / "condition_occurrence.parquet").exists()


def _images(to: Path) -> None:
    source = Path(str(files("pydicom") / "data" / "test_files"))
    shutil.copytree(source, to, ignore=shutil.ignore_patterns("*.py", "__pycache__"))


def _synthea(to: Path) -> list[str]:
    """Write patients as Synthea gives them; return their ids."""
    found = []
    for number, bundle in enumerate(omop.synthea(to.with_name("synthea"), PATIENTS)):
        to.mkdir(exist_ok=True)
        (to / f"{number}.json").write_text(json.dumps(bundle), "utf-8")
        found += [one["resource"]["id"] for one in bundle["entry"] if one["resource"]["resourceType"] == "Patient"]
    shutil.rmtree(to.with_name("synthea"))
    return found


def _linkage(images: Path, patients: list[str]) -> str:
    """Link whatever ids are in the files: who is behind them is not the question here."""
    rows = {("pacs", "mrn", one): f"image-{at}" for at, one in enumerate(sorted(_patient_ids(images)))}
    rows |= {("ehr", "fhir", one): f"synthea-{at}" for at, one in enumerate(patients)}
    lines = [f'{system},{kind},"{value}",{subject}' for (system, kind, value), subject in rows.items()]
    return "\n".join(["system,type,value,subject", *lines]) + "\n"


def _patient_ids(images: Path):
    for path in sorted(images.rglob("*")):
        try:
            said = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=["PatientID"])
            value = str(said.get("PatientID", "")).strip()
        except Exception:  # noqa: BLE001 -- many of these files are broken on purpose
            continue
        if value and value.isprintable() and '"' not in value:
            yield value
