"""Text is what a reader sees of it: no sign without a shape, no white space at the end of a line.

White space that is not seen, and signs of no width, carry a message to who looks for it.
"""

import re
import unicodedata
from functools import lru_cache

from airlock.checks.disarm.cannot import Cannot
from airlock.checks.thresholds import Thresholds

# Signs that are letters or marks by their class and show nothing: fillers, joiners, selectors of a variant.
_BLANK = frozenset({0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0})
_SELECTORS = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_UNSEEN = frozenset({"Cf", "Cc", "Co", "Cs", "Cn"})
_LINES = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_ODD = re.compile(r"[^\n\x20-\x7e]")
_TRAILING = re.compile(r"(?<![ \t])[ \t]++$", re.MULTILINE)


def rewrite(content: bytes, limits: Thresholds) -> bytes:
    """Return the text as UTF-8, composed (NFC), with plain line ends and nothing that cannot be seen."""
    del limits
    text = plain(decoded(content)).strip("\n")
    return (text + "\n").encode() if text else b""


def decoded(content: bytes) -> str:
    """Return the text behind a byte order mark."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Cannot("is not UTF-8", "save it as UTF-8") from None


def plain(text: str) -> str:
    """Return what is seen of a text, line by line."""
    return _TRAILING.sub("", seen(_LINES.sub("\n", text)))


def seen(text: str) -> str:
    """Take out what has no shape; make every kind of space the plain one."""
    return unicodedata.normalize("NFC", _ODD.sub(lambda found: _shape(found[0]), text))


@lru_cache(4096)
def _shape(sign: str) -> str:
    if sign in {"\n", "\t"}:
        return sign
    if unicodedata.category(sign) in {"Zs", "Zl", "Zp"}:
        return " "
    return "" if unseen(sign) else sign


def unseen(sign: str) -> bool:
    """Return whether a sign shows nothing."""
    number = ord(sign)
    return (
        (unicodedata.category(sign) in _UNSEEN and sign not in "\n\t\r")
        or number in _BLANK
        or any(number in each for each in _SELECTORS)
    )
