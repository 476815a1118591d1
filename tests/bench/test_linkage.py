"""A million ids: what it costs to load them, to look them up, and to find one person again."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.bench

IDS, PERSONS = 1_000_000, 500_000
LOAD = 6
"""Seconds: a linkage is checked, sorted, joined over its merges, sealed and recorded."""
ALL = 10_000_000
FORWARD = 10
"""Seconds of one processor for ten million persons, reckoned from half a million."""

# A process of its own, so that its memory is its own.
PROGRAM = f"""
import resource, tempfile, time
from hashlib import sha256
from datetime import UTC, datetime
from pathlib import Path
import duckdb
import pyarrow.csv
import tre.settings
from tre.data import linkage
from tre.data.deid.pseudonyms import Naming, ProjectKeys, pseudonym, whose
from tre.records import db, schema

home = Path(tempfile.mkdtemp())
settings = tre.settings.load(home / "home")
schema.initialise(settings)
records = db.opened(settings)
path = home / "linkage.csv"
duckdb.sql(
    "COPY (SELECT CASE i % 2 WHEN 0 THEN 'ehr' ELSE 'pacs' END AS system, 'mrn' AS type,"
    " printf('%09d', (i * 7919) % 1000000007) AS value, 'p' || (i // {IDS // PERSONS}) AS subject"
    f" FROM range({IDS}) AS r(i)) TO '{{path}}' (HEADER)"
)
began = time.perf_counter()
pyarrow.csv.read_csv(path)
floor = time.perf_counter() - began
began = time.perf_counter()
linkage.load(records, settings, "hospital", path, actor="host/bench", now=datetime.now(UTC))
loaded = time.perf_counter() - began
started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
with records.read() as session:
    links = linkage.newest(session, settings, "hospital")
keys = ProjectKeys(b"k" * 32, b"d" * 32)
who = links.who(Naming(keys))
began = time.process_time()
values = [format((i * 7919) % 1000000007, "09d") for i in range(0, {IDS}, 10)]
assert not links.knows("ehr", "mrn", values)
looked = time.process_time() - began
last = links.subjects[-1].as_py()
began = time.process_time()
assert whose(pseudonym(last, keys.pseudonym), links.subjects, keys.pseudonym) == last
forward = (time.process_time() - began) / len(links.subjects)
began = time.process_time()
for subject in links.subjects.to_pylist():
    sha256(subject.encode()).digest()
hashed = (time.process_time() - began) / len(links.subjects)
print(loaded, floor, looked / len(values) * 1e6, forward, hashed, started)
"""
MEMORY = """
import pickle, resource, sys
import pyarrow as pa
from tre.data.links import Links

count = {ids}
ids = pa.table({{
    "system": pa.array(["ehr"] * count),
    "type": pa.array(["mrn"] * count),
    "value": pa.array(format(at, "09d") for at in range(count)),
    "subject": pa.array(f"p{{at}}" for at in range(count)),
}})
links = Links("hospital", 1, ids, pa.table({{"old": pa.array([], pa.string()), "subject": pa.array([], pa.string())}}))
print(len(pickle.dumps(links.who(None))) / 1e6)
"""


def run(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=280)
    return [float(word) for word in done.stdout.split()]


def test_a_million_ids_are_loaded_looked_up_and_gone_through(report):
    loaded, floor, micros, forward, hashed, megabytes = run(PROGRAM)
    report(f"linkage: {IDS:,} ids loaded", loaded, "s", LOAD, f"reading the CSV alone {floor:.2f} s")
    report("linkage: one id looked up", micros, "us", 10)
    report("linkage: memory of loading", megabytes, "MB", 1000)
    report(
        f"re-contact: {ALL:,} persons, from {PERSONS:,}",
        forward * ALL,
        "s",
        FORWARD,
        f"one SHA-256 each {hashed * ALL:.1f} s",
    )


def test_the_persons_of_a_million_ids_are_small_in_memory(report):
    (megabytes,) = run(MEMORY.format(ids=IDS))
    report(f"linkage: {IDS:,} ids as they are given to a process", megabytes, "MB", 100)
