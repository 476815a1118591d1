"""Compressed pixels are copied as they are, so what is not pixels in them is looked for: comments, EXIF, a tail.

Markers are those of JPEG (T.81, B.1; T.87) and JPEG 2000 (T.800, A.1). In neither can the marker of the end stand among
the pixels, so the first one behind the header is the end, and nothing but padding may follow it.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from tre.data.deid.dicom.parse import Span

RLE = "1.2.840.10008.1.2.5"
_OF_JPEG = re.compile(r"1\.2\.840\.10008\.1\.2\.4\.(5\d|6\d|70|8[01]|9[0-3]|20[1-3])")
"""Anything else (video, JPEG XL, raw bytes in a capsule) has places of its own for text, or no structure to check."""
_STARTS = (b"\xff\xd8", b"\xff\x4f")
_END = b"\xff\xd9"
_PIXELS_START = b"\xda\x90"
_COMMENTS = b"\xfe\x64"
_LENGTHS = {0xE0: 16, 0xEE: 14}
"""JFIF and Adobe's colour transform; both of a fixed length."""
_APPLICATIONS = range(0xE0, 0xF0)
_LARGEST = 256 << 20
_PROGRAMS = re.compile(
    rb"(\x00\x01)?(Kakadu-v?[0-9.]+|Created by (GDCM/)?OpenJPEG version [0-9.]+|Creator: JasPer Version [0-9.]+"
    rb"|LEAD Technologies Inc\. V[0-9.]+|DCMTK [0-9.]+"
    rb"|Kdu-Layer-Info: log_2\{Delta-D\(squared-error\)/Delta-L\(bytes\)\}, L\(bytes\)\n[-+0-9.e, \n]*)\x00*"
)


def may_carry_text(file: BinaryIO, syntax: str, span: Span, frames: int) -> bool:
    """Say whether there is anything but pixels, or it cannot be told."""
    if span.fragments[0][1] % 4 or len(span.fragments) - 1 < frames:
        return True  # the table of offsets is numbers
    if syntax == RLE:
        return len(span.fragments) - 1 != frames
    if not _OF_JPEG.fullmatch(syntax):
        return True
    return any(_carries(picture) for picture in _pictures(file, span, frames))


def _pictures(file: BinaryIO, span: Span, frames: int) -> Iterator[bytes]:
    """Yield each frame; one may be in several fragments, if it is the only one."""
    parts = span.fragments[1:]
    if len(parts) == frames:
        yield from (_read(file, *part) for part in parts)
    elif frames == 1:
        yield b"".join(_read(file, *part) for part in parts) if sum(size for _, size in parts) <= _LARGEST else b""
    else:
        yield b""


def _read(file: BinaryIO, place: int, size: int) -> bytes:
    if size > _LARGEST:
        return b""
    file.seek(place)
    return file.read(size)


def _carries(picture: bytes) -> bool:
    """Walk the header of one frame, then look for its end."""
    at = 2
    while picture[:2] in _STARTS and picture[at : at + 1] == b"\xff" and at + 4 <= len(picture):
        marker, length = picture[at + 1], int.from_bytes(picture[at + 2 : at + 4], "big")
        if marker in _PIXELS_START:
            end = picture.find(_END, at)
            return end < 0 or len(picture) - end > len(_END) + 1
        if _is_text(marker, picture[at + 4 : at + 2 + length], length):
            return True
        at += 2 + length
    return True


def _is_text(marker: int, body: bytes, length: int) -> bool:
    if marker in _COMMENTS:
        return not _PROGRAMS.fullmatch(body)
    return marker in _APPLICATIONS and _LENGTHS.get(marker) != length
