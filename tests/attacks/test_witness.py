"""Whoever holds the whole machine, its database and its signing key, cannot undo what a witness has seen (P7)."""

import json
import socket
import threading
from contextlib import contextmanager

import pytest
from sqlalchemy import delete, select, update

from tre.errors import Tampered, TREError
from tre.records import audit, checkpoint, cosigned, export, guards, merkle, note, witness
from tre.records.tables import CheckpointRow, EntryRow, HeadRow

NAME = "witness.example/w1"


@pytest.fixture
def folder(settings, tmp_path):
    witness.init(tmp_path / "witness", NAME)
    witness.watch(tmp_path / "witness", checkpoint.note_key(settings))
    return tmp_path / "witness"


@pytest.fixture
def happen(records, settings, now):
    """Let things happen, and sign them."""

    def happen(count, act="export.vote"):
        for number in range(count):
            with records.act("ann", act, "export/1") as session:
                audit.append(session, act, actor="ann", subject="export/1", at=now, number=number)
        with records.act("sentinel", "audit.checkpoint", "audit/log") as session:
            checkpoint.sign(session, settings, now)

    return happen


@pytest.fixture
def seen(records, folder, happen, carried, now):
    """A log whose first ten entries a witness has co-signed."""
    with records.act("host/root", "audit.witness.trust", "audit") as session:
        cosigned.trust(session, str(witness.public_key(folder)), url="", actor="host/root", now=now)
    happen(8)
    assert carried() == {NAME: 10}
    return note.checkpoint(witness.last(folder, carried.log), note.verifier(carried.key))


@pytest.fixture
def carried(records, settings, folder, now):
    """Carry a request to the witness and its answer back."""

    def carried(*, since=None):
        with records.read() as session:
            asked = cosigned.request(session, settings, cosigned.row_of(session, NAME), since=since)
        line = witness.cosign(folder, witness.written(asked).encode(), now)
        return cosigned.take(records, settings, note.with_lines(asked.note, line), now=now)

    carried.key = checkpoint.note_key(settings)
    carried.log = note.verifier(carried.key).name
    return carried


@pytest.fixture
def roll_back(records, settings):
    """Put the database back to `size` entries, as from an old copy; forget what the witness said, too."""

    def roll_back(size, *, forget=True):
        with records.engine.connect() as connection:
            guards.take_down(connection)
            connection.execute(delete(CheckpointRow).where(CheckpointRow.size > size))
            connection.execute(delete(EntryRow).where(EntryRow.seq >= size))
            bodies = connection.scalars(select(EntryRow.body).order_by(EntryRow.seq)).all()
            frontier = ()
            for at, body in enumerate(bodies):
                frontier = merkle.grow(frontier, at, merkle.leaf_hash(body))
            connection.execute(
                update(HeadRow).values(size=size, frontier=merkle.pack(frontier), last=merkle.leaf_hash(bodies[-1]))
            )
            guards.put_up(connection)
            connection.commit()
        if forget:
            for file in settings.cosigned.iterdir():
                file.unlink()

    return roll_back


def refused(folder):
    """What the witness keeps of what it refused."""
    return [json.loads(line)["why"] for path in folder.glob("*.refused") for line in path.read_text().splitlines()]


@pytest.mark.usefixtures("seen")
def test_a_log_that_was_put_back_is_told_so_by_what_the_house_kept(roll_back, happen, carried):
    roll_back(4, forget=False)
    happen(1)
    with pytest.raises(Tampered, match="has co-signed 10 entries of this log, and its newest checkpoint is over 6"):
        carried()


@pytest.mark.usefixtures("seen")
def test_a_log_that_was_put_back_and_forgot_its_witness_is_refused_by_it(roll_back, happen, carried, folder):
    roll_back(4)
    happen(1)
    with pytest.raises(witness.NotAsked, match="rolled back") as no:
        carried()
    assert no.value.size == 10
    assert len(refused(folder)) == 1


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize("since", [10, None])
def test_a_log_that_was_put_back_and_grew_longer_again_is_refused(roll_back, happen, carried, folder, since):
    roll_back(4)
    happen(9, act="export.withdraw")
    with pytest.raises(witness.NotAsked) as no:
        carried(since=since)
    assert str(no.value).startswith("ask again from 10 on" if since is None else "the log does not go on")
    assert len(refused(folder)) == (0 if since is None else 1)


def test_a_log_that_was_written_anew_with_its_own_key_does_not_match_what_the_witness_shows(
    records, seen, roll_back, happen, carried, folder, settings
):
    roll_back(4)
    happen(9, act="export.withdraw")
    with records.read() as session:
        alone = export.examine(session, carried.key, {})
        shown = export.examine(session, carried.key, {"the witness's": witness.last(folder, carried.log)})
    assert not alone.faults  # nobody inside can tell
    assert "not all what they were when the witness's was signed" in shown.faults[0].what
    assert seen.size == 10


@pytest.mark.usefixtures("seen")
def test_two_logs_of_one_size_are_not_both_cosigned(roll_back, happen, carried, folder):
    roll_back(4)
    happen(5, act="export.withdraw")
    with pytest.raises(witness.NotAsked, match="it was changed"):
        carried(since=10)
    assert len(refused(folder)) == 1


@pytest.mark.usefixtures("seen")
def test_many_at_once_cannot_put_the_witness_back(records, settings, happen, folder, now):
    """Requests over 12 and over 14 entries race: whatever wins, the witness ends at what it co-signed last."""
    asked = []
    for _ in range(2):
        happen(1)
        with records.read() as session:
            wanted = cosigned.request(session, settings, cosigned.row_of(session, NAME))
        asked += [witness.written(wanted).encode()] * 8
    results = []

    def ask(body):
        try:
            witness.cosign(folder, body, now)
            results.append(int(witness.read(body).note.split("\n")[1]))
        except witness.NotAsked as no:
            results.append(no.status)

    threads = [threading.Thread(target=ask, args=(body,)) for body in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 16
    key = note.verifier(checkpoint.note_key(settings))
    kept = note.checkpoint(witness.last(folder, key.name), key)
    assert kept.size == max(size for size in results if size < 100)


ANSWERS = {
    "an answer without end": b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n" + b"x" * 200_000,
    "a way to elsewhere": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "rubbish": b"\x00\x01\x02\r\n\r\n",
    "lines of nobody": b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + "— x eA==\n".encode()[:8],
    "a size without end": b"HTTP/1.1 409 Conflict\r\nContent-Length: 5000\r\n\r\n" + b"9" * 5000,
    "nothing": b"",
}


@pytest.mark.parametrize("how", ANSWERS)
def test_somebody_who_took_the_witnesss_place_gets_one_line_and_no_more(records, settings, happen, folder, now, how):
    with served(ANSWERS[how]) as url:
        with records.act("host/root", "audit.witness.trust", "audit") as session:
            cosigned.trust(session, str(witness.public_key(folder)), url=url, actor="host/root", now=now)
        happen(2)
        with pytest.raises(TREError) as no:
            cosigned.ask(records, settings, NAME, now=now)
    assert "\n" not in str(no.value)
    assert not settings.cosigned.exists() or not list(settings.cosigned.iterdir())


@contextmanager
def served(answer):
    """Answer whoever connects with these bytes."""
    door = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                one, _ = door.accept()
            except OSError:
                return
            with one:
                one.recv(65536)
                try:
                    one.sendall(answer)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
    finally:
        door.shutdown(socket.SHUT_RDWR)
        door.close()
        thread.join(5)
