"""Compressed pixels are copied as they are, so what is not pixels in them is looked for: comments, EXIF, a tail."""

import re
from typing import BinaryIO

from tre.data.deid.dicom.parse import Span

_HEAD = 1 << 16
_TAIL = 16
_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f"
_FRAME_STARTS = b"\xda\x90"
_LENGTHS = {0xE0: 16, 0xEE: 14}
"""JFIF and Adobe's colour transform; both of a fixed length."""
_COMMENT, _COMMENT_2000 = 0xFE, 0x64
_PROGRAMS = re.compile(
    rb"(\x00\x01)?(Kakadu-v?[0-9.]+|Created by (GDCM/)?OpenJPEG version [0-9.]+|Creator: JasPer Version [0-9.]+"
    rb"|LEAD Technologies Inc\. V[0-9.]+|DCMTK [0-9.]+"
    rb"|Kdu-Layer-Info: log_2\{Delta-D\(squared-error\)/Delta-L\(bytes\)\}, L\(bytes\)\n[-+0-9.e, \n]*)\x00*",
)


def may_carry_text(file: BinaryIO, syntax: str, span: Span, frames: int) -> bool:
    """Say whether a fragment holds anything but pixels that can be read as text."""
    if syntax.startswith(("1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.101", "1.2.840.10008.1.2.4.102")):
        return True  # video has channels of its own
    alone = len(span.fragments) - 1 == frames
    if span.fragments and span.fragments[0][1] % 4:
        return True
    return any(_carries(file, place, size, alone=alone) for place, size in span.fragments[1:])


def _carries(file: BinaryIO, place: int, size: int, *, alone: bool) -> bool:
    file.seek(place)
    head = file.read(min(size, _HEAD))
    if head[:2] in (_JPEG, _JPEG_2000) and _has_comment(head):
        return True
    return alone and head[:2] in (_JPEG, _JPEG_2000) and _has_tail(file, place, size)


def _has_comment(head: bytes) -> bool:
    """Walk the marker segments in front of the pixels (T.81, B.1.1.4; T.800, A.4)."""
    at = 2
    while at + 4 <= len(head):
        if head[at] != 0xFF:  # noqa: PLR2004 -- a marker
            return True
        marker, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        if marker in _FRAME_STARTS:
            return False
        if _is_text(marker, head[at + 4 : at + 2 + length], length):
            return True
        at += 2 + length
    return True


def _is_text(marker: int, body: bytes, length: int) -> bool:
    if marker in (_COMMENT, _COMMENT_2000):
        return not _PROGRAMS.fullmatch(body)
    if 0xE0 <= marker <= 0xEF:  # noqa: PLR2004 -- APP0 to APP15
        return _LENGTHS.get(marker) != length and not (marker == 0xE8 and body[:6] == b"SPIFF\0" and length <= 32)  # noqa: PLR2004 -- as T.84 says
    return False


def _has_tail(file: BinaryIO, place: int, size: int) -> bool:
    file.seek(place + max(size - _TAIL, 0))
    tail = file.read(min(size, _TAIL)).rstrip(b"\0")
    return not tail.endswith((b"\xff\xd9", b"\xff\xd9\xff"))  # some pad with FF
