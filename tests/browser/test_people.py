"""People at a real browser enrol by a link, change how they sign in, sign the agreement; on a phone, without script."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from playwright.sync_api import expect

from policies.facts import Role
from tests.browser.chromium import NARROW, WIDE, Window, fits
from tests.builders import HOST, a_person
from tests.hub import a_hub
from tre.governance import accounts, enrolment, training

pytestmark = pytest.mark.browser
OWN = "a password of my own"
TOML = '[[provider]]\nkey="uni"\nname="Example University"\nissuer="http://127.0.0.1:9"\nclient_id="hortus"\n'


@pytest.fixture(scope="module")
def hub():
    def filled(made):
        now = datetime.now(UTC)
        (made.settings.home / "openid.toml").write_text(TOML)
        (made.settings.secrets / "openid-uni").write_text("x\n")
        with made.records.act(HOST, "test.build", "home") as session:
            a_person(session, "ann", Role.ANALYST, settings=made.settings, now=now)
            text = training.packaged().replace("\n", "\nNobody takes a picture of the screen.\n", 1)
            training.publish(session, text, since=now, actor=HOST, now=now - timedelta(seconds=5))

    with a_hub(filled) as made:
        yield made


@pytest.fixture(params=[True, False], ids=["with script", "without script"])
def window(request, chromium, hub):
    """A browser on a phone."""
    found = Window(chromium, hub)
    found.context.close()
    found.context = chromium.new_context(viewport=NARROW, java_script_enabled=request.param, locale="en-GB")
    found.page = found.context.new_page()
    yield found
    found.close()


def link(hub, name):
    with hub.records.act(HOST, "person.add", f"person/{name}") as session:
        accounts.add(
            session, name, full_name=name.title(), email="", roles=[Role.ANALYST], actor=HOST, now=datetime.now(UTC),
            settings=hub.settings, invited=True,
        )  # fmt: skip
        return enrolment.url(hub.settings, enrolment.invite(session, name, actor=HOST, now=datetime.now(UTC)))


def sign_in(window, name, password, code):
    page = window.page
    page.goto(f"{window.house.settings.hub_origin}/hub/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_label("Code from your authenticator app").fill(code)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_a_person_enrols_and_comes_in_with_a_recovery_code(hub, window, request):
    page, name = window.page, f"zoe{len(request.node.name)}"
    page.goto(link(hub, name))
    secret = page.locator(".tre-secret").inner_text().replace(" ", "")
    expect(page.locator(".tre-picture svg")).to_be_visible()
    assert fits(window.page)
    page.get_by_label("Password", exact=True).fill(OWN)
    page.get_by_label("The same again").fill(OWN)
    page.get_by_label("Code that the app shows now").fill(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="Take password and second factor").click()
    expect(page.get_by_role("heading", name="You are enrolled")).to_be_visible()
    codes = page.locator(".tre-codes code").all_inner_texts()
    assert len(codes) == 10
    assert fits(window.page)
    page.get_by_role("link", name="sign in").last.click()
    sign_in(window, name, OWN, codes[0])
    page.goto(f"{hub.settings.hub_origin}/hub/account")
    expect(page.get_by_text("9 of your codes are not used.")).to_be_visible()
    assert fits(window.page)


def test_a_person_reads_what_changed_in_the_agreement_and_signs(hub, window):
    sign_in(window, "ann", "correct horse battery staple", hub.code("ann"))
    page = window.page
    page.goto(f"{hub.settings.hub_origin}/hub/agreement")
    assert fits(window.page)
    if page.get_by_role("button", name="Sign this text").count():
        expect(page.locator("ins")).to_have_text("Nobody takes a picture of the screen.")
        page.get_by_label("Code from your authenticator app").fill(hub.code("ann"))
        page.get_by_role("button", name="Sign this text").click()
    expect(page.get_by_text("You have signed it.")).to_be_visible()


def test_a_provider_that_is_out_is_one_line_on_the_page_of_both_ways(hub, window):
    page = window.page
    page.goto(f"{hub.settings.hub_origin}/hub/login")
    page.get_by_role("link", name="Sign in with Example University").click()
    expect(page.get_by_role("alert")).to_contain_text("Example University does not answer: try again later")
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    assert fits(window.page)


def test_on_a_desk_nobody_scrolls_sideways_either(hub, chromium):
    window = Window(chromium, hub)
    sign_in(window, "ann", "correct horse battery staple", hub.code("ann"))
    window.page.set_viewport_size(WIDE)
    for path in ("account", "agreement"):
        window.page.goto(f"{hub.settings.hub_origin}/hub/{path}")
        assert fits(window.page)
    assert window.strangers == []
    assert [fault for fault in window.faults if "favicon" not in fault] == []
    window.close()
