"""A room says in JupyterLab that it will close and why, saves what is open, and then closes; at a real browser."""

import os
import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import update

from tests.browser.chromium import Window
from tests.builders import HOST
from tre.governance import nudge, projects, training
from tre.records import audit
from tre.records.tables import TrainingRow

pytestmark = [pytest.mark.docker, pytest.mark.browser]
NAME, PROJECT, TITLE = "tess", "sunrise", "The project sunrise"
TYPED = "forty-two persons, not yet saved"


@pytest.fixture(scope="module")
def tess(house, chromium):
    house.add(NAME)
    renew(house)
    window = Window(chromium, house, NAME).sign_in()
    yield window
    window.close()


def renew(house):
    """Make her a member with all courses in date."""
    now = datetime.now(UTC)
    with house.act() as session:
        projects.add_member(session, PROJECT, NAME, until=now + timedelta(days=300), actor=HOST, now=now)


def lapses(house, until):
    """Let a course end; a renewal is a new row, so this is one that only a test writes."""
    with house.act("training.record", subject=f"person/{NAME}") as session:
        session.execute(
            update(TrainingRow).where(TrainingRow.person == NAME, TrainingRow.course == "gdpr").values(until=until)
        )
        audit.append(session, "training.record", actor=HOST, subject=f"person/{NAME}", course="gdpr")
    nudge.sentinel(house.settings)


def notes(house):
    return house.settings.person_home(PROJECT, NAME) / "notes.txt"


def types_without_saving(window, house):
    """Open a file, and write into it."""
    place = notes(house)
    place.write_text("", "utf-8")
    os.chown(place, place.parent.stat().st_uid, place.parent.stat().st_gid)
    page = window.lab(PROJECT)
    page.locator(".jp-DirListing-item", has_text="notes.txt").dblclick()
    page.locator(".cm-content").first.click()
    page.keyboard.type(TYPED)
    expect(page.locator(".cm-content").first).to_contain_text(TYPED)
    return page


def wait(until, holds, what):
    while not holds():
        assert datetime.now(UTC) < until, what
        time.sleep(0.3)


def test_the_status_bar_says_how_much_of_the_hour_was_seen(tess, house):
    page = tess.open(TITLE, PROJECT)
    expect(page.get_by_text(re.compile(r"of 200 MB this hour"))).to_be_visible()
    assert not [fault for fault in tess.faults if "tre-lab" in fault or "tre/me" in fault]


def test_a_result_is_asked_for_in_jupyterlab_and_followed_there(tess, house):
    tess.open(TITLE, PROJECT)
    outbox = house.settings.outbox(PROJECT, NAME)
    (outbox / "arms.csv").write_text("arm,n\nplacebo,30\n", "utf-8")
    (outbox / "arms.csv.about.json").write_text('{"kind": "table", "context": "Table 9 of the paper"}', "utf-8")
    for file in outbox.iterdir():
        os.chown(file, outbox.stat().st_uid, outbox.stat().st_gid)
    page = tess.lab(PROJECT)
    page.get_by_role("tab", name="Exports").click()
    panel = page.get_by_role("region", name="Exports")
    panel.get_by_label("arms.csv").check()
    expect(panel.get_by_label("What it shows")).to_have_value("Table 9 of the paper")
    panel.get_by_label("Why should they leave?").fill("Table 9")
    panel.get_by_role("button", name="Ask for these files").click()
    expect(panel.get_by_role("status")).to_contain_text("was handed in")
    panel.get_by_role("button", name=re.compile("Withdraw")).click()
    expect(panel.get_by_role("status")).to_contain_text("nothing of it leaves")
    expect(panel.get_by_text(re.compile(r"Request \d+: withdrawn"))).to_be_visible()
    assert not [fault for fault in tess.faults if "tre-lab" in fault or "tre/v1" in fault]


def test_a_training_that_lapses_is_announced_what_is_open_is_saved_and_the_room_closes(tess, house):
    page = types_without_saving(tess, house)
    end = datetime.now(UTC) + timedelta(seconds=40)
    lapses(house, end)
    expect(page.get_by_text(re.compile(r"This room closes in \d+ seconds")).first).to_be_visible(timeout=20_000)
    wait(end, lambda: TYPED in notes(house).read_text("utf-8"), "what was typed was not saved before the end")
    wait(end + timedelta(seconds=60), lambda: not house.running(PROJECT, NAME), "the room did not stop")
    lapse = [entry for entry in house.entries("session.lapse") if entry["subject"] == f"room/{PROJECT}/{NAME}"][-1]
    assert lapse["facts"]["rules"] == ["R03"]
    tess.home()
    tess.sees(re.compile("Take the training that lapsed"))


def test_a_lapse_that_nobody_knew_of_leaves_time_to_save_and_is_told(tess, house):
    with house.act() as session:
        training.record(
            session, NAME, "gdpr", datetime.now(UTC) + timedelta(days=90), actor=HOST, now=datetime.now(UTC)
        )
    tess.open(TITLE, PROJECT)
    page = types_without_saving(tess, house)
    with house.act("member.remove", subject=f"project/{PROJECT}") as session:
        projects.remove_member(session, PROJECT, NAME, actor=HOST, now=datetime.now(UTC))
    until = datetime.now(UTC) + timedelta(seconds=60)
    nudge.sentinel(house.settings)
    expect(page.get_by_text(re.compile("This room closes at .* What is open is being saved")).first).to_be_visible()
    wait(until, lambda: TYPED in notes(house).read_text("utf-8"), "what was typed was not saved")
    wait(until, lambda: not house.running(PROJECT, NAME), "the room did not stop")
