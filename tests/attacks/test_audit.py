"""Somebody who owns the database, or the exported files, changes what happened: it is found, and named."""

import json
import shutil
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, select, update

from tre.records import audit, checkpoint, export, guards, merkle, note, verify
from tre.records.tables import CheckpointRow, EntryRow, HeadRow


@pytest.fixture
def key(settings):
    return checkpoint.note_key(settings)


@pytest.fixture
def log(records, settings, now):
    """Entries 0-2, a checkpoint (3), entries 4-6, a checkpoint (7), entries 8 and 9."""
    for number in range(8):
        with records.act("ann", "export.vote", f"export/{number}") as session:
            audit.append(session, "export.vote", actor="ann", subject=f"export/{number}", at=now, number=number)
        if number in {2, 5}:
            with records.act("sentinel", "audit.checkpoint", "audit/log") as session:
                checkpoint.sign(session, settings, now)
    return records


@pytest.fixture
def attack(log):
    """Change the database as its owner, with the guards down."""

    def attack(change):
        with log.engine.connect() as connection:
            guards.take_down(connection)
            change(connection)
            connection.commit()

    return attack


@pytest.fixture
def examined(log, key):
    def examined(**kept):
        with log.read() as session:
            return export.examine(session, key, kept)

    return examined


@pytest.fixture
def exported(log, key, tmp_path):
    """The log as it is now, exported and verified on its own; with the key that was given apart."""

    def exported(**kept):
        with log.read() as session:
            export.write(session, tmp_path / "log", key)
        return verify.folder(tmp_path / "log", key=key, kept=kept)

    return exported


def first(report):
    return report.faults[0]


def body_of(connection, seq):
    return connection.execute(select(EntryRow.body).where(EntryRow.seq == seq)).scalar_one()


def put(connection, seq, body):
    connection.execute(update(EntryRow).where(EntryRow.seq == seq).values(body=body))


def edited(connection, seq):
    said = json.loads(body_of(connection, seq))
    return audit.canonical({**said, "actor": "eve"})


def edit(seq):
    return lambda connection: put(connection, seq, edited(connection, seq))


def swap(one, other):
    def change(connection):
        left, right = body_of(connection, one), body_of(connection, other)
        put(connection, one, right)
        put(connection, other, left)

    return change


def remove(*places):
    return lambda connection: connection.execute(delete(EntryRow).where(EntryRow.seq.in_(places)))


def close_ranks(gone):
    """Remove an entry, and let those after it move up."""

    def change(connection):
        remove(gone)(connection)
        for seq in range(gone + 1, 10):
            connection.execute(update(EntryRow).where(EntryRow.seq == seq).values(seq=seq - 1))

    return change


def rewrite(connection, bodies):
    """Write the whole log anew so that all of it agrees with itself: numbers, chain, columns and head."""
    connection.execute(delete(EntryRow))
    frontier, last = (), b""
    for seq, body in enumerate(bodies):
        said = {**json.loads(body), "seq": seq, "prev": last.hex()}
        forged = audit.canonical(said)
        at = connection_time(said["at"])
        row = {"seq": seq, "body": forged, "at": at, **{name: said[name] for name in ("act", "actor", "subject")}}
        connection.execute(EntryRow.__table__.insert().values(**row))
        last = merkle.leaf_hash(forged)
        frontier = merkle.grow(frontier, seq, last)
    values = {"size": len(bodies), "frontier": merkle.pack(frontier), "last": last}
    connection.execute(update(HeadRow).values(**values))


def connection_time(stamp):
    from datetime import datetime

    return datetime.fromisoformat(stamp)


def all_bodies(connection):
    return connection.execute(select(EntryRow.body).order_by(EntryRow.seq)).scalars().all()


EDITS = {
    "the first entry is edited": (edit(0), 0, "entry 0 was changed"),
    "an entry in the middle is edited": (edit(4), 4, "entry 4 was changed"),
    "the newest entry is edited": (edit(9), 9, "entry 9 was changed"),
    "two entries are edited": (lambda c: (edit(5)(c), edit(2)(c)), 2, "entry 2 was changed"),
    "two entries are swapped": (swap(1, 5), 1, "entry 1 is missing: entry 5 is there"),
    "an entry is put twice": (lambda c: put(c, 5, body_of(c, 4)), 5, "entry 5 is out of place: entry 4"),
    "an entry in the middle is removed": (remove(5), 5, "entry 5 is missing"),
    "the first entry is removed": (remove(0), 0, "entry 0 is missing"),
    "an entry is removed and the others move up": (close_ranks(5), 5, "entry 5 is missing"),
    "an entry is no entry any more": (lambda c: put(c, 6, b"\xff"), 6, "entry 6 was changed: it is not an entry"),
    "an entry is another kind of JSON": (lambda c: put(c, 6, b"[]"), 6, "entry 6 was changed: it is not an entry"),
    "an entry is empty": (lambda c: put(c, 6, b""), 6, "entry 6 was changed: it is not an entry"),
}


@pytest.mark.parametrize(("change", "entry", "says"), EDITS.values(), ids=EDITS)
def test_a_changed_log_is_found_where_it_lives_and_the_entry_is_named(attack, examined, change, entry, says):
    attack(change)
    fault = first(examined())
    assert fault.entry == entry
    assert says in fault.what


@pytest.mark.parametrize(
    ("change", "entry", "says"),
    [pytest.param(*row, id=name) for name, row in EDITS.items() if "newest" not in name],
)
def test_a_changed_log_is_found_in_its_export_and_the_entry_is_named(attack, exported, change, entry, says):
    attack(change)
    fault = first(exported())
    assert fault.entry == entry
    assert says in fault.what


def test_the_log_without_an_attack_is_whole(examined, exported):
    assert examined().faults == ()
    unsigned = exported()
    assert [fault.what for fault in unsigned.faults] == ["entries 8 to 9 are under no good checkpoint"]


COLUMNS = {
    "actor": {"actor": "eve"},
    "act": {"act": "export.view"},
    "subject": {"subject": "export/999"},
}


@pytest.mark.parametrize("values", COLUMNS.values(), ids=COLUMNS)
def test_a_column_that_people_search_by_cannot_lie(attack, examined, values):
    attack(lambda connection: connection.execute(update(EntryRow).where(EntryRow.seq == 4).values(**values)))
    assert first(examined()).entry == 4
    assert f"column {next(iter(values))} does not say" in first(examined()).what


def test_a_moment_that_people_search_by_cannot_lie(attack, examined, now):
    later = now + timedelta(seconds=1)
    attack(lambda connection: connection.execute(update(EntryRow).where(EntryRow.seq == 4).values(at=later)))
    assert (first(examined()).entry, "column at" in first(examined()).what) == (4, True)


# --- the end of the log is taken away ---------------------------------------------------------------------------------
def test_a_removed_tail_is_found_by_the_head(attack, examined):
    attack(remove(8, 9))
    assert first(examined()).entry == 8
    assert "10 entries" in first(examined()).what


def test_a_removed_tail_with_its_head_is_found_by_the_checkpoint(attack, examined, exported):
    attack(lambda connection: rewrite(connection, all_bodies(connection)[:6]))
    for report in (examined(), exported()):
        assert first(report).entry == 6
        assert "entries 6 to 7 are missing: checkpoint 8 signs them" in first(report).what


def test_a_removed_tail_with_head_and_checkpoint_is_found_by_who_kept_one(log, attack, examined, exported):
    with log.read() as session:
        kept = session.scalars(select(CheckpointRow.note).where(CheckpointRow.size == 8)).one()

    def change(connection):
        rewrite(connection, all_bodies(connection)[:4])
        connection.execute(delete(CheckpointRow).where(CheckpointRow.size == 8))

    attack(change)
    assert examined().faults == ()
    for report in (examined(mine=kept), exported(mine=kept)):
        assert first(report).entry == 4
        assert "entries 4 to 7 are missing: mine signs them" in first(report).what


def test_a_removed_checkpoint_is_missed_by_the_log(attack, examined):
    attack(lambda connection: connection.execute(delete(CheckpointRow).where(CheckpointRow.size == 8)))
    assert "checkpoint 8 was removed: entry 7 says it was signed" in first(examined()).what


# --- everything is written anew ---------------------------------------------------------------------------------------
def forge(connection):
    """Make entry 5 say that eve did it, and the whole log agree."""
    bodies = [*all_bodies(connection)]
    bodies[5] = edited(connection, 5)
    rewrite(connection, bodies)


def test_a_log_written_anew_is_found_by_its_checkpoints_and_the_place_narrowed(attack, examined, exported):
    attack(forge)
    for report in (examined(), exported()):
        assert first(report).entry == 4  # the first after the last good checkpoint
        assert "entries 4 to 7 are not all what they were when checkpoint 8 was signed" in first(report).what


def resign(name):
    """Sign the forged log with a key of the attacker's own, under the right name."""
    own = Ed25519PrivateKey.generate()

    def change(connection):
        forge(connection)
        bodies = all_bodies(connection)
        for size in (4, 8):
            text = note.statement(note.Checkpoint(name, size, merkle.root_of(bodies[:size])))
            signed = note.sign(text, name, own)
            connection.execute(update(CheckpointRow).where(CheckpointRow.size == size).values(note=signed))

    return change, str(note.Verifier(name, own.public_key()))


def test_a_log_signed_anew_with_another_key_is_found_by_the_key(attack, examined, exported, key):
    name = note.verifier(key).name
    change, _ = resign(name)
    attack(change)
    for report in (examined(), exported()):
        assert report.checkpoints == 0
        assert f"checkpoint 4: not signed by {name}" in " ".join(fault.what for fault in report.faults)


def test_a_folder_that_brings_its_own_key_is_found_by_who_kept_a_checkpoint(log, attack, key, tmp_path):
    with log.read() as session:
        kept = session.scalars(select(CheckpointRow.note).where(CheckpointRow.size == 4)).one()
    change, forged_key = resign(note.verifier(key).name)
    attack(lambda connection: (change(connection), remove(8, 9)(connection)))
    with log.read() as session:
        export.write(session, tmp_path / "log", forged_key)
    assert verify.folder(tmp_path / "log").faults == ()  # hence the warning that the key is the folder's own
    assert verify.folder(tmp_path / "log", kept={"mine": kept}).faults
    assert verify.folder(tmp_path / "log", key=key).faults


def test_old_checkpoints_do_not_hide_that_newer_ones_are_gone(log, attack, exported):
    """All checkpoints and all words about them are gone: what is left is under no signature, and said to be so."""

    def change(connection):
        kept = [body for body in all_bodies(connection) if json.loads(body)["act"] != "audit.checkpoint"]
        rewrite(connection, kept)
        connection.execute(delete(CheckpointRow))

    attack(change)
    assert first(exported()).what == "entries 0 to 7 are under no good checkpoint"


# --- the exported files -----------------------------------------------------------------------------------------------
@pytest.fixture
def folder(log, settings, now, key, tmp_path):
    with log.act("sentinel", "audit.checkpoint", "audit/log") as session:
        checkpoint.sign(session, settings, now)
    with log.read() as session:
        export.write(session, tmp_path / "log", key)
    return tmp_path / "log"


def lines(folder, change):
    path = folder / "entries.jsonl"
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


FILES = {
    "a line is edited": (lambda found: [*found[:4], found[4].replace(b"ann", b"eve"), *found[5:]], 4),
    "a line is removed": (lambda found: [*found[:4], *found[5:]], 4),
    "a line is put in": (lambda found: [*found[:4], found[3], *found[4:]], 4),
    "the last line is removed": (lambda found: found[:-1], 10),
    "the last line is edited": (lambda found: [*found[:-1], found[-1].replace(b"09:00", b"08:00")], 8),
    "a line is put at the end": (
        lambda found: [*found, found[-1].replace(b'"seq":10', b'"seq":11').replace(b'"prev":"', b'"prev":"00')],
        10,
    ),
    "a space is put in": (lambda found: [*found[:4], found[4].replace(b":", b": ", 1), *found[5:]], 4),
    "an empty line is put in": (lambda found: [*found[:4], b"\n", *found[4:]], 4),
    "all lines are removed": (lambda found: [], 0),
}


@pytest.mark.parametrize(("change", "entry"), FILES.values(), ids=FILES)
def test_a_changed_file_is_found_and_the_entry_named(folder, key, change, entry):
    assert verify.folder(folder, key=key).faults == ()
    lines(folder, change)
    assert first(verify.folder(folder, key=key)).entry == entry


def test_a_checkpoint_of_another_house_proves_nothing(folder, key):
    own = Ed25519PrivateKey.generate()
    signed = note.sign(note.statement(note.Checkpoint("other/audit", 4, bytes(32))), "other/audit", own)
    assert "not signed by" in first(verify.folder(folder, key=key, kept={"mine": signed})).what


def test_every_single_changed_byte_is_found(folder, key, tmp_path):
    """Of the entries: flip one bit in each fifth byte in turn."""
    whole = (folder / "entries.jsonl").read_bytes()
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    for at in range(0, len(whole) - 1, 5):
        flipped = bytearray(whole)
        flipped[at] ^= 1
        (copy / "entries.jsonl").write_bytes(flipped)
        assert verify.folder(copy, key=key).faults, f"byte {at}"
