"""The welcome notebook runs from top to bottom, in the image, on the demo's own extract."""

import csv
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import tre.settings
from tests.containers import notebooks
from tests.door import House, open_door
from tre import demo

pytestmark = pytest.mark.docker
REQUEST = {
    "id": 1,
    "state": "checking",
    "why": "Table 1 and figure 1: outcome by treatment",
    "round": 1,
    "files": [],
    "says": "The machine is looking at it.",
    "url": "http://airlock",
}


class Ran(NamedTuple):
    outbox: Path
    notebook: dict
    house: House


@pytest.fixture(scope="module")
def ran(made_home) -> Iterator[Ran]:
    with tempfile.TemporaryDirectory(prefix="tre-") as place:
        folder = Path(place)
        shutil.copytree(made_home, folder / "home", symlinks=True)
        settings = tre.settings.load(folder / "home")
        demo.seed(settings, say=print)
        notebooks.folders(folder)
        with open_door(folder / "api/tre.sock") as house:
            (folder / "api/tre.sock").chmod(0o666)
            house.answers.update(_answers())
            extract = settings.extract("sunrise", "actg175", 1)
            said = notebooks.run(settings, folder, "welcome.ipynb", {"actg175": extract})
        yield Ran(folder / "outbox", said, house)


def _answers() -> dict[tuple[str, str], tuple[int, object]]:
    me = {
        "datasets": [{"name": "actg175", "version": 1, "path": "/data/actg175"}],
        "meter": {"hour_bytes": 1, "hour_limit": 2, "day_bytes": 3, "day_limit": 4},
        "notices": [],
    }
    return {
        ("GET", "/v1/me"): (200, me),
        ("GET", "/v1/requests"): (200, {"requests": [REQUEST]}),
        ("POST", "/v1/requests"): (201, REQUEST),
    }


def test_every_cell_runs(ran):
    cells = [cell for cell in ran.notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in cells)
    assert notebooks.errors(ran.notebook) == []


def test_the_table_counts_each_person_of_the_trial_once(ran):
    rows = list(csv.DictReader((ran.outbox / "events-by-arm.csv").read_text().splitlines()))
    assert list(rows[0]) == ["arms", "cens", "persons"]
    assert len(rows) == 8
    assert sum(int(row["persons"]) for row in rows) == 2139
    assert sum(int(row["persons"]) for row in rows if row["cens"] == "1") == 521


def test_the_picture_is_a_png(ran):
    assert (ran.outbox / "survival.png").read_bytes().startswith(b"\x89PNG")


def test_it_asks_for_exactly_these_two_files(ran):
    asked = [body for method, path, body in ran.house.asked if (method, path) == ("POST", "/v1/requests")]
    assert asked == [{"paths": ["events-by-arm.csv", "survival.png"], "why": REQUEST["why"]}]


def test_it_is_kept_without_outputs(ran):
    assert notebooks.kept_without_outputs("welcome.ipynb")
