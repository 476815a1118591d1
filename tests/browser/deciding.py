"""What applicants and the committee click, whichever application it is."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.chromium import Window


def click(page: Page | Locator, name: str | re.Pattern[str]) -> None:
    page.get_by_role("button", name=name).click()


def confirm(window: Window, part: str, button: str) -> None:
    """Type the code into one form of the page, and send it."""
    form = window.page.locator(part)
    form.get_by_label("Code from").fill(window.code())
    click(form, button)


def stands(window: Window, state: str) -> None:
    expect(window.page.locator("#standing").get_by_text(state).first).to_be_visible()


def votes(one: Window, number: str) -> None:
    one.see(f"/hub/committee/{number}")
    one.page.get_by_role("radio", name="None").check()
    click(one.page, "Declare")
    one.page.get_by_role("radio", name="Approve").check()
    one.page.locator("#vote").get_by_label("Reason", exact=True).fill("The purpose is good.")
    confirm(one, "#vote", "Vote")
    expect(one.page.locator("#panel").get_by_text("approve").first).to_be_visible()


def decides(chair: Window) -> None:
    """Decide on the application that is on the page, with a condition."""
    chair.page.get_by_label("What is asked for", exact=True).fill("An ethics vote of the clinic")
    confirm(chair, "#decide", "Decide")
    stands(chair, "approved pending")


def fulfils(applicant: Window, member: Window, number: str) -> None:
    applicant.see(f"/hub/applications/{number}").get_by_label("How it is met").fill("EK 12/2026, in the study office")
    click(applicant.page, "Show that it is met")
    member.see(f"/hub/committee/{number}")
    member.sees("EK 12/2026, in the study office")
    click(member.page, "It is met")
    stands(member, "active")
