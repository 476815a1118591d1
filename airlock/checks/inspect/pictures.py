"""A picture is pixels and nothing else, whether it is a PNG or a JPEG.

Segments of a JPEG: ITU-T T.81 (1992), annex B.
"""

import re
import struct
from collections.abc import Iterator

from airlock.checks import png
from airlock.checks.file import File
from airlock.checks.finding import Finding, Severity
from airlock.checks.thresholds import Thresholds

CHECK = "picture"
_AGAIN = "save the picture again, without metadata"
_END, _SCAN, _REMARK = 0xD9, 0xDA, 0xFE
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_APPLICATION = range(0xE0, 0xF0)
_JFIF, _ADOBE = (0xE0, b"JFIF\x00", 14), (0xEE, b"Adobe", 12)
_TABLES = {0xDB: 4 * 129, 0xC4: 8 * 272, 0xDD: 2}
"""How long all segments of a table may be together: four and eight of each, and an interval."""
_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7]")


def check(file: File, limits: Thresholds) -> Iterator[Finding]:
    """Point at whatever is not pixels."""
    if file.kind == "png":
        yield from png.check(file, limits)
    else:
        yield from _jpeg(file.content, limits)


def _jpeg(content: bytes, limits: Thresholds) -> Iterator[Finding]:
    lengths, frames = dict[int, int](), list[bytes]()
    for at, marker, body in segments(content):
        where = f"byte {at}"
        if marker == _END:
            if len(content) > at + 2:
                yield _says("after the end", f"{len(content) - at - 2} bytes follow the picture")
            break
        if marker == _REMARK or (marker in _APPLICATION and not _known(marker, body)):
            yield _says(where, "a part that is not pixels (remark, EXIF, profile or other data)")
        lengths[marker] = lengths.get(marker, 0) + len(body)
        frames += [body] if marker in _FRAMES else []
    else:
        yield _says("file", "is not a whole JPEG")
        return
    if any(lengths.get(marker, 0) > most for marker, most in _TABLES.items()):
        yield _says("file", "has more tables than its pixels use")
    if len(frames) != 1 or len(frames[0]) < 6:  # noqa: PLR2004 -- precision, height, width, components
        yield _says("file", "has no frame, or several")
        return
    height, width = struct.unpack_from(">HH", frames[0], 1)
    if not width or not height or width * height > limits.largest_pixels:
        yield _says("header", f"{width} x {height} pixels; the largest picture has {limits.largest_pixels}")


def segments(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield place, marker and content of each segment up to the end of the picture; stop where it is damaged."""
    at = 2
    while at + 2 <= len(content) and content[at] == 0xFF:  # noqa: PLR2004 -- B.1.1.2
        marker = content[at + 1]
        if marker == _END:
            yield at, marker, b""
            return
        length = 0 if marker in _ALONE else int.from_bytes(content[at + 2 : at + 4], "big")
        yield at, marker, content[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == _SCAN:
            found = _IN_SCAN.search(content, at)
            at = found.start() if found else len(content)


def _known(marker: int, body: bytes) -> bool:
    """Return whether this is one of the two short heads that any program writes."""
    return any(
        marker == known and body.startswith(word) and len(body) == length for known, word, length in (_JFIF, _ADOBE)
    )


def _says(where: str, message: str) -> Finding:
    return Finding(CHECK, Severity.BLOCK, where, message, fix=_AGAIN)
