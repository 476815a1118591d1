"""From a draft to a room and out of it again: a committee decides, a room opens, a training lapses, the room closes.

Real Hub, Docker and Chromium, and the command line beside them. Each fixture is a chapter; each test is a claim.
"""

import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from sqlalchemy import update

from tests.browser.chromium import Window
from tests.browser.deciding import click, decides, fulfils, stands, votes
from tests.builders import HOST, a_dataset
from tre.governance import nudge
from tre.records import audit
from tre.records.tables import DatasetRow, TrainingRow

pytestmark = [pytest.mark.docker, pytest.mark.browser, pytest.mark.timeout(900)]

PROJECT, TITLE = "orchard", "Who stays in a trial?"
ROOTS = '{"groups": [{"name": "", "codes": [["POA", []]]}]}'
"""Data that may be used for questions of population origins alone."""
LASTS = 25
"""Seconds for which the training still counts once the room is open."""


class Lapse(NamedTuple):
    """What was to be seen when a training lapsed, and how long the room stood after it."""

    before: dict
    seconds: float
    home: str
    after: dict


def tre(house, *words: str) -> dict:
    """Run a command as the operator does, and read what it answers."""
    environment = {**os.environ, "TRE_HOME": str(house.settings.home), "TRE_PORT": str(house.settings.port)}
    ran = subprocess.run(
        [sys.executable, "-m", "tre", *words, "--json"], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


# --- chapters --------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def draft(garden, at) -> tuple[Window, str, str]:
    """alice asks for two datasets, and sees before she submits that one of them is not for her purpose."""
    with garden.act() as session:
        a_dataset(session, "roots", now=datetime.now(UTC))
        session.get_one(DatasetRow, "roots").data_use = ROOTS
    alice = at("alice")
    page = alice.see("/hub/applications")
    click(page, "Begin a new application")
    words = {
        "Short name": PROJECT, "Title": TITLE, "Lay summary": "We ask who leaves a trial early, and why.",
        "Purpose": "To describe who leaves a trial of treatments, and when.", "Members": "alice",
        "Outputs expected": "Tables of counts.", "Requested end": f"{datetime.now(UTC) + timedelta(days=200):%Y-%m-%d}",
    }  # fmt: skip
    for label, said in words.items():
        page.get_by_label(f"{label} *", exact=True).fill(said)
    page.get_by_role("checkbox", name=re.compile("^biomedical")).check()
    page.get_by_role("radio", name="not for profit").check()
    for dataset in ("actg175", "roots"):
        page.get_by_label(f"The dataset {dataset}" if dataset == "roots" else "AIDS Clinical Trials").check()
    click(page, "Save and check")
    alice.sees("People agreed to research on origins alone")
    said = alice.text()
    page.get_by_label("The dataset roots").uncheck()
    click(page, "Save and submit")
    stands(alice, "submitted")
    return alice, re.search(r"applications/(\d+)", page.url)[1], said


@pytest.fixture(scope="module")
def standing(draft, at, garden) -> Window:
    """The committee gives it to its panel, votes, decides with a condition; the operator prepares the data."""
    alice, number, _ = draft
    erin, frank = at("erin"), at("frank")
    erin.see(f"/hub/committee/{number}")
    click(erin.page, "Give it to the panel")
    for one in (erin, frank):
        votes(one, number)
    erin.see(f"/hub/committee/{number}")
    decides(erin)
    fulfils(alice, frank, number)
    tre(garden, "extract", "prepare", "actg175", PROJECT)
    return alice


@pytest.fixture(scope="module")
def lapse(standing, garden) -> Lapse:
    """alice works in the room; one of her courses lapses while she does."""
    standing.open(TITLE, PROJECT)
    before = tre(garden, "policy", "explain", "alice", PROJECT)
    end = datetime.now(UTC) + timedelta(seconds=LASTS)
    with garden.act(
        "training.record", subject="person/alice"
    ) as session:  # a renewal is a new row: only a test does so
        session.execute(
            update(TrainingRow).where(TrainingRow.person == "alice", TrainingRow.course == "gdpr").values(until=end)
        )
        audit.append(session, "training.record", actor=HOST, subject="person/alice", course="gdpr")
    nudge.sentinel(garden.settings)
    while garden.running(PROJECT, "alice"):
        assert datetime.now(UTC) < end + timedelta(seconds=60), "the room did not stop"
        time.sleep(0.3)
    seconds = (datetime.now(UTC) - end).total_seconds()
    standing.home()
    standing.sees("shut by the rules")
    return Lapse(before, seconds, standing.text(), tre(garden, "policy", "explain", "alice", PROJECT))


# --- claims ----------------------------------------------------------------------------------------------------------
def test_a_dataset_that_is_not_for_this_purpose_says_why_before_anybody_is_asked(draft):
    _, _, said = draft
    assert "People agreed to research on origins alone, and the purpose is biomedical." in said
    assert "POA" in said


def test_an_application_comes_from_a_draft_to_a_running_room(lapse):
    assert lapse.before["allowed"]
    assert [one["dataset"] for one in lapse.before["datasets"] if one["mounted"]] == ["actg175"]


def test_a_room_stops_within_a_minute_of_a_lapse(lapse):
    assert lapse.seconds < 60


def test_whoever_was_in_the_room_reads_why_and_what_to_do(lapse):
    assert "R03" in lapse.home
    assert "Take the training that lapsed" in lapse.home


def test_explaining_says_the_same_before_and_after_but_for_what_lapsed(lapse):
    states = [{row["rule"]: row["state"] for row in told["rules"]} for told in (lapse.before, lapse.after)]
    changed = {rule for rule in states[0] if states[0][rule] != states[1].get(rule)}
    assert changed == {"R03"}
    assert not lapse.after["allowed"]
    assert lapse.after["reasons"] == ["R03"]


def test_every_step_is_in_the_log(lapse, draft, garden):
    _, number, _ = draft
    steps = ("committee.apply", "committee.vote", "committee.decide", "committee.begin")
    mine = [act for act in steps for entry in garden.entries(act) if entry["subject"] == f"application/{number}"]
    assert mine == ["committee.apply", "committee.vote", "committee.vote", "committee.decide", "committee.begin"]
    assert garden.entries("session.lapse")[-1]["facts"]["rules"] == ["R03"]
