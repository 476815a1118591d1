"""A value can hide in a file: in another encoding, between invisible characters, inside base64, hex or an archive.

`layers` gives the bytes of a file as they are and as each of these would be read, to a fixed depth and a fixed
number of bytes. When the bytes are more than that, `Budget.spent` says that not all was read. What is merely written
another way (backwards, letter by letter, down a column) is a leaf: it is searched, and not taken apart further.
"""

import html
import quopri
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from urllib.parse import unquote_to_bytes

from tre.data import packed

DEPTH = 3
MOST = 64 * 1024 * 1024
SMALL = 256 * 1024
"""Bytes up to which a text is also read backwards and wrapped base64 is looked for everywhere."""
LONGEST_TABLE = 1024 * 1024
"""Bytes of a table that are read downwards: a longer one is no result."""
BLOCK = 4096
WIDEST = 64
"""Columns of a table that are read downwards."""

_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_STRINGS = re.compile(rb"[\t\r\n -~]{12,}")
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
_ENTITY = re.compile(rb"&(?:#x?[0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});")
_BACKSLASH = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([0-3]?[0-7]{2}))")
_QUOTED = re.compile(rb"=[0-9A-F]{2}|=\r?\n")
_UTF7 = re.compile(rb"\+[A-Za-z0-9+/]{4,}")
_SPACED = re.compile(rb"(?<![A-Za-z0-9])(?:[A-Za-z0-9][^A-Za-z0-9\r\n]{1,3}){5,}[A-Za-z0-9](?![A-Za-z0-9])")
_NOT_ALNUM = bytes(byte for byte in range(256) if not chr(byte).isalnum() or byte > 0x7F)  # noqa: PLR2004 -- ASCII
_ALIKE = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеіјорсухԁһӏԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧαινορτυχϳɡɩⅠоΚ",
    "ABESIJKMHOPCTYXaeijopcyxdhlqwABEZHIKMNOPTYXaivoptuxjgiIoK",
)
"""Letters of other scripts that look like one of ours."""


@dataclass(frozen=True)
class Layer:
    """Bytes, and how one comes to them: empty for the file as it is."""

    how: str
    data: bytes
    leaf: bool = False


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
    text = _text(data)
    for step, below in _read(text, _WRITTEN):
        yield Layer(f"{how}, {step}" if how else step, below, leaf=True)
    for step, below in chain(_read(text, _STEPS), _read(data, _PACKED)):
        if not depth or not budget.take(below):
            return
        yield from layers(below, budget, how=f"{how}, {step}" if how else step, depth=depth - 1)


def _read(data: bytes, steps: "tuple[tuple[str, Step], ...]") -> Iterator[tuple[str, bytes]]:
    """Yield what one step of decoding finds, and nothing that is what we had."""
    for step, read in steps if data else ():
        for below in read(data):
            if below.strip() and below != data:
                yield step, below


def _text(data: bytes) -> bytes:
    """Return bytes that are text, or the lines of text among others: noise and pixels are not read as writing."""
    if data.count(0) * 4 <= len(data) and _is_utf8(data):
        return data
    blocks = (data[at : at + BLOCK] for at in range(0, len(data), BLOCK))
    return data if all(map(_wide_text, blocks)) else b"\n".join(_STRINGS.findall(data.replace(b"\0", b"")))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _wide_text(block: bytes) -> bool:
    """Say whether a block is letters, one by one or between NULs as in UTF-32; pixels that are all black are none."""
    letters, nothing = len(block) - len(block.translate(None, _PRINTABLE)), block.count(0)
    return letters * 8 >= len(block) > (len(block) - letters - nothing) * 4


# --- text ------------------------------------------------------------------------------------------------------------
def _wide(data: bytes) -> Iterator[bytes]:
    """UTF-16 and UTF-32: letters with NULs between; read in both orders, and with the NULs taken out."""
    if b"\0" not in data:
        return
    yield data.replace(b"\0", b"")
    for order in ("utf-16-le", "utf-16-be"):
        yield data.decode(order, "ignore").encode("utf-8", "ignore")


def _visible(data: bytes) -> Iterator[bytes]:
    """Look-alike letters and full-width forms made plain, invisible characters and accents taken out, line by line."""
    if data.isascii():
        return
    odd = b"\n".join(line for line in data.splitlines() if not line.isascii())
    text = odd.decode("utf-8", "ignore")
    yield unicodedata.normalize("NFKD", text.translate(_ALIKE)).encode("ascii", "ignore")


def _escaped(data: bytes) -> Iterator[bytes]:
    """Percent, HTML, backslash and mail escapes undone."""
    if _PERCENT.search(data):
        yield unquote_to_bytes(data)
    if _ENTITY.search(data):
        yield html.unescape(data.decode("utf-8", "replace")).encode("utf-8", "ignore")
    if _BACKSLASH.search(data):
        yield _BACKSLASH.sub(_unescaped, data)
    if _QUOTED.search(data):
        yield quopri.decodestring(data)
    if len(_UTF7.findall(data, 0, SMALL)) and len(data) <= SMALL:
        yield data.decode("utf-7", "ignore").encode("utf-8", "ignore")


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = int(found[1] or found[2], 16) if found[1] or found[2] else int(found[3], 8)
    return chr(code).encode("utf-8", "ignore")


# --- written another way ---------------------------------------------------------------------------------------------
def _spaced(data: bytes) -> Iterator[bytes]:
    """Words whose letters stand apart, one cell or one space each; a neighbour of one letter is none of theirs."""
    if runs := set(_SPACED.findall(data)):
        joined = [run.translate(None, _NOT_ALNUM) for run in sorted(runs)]
        yield b"\n".join(word for run in joined for word in (run, run[1:], run[:-1], run[1:-1]))


def _backwards(data: bytes) -> Iterator[bytes]:
    """Each line from its end; and with letters turned by thirteen."""
    if len(data) <= SMALL:
        yield data[::-1]
        yield data.translate(_ROT13)


_ROT13 = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", b"NOPQRSTUVWXYZABCDEFGHIJKLMnopqrstuvwxyzabcdefghijklm"
)


def _down(data: bytes) -> Iterator[bytes]:
    """Each column of a table, its cells one after the other: for what is cut over rows."""
    lines = data[:LONGEST_TABLE].splitlines()
    between = max((b",", b"\t", b";", b"|"), key=lines[0].count) if lines else b","
    if len(lines) < 2 or lines[0].count(between) >= WIDEST:  # noqa: PLR2004 -- one line has no columns
        return
    cells = (line.split(between)[:WIDEST] for line in lines[1:])
    columns = zip_longest(*cells, fillvalue=b"")
    joined = (b"".join(column).translate(None, _NOT_ALNUM) for column in columns)
    yield b"\n".join(column for column in joined if not column.isdigit() or len(column) < SMALL)


Step = Callable[[bytes], Iterator[bytes]]

_STEPS: tuple[tuple[str, Step], ...] = (
    ("UTF-16", _wide),
    ("look-alike characters", _visible),
    ("escapes", _escaped),
    ("base64", packed.base64),
    ("base32", packed.base32),
    ("base85", packed.base85),
    ("base58", packed.base58),
    ("hex", packed.hexadecimal),
    ("decimal bytes", packed.decimals),
)
_PACKED: tuple[tuple[str, Step], ...] = (("gzip", packed.archives),)
_WRITTEN: tuple[tuple[str, Step], ...] = (
    ("letters apart", _spaced),
    ("backwards or turned", _backwards),
    ("down a column", _down),
)
