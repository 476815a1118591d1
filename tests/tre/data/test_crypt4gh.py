import io
import os

import pytest
from crypt4gh import lib
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tre.data import crypt4gh
from tre.data.crypt4gh import SEALED, SEGMENT, Reader, Writer
from tre.errors import Tampered

PRIVATE = bytes(range(1, 33))
PUBLIC = crypt4gh.public_of(PRIVATE)


def stored(path, content, *, portions=1):
    writer = Writer(path, PUBLIC)
    for at in range(portions):
        writer.write(content[at * len(content) // portions : (at + 1) * len(content) // portions])
    return writer.finish()


def opened(path, written=None, *, private=PRIVATE):
    known = {"stored": written.stored_bytes, "mark": written.mark} if written else {}
    return Reader(path.open("rb"), private, what="a file", **known)


def read(path, written=None, **how):
    with opened(path, written, **how) as reader:
        return reader.read()


SIZES = [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT + 5, 20 * SEGMENT]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("portions", [1, 3, 7])
def test_what_goes_in_comes_out(tmp_path, size, portions):
    content = os.urandom(size)
    written = stored(tmp_path / "x", content, portions=portions)
    assert read(tmp_path / "x", written) == content
    assert (written.bytes, written.stored_bytes) == (size, (tmp_path / "x").stat().st_size)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("size", SIZES)
def test_the_reference_program_reads_what_we_write(tmp_path, size):
    content = os.urandom(size)
    stored(tmp_path / "x", content)
    out = io.BytesIO()
    with (tmp_path / "x").open("rb") as file:
        lib.decrypt([(0, PRIVATE, None)], file, out)
    assert out.getvalue() == content


@pytest.mark.parametrize("size", SIZES[1:])
def test_we_read_what_the_reference_program_writes(tmp_path, size):
    content = os.urandom(size)
    theirs = X25519PrivateKey.generate().private_bytes_raw()
    another = crypt4gh.public_of(crypt4gh.new_private())
    with (tmp_path / "x").open("wb") as file:
        lib.encrypt([(0, theirs, another), (0, theirs, PUBLIC)], io.BytesIO(content), file)
    assert read(tmp_path / "x") == content


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3 * SEGMENT), st.integers(0, 2 * SEGMENT)), max_size=8))
def test_any_place_reads_as_in_the_clear(tmp_path_factory, places):
    path = tmp_path_factory.mktemp("c4gh") / "x"
    content = bytes(range(256)) * 600
    written = stored(path, content)
    with opened(path, written) as reader:
        clear = io.BytesIO(content)
        for at, size in places:
            assert reader.seek(at) == clear.seek(at)
            assert reader.read(size) == clear.read(size)


def segments(raw):
    head = len(raw) - (2 * SEALED + 28 + 77)
    return raw[:head], raw[head : head + SEALED], raw[head + SEALED : head + 2 * SEALED], raw[head + 2 * SEALED :]


def damage(raw, how):
    head, first, second, last = segments(raw)
    return {
        "a bit flipped": raw[:-1] + bytes([raw[-1] ^ 1]),
        "a bit of the header flipped": raw[:60] + bytes([raw[60] ^ 1]) + raw[61:],
        "two segments swapped": head + second + first + last,
        "a segment twice": head + first + first + last,
        "the last segment missing": head + first + second,
        "the first segment missing": head + second + last,
        "a segment behind it": raw + first,
        "the last byte missing": raw[:-1],
        "cut within a nonce": head + first + second + last[:5],
        "only the header": head,
        "nothing": b"",
        "another file": b"PAR1" + raw[4:],
    }[how]


@pytest.mark.parametrize("how", [
    "a bit flipped", "a bit of the header flipped", "two segments swapped", "a segment twice",
    "the last segment missing", "the first segment missing", "a segment behind it", "the last byte missing",
    "cut within a nonce", "only the header", "nothing", "another file",
])  # fmt: skip
def test_a_file_that_is_not_what_was_stored_does_not_open(tmp_path, how):
    path = tmp_path / "x"
    written = stored(path, os.urandom(2 * SEGMENT + 77))
    path.write_bytes(damage(path.read_bytes(), how))
    with pytest.raises(Tampered):
        read(path, written)


def test_swapped_segments_are_found_wherever_reading_begins(tmp_path):
    path = tmp_path / "x"
    written = stored(path, os.urandom(2 * SEGMENT + 77))
    path.write_bytes(damage(path.read_bytes(), "two segments swapped"))
    with opened(path, written) as reader:
        reader.seek(SEGMENT + 3)
        with pytest.raises(Tampered):
            reader.read(1)


def test_a_whole_file_in_the_place_of_another_does_not_open(tmp_path):
    content = os.urandom(SEGMENT)
    written = stored(tmp_path / "x", content)
    stored(tmp_path / "y", content[::-1])
    (tmp_path / "y").replace(tmp_path / "x")
    with pytest.raises(Tampered):
        read(tmp_path / "x", written)


def test_another_key_opens_nothing(tmp_path):
    written = stored(tmp_path / "x", b"abc")
    with pytest.raises(Tampered):
        read(tmp_path / "x", written, private=crypt4gh.new_private())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_a_file_or_told_to_be_none(tmp_path_factory, content, ours):
    path = tmp_path_factory.mktemp("fuzz") / "x"
    path.write_bytes((b"crypt4gh\1\0\0\0\1\0\0\0" if ours else b"") + content)
    with pytest.raises(Tampered):
        read(path)
