"""An application at real browsers: from a draft, returned and sent again, over votes and a condition to a door."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import NARROW, WIDE, Window, fits, take_both
from tests.browser.deciding import click, decides, fulfils, stands, votes
from tests.committee_house import FORM, furnish, walk
from tests.hub import a_hub

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
TITLE = "Does early treatment help?"


class Desk(Window):
    """A person's browser; a used code is forgotten, so that nobody waits for half a minute."""

    def code(self) -> str:
        return self.house.code(self.name)


@pytest.fixture(scope="module")
def hub():
    with a_hub(furnish) as made:
        walk(made, "voted", project="harbour", title="Who recovers after a stroke?", datasets=["registry"])
        walk(made, "active", project="meadow", title="Asthma in towns and villages")
        yield made


@pytest.fixture(scope="module")
def at(hub, chromium):
    """Somebody at their own browser, signed in; the same browser each time."""
    windows: dict[str, Desk] = {}

    def window(name: str) -> Desk:
        if name not in windows:
            windows[name] = Desk(chromium, hub, name).sign_in()
        return windows[name]

    yield window
    for each in windows.values():
        each.close()


def test_from_a_draft_to_an_open_door(hub, at):
    ann, ben, erin, frank, greta = map(at, ("ann", "ben", "erin", "frank", "greta"))
    number = begin(ann)
    fill(ann)
    ben.see("/hub/applications").get_by_role("link", name=TITLE).click()
    click(ben.page, "I agree, and take part")
    ann.see(f"/hub/applications/{number}")
    click(ann.page, "Submit to the committee")
    stands(ann, "submitted")
    returned(erin, number)
    correct(ann, number)
    erin.see(f"/hub/committee/{number}")
    click(erin.page, "Give it to the panel")
    for one in (erin, frank):
        votes(one, number)
    greta.see(f"/hub/committee/{number}")
    greta.page.get_by_role("radio", name="None").check()
    click(greta.page, "Declare")
    decides(greta)
    fulfils(ann, erin, number)
    ann.home()
    door = ann.project(TITLE)
    expect(door.get_by_role("link", name="Open")).to_be_visible()


def begin(ann: Desk) -> str:
    ann.home().get_by_role("link", name="Applications").click()
    click(ann.page, "Begin a new application")
    ann.page.wait_for_url(re.compile("/edit"))
    return re.search(r"applications/(\d+)", ann.page.url)[1]


def fill(ann: Desk) -> None:
    page = ann.page
    words = {
        "Short name": "sunrise", "Title": TITLE, "Lay summary": FORM["lay_summary"], "Purpose": FORM["purpose"],
        "Members": "ann ben", "Outputs expected": FORM["outputs"],
    }  # fmt: skip
    for label, said in words.items():
        page.get_by_label(f"{label} *", exact=True).fill(said)
    page.get_by_role("checkbox", name=re.compile("^biomedical")).check()
    page.get_by_role("radio", name="not for profit").check()
    page.get_by_label("The dataset trial").check()
    click(page, "Save and check")
    ann.sees("Requested end: is needed", "ben has not accepted yet", "GRU")
    page.get_by_label("Requested end *", exact=True).fill(FORM["until"])
    click(page, "Save the draft")
    ann.sees("Saved as edition")


def returned(erin: Desk, number: str) -> None:
    erin.see("/hub/committee").get_by_role("link", name=TITLE).click()
    erin.page.get_by_text("Return it to the applicant").click()
    erin.page.get_by_label("What must be corrected").fill("say which relapse counts")
    click(erin.page.locator("#return"), "Return it")
    stands(erin, "returned")


def correct(ann: Desk, number: str) -> None:
    ann.see(f"/hub/applications/{number}")
    ann.sees("Say which relapse counts.", "yours")
    ann.page.get_by_role("link", name="Edit the form").click()
    ann.page.get_by_label("Lay summary *", exact=True).fill(f"{FORM['lay_summary']} A relapse is what the clinic saw.")
    click(ann.page, "Save and submit")
    stands(ann, "submitted")


def test_a_disease_is_found_by_its_name_without_losing_what_was_typed(hub, at):
    ann = at("ann")
    number = walk(hub, "draft", project="skin")
    page = ann.see(f"/hub/applications/{number}/edit")
    page.get_by_label("Title *", exact=True).fill("Typed just before")
    click(page, "look for a disease")
    page.get_by_label("Name of a disease").fill("melanoma")
    click(page, "Search")
    page.get_by_role("button", name="Add melanoma (MONDO:0005105)").click()
    expect(page.get_by_label("melanoma (MONDO:")).to_be_checked()
    expect(page.get_by_label("Title *", exact=True)).to_have_value("Typed just before")


def test_pictures_of_the_queue_and_of_an_application_are_taken(at, pictures):
    at("greta").see("/hub/committee")
    take_both(at("greta").page, pictures, "committee")
    ann = at("ann")
    ann.see("/hub/applications").get_by_role("link", name="Asthma in towns").click()
    take_both(ann.page, pictures, "application")


@pytest.mark.parametrize(
    ("name", "path"),
    [("ann", "/hub/applications"), ("ann", "/hub/applications/1"), ("greta", "/hub/committee"),
     ("greta", "/hub/committee/1"), ("frank", "/hub/committee/2"), ("ann", "/hub/register")],
)  # fmt: skip
def test_on_a_phone_nobody_scrolls_sideways(at, name, path):
    window = at(name)
    window.page.set_viewport_size(NARROW)
    window.see(path)
    assert fits(window.page)
    window.page.set_viewport_size(WIDE)


def test_a_vote_is_cast_by_the_keyboard_alone(hub, at):
    number = walk(hub, "in_review", project="keys")
    frank = at("frank")
    page = frank.see(f"/hub/committee/{number}")
    page.locator("#vote").get_by_role("radio", name="Approve").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("Read it all.")
    page.keyboard.press("Tab")
    page.keyboard.type(frank.code())
    page.keyboard.press("Enter")
    expect(page.locator("#panel").get_by_text("Read it all.")).to_be_visible()


def test_it_works_without_javascript(hub, chromium, at):
    ann = at("ann")
    context = chromium.new_context(java_script_enabled=False, storage_state=ann.context.storage_state())
    page = context.new_page()
    page.goto(f"{hub.settings.hub_origin}/hub/applications")
    click(page, "Begin a new application")
    page.get_by_label("Title *", exact=True).fill("Written without a script")
    click(page, "Save the draft")
    expect(page.get_by_text("Saved as edition")).to_be_visible()
    expect(page.get_by_label("Title *", exact=True)).to_have_value("Written without a script")
    context.close()


def test_the_pages_ask_nobody_but_the_house_and_complain_of_nothing(at):
    windows = [at(name) for name in ("ann", "ben", "erin", "frank", "greta")]
    assert [fault for window in windows for fault in window.faults] == []
    assert [asked for window in windows for asked in window.strangers] == []
