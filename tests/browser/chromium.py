"""People at a real browser: one Chromium, a profile of its own for each person, and pictures of what they see.

While Playwright runs, its event loop is the thread's, and `asyncio.run` fails: hence one browser a module.
"""

import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect, sync_playwright

from tests.builders import PASSWORD
from tests.house import House
from tre.errors import Unavailable
from tre.governance import accounts
from tre.rooms.room import origin

PROGRAM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",  # its own sandbox wants another user than root
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--force-color-profile=srgb",
)
PATIENCE = 60_000
"""Milliseconds to wait for words; a busy machine is slow, a wrong page stays wrong."""
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
STEP = 30
STORY = frozenset(
    {"room", *(f"{name}{end}" for name in ("login", "home", "request", "review") for end in ("", "-narrow"))}
)
"""Names of the pictures of the story; those at 390 px end in -narrow."""
PAGES = ("airlock-review", "application", "committee", "dataset", "person", "project")
TAKEN = STORY | {
    "one-person",
    *(f"{name}{end}" for name in PAGES for end in ("", "-narrow")),
}
"""Names of all pictures."""
LARGEST_PICTURE = 200_000
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "screenshots"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Give a browser to one module, and end it with the module, so that the others have their loop back."""
    if not PROGRAM.exists():
        reason = "Chromium is not installed: apt install chromium"
        if os.environ.get("CI") or os.environ.get("HORTUS_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path=str(PROGRAM), args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Say where pictures go: beside the documents only when somebody asks for new ones."""
    return PICTURES if os.environ.get("HORTUS_SCREENSHOTS") == "1" else tmp_path_factory.mktemp("screenshots")


class Window:
    """One person's browser profile in one house."""

    def __init__(self, browser: Browser, house: House, name: str = "", password: str = PASSWORD) -> None:
        self.house, self.name, self.password = house, name, password
        self.context = browser.new_context(viewport=WIDE, locale="en-GB", timezone_id="UTC", color_scheme="light")
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.strangers: list[str] = []
        self.context.on("console", self._hear)
        self.context.on("request", self._watch)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    def close(self) -> None:
        self.context.close()

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.faults.append(f"{said.text} ({said.location.get('url', '')})")

    def _watch(self, asked: Request) -> None:
        """Note what is asked of anybody but this house."""
        settings = self.house.settings
        ours = (
            rf"{settings.scheme}://([a-z0-9-]+\.)?{re.escape(settings.domain)}:{settings.port}/.*|(data|blob|about):.*"
        )
        if not re.fullmatch(ours, asked.url, re.DOTALL):
            self.strangers.append(asked.url)

    # --- words on the page -------------------------------------------------------------------------------------------
    def sees(self, *words: str | re.Pattern[str]) -> None:
        for each in words:
            expect(self.page.get_by_text(each).first).to_be_visible()

    def text(self) -> str:
        """All that is on the page to be read."""
        return self.page.locator("body").inner_text()

    # --- the house ---------------------------------------------------------------------------------------------------
    def code(self) -> str:
        """A code that was not used yet. That of the half minute before is still taken, so several fit in a minute."""
        while True:
            now = datetime.now(UTC)
            early = now.timestamp() % STEP < STEP * 2 / 3  # else it might be too old when it arrives
            for then in (now - timedelta(seconds=STEP), now) if early else (now,):
                try:
                    with self.house.records.read() as session:
                        return accounts.code_now(session, self.house.settings, self.name, then)
                except Unavailable:
                    continue
            time.sleep(0.5)

    def sign_in(self) -> "Window":
        self.page.goto(f"{self.house.settings.hub_origin}/hub/login")
        self.page.get_by_label("Name").fill(self.name)
        self.page.get_by_label("Password").fill(self.password)
        self.page.get_by_label("Code").fill(self.code())
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("heading", name="My projects")).to_be_visible()
        return self

    def see(self, path: str) -> Page:
        """Go to a page of the Hub."""
        self.page.goto(f"{self.house.settings.hub_origin}{path}")
        return self.page

    def home(self) -> Page:
        return self.see("/hub/home")

    def project(self, title: str) -> Locator:
        """The card of one project on the home page."""
        return self.page.locator("section").filter(has=self.page.get_by_role("heading", name=title))

    def airlock(self, path: str = "") -> Page:
        self.page.goto(f"{self.house.settings.airlock_origin}/services/airlock/{path}")
        expect(self.page.locator("header").get_by_text("airlock")).to_be_visible()
        return self.page

    # --- a room ------------------------------------------------------------------------------------------------------
    def open(self, title: str, project: str) -> Page:
        """Click a project open on the home page, and go in."""
        self.home()
        self.project(title).get_by_role("link", name=re.compile("Open|Go to the room")).click()
        self.page.wait_for_url(re.compile(rf"/user/{self.name}/{project}/lab"))
        expect(self.page.get_by_role("menubar")).to_be_visible()
        return self.page

    def lab(self, project: str) -> Page:
        """Go to an open room's Lab, with nothing left of the last visit's layout."""
        self.page.goto(f"{origin(self.house.settings, project, self.name)}/user/{self.name}/{project}/lab?reset")
        expect(self.page.get_by_role("menubar")).to_be_visible()
        expect(self.page.locator(".jp-DirListing-content")).to_be_visible()
        return self.page


def fits(page: Page) -> bool:
    """Whether nobody has to scroll sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def take(page: Page, folder: Path, name: str, *, at: Locator | None = None) -> None:
    """Take a picture of what is seen, from `at` on downwards."""
    assert name in TAKEN, f"{name} is not on the list of pictures"
    if at is not None:
        at.evaluate("each => each.scrollIntoView({block: 'start', behavior: 'instant'})")
    page.screenshot(path=str(folder / f"{name}.png"), animations="disabled", caret="hide")


def take_both(page: Page, folder: Path, name: str, *, at: Locator | None = None) -> None:
    """Take a picture on a desk and on a phone, where the page must fit."""
    take(page, folder, name, at=at)
    page.set_viewport_size(NARROW)
    assert fits(page), f"{name} is wider than a phone"
    take(page, folder, f"{name}-narrow", at=at)
    page.set_viewport_size(WIDE)
