"""What an approver sees of a request with three files, at a desk and on a phone, with keys or without a script.

The browser's requests are answered by the application itself, in this process.
"""

import shutil
import struct
import zlib
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

import tre.settings
from airlock.checks.finding import Exhibit, Finding, Severity
from tests.airlock.web import an_airlock
from tests.browser import inside
from tests.browser.chromium import NARROW, fits, take_both

pytestmark = pytest.mark.browser

ARMS = ("zidovudine", "zidovudine and didanosine", "zidovudine and zalcitabine", "didanosine")
EVENTS = "\n".join(["arm,persons,events", *(f"{arm},{500 + at * 11},{90 + at}" for at, arm in enumerate(ARMS)), ""])
BASELINE = "sex,group,persons\nfemale,18 to 39,211\nfemale,40 and over,<10\nmale,18 to 39,1024\nmale,40 and over,655\n"
WRONG = Finding(
    "recompute", Severity.WARN, "column events, row 2", "the data say another number", "C1",
    "Make the table again from the newest version of the data.", ((0, 1, 2),),
)  # fmt: skip
CLOSE = Finding(
    "bounds", Severity.WARN, "column persons, row 2", "a hidden cell can be worked out within 6", "L1",
    "Hide a second cell of the same row or column.", ((0, 1, 2),),
)  # fmt: skip
LEFT_BEFORE = {"project": "sunrise", "released_at": "2026-10-01T00:00:00", "says": "at least 30 people differ"}
CURVE = (240, 90)
SAID = {
    "kind": "table",
    "context": "Table 2 of the paper",
    "controls": "groups below 10 left out",
    "made": {
        "dataset": "trial",
        "version": 1,
        "table": "trial",
        "cohort": "age >= 18",
        "dimensions": ["arm"],
        "measures": {"persons": "persons", "events": "sum(died)"},
    },
}


def _curve() -> bytes:
    """A falling curve in few pixels."""
    wide, high = CURVE
    rows = b"".join(
        b"\0" + bytes(30 if abs(at - 12 - 60 * (1 - (1 - x / wide) ** 2)) < 1.5 else 250 for x in range(wide))
        for at in range(high)
    )
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", wide, high, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    parts = (struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture(scope="module")
def airlock(made_home, tmp_path_factory):
    home = tmp_path_factory.mktemp("review") / "home"
    shutil.copytree(made_home, home, symlinks=True)
    with an_airlock(tre.settings.load(home), datetime(2026, 11, 2, 9, tzinfo=UTC)) as found:
        yield found


@pytest.fixture(scope="module")
def request_(airlock) -> int:
    earlier = airlock.released()
    files = {"events_csv": EVENTS.encode(), "baseline_csv": BASELINE.encode(), "survival_png": _curve()}
    at = airlock.ask(about={"events.csv": SAID}, **files)
    again = [[row, 2, str(90 + row), 90 + row if row != 1 else 92, row != 1] for row in range(4)]
    shown = {
        0: (
            Exhibit("recomputed", {"table": 0, "cells": again, "of": 8}),
            Exhibit(
                "overlaps",
                {"releases": [{"request": earlier, "round": 1, "position": 0, "persons": 34, **LEFT_BEFORE}]},
            ),
        ),
        1: (Exhibit("intervals", {"table": 0, "cells": [[1, 2, 3, 9]]}),),
    }
    return airlock.checked(at, {0: [WRONG], 1: [CLOSE]}, shown)


@pytest.fixture(scope="module")
def window(airlock, chromium):
    """A person's browser, with scripts or without; what it asks for the application answers."""
    with inside.windows(airlock, chromium) as window:
        yield window


def test_the_review_is_one_page_that_fits_a_phone(airlock, window, request_, pictures):
    page = inside.see(airlock, window("bob"), f"requests/{request_}")
    expect(page.get_by_text("3 to 9")).to_be_visible()
    picture = page.get_by_role("img", name="The picture survival.png")
    picture.scroll_into_view_if_needed()
    assert picture.evaluate("one => one.decode().then(() => one.naturalWidth)") == CURVE[0]
    take_both(page, pictures, "airlock-review", at=page.get_by_role("heading", name="Files and what"))


@pytest.mark.parametrize(
    ("name", "path"),
    [("bob", ""), ("gina", "statistics"), ("gina", "incidents"), ("ann", "requests/new"), ("ann", "requests/1")],
)
def test_no_page_is_wider_than_a_phone(airlock, window, request_, name, path):
    page = inside.see(airlock, window(name), path)
    page.set_viewport_size(NARROW)
    assert fits(page)


def test_files_are_read_and_judged_by_keys(airlock, window, request_):
    page = inside.see(airlock, window("bob"), f"requests/{request_}")
    for key in ("j", "1", "j", "2"):
        page.keyboard.press(key)
    page.keyboard.type("12 hide it")
    page.keyboard.press("Tab")
    for key in ("j", "1", "v"):
        page.keyboard.press(key)
    page.keyboard.type("two of three")
    chosen = page.locator("input[type=radio]:checked").evaluate_all("all => all.map(one => one.value)")
    assert chosen == ["approve", "send_back", "approve", "each"]
    assert page.locator("#reason-1").input_value() == "12 hide it"
    assert page.get_by_label("Reason", exact=True).input_value() == "two of three"


def test_a_vote_on_each_file_needs_no_script(airlock, window, request_):
    page = inside.see(airlock, window("cleo", scripts=False), f"requests/{request_}")
    for name in ("events.csv", "baseline.csv", "survival.png"):
        page.get_by_role("group", name=f"Your verdict on {name}").get_by_role("radio", name="Approve").check()
    page.get_by_label("Reason", exact=True).fill("All three may leave")
    page.get_by_label("Code of your").fill(airlock.code("cleo"))
    page.get_by_role("button", name="Vote").click()
    expect(page.get_by_text("Your vote is in.")).to_be_visible()
    assert airlock.acts()[-1] == "export.vote"
