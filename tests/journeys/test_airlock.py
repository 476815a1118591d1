"""Three tables of a real trial on their way out: two leave, one comes back with its cells marked, is mended and leaves.

Then the same table without one person is refused, and the release named that it would tell of. What was collected is
proved offline, and no more with a byte flipped. Data, checks, votes and browser are real; it is answered in-process.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import expect

import tre.settings
from airlock import certificate, package, release, worker
from airlock.states import State
from airlock.tables import RequestRow
from tests.airlock.web import an_airlock
from tests.attacks import corpus, pipeline
from tests.browser import inside
from tests.builders import a_dataset, an_approval
from tre.errors import Tampered, Unreadable
from tre.records import checkpoint

pytestmark = pytest.mark.browser

ARMS, GENDER, KARNOF = "arms.csv", "gender.csv", "karnof-by-race.csv"
BY = {ARMS: ["arms"], GENDER: ["gender"], KARNOF: ["karnof", "race", "gender"]}
MERGED = ["race", "gender"]
"""What the third is by once its small groups are merged."""


@dataclass
class Told:
    """What each party saw, as texts of pages and of commands."""

    settings: object
    states: list[str] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)
    marked: list[str] = field(default_factory=list)
    small: list[str] = field(default_factory=list)
    bundle: bytes = b""


@pytest.fixture(scope="module")
def airlock(made_home, tmp_path_factory):
    home = tmp_path_factory.mktemp("journey") / "home"
    shutil.copytree(made_home, home, symlinks=True)
    with an_airlock(tre.settings.load(home), datetime(2026, 11, 2, 9, tzinfo=UTC)) as found:
        yield found


@pytest.fixture(scope="module")
def trial(airlock, tmp_path_factory):
    """ACTG175 as ann's project has it."""
    with airlock.records.act("host", "test.build", "home") as session:
        a_dataset(session, corpus.DATASET, now=airlock.clock())
        an_approval(session, "sunrise", corpus.DATASET, settings=airlock.settings, now=airlock.clock())
        return pipeline.an_extract(session, airlock.settings, tmp_path_factory.mktemp("trial"), airlock.clock())


@pytest.fixture(scope="module")
def told(airlock, trial, chromium):
    found = Told(airlock.settings)
    with inside.windows(airlock, chromium) as window:
        _three_files(found, airlock, trial, window)
        _one_person_less(found, airlock, trial, window("ann"))
    return found


def _three_files(told, airlock, trial, window) -> None:
    ann, bob, cleo = window("ann"), window("bob"), window("cleo", scripts=False)
    for name, by in BY.items():
        _lay(airlock, corpus.counted(trial, by, name=name, least=0 if name == KARNOF else 10))
    counts = trial.data.groupby(BY[KARNOF]).size()
    told.small = sorted(str(n) for n in counts if n < 10)
    _ask(airlock, ann, "requests/new", BY, "Ask for these files")
    _check(told, airlock, 1)
    page = inside.see(airlock, ann, "requests/1")
    told.pages["ann, blocked"] = page.inner_text("main")
    told.marked = sorted(page.locator("#file-2 td.flag").evaluate_all("all => all.map(one => one.firstChild.data)"))
    _vote(airlock, bob, "bob", 1, "bob finds nothing in it")
    told.pages["cleo, before her vote"] = inside.see(airlock, cleo, "requests/1").inner_text("main")
    _vote(airlock, cleo, "cleo", 1, "cleo agrees")
    _release(told, airlock, 1)
    told.pages["ann, part released"] = inside.see(airlock, ann, "requests/1").inner_text("main")
    _lay(airlock, corpus.counted(trial, MERGED, name=KARNOF))
    _ask(airlock, ann, "requests/1/again", [KARNOF], "Submit again")
    _check(told, airlock, 1)
    for name, page in (("bob", bob), ("cleo", cleo)):
        _vote(airlock, page, name, 1, f"{name} reads it again")
    _release(told, airlock, 1)
    told.pages["ann, all released"] = inside.see(airlock, ann, "requests/1").inner_text("main")
    person = airlock.sign_in("ann")
    told.bundle = person.post(person.post("requests/1/link", {"round": "1"}).headers["location"]).content


def _one_person_less(told, airlock, trial, ann) -> None:
    """Everybody but one man or woman, who alone has this weight and this count of cells."""
    data = trial.data
    (one,) = data[~data.duplicated(["wtkg", "cd40"], keep=False)].head(1).to_dict("records")
    cohort = f"not (wtkg = {one['wtkg']} and cd40 = {one['cd40']})"
    rest = (data.wtkg != one["wtkg"]) | (data.cd40 != one["cd40"])
    assert (~rest).sum() == 1
    _lay(airlock, corpus.counted(trial, ["gender"], cohort, lambda _: rest, "again.csv"))
    _ask(airlock, ann, "requests/new", ["again.csv"], "Ask for these files")
    _check(told, airlock, 2)
    told.pages["ann, one person less"] = inside.see(airlock, ann, "requests/2").inner_text("main")


def _lay(airlock, sent) -> None:
    outbox = airlock.settings.outbox("sunrise", "ann")
    outbox.mkdir(parents=True, exist_ok=True)
    outbox.joinpath(sent.name).write_bytes(sent.content)
    outbox.joinpath(f"{sent.name}.about.json").write_text(json.dumps(sent.about), "utf-8")


def _ask(airlock, page, path, names, button) -> None:
    inside.see(airlock, page, path)
    for box in page.locator("input[name=paths]").all():
        box.set_checked(box.get_attribute("value") in names)
    page.get_by_label("Why should they leave?").fill("for the paper")
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("heading", name="Files and what the checks found")).to_be_visible()


def _vote(airlock, page, name, number, reason) -> None:
    inside.see(airlock, page, f"requests/{number}")
    page.locator("#ballot").get_by_role("radio", name="Approve").check()
    page.get_by_label("Reason").fill(reason)
    page.get_by_label("Code of your authenticator app").fill(airlock.code(name))
    page.get_by_role("button", name="Vote").click()
    expect(page.get_by_role("heading", name="Votes", level=2)).to_be_visible()


def _check(told, airlock, number) -> None:
    worker.check(airlock.records, airlock.settings, number, now=airlock.clock())
    _note(told, airlock, number)


def _release(told, airlock, number) -> None:
    with airlock.records.act("worker", "export.release", f"export/{number}") as session:
        release.release(session, airlock.settings, request=number, now=airlock.clock())
    _note(told, airlock, number)


def _note(told, airlock, number) -> None:
    with airlock.records.read() as session:
        told.states.append(f"{number}: {session.get_one(RequestRow, number).state}")


def test_two_files_leave_and_the_third_a_round_later(told):
    first = [State.IN_REVIEW, State.RETURNED, State.IN_REVIEW, State.RELEASED]
    assert told.states == [*(f"1: {state}" for state in first), f"2: {State.RETURNED}"]


def test_the_author_sees_which_cells_to_change(told):
    assert told.small
    assert set(told.small) <= set(told.marked)
    assert "What to change" in told.pages["ann, blocked"]


def test_nobody_reads_the_first_vote_before_their_own(told):
    before = told.pages["cleo, before her vote"]
    assert "1 of 2 approvers has voted" in before
    assert "bob finds nothing" not in before


def test_what_left_of_a_request_is_said_and_the_rest_is_the_authors(told):
    page = told.pages["ann, part released"]
    assert "Your files may leave" in page
    assert "bob finds nothing in it" in page
    assert "Correct the rest and submit it again" in page
    assert "Round 2" in told.pages["ann, all released"]


def test_the_same_table_without_one_person_is_refused_and_the_release_named(told):
    page = told.pages["ann, one person less"]
    assert "blocked" in page
    assert "Request 1" in page


def test_the_release_is_proved_offline_and_no_byte_of_it_may_change(told, tmp_path):
    key, bundle = tmp_path / "house.key", tmp_path / "release.zip"
    key.write_text(checkpoint.public_key(told.settings), "utf-8")
    bundle.write_bytes(told.bundle)
    code, said = _verified(bundle, key)
    assert code == 0, said
    parts = _parts(told.bundle)
    assert {f"files/{ARMS}", f"files/{GENDER}", certificate.NAME} <= {part.name for part in parts}
    for nth, part in enumerate(parts):
        _packed(bundle, [*parts[:nth], _flipped(part), *parts[nth + 1 :]])
        with pytest.raises(Unreadable if part.name == certificate.NAME else Tampered, match=part.name):
            certificate.verify(bundle, key.read_text("utf-8"))
    _packed(bundle, [_flipped(parts[0]), *parts[1:]])
    code, said = _verified(bundle, key)
    assert code == Tampered.exit_code
    assert parts[0].name in said


def test_a_byte_flipped_on_the_way_is_no_whole_release_any_more(told, tmp_path):
    bundle, key = tmp_path / "release.zip", checkpoint.public_key(told.settings)
    for at in range(0, len(told.bundle), max(1, len(told.bundle) // 200)):
        broken = bytearray(told.bundle)
        broken[at] ^= 1
        bundle.write_bytes(broken)
        with pytest.raises((Tampered, Unreadable)):
            certificate.verify(bundle, key)


def _parts(bundle) -> list[package.Part]:
    with zipfile.ZipFile(io.BytesIO(bundle)) as held:
        return [package.Part(name, held.read(name)) for name in held.namelist()]


def _packed(place, parts) -> None:
    """A whole zip again, as somebody would write it who means to deceive."""
    place.write_bytes(b"".join(package.write(parts)))


def _flipped(part) -> package.Part:
    changed = bytearray(part.content)
    changed[len(changed) // 2] ^= 1
    return package.Part(part.name, bytes(changed))


def _verified(bundle, key) -> tuple[int, str]:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("airlock")), "verify", str(bundle), "--key", str(key)],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "TRE_HOME": "/nonexistent"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr
