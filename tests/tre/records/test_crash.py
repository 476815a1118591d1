"""Killed at any instant, with a full disk, or beside another: the log and what it tells of agree."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select

from tre.records import checkpoint, export
from tre.records.db import opened
from tre.records.tables import EntryRow, MeterRow

WRITER = str(Path(__file__).with_name("writer.py"))


@pytest.fixture
def writer(settings, tmp_path):
    """Start writers on the records of this test."""
    running = []

    def writer(*words, before=()):
        argv = [*before, sys.executable, WRITER, settings.database_url, str(tmp_path / "acknowledged"), *words]
        pipe = subprocess.PIPE
        running.append(subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1))
        return running[-1]

    yield writer
    for process in running:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


def acknowledged(tmp_path):
    path = tmp_path / "acknowledged"
    return Counter(path.read_text().split()) if path.exists() else Counter()


def agreed(settings, records, tmp_path):
    """Check that state and log say the same, that nothing acknowledged is lost, and that the log is whole."""
    with records.read() as session:
        written = Counter(orjson.loads(body)["actor"] for body in session.scalars(select(EntryRow.body)))
        state = {row.person: row.bytes for row in session.scalars(select(MeterRow))}
        report = export.examine(session, checkpoint.note_key(settings), {})
    assert state == written
    assert not acknowledged(tmp_path) - written
    assert report.faults == ()
    return sum(written.values())


def kill_often(settings, records, writer, tmp_path, times):
    process = writer()
    sizes = [0]
    chance = random.Random(7)
    for _ in range(times):
        print("go", file=process.stdin)
        pid = int(process.stdout.readline())
        begun = time.monotonic()
        while not acknowledged(tmp_path)[f"w{pid}"] and time.monotonic() - begun < 10:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.1))
        os.kill(pid, signal.SIGKILL)
        assert int(process.stdout.readline()) == -signal.SIGKILL
        sizes.append(agreed(settings, records, tmp_path))
    assert sizes == sorted(sizes)
    assert sizes[-1] > times  # they did write


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_killed_forty_times_while_writing_state_and_log_agree(settings, records, writer, tmp_path):
    kill_often(settings, records, writer, tmp_path, 40)


@pytest.mark.postgres
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_killed_while_writing_to_a_server_state_and_log_agree(settings, records, writer, tmp_path):
    kill_often(settings, records, writer, tmp_path, 8)


def test_two_who_write_at_once_keep_one_order(settings, records, writer, tmp_path):
    both = [writer("25"), writer("25")]
    for process in both:
        print("go", file=process.stdin)
    assert all(process.stdout.readline() for process in both)
    assert [int(process.stdout.readline()) for process in both] == [0, 0]
    assert agreed(settings, records, tmp_path) == 50
    with records.read() as session:
        entries = [orjson.loads(body) for body in session.scalars(select(EntryRow.body).order_by(EntryRow.seq))]
    assert [entry["seq"] for entry in entries] == list(range(50))
    for actor in {entry["actor"] for entry in entries}:
        assert [entry["facts"]["number"] for entry in entries if entry["actor"] == actor] == list(range(25))


def test_a_full_disk_is_one_line_and_leaves_nothing_half_done(settings, tmp_path):
    """On a file system of one megabyte of its own, written until it is full."""
    full = (
        'mount -t tmpfs -o size=1m none "$1" && cp -a "$2"/. "$1" && shift 2 && '
        'echo go | "$@"; code=$?; cp "$0"/records.sqlite* "$OUT"; exit $code'
    )
    disk, out = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    out.mkdir()
    done = subprocess.run(
        [
            *("unshare", "--map-root-user", "--mount", "sh", "-c", full, str(disk), str(disk), str(settings.home)),
            *(sys.executable, WRITER, f"sqlite:///{disk}/records.sqlite", str(tmp_path / "acknowledged")),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OUT": str(out)},
    )
    assert done.stdout.splitlines()[-1:] == ["7"], done.stderr
    assert done.stderr.count("\n") == 1
    assert "full" in done.stderr
    assert "nothing was changed" in done.stderr
    (settings.home / "records.sqlite").unlink()
    for file in out.iterdir():
        file.rename(settings.home / file.name)
    records = opened(settings)
    assert agreed(settings, records, tmp_path) > 10
    records.close()


def test_a_file_that_may_not_grow_is_one_line_and_leaves_nothing_half_done(settings, tmp_path, writer):
    process = writer(before=("sh", "-c", 'ulimit -f 900 && exec "$@"', "sh"))
    print("go", file=process.stdin)
    process.stdout.readline()
    assert int(process.stdout.readline()) == 7
    process.stdin.close()
    said = process.stderr.readline()
    assert said.startswith("the records do not answer")
    assert "nothing was changed" in said
    records = opened(settings)
    assert agreed(settings, records, tmp_path) > 10
    records.close()
