"""Whatever is done to a file, it is refused in one line, held, or made; never anything else."""

import contextlib
import io
import struct
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from tests.tre.data.deid.dicom_files import MRN, a_part, a_slice, stored, who, written
from tre.data.deid.dicom import look, make, parse
from tre.errors import Unreadable

NAMES = ("CT_small.dcm", "rtplan.dcm", "test-SR.dcm", "MR_small_RLE.dcm", "waveform_ecg.dcm", "nested_priv_SQ.dcm")
PART = a_part(structured_reports=True)


@cache
def sources():
    files = [Path(get_testdata_file(name)).read_bytes() for name in NAMES]
    syntaxes = (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
    return (*files, *(written(a_slice(syntax)) for syntax in syntaxes))


def goes_through(content, folder):
    """Look at a file and make it; every way out but these two is a fault."""
    try:
        seen = look.look(io.BytesIO(content), PART)
    except Unreadable:
        return
    file = stored(content)
    people = who(MRN, *(one.value for one in seen.ids))
    done = make.make([file], folder, part=PART, who=people, cleared={file.sha256: ()})
    assert done.records + sum(done.held.values()) == 1


CHANGES = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(which=st.integers(0, 8), changes=CHANGES, near=st.integers(1, 3000))
def test_flipped_bytes(which, changes, near, tmp_path_factory):
    content = bytearray(sources()[which])
    for at, byte in changes:
        content[128 + at % min(near, len(content) - 128)] = byte
    goes_through(bytes(content), tmp_path_factory.mktemp("x"))


@settings(max_examples=100, deadline=None)
@given(which=st.integers(0, 8), end=st.integers(0, 1 << 20), more=st.binary(max_size=30))
def test_cut_short_with_something_behind(which, end, more, tmp_path_factory):
    content = sources()[which]
    goes_through(content[: end % (len(content) + 1)] + more, tmp_path_factory.mktemp("x"))


LENGTHS = st.sampled_from([0, 1, 2, 0x7FFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF])


@settings(max_examples=100, deadline=None)
@given(which=st.integers(0, 8), at=st.integers(0, 4000), length=LENGTHS)
def test_absurd_lengths(which, at, length, tmp_path_factory):
    content = bytearray(sources()[which])
    place = 132 + at % (len(content) - 140)
    content[place : place + 4] = struct.pack("<I", length)
    goes_through(bytes(content), tmp_path_factory.mktemp("x"))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", bytes(128) + b"DICM", b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"]))
def test_anything_at_all(content, head):
    with contextlib.suppress(Unreadable):
        parse.read(io.BytesIO(head + content))
