"""One export from the first sign-in to the proof of it, as the README tells it: a real Hub, Docker and Chromium.

Each fixture is a chapter and keeps what people saw; each test is a claim about it.
"""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import LARGEST_PICTURE, STORY, Window, fits, take, take_both

pytestmark = [pytest.mark.docker, pytest.mark.browser, pytest.mark.timeout(900)]

SUNRISE, HARBOUR = "Four treatments in ACTG 175", "Adherence over the years"
CLOSED_WORDS = ("Download", "Export", "Copy Download Link", "Open in New Browser Tab", "Share", "Print", "Terminal")
PERSONS = 2139
"""People of the trial; every one of them is in one cell of the table."""
REFUSED = r"403 \(Forbidden\) .*/api/nbconvert|files leave only as a release"
"""JupyterLab asks for the ways to convert a notebook, and is told that there are none."""
FEWER = (
    'table[table["cens"] == table["cens"].max()].to_csv("/outbox/events-by-arm.csv", index=False); "written" + " anew"'
)


class Visit(NamedTuple):
    """What alice saw in her room."""

    outputs: str
    menus: str
    faults: tuple[str, ...]
    strangers: tuple[str, ...]


class Review(NamedTuple):
    """What an approver saw before voting, and after."""

    page: str
    table: str
    picture: tuple[int, int]
    after: str


# --- chapters --------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def alice(at, chromium, garden, pictures) -> Window:
    """She signs in with password and code."""
    stranger = Window(chromium, garden)
    stranger.page.goto(f"{garden.settings.hub_origin}/hub/login")
    expect(stranger.page.get_by_role("button", name="Sign in")).to_be_visible()
    take_both(stranger.page, pictures, "login")
    stranger.close()
    return at("alice")


@pytest.fixture(scope="module")
def visit(alice, pictures) -> Visit:
    """She opens her room and runs the welcome notebook, whose last cells ask for the export."""
    take_both(alice.home(), pictures, "home")
    alice.open(SUNRISE, "sunrise")
    page = alice.lab("sunrise")
    _welcome(page)
    _choose(page, "Run", "Run All Cells")
    outputs = page.locator(".jp-Notebook .jp-OutputArea-output")
    expect(outputs.filter(has_text="hour").last).to_be_visible()
    page.locator(".jp-Notebook img").first.scroll_into_view_if_needed()
    take(page, pictures, "room")
    menus = " | ".join(
        _menu(page, name) for name in ("File", "Edit", "View", "Run", "Kernel", "Tabs", "Settings", "Help")
    )
    return Visit("\n".join(outputs.all_inner_texts()), menus, tuple(alice.faults), tuple(alice.strangers))


@pytest.fixture(scope="module")
def asked(alice, visit, pictures) -> str:
    """She looks at her request in the airlock, until its checks are done."""
    _until(alice, 1, "in review")
    take_both(alice.page, pictures, "request")
    return alice.text()


@pytest.fixture(scope="module")
def reviewed(at, asked, pictures) -> dict[str, Review]:
    """Carol looks and votes, then dave does, and neither sees the other's vote first."""
    return {name: _review(at(name), 1, pictures if name == "carol" else None) for name in ("carol", "dave")}


@pytest.fixture(scope="module")
def collected(alice, reviewed, tmp_path_factory) -> tuple[Path, str]:
    """She makes the link and collects, and tries the link a second time."""
    _until(alice, 1, "released")
    page, target = alice.page, tmp_path_factory.mktemp("collected") / "release.zip"
    page.get_by_role("button", name="Make a link to collect").click()
    expect(page.get_by_role("heading", name="Collect your files")).to_be_visible()
    link = page.url
    with page.expect_download() as coming:
        page.get_by_role("button", name="Collect now").click()
    coming.value.save_as(target)
    page.goto(link)
    page.get_by_role("button", name="Collect now").click()
    expect(page.get_by_role("heading", name="What helps")).to_be_visible()
    return target, alice.text()


@pytest.fixture(scope="module")
def returned(at, alice, collected) -> str:
    """She asks for the table alone, and both approvers send it back with a reason."""
    page = alice.airlock("requests/new")
    page.get_by_role("checkbox", name="events-by-arm.csv").check()
    page.get_by_label("Why should they leave?").fill("The table of the talk")
    page.get_by_role("button", name="Ask for these files").click()
    _until(alice, 2, "in review")
    for name in ("carol", "dave"):
        _vote(at(name), 2, "Send back", f"{name}: leave out the people without an event")
    _until(alice, 2, "returned")
    return alice.text()


@pytest.fixture(scope="module")
def again(at, alice, returned) -> str:
    """She changes the table in her room and submits again; carol sees what changed, and both agree."""
    page = alice.lab("sunrise")
    _welcome(page)
    cell = page.locator(".jp-Notebook .jp-CodeCell").last
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(FEWER)
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".jp-Notebook").get_by_text("written anew")).to_be_visible()
    page = alice.airlock("requests/2")
    page.get_by_role("link", name="Correct and submit again").click()
    page.get_by_label("Why should they leave?").fill("The table of the talk, events only")
    page.get_by_role("button", name="Submit again").click()
    _until(alice, 2, "in review")
    carol = at("carol")
    carol.airlock("requests/2")
    seen = carol.text()
    for name in ("carol", "dave"):
        _vote(at(name), 2, "Approve", f"{name}: as it was asked for")
    _until(alice, 2, "released")
    return seen


# --- the room --------------------------------------------------------------------------------------------------------
def test_the_analyst_signs_in_with_password_and_code_and_sees_her_projects(alice):
    alice.home()
    alice.sees(SUNRISE)
    expect(alice.project(SUNRISE).get_by_role("link", name=re.compile("Open|Go to the room"))).to_be_visible()
    assert HARBOUR not in alice.text()


def test_who_cannot_open_a_project_reads_why_and_what_helps(at):
    bob = at("bob")
    bob.home()
    card = bob.project(HARBOUR)
    expect(card.get_by_text("by the rules")).to_be_visible()
    assert card.get_by_role("link", name=re.compile("Open|Go to the room")).count() == 0
    assert re.search(r"R\d\d: .+", card.inner_text())
    assert SUNRISE not in bob.text()
    bob.page.set_viewport_size({"width": 390, "height": 844})
    assert fits(bob.page)


def test_the_welcome_notebook_runs_in_the_room_and_shows_table_and_picture(visit, alice):
    assert "actg175" in visit.outputs
    assert "tre1-" in visit.outputs
    assert re.search(r"arms\s+cens\s+persons", visit.outputs)
    assert "Error" not in visit.outputs
    assert "Traceback" not in visit.outputs


def test_the_notebooks_menus_offer_no_way_out(visit):
    for word in CLOSED_WORDS:
        assert word not in visit.menus, word
    assert "Save Notebook" in visit.menus


def test_the_room_asks_nobody_but_the_house_and_complains_of_nothing(visit):
    assert visit.strangers == ()
    assert "\n".join(said for said in visit.faults if not re.search(REFUSED, said)) == ""


# --- the airlock -----------------------------------------------------------------------------------------------------
def test_the_author_sees_where_her_request_is_whose_turn_and_what_next(asked):
    for words in ("Where it is", "in review", "Whose turn", "The approvers'", "What next", "Two approvers decide"):
        assert words in asked
    assert "Your vote" not in asked


def test_the_approver_sees_table_picture_and_findings(reviewed):
    for name in ("carol", "dave"):
        seen = reviewed[name]
        assert "Table 1 and figure 1" in seen.page
        assert "events-by-arm.csv" in seen.page
        assert sum(int(row.split()[-1]) for row in seen.table.splitlines()[1:]) == PERSONS
        assert min(seen.picture) > 300, "the picture is shown in full"


def test_neither_approver_sees_the_others_vote_before_both_are_in(reviewed):
    assert "carol" not in reviewed["dave"].page.replace("Signed in as carol", "")
    assert "read by carol" not in reviewed["dave"].page
    assert "The other approver has not voted yet" in reviewed["carol"].after


def test_when_both_are_in_each_sees_both(reviewed, at):
    dave = at("dave")
    dave.airlock("requests/1")
    dave.sees("read by carol", "read by dave")


def test_the_link_gives_the_files_once(collected):
    bundle, second = collected
    with zipfile.ZipFile(bundle) as held:
        names = {Path(name).name for name in held.namelist()}
    assert {"events-by-arm.csv", "survival.png"} <= names
    assert "once" in second or "used" in second


def test_the_release_is_proved_offline_and_one_changed_byte_is_noticed(collected, garden, tmp_path):
    key = tmp_path / "key.pem"
    key.write_text(_key(garden)["certificates"])
    bundle, _ = collected
    said = _offline("airlock", "verify", bundle, "--key", key)
    assert said.returncode == 0, said.stderr
    assert "all as signed" in said.stdout
    broken = tmp_path / "broken.zip"
    _with_one_byte_changed(bundle, broken, "events-by-arm.csv")
    said = _offline("airlock", "verify", broken, "--key", key)
    assert said.returncode == 6, said.stdout
    assert "Traceback" not in said.stderr


def test_the_log_of_it_all_is_proved_offline(again, garden, tmp_path):
    proof, key = tmp_path / "proof", tmp_path / "key"
    _house(garden, "tre", "audit", "export", proof)
    key.write_text(_key(garden)["checkpoints"])
    said = _offline("tre", "audit", "verify", proof, "--key", key)
    assert said.returncode == 0, said.stderr
    assert "nothing was changed or removed" in said.stdout
    acts = [entry["act"] for entry in garden.entries("export.vote")]
    assert len(acts) == 6
    assert len(garden.entries("export.release")) == 2
    assert len(garden.entries("export.collect")) == 1
    assert garden.entries("export.collect.refused")


# --- the second round ------------------------------------------------------------------------------------------------
def test_a_returned_request_says_why_and_that_it_is_the_authors_turn(returned):
    for words in ("returned", "Yours", "carol: leave out", "dave: leave out", "Correct and submit again"):
        assert words in returned


def test_the_approver_of_the_second_round_sees_what_changed_since_the_first(again):
    assert "Changed since round 1" in again
    assert re.search(r"events-by-arm\.csv\s+changed", again)
    assert "as it was" in again


def test_each_picture_for_the_documents_was_taken_and_is_small(again, pictures):
    taken = {file.stem: file.stat().st_size for file in pictures.glob("*.png")}
    assert taken.keys() >= STORY
    assert max(taken.values()) < LARGEST_PICTURE


# --- how they do it --------------------------------------------------------------------------------------------------
def _welcome(page) -> None:
    """Open the welcome notebook, and wait until its kernel can run something."""
    page.locator(".jp-DirListing-item", has_text="welcome.ipynb").dblclick()
    page.get_by_role("heading", name="Welcome").first.wait_for()
    expect(page.get_by_role("button", name="Python 3 (ipykernel) | Idle")).to_be_visible()


def _choose(page, menu: str, item: str) -> None:
    page.get_by_role("menubar").get_by_role("menuitem", name=menu, exact=True).click()
    page.locator(".lm-Menu-itemLabel").get_by_text(item, exact=True).click()


def _menu(page, name: str) -> str:
    """All that one menu offers."""
    page.get_by_role("menubar").get_by_role("menuitem", name=name, exact=True).click()
    labels = page.locator(".lm-Menu .lm-Menu-itemLabel")
    labels.first.wait_for()
    said = " | ".join(labels.all_inner_texts())
    page.keyboard.press("Escape")
    expect(page.locator(".lm-Menu")).to_have_count(0)
    return said


def _until(window: Window, number: int, state: str) -> None:
    """Look at a request until it is in a state; while its checks run the page itself says when to look again."""
    page = window.airlock(f"requests/{number}")
    there = page.locator(".turn .badge", has_text=state)
    moved = page.get_by_role("link", name="Show the page as it is now")
    expect(there.or_(moved).first).to_be_visible()
    if moved.count():
        moved.click()
    expect(there).to_be_visible()
    expect(moved).to_have_count(0)


def _review(window: Window, number: int, pictures: Path | None) -> Review:
    page = window.airlock()
    page.get_by_role("link", name=f"Request {number}").click()
    expect(page.get_by_role("button", name="Vote")).to_be_visible()
    if pictures:
        take_both(page, pictures, "review", at=page.get_by_role("heading", name="Files and what"))
    text = window.text()
    page.get_by_role("link", name="events-by-arm.csv").first.click()
    table = page.get_by_role("region", name="Content of events-by-arm.csv").inner_text()
    page.go_back()
    page.get_by_role("link", name="survival.png").first.click()
    shown = page.get_by_role("img", name="The picture survival.png")
    expect(shown).to_be_visible()
    page.wait_for_function("document.querySelector('main img').naturalWidth > 0")
    size = shown.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    _vote(window, number, "Approve", f"read by {window.name}")
    return Review(text, table, (size[0], size[1]), window.text())


def _vote(window: Window, number: int, verdict: str, reason: str) -> None:
    page = window.airlock(f"requests/{number}")
    page.locator("#ballot").get_by_role("radio", name=verdict).check()
    page.get_by_label("Reason").fill(reason)
    page.get_by_label("Code of your authenticator app").fill(window.code())
    page.get_by_role("button", name="Vote").click()
    expect(page.get_by_role("heading", name="Votes", level=2)).to_be_visible()
    expect(page.get_by_text(reason)).to_be_visible()


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _house(garden, program: str, *words: object) -> str:
    """Run a command in the house; return what it printed."""
    environment = {**os.environ, "TRE_HOME": str(garden.settings.home)}
    ran = subprocess.run(
        [_program(program), *map(str, words)], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def _key(garden) -> dict:
    import json

    return json.loads(_house(garden, "tre", "--json", "audit", "key"))


def _offline(program: str, *words: object) -> subprocess.CompletedProcess:
    """Run a command as a stranger would: no network, and no home but an empty one."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TRE_")}
    return subprocess.run(
        ["unshare", "--net", _program(program), *map(str, words)],
        env=environment, capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip


def _with_one_byte_changed(bundle: Path, target: Path, name: str) -> None:
    """Write the same archive with one byte of one file other than it was."""
    with zipfile.ZipFile(bundle) as held, zipfile.ZipFile(target, "w") as made:
        for item in held.infolist():
            content = held.read(item)
            if Path(item.filename).name == name:
                content = content[:-2] + bytes([content[-2] ^ 1]) + content[-1:]
            made.writestr(item, content)
