"""The catalogue at a real browser: whoever is signed in may know what the house holds, and sees no row of it."""

import re

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import expect

from tests.browser.chromium import NARROW, WIDE, Window, fits, take_both
from tests.golden.journey import NAME, PROJECTS, TITLE

pytestmark = [pytest.mark.docker, pytest.mark.browser, pytest.mark.timeout(900)]  # the first waits for the cohort

SHELF, ENTRY = "/hub/catalogue", f"/hub/catalogue/{NAME}"
REPORT = f"/hub/catalogue/reports/{PROJECTS[0]}/{NAME}/1"


@pytest.fixture(scope="module")
def at(hospital, chromium):
    """Somebody at their own browser, signed in; the same browser each time."""
    windows: dict[str, Window] = {}

    def window(name: str) -> Window:
        if name not in windows:
            windows[name] = Window(chromium, hospital, name).sign_in()
        return windows[name]

    yield window
    for each in windows.values():
        each.close()


@pytest.fixture(scope="module")
def nora(at) -> Window:
    """She is in no project."""
    return at("nora")


@pytest.fixture(scope="module")
def member(at) -> Window:
    return at(f"ann-{PROJECTS[0]}")


def see(window: Window, path: str) -> int:
    """Go to a page; return what the house answered."""
    answer = window.page.goto(f"{window.house.settings.hub_origin}{path}")
    assert answer is not None
    return answer.status


def test_who_is_not_signed_in_is_led_to_the_door(hospital, chromium):
    stranger = Window(chromium, hospital)
    for path in (SHELF, ENTRY, REPORT):
        see(stranger, path)
        expect(stranger.page.get_by_role("button", name="Sign in")).to_be_visible()
        assert "golden hospital" not in stranger.text().lower()
    stranger.close()


def test_a_person_of_no_project_comes_from_the_home_page_to_what_the_house_holds(nora):
    nora.home().get_by_role("link", name="Catalogue").click()
    nora.sees("About 60 persons", "from The golden hospital", "images (DICOM)", "4 tables", "GRU: general research use")
    nora.page.get_by_role("link", name=TITLE).click()
    expect(nora.page.get_by_role("heading", name="What is held")).to_be_visible()


def test_words_narrow_the_list_and_no_match_says_so(nora):
    see(nora, SHELF)
    for words, found in (("DICOM hospital", 1), ("dicom unicorn", 0)):
        nora.page.get_by_label("Search").fill(words)
        nora.page.get_by_role("button", name="Search").click()
        nora.page.wait_for_url(re.compile(r"\?q="))
        expect(nora.page.locator("section[id^=dataset-]")).to_have_count(found)
    nora.sees("Nothing found", "No entry holds all of these words")
    nora.page.get_by_role("link", name="Show all").first.click()
    expect(nora.page.locator("section[id^=dataset-]")).to_have_count(1)


def test_words_are_shown_as_words(nora):
    see(nora, f"{SHELF}?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    expect(nora.page.get_by_label("Search")).to_have_value('"><script>alert(1)</script>')
    nora.sees("Nothing found")


def test_the_entry_says_what_is_held_from_where_and_for_whom(nora):
    see(nora, ENTRY)
    nora.sees("Prof. A. Example", "invented people; none is needed", "2024 to 2025", "GRU: general research use")
    nora.sees(", ".join(sorted(PROJECTS)), "about 60", "clinical records (FHIR)", "OMOP CDM 5.4", "topcode")
    assert "Reports on extracts" not in nora.text()


def test_the_entry_holds_no_row_of_data(nora, hospital, golden):
    see(nora, ENTRY)
    shown = nora.page.content()
    extract = hospital.settings.extract(PROJECTS[0], NAME, 1)
    measured = {str(value) for value in pq.read_table(extract / "labs.parquet")["value"].to_pylist()}
    assert [value for value in measured | set(golden.key.planted) if value in shown] == []
    assert "tre1-" not in shown


def test_a_dataset_that_is_not_there_is_not_found(nora):
    assert see(nora, "/hub/catalogue/unicorns") == 404


def test_a_member_reads_the_report_of_her_projects_extract_and_of_no_other(member):
    see(member, ENTRY)
    assert "harbour, extract" not in member.text()
    member.page.get_by_role("link", name=f"{PROJECTS[0]}, extract 1").click()
    member.sees(f"{NAME} for {PROJECTS[0]}, extract 1", "Risk report")
    assert see(member, f"/hub/catalogue/reports/{PROJECTS[1]}/{NAME}/1") == 404


def test_a_stranger_to_the_project_finds_no_report(nora):
    assert see(nora, REPORT) == 404
    assert "extract 1" not in nora.text()


def test_an_admin_reads_every_report(at):
    adam = at("adam")
    for project in PROJECTS:
        assert see(adam, f"/hub/catalogue/reports/{project}/{NAME}/1") == 200


def test_a_picture_of_the_entry_is_taken_for_the_documents(nora, pictures):
    see(nora, ENTRY)
    take_both(nora.page, pictures, "dataset", at=nora.page.get_by_role("heading", name=TITLE))


@pytest.mark.parametrize("path", [SHELF, f"{SHELF}?q=unicorn", ENTRY, REPORT])
def test_on_a_phone_nobody_scrolls_sideways(member, path):
    member.page.set_viewport_size(NARROW)
    assert see(member, path) == 200
    assert fits(member.page)
    member.page.set_viewport_size(WIDE)


def test_it_works_without_javascript(hospital, chromium, nora):
    context = chromium.new_context(java_script_enabled=False, storage_state=nora.context.storage_state())
    page = context.new_page()
    page.goto(f"{hospital.settings.hub_origin}{SHELF}")
    page.get_by_label("Search").fill("unicorn")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("No entry holds all of these words")).to_be_visible()
    page.get_by_role("link", name="Show all").first.click()
    page.get_by_role("link", name=TITLE).click()
    expect(page.get_by_role("heading", name="What is held")).to_be_visible()
    context.close()


def test_the_pages_ask_nobody_but_the_house_and_complain_of_nothing(nora, member):
    said = [fault for window in (nora, member) for fault in window.faults if "404" not in fault]
    assert said == []
    assert nora.strangers + member.strangers == []
