"""Somebody withdraws while a room is open: whoever works there is told, until a new extract is in the room.

Each fixture is a chapter and keeps what ann saw; it begins with what a room holds: one person in every kind of data.
"""

import json
import re
from typing import NamedTuple

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import Window, take
from tests.golden import people
from tests.golden.journey import NAME, PROJECTS
from tests.golden.journey import House as Walked
from tre.governance import superseded

pytestmark = [pytest.mark.docker, pytest.mark.browser, pytest.mark.timeout(900)]

PROJECT, TITLE = PROJECTS[0], f"The project {PROJECTS[0]}"
NOTEBOOK = "one-person.ipynb"
EVERYBODY = {one.number: one for one in people.everybody()}
ASK = 'print(*tre.meter().notices, len(set(labs[PERSON])), "{0}" + "persons")'


class Seen(NamedTuple):
    """What she saw at one moment."""

    room: str
    home: str
    listed: list[dict]


@pytest.fixture(scope="module")
def operator(hospital, golden) -> Walked:
    """Whoever sits at the console of the running house."""
    return Walked(hospital.settings, hospital.records, golden.folder, golden.key)


@pytest.fixture(scope="module")
def ann(hospital, chromium):
    window = Window(chromium, hospital, f"ann-{PROJECT}").sign_in()
    yield window
    window.close()


@pytest.fixture(scope="module")
def before(ann, operator, pictures) -> Seen:
    """She opens her room and runs the notebook that follows one person."""
    ann.open(TITLE, PROJECT)
    _run_all(ann)
    expect(ann.page.get_by_role("button", name="Python 3 (ipykernel) | Idle")).to_be_visible()
    ann.page.get_by_role("cell", name="condition", exact=True).last.hover()
    take(ann.page, pictures, "one-person")
    return _seen(ann, operator, "before ")


@pytest.fixture(scope="module")
def after(ann, operator, before) -> Seen:
    """Somebody withdraws; the room stays open."""
    gone = EVERYBODY[people.WITHDRAWN]
    words = ("linkage", "withdraw", "hospital", "ehr", "mrn", "--reason", "asked by letter")
    said = operator.tre(*words, typed=f"{gone.mrn}\n")
    assert said.code == 0, said.whole
    _run_all(ann)
    return _seen(ann, operator, "after ")


@pytest.fixture(scope="module")
def prepared(ann, operator, after) -> str:
    """An admin does what the list says; the room is still open, with the extract of before."""
    (row,) = (row for row in after.listed if row["project"] == PROJECT)
    said = operator.tre(*row["run"].split()[1:])
    assert said.code == 0, said.whole
    return ann.home().locator("main").inner_text()


@pytest.fixture(scope="module")
def renewed(ann, operator, prepared) -> Seen:
    """She closes her room and opens it again."""
    ann.home()
    ann.project(TITLE).get_by_role("button", name="Close the room").click()
    expect(ann.project(TITLE).get_by_role("link", name="Open")).to_be_visible()
    ann.open(TITLE, PROJECT)
    _run_all(ann)
    return _seen(ann, operator, "renewed ")


def test_the_notebook_finds_one_person_in_every_kind_of_data_in_a_real_room(before):
    facts = re.findall(r"^\d\s+(lab value|image header|genotype|condition)\s+(tre1-\w+)\s", before.room, re.MULTILINE)
    assert [what for what, _ in facts] == ["lab value", "image header", "genotype", "condition"]
    assert len({person for _, person in facts}) == 1
    assert "Error" not in before.room


def test_before_nobody_is_told_anything(before):
    assert superseded.said(NAME) not in before.room + before.home
    assert [row["out_of_date"] for row in before.listed] == ["", ""]


def test_the_open_room_is_told(after):
    assert superseded.said(NAME) in after.room
    assert f"{people.COUNT} after persons" in after.room


def test_the_home_page_says_so_too(after):
    assert superseded.said(NAME) in after.home


def test_the_operator_sees_every_extract_that_is_out_of_date_and_what_to_run(after):
    assert {(row["project"], row["out_of_date"], row["run"]) for row in after.listed} == {
        (name, "a person withdrew", f"tre extract prepare {NAME} {name}") for name in PROJECTS
    }


def test_a_new_extract_does_not_end_the_notice_while_the_old_one_is_in_the_room(prepared):
    assert superseded.said(NAME) in prepared


def test_in_the_room_that_was_opened_again_the_person_is_gone_and_so_is_the_notice(renewed):
    assert superseded.said(NAME) not in renewed.room + renewed.home
    assert f"{people.COUNT - 1} renewed persons" in renewed.room


def test_the_other_projects_extract_still_waits(renewed):
    assert {(row["project"], row["out_of_date"]) for row in renewed.listed} == {
        (PROJECTS[0], ""),
        (PROJECTS[1], "a person withdrew"),
    }


# --- how they do it --------------------------------------------------------------------------------------------------
def _run_all(window: Window) -> None:
    """Open the notebook in the room, and run it to its picture."""
    page = window.lab(PROJECT)
    page.locator(".jp-DirListing-item", has_text=NOTEBOOK).dblclick()
    page.get_by_role("heading", name="One person, every kind of data").first.wait_for()
    expect(page.get_by_role("button", name="Python 3 (ipykernel) | Idle")).to_be_visible()
    page.get_by_role("menubar").get_by_role("menuitem", name="Run", exact=True).click()
    page.locator(".lm-Menu-itemLabel").get_by_text("Run All Cells", exact=True).click()
    expect(page.locator(".jp-Notebook img").first).to_be_visible()


def _seen(window: Window, operator: Walked, when: str) -> Seen:
    """Ask in the room, at the console and on the home page."""
    page, outputs = window.page, window.page.locator(".jp-Notebook .jp-OutputArea-output")
    cell = page.locator(".jp-Notebook .jp-CodeCell").last
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(ASK.format(when))
    page.keyboard.press("Shift+Enter")
    expect(outputs.get_by_text(f"{when}persons")).to_be_visible()
    room = "\n".join(outputs.all_inner_texts())
    listed = json.loads(operator.tre("--json", "extract", "list").out)
    return Seen(room, window.home().locator("main").inner_text(), listed)
