"""One notebook finds one person in a table, an image, a variant file and OMOP, in the image, on the golden extract."""

import re
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import pysam
import pytest

from tests.containers import notebooks
from tests.door import open_door
from tests.golden import people
from tests.golden.journey import NAME, House
from tests.golden.people import Somebody
from tests.golden.score import Project
from tests.golden.tables import LABS

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]  # the first test waits for the golden cohort

PROJECT = "sunrise"
NOTEBOOK = "one-person.ipynb"
GLUCOSE = LABS.index("2345-7")


class Fact(NamedTuple):
    """A row of the notebook's table."""

    person: str
    date: date | None
    says: str


@pytest.fixture(scope="module")
def ran(golden) -> dict:
    """The notebook as a person of the project sees it when it has run."""
    return _ran(golden, {NAME: golden.extracts[PROJECT]})


@pytest.fixture(scope="module")
def facts(ran) -> dict[str, Fact]:
    """The small table, by kind of data."""
    (table,) = (html for html in _outputs(ran, "text/html") if "image header" in html)
    rows = (re.findall(r"<td>(.*?)</td>", row) for row in table.split("<tr>"))
    found = {row[0]: Fact(row[1], _date(row[2]), row[3]) for row in rows if row}
    assert list(found) == ["lab value", "image header", "genotype", "condition"]
    return found


@pytest.fixture(scope="module")
def names(golden) -> Project:
    """What the project calls everybody."""
    return golden.project(PROJECT)


@pytest.fixture(scope="module")
def one(facts, names) -> Somebody:
    """Who it is, by the answer key."""
    subject = {pseudonym: subject for subject, pseudonym in names.names.items()}[facts["lab value"].person]
    return next(each for each in people.everybody() if each.subject == subject)


def test_every_cell_runs(ran):
    assert notebooks.errors(ran) == []
    assert all(cell["execution_count"] for cell in ran["cells"] if cell["cell_type"] == "code")


def test_the_four_facts_are_of_one_person(facts):
    assert len({fact.person for fact in facts.values()}) == 1


def test_the_lab_value_and_the_condition_are_those_of_this_person(facts, one):
    assert facts["lab value"].says == f"{one.stay.values[GLUCOSE]} mmol/L"
    assert facts["condition"].says == one.stay.condition


def test_the_genotype_is_that_of_this_person(facts, one, golden):
    site, letters = facts["genotype"].says.split()
    with pysam.VariantFile(str(golden.delivery / "variants/cohort.vcf.gz")) as delivered:
        (record,) = (each for each in delivered if f"{each.chrom}:{each.pos}" == site)
        assert letters == "/".join(sorted(record.samples[one.sample].alleles))


def test_the_dates_are_moved_by_the_days_of_this_person(facts, one, names):
    days = timedelta(days=names.days[one.subject])
    told = {what: fact.date - days for what, fact in facts.items() if fact.date}
    assert told.keys() == {"lab value", "image header", "condition"}
    assert told["condition"] == one.stay.start
    last = max(one.stay.end, one.stay.start + timedelta(days=4))  # an image is of one of the first five days
    assert all(one.stay.start <= day <= last for day in told.values())


def test_it_ends_in_one_picture(ran):
    assert len(list(_outputs(ran, "image/png"))) == 1


def test_a_room_without_the_dataset_says_so_in_a_sentence(golden):
    (said,) = notebooks.errors(_ran(golden, {}))
    assert said["traceback"] == [f"error: no dataset {NAME} in this room: it has none"]


def test_it_is_kept_without_outputs():
    assert notebooks.kept_without_outputs(NOTEBOOK)


def _ran(golden: House, data: dict[str, Path]) -> dict:
    """Run it in a room that has these datasets."""
    listed = [{"name": name, "version": 1, "path": f"/data/{name}"} for name in data]
    with tempfile.TemporaryDirectory(prefix="tre-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        notebooks.folders(folder)
        with open_door(folder / "api/tre.sock") as door:
            (folder / "api/tre.sock").chmod(0o666)
            door.answers["GET", "/v1/me"] = 200, {"datasets": listed}
            return notebooks.run(golden.settings, folder, NOTEBOOK, data)


def _outputs(notebook: dict, kind: str) -> Iterator[str]:
    for cell in notebook["cells"]:
        for out in cell.get("outputs", ()):
            if kind in out.get("data", {}):
                yield "".join(out["data"][kind])


def _date(said: str) -> date | None:
    return date.fromisoformat(said) if said else None
