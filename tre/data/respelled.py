"""A text spells a letter in many ways that look alike: they are undone, so that one search finds them all.

Percent signs of an address, entities of HTML, quoted-printable mail, wide digits, letters with accents, the spaces and
hyphens of typesetters, and what cannot be seen at all. Only the surroundings of such places are looked at, and each is
followed by `MARK`, which is no letter.
"""

import codecs
import html
import re
import unicodedata
from collections.abc import Iterator

MARK = b"\1"
AROUND = 192
"""Bytes on each side of a place: no identifier is longer, spelt as it may be."""
EDGE = 4
"""Bytes at the start of a portion that may be a part of a letter."""
CONTINUED = 0x80

_ODD = re.compile(
    rb"%[0-9A-Fa-f]{2}|&(?:#x?[0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});|=[0-9A-F]{2}"
    rb"|(?![\xd0\xd1\xe4-\xed]|\xc2[\xb0\xb5]|\xce\xbc)[\xc2-\xf4][\x80-\xbf]+|\xd0\x81|\xd1\x91"
)
"""Not the letters of Russian but its yo, not the signs of Han and Hangul, not the signs of degrees and of micro: they
are spelt in one way, stand everywhere, and are looked for as they are."""
_ESCAPED = re.compile(r"((?:%[0-9A-Fa-f]{2})+|(?:=[0-9A-F]{2})+)|&(?:#x?[0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});|[^\x00-\x7f]")
_GONE = {"Cf", "Mn", "Cc"}


def of(data: bytes) -> Iterator[bytes]:
    """Yield the surroundings of every odd place of a text, with plain letters; of what is no text nothing."""
    if data.isascii() and not (b"%" in data or b"&" in data or b"=" in data):
        return
    if not _is_text(data):
        return
    pieces = [_ESCAPED.sub(_plain, data[start:end].decode("utf-8", "ignore")) for start, end in _around(data)]
    if pieces:
        yield "\0\0\0\0".join(pieces).encode()


def _is_text(data: bytes) -> bool:
    """Say whether all of it is UTF-8, but for a letter that is cut at either end."""
    begin = next((at for at in range(min(EDGE, len(data))) if data[at] & 0xC0 != CONTINUED), 0)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data[begin:])
    except UnicodeDecodeError:
        return False
    return True


def _around(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the surroundings, those that touch in one."""
    start = end = 0
    for odd in _ODD.finditer(data):
        if end and odd.start() - AROUND > end:
            yield start, end
            end = 0
        if not end:
            start = max(0, odd.start() - AROUND)
        end = odd.end() + AROUND
    if end:
        yield start, end


def _plain(odd: re.Match[str]) -> str:
    """Return the letters that are meant, each with a mark behind it."""
    escaped, written = odd[1], odd[0]
    if escaped:
        raw = bytes.fromhex(escaped.replace("%", "").replace("=", ""))
        try:
            written = raw.decode("utf-8")
        except UnicodeDecodeError:
            written = raw.decode("latin-1")
    elif len(written) > 1:
        written = html.unescape(written)
    return "".join(map(_letter, unicodedata.normalize("NFKD", written)))


def _letter(meant: str) -> str:
    kind = unicodedata.category(meant)
    if kind in _GONE:
        return "\1"
    if kind == "Zs":
        return " \1"
    return "-\1" if kind == "Pd" else f"{meant.lower()}\1"
