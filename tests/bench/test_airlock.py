"""The airlock under a crowd, under the axe, and under what is as large as it lets in."""

import io
import os
import random
import shutil
import zipfile
from collections import Counter
from datetime import UTC, datetime
from time import monotonic, sleep

import pytest
from sqlalchemy import func, select

from airlock import certificate, outbox, queries, release, requests, worker
from airlock.states import State
from airlock.tables import FileRow, ReleaseRow, RequestRow, ToldRow
from tests.airlock import killed
from tests.airlock.house import House
from tests.builders import at_once
from tre.records import checkpoint, schema
from tre.records.db import opened
from tre.settings import load

CROWD = 50
KILLS = 100
LINES = b"sex,n\r\n0,30\r\n1,30\r\n"


@pytest.fixture
def home(tmp_path):
    settings = load(tmp_path / "home")
    schema.initialise(settings)
    records = opened(settings)
    yield House(records, settings, datetime.now(UTC))
    records.close()


def asked(home, name, content=LINES):
    """Ask for a file as the pages do."""
    home.put(name, content)
    now = datetime.now(UTC)
    files = requests.ready(home.records, home.settings, person="ann", project="sunrise", paths=[name], now=now)
    with home.act("export.submit", "ann", "project/sunrise") as session:
        return requests.submit(
            session, home.settings, project="sunrise", person="ann", ready=files, why="x", now=now
        ).id


def stand(home):
    """State of each request, and what its page says."""
    with home.records.read() as session:
        rows = session.scalars(select(RequestRow).order_by(RequestRow.id)).all()
        return [(State(row.state), queries.standing(session, row)) for row in rows]


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_fifty_requests_at_once_are_each_checked_or_visibly_waiting(home, report):
    begun = monotonic()
    made = at_once(CROWD, lambda number: asked(home, f"{number}.csv"))
    assert sorted(made) == list(range(1, CROWD + 1)), made
    report("50 requests at once, until all are in", monotonic() - begun, "s")
    process = killed.begun(home.settings.home)
    try:
        while Counter(state for state, _ in stand(home))[State.IN_REVIEW] < CROWD:
            for state, says in stand(home):
                assert (state is State.IN_REVIEW) or "checked" in says or "checking" in says
            assert monotonic() - begun < 10 * CROWD, Counter(state for state, _ in stand(home))
            sleep(2)
    finally:
        process.kill()
        process.join()
    assert home.acts().count("export.check") == CROWD
    report("50 requests at once, until all are checked", monotonic() - begun, "s", 5 * CROWD, "two at a time")


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_a_worker_killed_a_hundred_times_loses_nothing_and_releases_nothing_twice(home, report):
    chance, begun, seen = random.Random(5), monotonic(), Counter()
    for _ in range(KILLS):
        waiting = [state for state, _ in stand(home) if state is not State.RELEASED]
        if len(waiting) < 3 and len(stand(home)) < CROWD:
            asked(home, f"{len(stand(home))}.csv")
        killed.worked(home.settings.home, chance.uniform(0.3, 4.0))
        for at, (state, _) in enumerate(stand(home)):
            seen[state] += 1
            assert state in {State.CHECKING, State.IN_REVIEW, State.APPROVED, State.RELEASED}
            if state is State.IN_REVIEW:
                home.now = datetime.now(UTC)
                home.vote(at + 1, "bob")
                home.vote(at + 1, "carol")
    home.now = datetime.now(UTC)
    while worker.step(home.records, home.settings, now=home.now):
        for at, (state, _) in enumerate(stand(home)):
            if state is State.IN_REVIEW:
                home.vote(at + 1, "bob")
                home.vote(at + 1, "carol")
    many = len(stand(home))
    assert {state for state, _ in stand(home)} == {State.RELEASED}
    assert [home.acts().count(act) for act in ("export.check", "export.release")] == [many, many]
    with home.records.read() as session:
        counts = [session.scalar(select(func.count()).select_from(each)) for each in (ReleaseRow, ToldRow, FileRow)]
    assert counts == [many] * 3
    for request in range(1, many + 1):
        bundle = home.collect(home.link(request))
        content = b"".join(release.stream(home.settings, bundle))
        assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
        place = home.settings.home / "release.zip"
        place.write_bytes(content)
        certificate.verify(place, checkpoint.public_key(home.settings))
    took = ", ".join(f"{state} {count}" for state, count in sorted(seen.items()))
    report(f"{KILLS} kills of the worker, {many} requests released once", monotonic() - begun, "s", None, took)


@pytest.mark.bench
def test_one_line_as_long_as_a_file_may_be(home, report):
    request = asked(home, "line.csv", b"1" * (home.settings.largest_file - 1))
    begun = monotonic()
    home.check(request)
    report("one line of 16 MB, through all checks", monotonic() - begun, "s", 30)
    assert home.state(request) is State.RETURNED
    assert any("bytes of text" in message for *_, message in home.findings(request))


@pytest.mark.bench
def test_an_outbox_of_a_hundred_thousand_files_is_listed_in_part(home, report):
    folder = home.outbox / "many"
    folder.mkdir()
    for number in range(100_000):
        os.close(os.open(folder / f"{number}.csv", os.O_CREAT | os.O_WRONLY))
    begun = monotonic()
    assert len(outbox.listing(home.settings, "sunrise", "ann")) == outbox.MOST
    report("outbox of 100,000 files, listed in part", monotonic() - begun, "s", 5)
    shutil.rmtree(folder)
