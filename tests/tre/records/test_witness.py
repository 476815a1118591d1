"""A witness co-signs what goes on from what it knows, in the words of C2SP, and forgets nothing."""

import base64
import threading
import time
from hashlib import sha256
from http import HTTPStatus

import httpx
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from tre.errors import NotFound, Tampered, Unavailable, Unreadable
from tre.records import checkpoint, cosigned, export, merkle, note, verify, witness, witness_service

NAME = "witness.example/w1"


@pytest.fixture
def folder(settings, tmp_path):
    """A witness that watches the house's log."""
    witness.init(tmp_path / "witness", NAME)
    witness.watch(tmp_path / "witness", checkpoint.note_key(settings))
    return tmp_path / "witness"


@pytest.fixture
def url(folder):
    """Where that witness listens."""
    server = uvicorn.Server(uvicorn.Config(witness_service.create_app(folder), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def trusted(records, folder, url, now):
    """The house trusts it."""
    with records.act("host/root", "audit.witness.trust", "audit") as session:
        cosigned.trust(session, str(witness.public_key(folder)), url=url, actor="host/root", now=now)
    return witness.public_key(folder)


def test_a_cosignature_is_as_the_format_says(folder, now):
    text = "log\n5\n" + base64.b64encode(bytes(32)).decode() + "\n"
    line = note.cosign(note.sign(text, "log", Ed25519PrivateKey.generate()), NAME, witness._signer(folder)[1], now)
    mark, name, coded = line.split()
    raw, by = base64.b64decode(coded), witness.public_key(folder)
    assert (mark, name, len(raw)) == ("—", NAME, 4 + 8 + 64)
    assert raw[:4] == sha256(NAME.encode() + b"\n\x04" + by.key.public_bytes_raw()).digest()[:4]
    assert int.from_bytes(raw[4:12], "big") == int(now.timestamp())
    by.key.verify(raw[12:], f"cosignature/v1\ntime {int(now.timestamp())}\n{text}".encode())


def test_the_house_is_cosigned_again_and_again(records, settings, happen, sign, trusted, now):
    for entries in (4, 9, 14):
        happen(entries - (cosigned_size(records, settings) + 1))
        sign()
        assert cosigned.ask(records, settings, NAME, now=now) == entries
    with records.read() as session:
        report = export.examine(session, checkpoint.note_key(settings), kept(session, settings), [trusted])
    assert (report.faults, report.witnessed) == ((), {NAME: 14})


def cosigned_size(records, settings):
    with records.read() as session:
        return max(1, cosigned.reached(settings, cosigned.row_of(session, NAME)).size)


def kept(session, settings):
    return {f"kept {at}": text for at, text in enumerate(cosigned.kept(session, settings))}


def test_an_export_carries_the_cosignature_and_is_proved_with_the_witnesss_key_alone(
    records, settings, happen, sign, trusted, tmp_path, now, capsys
):
    happen(3)
    sign()
    cosigned.ask(records, settings, NAME, now=now)
    with records.read() as session:
        export.write(session, tmp_path / "log", checkpoint.note_key(settings), cosigned.kept(session, settings))
    (tmp_path / "key").write_text(f"{trusted}\n")
    assert verify.main([str(tmp_path / "log"), "--witness", str(tmp_path / "key")]) == 0
    assert f"{NAME} co-signed it up to 5 entries" in capsys.readouterr().out
    (tmp_path / "key").write_text(str(witness.init(tmp_path / "another", "another.example")))
    assert verify.main([str(tmp_path / "log"), "--witness", str(tmp_path / "key")]) == 6
    assert "no good checkpoint is co-signed by another.example" in capsys.readouterr().out


def test_what_was_asked_twice_is_cosigned_twice_and_a_house_that_forgot_is_told_from_where(
    records, settings, happen, sign, trusted, now
):
    happen(3)
    sign()
    cosigned.ask(records, settings, NAME, now=now)
    for file in settings.cosigned.iterdir():
        file.unlink()
    happen(2)
    sign()
    assert cosigned.ask(records, settings, NAME, now=now) == 8
    assert cosigned.ask(records, settings, NAME, now=now) == 8


@bounds(max_examples=60)
@given(st.data())
def test_a_proof_from_the_edge_is_the_proof_of_the_rfc(data):
    size = data.draw(st.integers(1, 90))
    old = data.draw(st.integers(1, size))
    leaves = [merkle.leaf_hash(bytes([at])) for at in range(size)]
    before = ()
    for at in range(old):
        before = merkle.grow(before, at, leaves[at])
    assert merkle.consistency_from_edge(before, old, leaves[old:]) == merkle.consistency(leaves, old)


HASH = base64.b64encode(bytes(32))
BROKEN = {
    "not UTF-8": (lambda asked: b"\xff\xfe", HTTPStatus.BAD_REQUEST),
    "nothing": (lambda asked: b"", HTTPStatus.BAD_REQUEST),
    "a number with a zero before": (lambda asked: asked.replace(b"old 0", b"old 00"), HTTPStatus.BAD_REQUEST),
    "a number below zero": (lambda asked: asked.replace(b"old 0", b"old -1"), HTTPStatus.BAD_REQUEST),
    "a number without end": (lambda asked: asked.replace(b"old 0", b"old " + b"9" * 5000), HTTPStatus.BAD_REQUEST),
    "from beyond": (lambda asked: asked.replace(b"old 0", b"old 99"), HTTPStatus.BAD_REQUEST),
    "no hash": (lambda asked: asked.replace(b"old 0\n", b"old 0\nnot a hash\n"), HTTPStatus.BAD_REQUEST),
    "too many": (lambda asked: asked.replace(b"old 0\n", b"old 0\n" + (HASH + b"\n") * 64), HTTPStatus.BAD_REQUEST),
    "a proof of nothing": (
        lambda asked: asked.replace(b"old 0\n", b"old 0\n" + HASH + b"\n"),
        HTTPStatus.UNPROCESSABLE_ENTITY,
    ),
    "another size": (lambda asked: asked.replace(b"\n6\n", b"\n7\n"), HTTPStatus.FORBIDDEN),
    "another log": (lambda asked: asked.replace(b"localhost/audit", b"elsewhere/audit"), HTTPStatus.NOT_FOUND),
    "from elsewhere": (lambda asked: asked.replace(b"old 0", b"old 1"), HTTPStatus.CONFLICT),
    "too long": (lambda asked: asked + b" " * witness.LONGEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
}


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("how", BROKEN)
def test_a_request_that_is_none_gets_its_status_and_is_not_cosigned(records, settings, happen, sign, folder, url, how):
    happen(4)
    sign()
    broken, status = BROKEN[how]
    with records.read() as session:
        row = cosigned.row_of(session, NAME)
        asked = witness.written(cosigned.request(session, settings, row)).encode()
    answer = httpx.post(f"{url}/add-checkpoint", content=broken(asked))
    assert (answer.status_code, list(folder.glob("*.note"))) == (status, [])
    assert "Traceback" not in answer.text
    assert httpx.post(f"{url}/add-checkpoint", content=asked).status_code == HTTPStatus.OK


def test_a_conflict_tells_the_size_that_is_known(records, settings, happen, sign, trusted, url, now):
    happen(3)
    sign()
    cosigned.ask(records, settings, NAME, now=now)
    with records.read() as session:
        asked = cosigned.request(session, settings, cosigned.row_of(session, NAME), since=0)
    answer = httpx.post(f"{url}/add-checkpoint", content=witness.written(asked))
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (409, "5\n", "text/x.tlog.size")


def test_a_silent_witness_is_written_down_once_and_so_is_its_return(records, settings, happen, sign, folder, now):
    with records.act("host/root", "audit.witness.trust", "audit") as session:
        gone = "http://127.0.0.1:1"
        cosigned.trust(session, str(witness.public_key(folder)), url=gone, actor="host/root", now=now)
    sign()
    for _ in range(3):
        (error,) = cosigned.ask_all(records, settings, now=now)
        assert isinstance(error, Unavailable)
    assert acts(records) == ["audit.witness.trust", "audit.witness.trouble"]
    by_file(records, settings, folder, now)
    assert acts(records) == ["audit.witness.trust", "audit.witness.trouble", "audit.witness.agrees"]


def by_file(records, settings, folder, now):
    """Carry the newest checkpoint to a witness and back."""
    with records.read() as session:
        asked = cosigned.request(session, settings, cosigned.row_of(session, NAME))
    line = witness.cosign(folder, witness.written(asked).encode(), now)
    return cosigned.take(records, settings, note.with_lines(asked.note, line), now=now)


def acts(records):
    from sqlalchemy import select

    from tre.records.tables import EntryRow

    with records.read() as session:
        found = session.scalars(select(EntryRow.act).order_by(EntryRow.seq))
        return [act for act in found if act.startswith("audit.witness")]


def test_somebody_elses_cosignature_is_not_taken(records, settings, happen, sign, trusted, tmp_path, now):
    happen(3)
    sign()
    other = tmp_path / "other"
    witness.init(other, NAME)  # the same name, another key
    witness.watch(other, checkpoint.note_key(settings))
    with pytest.raises(Unreadable, match="no witness that is trusted here co-signed it"):
        by_file(records, settings, other, now)


def test_another_key_under_a_trusted_name_is_refused(records, trusted, tmp_path, now):
    another = witness.init(tmp_path / "other", NAME)
    with (
        records.act("host/root", "audit.witness.trust", "audit") as session,
        pytest.raises(Unreadable, match="drop it"),
    ):
        cosigned.trust(session, str(another), url="", actor="host/root", now=now)


def test_a_witness_is_dropped_and_unknown_then(records, settings, trusted, now):
    with records.act("host/root", "audit.witness.drop", "audit") as session:
        cosigned.drop(session, NAME, actor="host/root", now=now)
    with pytest.raises(NotFound, match="no witness"):
        cosigned.ask(records, settings, NAME, now=now)


def test_what_was_kept_of_a_cosignature_and_changed_is_found(records, settings, happen, sign, trusted, now):
    happen(3)
    sign()
    cosigned.ask(records, settings, NAME, now=now)
    (file,) = settings.cosigned.iterdir()
    file.write_text(file.read_text().replace("\n5\n", "\n4\n"))
    with records.read() as session, pytest.raises(Tampered, match="is not what the witness co-signed"):
        cosigned.reached(settings, cosigned.row_of(session, NAME))


def test_a_witness_that_lost_what_it_knew_signs_nothing(records, settings, happen, sign, trusted, folder, now):
    happen(3)
    sign()
    by_file(records, settings, folder, now)
    (kept_,) = folder.glob("*.note")
    kept_.write_text(kept_.read_text().replace("\n5\n", "\n4\n"))
    happen(1)
    sign()
    with pytest.raises(note.BadNote):
        by_file(records, settings, folder, now)


def test_the_moment_of_a_cosignature_is_signed(records, settings, happen, sign, folder, now):
    signed = note.sign(
        "log\n0\n" + base64.b64encode(merkle.EMPTY_ROOT).decode() + "\n", "log", Ed25519PrivateKey.generate()
    )
    line = note.cosign(signed, *witness._signer(folder), now)
    by = witness.public_key(folder)
    assert note.cosigned(note.with_lines(signed, line), by) == now.replace(microsecond=0)
    mark, name, coded = line.split()
    raw = bytearray(base64.b64decode(coded))
    raw[11] ^= 1
    forged = f"{mark} {name} {base64.b64encode(raw).decode()}\n"
    with pytest.raises(note.BadNote, match="does not match"):
        note.cosigned(note.with_lines(signed, forged), by)


def test_a_key_that_signs_is_none_that_cosigns(settings):
    with pytest.raises(note.BadNote, match="not an Ed25519 public key of a witness"):
        note.verifier(checkpoint.note_key(settings), kind=note.COSIGNER)
