"""What the proof costs: appending beside a plain insert, verifying beside plain hashing."""

import sqlite3
import time
from hashlib import sha256

import pytest

from tre.records import audit, checkpoint, export, merkle, note, verify
from tre.records.db import opened

pytestmark = pytest.mark.bench
MANY = 100_000


def seconds(work):
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


@pytest.fixture
def bodies():
    """A log of a hundred thousand entries as they are in a house that works."""
    made, last = [], b""
    for seq in range(MANY):
        facts = {"vote": "approve", "manifest": "f" * 64, "round": seq % 3, "rules": ["R20", "R21"]}
        said = {"seq": seq, "prev": last.hex(), "at": "2026-11-02T09:00:00.000000Z", "act": "export.vote"}
        body = audit.canonical({**said, "actor": "ann", "subject": f"export/{seq}", "facts": facts})
        last = merkle.leaf_hash(body)
        made.append(body)
    return made


def test_a_hundred_thousand_entries_are_verified_in_two_seconds(bodies, settings, tmp_path, report):
    key = checkpoint.note_key(settings)
    path = tmp_path / "entries.jsonl"
    path.write_bytes(b"".join(body + b"\n" for body in bodies))
    (tmp_path / "checkpoints.jsonl").write_text("")
    (tmp_path / "log.pub").write_text(key)
    plain = min(seconds(lambda: [sha256(body).digest() for body in bodies]) for _ in range(3))
    begun = time.process_time()  # of this process alone, so that a busy machine does not tell us the log is slow
    took = min(seconds(lambda: verify.log(verify._bodies(path), {}, note.verifier(key))) for _ in range(3))
    worked = (time.process_time() - begun) / 3
    assert verify.folder(tmp_path).root == merkle.root_of(bodies).hex()
    beside = f"{took / plain:.1f} x plain SHA-256; {took:.2f} s by the clock"
    report(f"audit: verify {MANY:,} entries", worked, "s of processor", 2, beside)


def plain_inserts(path, count):
    """The same bytes, into the same kind of file, with the same promise to be on the disk."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE entry (seq INTEGER PRIMARY KEY, body BLOB, act TEXT, actor TEXT, at TEXT)")
    for seq in range(count):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO entry VALUES (?, ?, 'export.vote', 'ann', '2026')", (seq, b"x" * 300))
        connection.execute("COMMIT")
    connection.close()


def acts(records, count):
    for number in range(count):
        with records.act("ann", "export.vote", "export/1") as session:
            audit.append(session, "export.vote", actor="ann", subject="export/1", number=number, why="x" * 60)


def test_an_act_a_commit_costs_a_few_plain_inserts(settings, tmp_path, report):
    records, count = opened(settings), 300
    acts(records, 20)
    plain, ours = [], []
    for turn in range(3):
        plain.append(seconds(lambda turn=turn: plain_inserts(tmp_path / f"plain{turn}.sqlite", count)))
        ours.append(seconds(lambda: acts(records, count)))
    took, beside = min(ours), min(plain)
    with records.read() as session:
        assert export.examine(session, checkpoint.note_key(settings), {}).faults == ()
    records.close()
    plainly = f"{took / beside:.1f} x the time of plain inserts, {count / beside:,.0f}/s"
    report("audit: durable acts", count / took, "/s", None, plainly)


def test_a_thousand_new_entries_are_signed_in_a_moment(settings, now, report):
    records = opened(settings)
    with records.act("ann", "export.vote", "export/1") as session:
        for number in range(1000):
            audit.append(session, "export.vote", actor="ann", subject="export/1", number=number)

    def sign():
        with records.act("sentinel", "audit.checkpoint", "audit/log") as session:
            assert checkpoint.sign(session, settings, now)

    took = seconds(sign)
    records.close()
    report("audit: sign 1,000 new entries", took * 1000, "ms")
