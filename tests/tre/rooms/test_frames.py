import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.house import packed
from tre.rooms.gateway.frames import label


def a_frame(channel=b"iopub", kind="stream"):
    return packed([channel, json.dumps({"msg_type": kind}).encode(), b"{}", b"{}", b"{}"])


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (a_frame(), "iopub.stream"),
        (a_frame(b"shell", "execute_reply"), "shell.execute_reply"),
        (a_frame(b"iopub", "<script>"), "other"),
        (a_frame(b"x" * 100), "other"),
        (b"", "bad"),
        (b"\x00" * 7, "bad"),
        (struct.pack("<Q", 2**63), "bad"),
        (struct.pack("<4Q", 3, 2**40, 2**41, 2**42), "bad"),
        (a_frame()[:40], "bad"),
        (packed([b"iopub", b"[]", b"{}", b"{}", b"{}"]), "bad"),
        (packed([b"iopub", b'{"msg_type": []}', b"{}", b"{}", b"{}"]), "bad"),
        (packed([b"iopub", b"{" * 5000, b"{}", b"{}", b"{}"]), "bad"),
    ],
)
def test_a_frame_is_named_by_channel_and_type(frame, said):
    assert label(frame) == said


@given(st.binary(max_size=300))
def test_no_frame_breaks_the_naming(frame):
    assert isinstance(label(frame), str)
