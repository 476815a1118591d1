import io
import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from tre.data import silo
from tre.data.silo import CHUNK, HEAD, TAG, SealedReader, SealedWriter
from tre.errors import Tampered

KEY = bytes(range(32))
PLACE = silo.place_of("trial", 1, "people")


def stored(path, content, *, key=KEY, place=PLACE, portions=1):
    path.unlink(missing_ok=True)
    writer = SealedWriter(path, key, place)
    for at in range(portions):
        writer.write(content[at * len(content) // portions : (at + 1) * len(content) // portions])
    writer.finish()
    writer.close()
    return writer


def read(path, *, key=KEY, place=PLACE):
    with SealedReader(path, key, place) as reader:
        return reader.read()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5])
def test_what_goes_in_comes_out(tmp_path, size):
    content = os.urandom(size)
    stored(tmp_path / "x", content, portions=3)
    assert read(tmp_path / "x") == content


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2 * CHUNK + 100), st.integers(0, CHUNK + 100)), max_size=8))
def test_any_place_reads_as_in_the_clear(tmp_path_factory, places):
    folder = tmp_path_factory.mktemp("silo")
    content = bytes(range(256)) * 8200
    stored(folder / "x", content)
    with SealedReader(folder / "x", KEY, PLACE) as reader:
        clear = io.BytesIO(content)
        for at, size in places:
            assert reader.seek(at) == clear.seek(at)
            assert reader.read(size) == clear.read(size)


def test_a_chunk_opens_with_nothing_but_the_published_cipher(tmp_path):
    """The format once more, by hand: magic, prefix, nonce = prefix || index || last."""
    content = os.urandom(CHUNK + 10)
    stored(tmp_path / "x", content)
    raw = (tmp_path / "x").read_bytes()
    assert raw[:8] == b"TRESILO1"
    prefix, first, second = raw[8:15], raw[15 : 15 + CHUNK + 16], raw[15 + CHUNK + 16 :]
    opened = AESGCM(KEY).decrypt(prefix + b"\0\0\0\0" + b"\0", first, b"dataset/trial/1/people")
    opened += AESGCM(KEY).decrypt(prefix + b"\0\0\0\1" + b"\1", second, b"dataset/trial/1/people")
    assert opened == content


def flip(raw):
    return raw[:-1] + bytes([raw[-1] ^ 1])


def swap(raw):
    first, second = HEAD + CHUNK + TAG, HEAD + 2 * (CHUNK + TAG)
    return raw[:HEAD] + raw[first:second] + raw[HEAD:first] + raw[second:]


DAMAGE = {
    "a bit flipped": flip,
    "a bit of the prefix flipped": lambda raw: raw[:10] + bytes([raw[10] ^ 1]) + raw[11:],
    "the last byte missing": lambda raw: raw[:-1],
    "the last chunk missing": lambda raw: raw[: HEAD + 2 * (CHUNK + TAG)],
    "the first chunk missing": lambda raw: raw[:HEAD] + raw[HEAD + CHUNK + TAG :],
    "two chunks swapped": swap,
    "a chunk twice": lambda raw: raw[: HEAD + CHUNK + TAG] + raw[HEAD:],
    "only the head": lambda raw: raw[:HEAD],
    "nothing": lambda raw: b"",
    "another file": lambda raw: b"PAR1" + raw[4:],
    "more behind it": lambda raw: raw + b"x" * 20,
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_file_that_is_not_what_was_stored_does_not_open(tmp_path, how):
    path = tmp_path / "x"
    stored(path, os.urandom(2 * CHUNK + 77))
    path.write_bytes(DAMAGE[how](path.read_bytes()))
    with pytest.raises(Tampered):
        read(path)


def test_a_file_opens_only_in_its_own_place_and_under_its_own_key(tmp_path):
    stored(tmp_path / "x", b"abc")
    for key, place in ((KEY, silo.place_of("trial", 2, "people")), (b"k" * 32, PLACE)):
        with pytest.raises(Tampered):
            read(tmp_path / "x", key=key, place=place)


def test_a_missing_file_is_told_as_tampering(tmp_path):
    with pytest.raises(Tampered, match="missing from the silo"):
        read(tmp_path / "x")


def test_two_stored_copies_have_no_bytes_in_common(tmp_path):
    stored(tmp_path / "x", bytes(4096))
    stored(tmp_path / "y", bytes(4096))
    assert (tmp_path / "x").read_bytes()[HEAD:] != (tmp_path / "y").read_bytes()[HEAD:]


def test_a_data_key_opens_only_for_its_version(settings):
    key, sealed = silo.new_key(settings, "trial", 1)
    assert silo.open_key(settings, "trial", 1, sealed) == key
    assert key not in sealed
    with pytest.raises(Tampered):
        silo.open_key(settings, "trial", 2, sealed)
