"""A value can hide in a file: in another encoding, between invisible characters, inside base64, hex or gzip.

`layers` gives the bytes of a file as they are and as each of these would be read, to a fixed depth and a fixed
number of bytes. When the bytes are more than that, `Budget.spent` says that not all was read.
"""

import base64
import binascii
import html
import re
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

DEPTH = 3
MOST = 64 * 1024 * 1024
STREAM = 32 * 1024 * 1024

_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_SPACE = re.compile(rb"\s+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
_BASE32 = re.compile(rb"[A-Z2-7]{16,}|[a-z2-7]{16,}")
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}[ :]?){20,}")
_GZIP = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
_BACKSLASH = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2}))")


@dataclass(frozen=True)
class Layer:
    """Bytes, and how one comes to them: empty for the file as it is."""

    how: str
    data: bytes


@dataclass
class Budget:
    """How many bytes may still be unpacked."""

    left: int = MOST
    spent: bool = field(default=False)

    def take(self, data: bytes) -> bool:
        """Say whether these bytes are still within the budget."""
        self.left -= len(data)
        self.spent = self.spent or self.left < 0
        return not self.spent


def layers(data: bytes, budget: Budget, *, how: str = "", depth: int = DEPTH) -> Iterator[Layer]:
    """Yield the bytes and, below them, everything they unpack to."""
    yield Layer(how, data)
    if how and not _readable(data):
        return
    for step, below in _unpacked(data):
        if not depth or not budget.take(below):
            return
        yield from layers(below, budget, how=f"{how}, {step}" if how else step, depth=depth - 1)


def _unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what one step of decoding finds, and nothing that is what we had."""
    for step, read in _STEPS:
        for below in read(data):
            if below.strip() and below != data:
                yield step, below


def _readable(data: bytes) -> bool:
    """Say whether bytes that were unpacked are text, or hold gzip or zlib: base64 of noise is noise."""
    head = data[:4096]
    letters = head.replace(b"\0", b"").translate(None, _PRINTABLE)
    return len(letters) * 4 < len(head) or any(_begins(data, found.start()) for found in _GZIP.finditer(data))


def _begins(data: bytes, at: int) -> bool:
    """Say whether a stream that begins here gives any bytes: by chance hardly one does."""
    try:
        return bool(zlib.decompressobj(wbits=47).decompress(data[at : at + 1024], 16))
    except zlib.error:
        return False


def _wide(data: bytes) -> Iterator[bytes]:
    """UTF-16 and UTF-32: letters with NULs between; read in both orders, and with the NULs taken out."""
    if b"\0" not in data:
        return
    yield data.replace(b"\0", b"")
    for order in ("utf-16-le", "utf-16-be"):
        yield data.decode(order, "ignore").encode("utf-8", "ignore")


def _visible(data: bytes) -> Iterator[bytes]:
    """Full-width and other look-alike forms made plain, invisible characters and accents taken out."""
    if not data.isascii():
        yield unicodedata.normalize("NFKD", data.decode("utf-8", "ignore")).encode("ascii", "ignore")


def _escaped(data: bytes) -> Iterator[bytes]:
    """Percent, HTML and backslash escapes undone."""
    if b"%" in data:
        yield unquote_to_bytes(data)
    if b"&" in data:
        yield html.unescape(data.decode("latin-1")).encode("latin-1", "ignore")
    if _BACKSLASH.search(data):
        yield _BACKSLASH.sub(lambda m: chr(int(m[1] or m[2], 16)).encode("utf-8", "ignore"), data)


def _base64(data: bytes) -> Iterator[bytes]:
    """Each long run of base64, also when wrapped into lines, at each of the four places it may begin."""
    packed = _SPACE.sub(b"", data)
    for source in (data,) if packed == data else (data, packed):
        runs = _BASE64.findall(source)
        for start in range(4):
            yield b"\n".join(_decoded(run[start:]) for run in runs)


def _decoded(run: bytes) -> bytes:
    letters = run.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    whole = len(letters) - (len(letters) % 4 == 1)
    try:
        return base64.b64decode(letters[:whole] + b"=" * (-whole % 4))
    except binascii.Error:
        return b""


def _base32(data: bytes) -> Iterator[bytes]:
    """Each long run of base32, at each of the eight places it may begin."""
    runs = [run.upper() for run in _BASE32.findall(data)]
    for start in range(8 if runs else 0):
        yield b"\n".join(_decoded32(run[start:]) for run in runs)


def _decoded32(run: bytes) -> bytes:
    whole = len(run) - (len(run) % 8 in {1, 3, 6})
    return base64.b32decode(run[:whole] + b"=" * (-whole % 8))


def _hex(data: bytes) -> Iterator[bytes]:
    """Each long run of hexadecimal digits."""
    for run in _HEX.findall(data):
        yield bytes.fromhex(re.sub(rb"[ :]", b"", run).decode("ascii"))


def _zipped(data: bytes) -> Iterator[bytes]:
    """Each gzip or zlib stream, as far as it can be read."""
    view = memoryview(data)
    for found in _GZIP.finditer(data):
        try:
            yield zlib.decompressobj(wbits=47).decompress(view[found.start() :], STREAM)
        except zlib.error:
            continue


_STEPS = (
    ("UTF-16", _wide),
    ("look-alike characters", _visible),
    ("escapes", _escaped),
    ("base64", _base64),
    ("base32", _base32),
    ("hex", _hex),
    ("gzip", _zipped),
)
