"""A header changes and the rest stays byte by byte; what is damaged, or rides along, is found."""

import gzip
import io
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.data.deid import bgzf
from tre.errors import Unreadable

TEXT = os.urandom(1 << 17) + b"ACGT" * 100_000


def packed(text):
    return b"".join(bgzf.deflate(text)) + bgzf.EOF


def opened(content):
    return b"".join(bgzf.inflate(io.BytesIO(content)))


def swapped(content, header, skip):
    return b"".join(bgzf.swapped(io.BytesIO(content), header, skip=skip))


@given(st.binary(max_size=200_000))
def test_what_goes_in_comes_out(text):
    assert opened(packed(text)) == text == gzip.decompress(packed(text))


@given(st.binary(max_size=100_000), st.integers(0, len(TEXT)))
def test_a_header_is_swapped_at_any_place(header, skip):
    assert opened(swapped(packed(TEXT), header, skip)) == header + TEXT[skip:]


def test_blocks_behind_the_header_are_the_very_bytes():
    content = packed(TEXT)
    assert swapped(content, b"new", 10)[-len(content) + bgzf.FULL + 1000 :] in content
    assert swapped(content, b"", 0) == content


def test_a_large_file_is_read_over_the_buffers_ends(monkeypatch):
    monkeypatch.setattr(bgzf, "CHUNK", 1000)
    assert opened(packed(TEXT)) == TEXT
    assert opened(swapped(packed(TEXT), b"x", 70_000)) == b"x" + TEXT[70_000:]


@given(st.integers(0, 3000))
def test_a_file_that_is_cut_off_is_refused(size):
    content = packed(b"ACGT" * 20_000)
    with pytest.raises(Unreadable, match="cut off"):
        opened(content[: min(size, len(content) - 1)])


@given(st.integers(0), st.integers(1, 255))
def test_a_damaged_file_is_refused_or_the_damage_is_gone(place, flip):
    """In a block's time or system nothing is damaged: those bytes are not carried on."""
    content = bytearray(packed(b"ACGT" * 20_000))
    content[place % len(content)] ^= flip
    try:
        assert opened(bytes(content)) == b"ACGT" * 20_000
    except Unreadable as refused:
        assert str(refused) in {bgzf.CUT_OFF, bgzf.NO_MARKER, bgzf.BEHIND, bgzf.DAMAGED, bgzf.STRANGE}  # noqa: PT017 -- it may also pass


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_one_line(content):
    with pytest.raises(Unreadable, match=r"\A[^\n]+\Z"):
        opened(content)


def test_bytes_behind_the_end_are_refused():
    with pytest.raises(Unreadable, match="behind the marker"):
        opened(packed(TEXT) + b"Quillfeather")
    with pytest.raises(Unreadable, match="behind the marker"):
        swapped(packed(TEXT) + b"Quillfeather, Ana, born 1970", b"", 0)


def with_extra(block, extra, *, time=b"\0\0\0\0"):
    size = struct.pack("<H", len(block) + len(extra) - 1)
    return block[:4] + time + b"\0\xff" + struct.pack("<H", 6 + len(extra)) + b"BC\2\0" + size + extra + block[18:]


def test_other_subfields_and_times_are_not_carried_on():
    extra = b"QF" + struct.pack("<H", 12) + b"Quillfeather"
    blocks = list(bgzf.deflate(TEXT))
    blocks[1] = with_extra(blocks[1], extra, time=b"Ana!")
    content = b"".join(blocks) + bgzf.EOF
    assert gzip.decompress(content) == TEXT
    assert swapped(content, b"", 0) == packed(TEXT)
    assert opened(content) == TEXT


def test_bytes_hidden_between_a_blocks_text_and_its_checksum_are_found():
    block = next(bgzf.deflate(b"ACGT"))
    hidden = block[:16] + struct.pack("<H", len(block) + 12 - 1) + block[18:-8] + b"Quillfeather" + block[-8:]
    with pytest.raises(Unreadable, match="damaged"):
        opened(hidden + bgzf.EOF)


def test_a_block_that_claims_more_than_it_may_is_refused():
    bomb = gzip.compress(bytes(1 << 20))
    body = bomb[10:-8]
    block = bgzf.PLAIN + struct.pack("<H", 18 + len(body) + 8 - 1) + body + bomb[-8:]
    with pytest.raises(Unreadable, match="damaged"):
        opened(block + bgzf.EOF)
