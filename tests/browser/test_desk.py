"""A person, a project, the admin and the log at a real browser; and a room that stays shut says whom to ask."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from policies.facts import Role
from tests.browser.chromium import NARROW, WIDE, Window, fits, take_both
from tre.governance import accounts, projects, roles

pytestmark = [pytest.mark.docker, pytest.mark.browser]


@pytest.fixture(scope="module")
def at(house, chromium):
    """Somebody at their own browser, signed in; lara is in sunset without any course, olga reads the log."""
    now = datetime.now(UTC)
    for name, role, trained in (
        ("lara", Role.ANALYST, False),
        ("olga", Role.AUDITOR, True),
        ("amy", Role.ADMIN, True),
        ("andy", Role.ADMIN, True),
    ):
        house.add(name, role, trained=trained)
    with house.act() as session:
        projects.add_member(session, "sunset", "lara", until=now + timedelta(days=9), actor="host/test", now=now)
        roles.propose(session, "lara", Role.COMMITTEE, "grant", why="she knows the field", actor="amy", now=now)
    windows: dict[str, Window] = {}

    def window(name: str) -> Window:
        if name not in windows:
            windows[name] = Window(chromium, house, name).sign_in()
        return windows[name]

    yield window
    for each in windows.values():
        each.close()


def see(window: Window, path: str) -> int:
    answer = window.page.goto(f"{window.house.settings.hub_origin}/hub/{path}")
    assert answer is not None
    for size in (NARROW, WIDE):
        window.page.set_viewport_size(size)
        assert fits(window.page), f"{path} is wider than {size['width']}"
    return answer.status


def test_a_person_comes_from_home_to_what_lacks_and_what_ends(at):
    lara = at("lara")
    lara.sees("Before you begin", "your membership of sunset")
    lara.page.get_by_role("link", name="All that I have").click()
    expect(lara.page.get_by_role("heading", name="Lara Tester")).to_be_visible()
    lara.sees("never recorded", "9 days left", "to come: committee")
    assert see(lara, "me") == 200


def test_a_project_says_by_which_rule_my_room_stays_shut_and_whom_to_ask(at):
    lara = at("lara")
    assert see(lara, "projects/sunset") == 200
    lara.sees("your room stays shut", "R03: Every training that the role demands is in date. Ask: ")


def test_pictures_of_a_person_and_a_project_are_taken(at, pictures):
    lara = at("lara")
    for name, path in (("person", "me"), ("project", "projects/sunset")):
        see(lara, path)
        take_both(lara.page, pictures, name)


def test_a_room_that_stays_shut_has_rule_reason_remedy_and_whom_to_ask(at):
    lara = at("lara")
    lara.page.goto(f"{lara.house.settings.hub_origin}/hub/spawn/lara/sunset")
    lara.sees("This room stays closed", "R03: Every training that the role demands is in date. Ask: ")
    lara.page.get_by_role("link", name="What I have, and what lacks").click()
    expect(lara.page.get_by_role("heading", name="Lara Tester")).to_be_visible()


def test_a_second_admin_agrees_to_a_role_by_keyboard(at):
    andy = at("andy")
    assert see(andy, "admin") == 200
    change = andy.page.locator("form").filter(has_text="Make lara committee")
    change.get_by_label("Code").fill(andy.code())
    change.get_by_role("button", name="Agree").focus()
    andy.page.keyboard.press("Enter")
    expect(andy.page.get_by_text("Make lara committee")).to_have_count(0)
    with andy.house.records.read() as session:
        assert Role.COMMITTEE in accounts.roles_of(session, "lara")


def test_the_auditor_finds_who_made_it_so(at):
    olga = at("olga")
    assert see(olga, "audit") == 200
    olga.page.get_by_label("Act").fill("role.made")
    olga.page.get_by_role("button", name="Narrow").click()
    expect(olga.page.get_by_role("row").filter(has_text="role.made").first).to_contain_text("andy")


def test_the_pages_work_without_javascript(at, chromium):
    context = chromium.new_context(java_script_enabled=False, storage_state=at("lara").context.storage_state())
    page = context.new_page()
    page.goto(f"{at('lara').house.settings.hub_origin}/hub/me")
    page.get_by_role("link", name="The project sunset").click()
    expect(page.get_by_role("heading", name="What holds and what lacks for me")).to_be_visible()
    context.close()


def test_no_page_asks_anybody_but_the_house(at):
    assert at("lara").strangers + at("andy").strangers + at("olga").strangers == []
