"""A checkpoint is signed only over a log that grew from the last one."""

from itertools import pairwise

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from tre.errors import Tampered, Unreadable
from tre.records import checkpoint, guards, merkle, note
from tre.records.tables import CheckpointRow, EntryRow


@pytest.fixture
def unguarded(records, happen, sign):
    """Run SQL as somebody who owns the database: three entries, a checkpoint, three entries."""
    happen(3)
    sign()
    happen(3)

    def run(statement, *values):
        with records.engine.connect() as connection:
            guards.take_down(connection)
            connection.exec_driver_sql(statement, values)
            guards.put_up(connection)
            connection.commit()

    return run


def bodies(records, size):
    with records.read() as session:
        return session.scalars(select(EntryRow.body).where(EntryRow.seq < size).order_by(EntryRow.seq)).all()


def test_a_checkpoint_says_the_size_and_root_of_the_log(records, settings, happen, sign):
    happen(6)
    stated = note.checkpoint(sign(), note.verifier(checkpoint.note_key(settings)))
    assert stated.size == 7  # the newest entry says that it was signed
    assert stated.root == merkle.root_of(bodies(records, 7))


def test_a_log_that_did_not_grow_is_not_signed_again(happen, sign):
    happen(1)
    assert sign()
    assert sign() is None


def test_an_empty_log_is_not_signed(sign):
    assert sign() is None


def test_checkpoints_follow_each_other(records, settings, happen, sign):
    key = note.verifier(checkpoint.note_key(settings))
    stated = []
    for count in (1, 2, 9, 30):
        happen(count)
        stated.append(note.checkpoint(sign(), key))
    leaves = [merkle.leaf_hash(body) for body in bodies(records, 1000)]
    assert [each.size for each in stated] == [2, 5, 15, 46]
    for old, new in pairwise(stated):
        proof = merkle.consistency(leaves[: new.size], old.size)
        assert merkle.extends(proof, old=old.size, old_root=old.root, size=new.size, root=new.root)


def test_signing_is_in_the_log(records, settings, happen, sign):
    happen(1)
    sign()
    with records.read() as session:
        assert session.scalars(select(EntryRow.act).order_by(EntryRow.seq)).all()[-1] == "audit.checkpoint"
        assert session.scalars(select(CheckpointRow.size)).all() == [2]


ATTACKS = {
    "an entry since the last checkpoint is changed": "UPDATE audit_entry SET body = 'x' WHERE seq = 5",
    "an entry since the last checkpoint is gone": "DELETE FROM audit_entry WHERE seq = 5",
    "the log is cut before the last checkpoint": "DELETE FROM audit_entry WHERE seq > 2",
    "the head is wound back": "UPDATE audit_head SET size = 2",
    "the last checkpoint is of another size": "UPDATE audit_checkpoint SET size = 5",
    "the last checkpoint has another edge": "UPDATE audit_checkpoint SET frontier = 'x'",
    "the last checkpoint is no checkpoint": "UPDATE audit_checkpoint SET note = 'x'",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_log_that_does_not_grow_from_its_last_checkpoint_is_not_signed(unguarded, sign, records, attack):
    unguarded(attack)
    with pytest.raises((Tampered, DBAPIError)):  # the database may be the one that refuses
        sign()
    with records.read() as session:
        assert len(session.scalars(select(CheckpointRow.size)).all()) == 1


def test_a_checkpoint_under_another_key_is_not_grown_from(unguarded, sign, settings, tmp_path):
    from tre.records import keys

    (settings.keys / "signing.key").unlink()
    keys.init(settings)
    with pytest.raises(Tampered, match="not signed by"):
        sign()


# --- other statements -------------------------------------------------------------------------------------------------
def test_bytes_verify_under_the_public_key(settings):
    signature = checkpoint.sign_bytes(settings, b"payload")
    checkpoint.verify_bytes(checkpoint.public_key(settings), b"payload", signature)


@pytest.mark.parametrize(
    ("payload", "context"), [(b"payload!", "certificate"), (b"payload", "receipt"), (b"", "certificate")]
)
def test_other_bytes_or_another_context_do_not_verify(settings, payload, context):
    signature = checkpoint.sign_bytes(settings, b"payload")
    with pytest.raises(Tampered, match=f"does not match this {context}"):
        checkpoint.verify_bytes(checkpoint.public_key(settings), payload, signature, context)


def test_a_certificate_cannot_pass_for_a_checkpoint(settings):
    """The same key signs both: what it signs as bytes is never the text of a note."""
    by = note.verifier(checkpoint.note_key(settings))
    text = note.statement(note.Checkpoint(by.name, 1, bytes(32)))
    signature = checkpoint.sign_bytes(settings, text.encode())
    forged = f"{text}\n— {by.name} {note._b64(by.id + signature)}\n"
    with pytest.raises(note.BadNote, match="does not match"):
        note.checkpoint(forged, by)


@pytest.mark.parametrize("pem", ["", "key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_public_key_is_said_to_be_none(pem):
    with pytest.raises(Unreadable, match="tre audit key"):
        checkpoint.verify_bytes(pem, b"", b"")
