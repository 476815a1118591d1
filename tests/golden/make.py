"""The whole delivery, written to an empty folder, and its key beside it: the same bytes each time."""

from pathlib import Path
from shutil import copyfile

from tests.golden import dicom, fhir, genomes, junk, people, tables
from tests.golden.key import Key
from tests.golden.people import Somebody

PLAN = Path(__file__).parent / "plan.yaml"


def generate(folder: Path) -> Key:
    """Write what the hospital delivers to `folder`/delivery, the plan and the key beside it; return the key."""
    delivery = folder / "delivery"
    delivery.mkdir(parents=True)
    everybody, stranger = people.everybody(), people.stranger()
    key = Key()
    for one in (*everybody, stranger):
        _plant(one, key)
    for part in (tables, fhir, dicom, genomes, junk):
        part.write(delivery, everybody, stranger, key)
    copyfile(PLAN, folder / "plan.yaml")
    key.write(folder / "key.json")
    return key


def _plant(one: Somebody, key: Key) -> None:
    """Note what names a person wherever it stands."""
    for value, what in ((one.family, "family name"), (one.given, "given name"), (one.nhs, "NHS number")):
        key.plant(value, what)
    for value, what in ((one.phone, "telephone"), (one.email, "e-mail"), (one.street, "address")):
        key.plant(value, what)
    for record in (one, *one.old):
        for value, what in ((record.mrn, "MRN"), (record.fhir, "FHIR id"), (record.pacs, "PACS id")):
            key.plant(value, what)
        key.plant(record.sample, "sample")
    key.plant(f"{one.nhs[:3]} {one.nhs[3:6]} {one.nhs[6:]}", "NHS number, in groups")
