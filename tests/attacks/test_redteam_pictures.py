"""Bytes that a picture carries, and no eye sees."""

import io
import struct
import zlib

import pytest
from PIL import Image

from airlock.checks import png, thresholds
from airlock.checks.file import File

TEN = thresholds.load("default")
ROWS = b"person,sex,age\n" + b"".join(b"%d,f,%d\n" % (n, 20 + n) for n in range(60))
SOFTWARE = b"Software\x00Matplotlib version3.10.%d, https://matplotlib.org/"


def plain(mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (20, 10)).save(out, "PNG")
    return out.getvalue()


def part(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_parts(*parts: bytes) -> bytes:
    return plain()[:33] + b"".join(parts) + plain()[33:]


def blocked(content: bytes) -> bool:
    return any(str(found.severity) == "block" for found in png.check(File("p.png", "png", content), TEN))


@pytest.mark.parametrize("name", [b"gAMA", b"cHRM", b"tRNS", b"pHYs", b"bKGD", b"sBIT", b"sRGB", b"cICP", b"PLTE"])
def test_rows_in_a_part_that_may_be_there(name):
    assert blocked(with_parts(part(name, ROWS)))


def test_rows_cut_into_parts_of_the_right_length():
    assert blocked(with_parts(*(part(b"gAMA", ROWS[at : at + 4].ljust(4)) for at in range(0, len(ROWS), 4))))


def test_rows_as_versions_of_matplotlib():
    assert blocked(with_parts(*(part(b"tEXt", SOFTWARE % n) for n in range(60))))


def test_colours_that_no_pixel_uses():
    assert blocked(with_parts(part(b"PLTE", ROWS[:300])))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
def test_an_honest_picture_passes(mode):
    assert not blocked(plain(mode))


def test_an_honest_picture_of_matplotlib_passes():
    assert not blocked(with_parts(part(b"tEXt", SOFTWARE % 8), part(b"pHYs", bytes(9))))
