"""Signs that are not seen carry a message past who reads the text: of no width, turning the line, of other scripts."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

from airlock.checks.finding import Finding
from airlock.checks.inspect.seen import Seen, block, warn

MANY = 8
"""So many signs that nobody sees are a letter; fewer are left over from another program, and taken out."""
_ODD = re.compile(r"[^\n\r\t\x20-\x7e]")
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LINES = frozenset("\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
_TAGS = range(0xE0000, 0xE01F0)
_SELECTORS = range(0xFE00, 0xFE10)
_ENDS = re.compile(r"\r\n|\r|\n")
_TRAILING = re.compile(r"(?<![^\S\n\r])[^\S\n\r]++(?=[\r\n]|\Z)")
_FIX = "type the text again without them"


def look(seen: Seen) -> Iterator[Finding]:
    """Count what cannot be seen, by its sort."""
    signs = Counter(_ODD.findall(seen.text))
    if turns := sum(count for sign, count in signs.items() if sign in _TURNS):
        yield block("file", f"{turns} signs turn the direction of writing: it is read otherwise than it is", _FIX)
    tags = sum(count for sign, count in signs.items() if ord(sign) in _TAGS)
    hidden = sum(count for sign, count in signs.items() if _hidden(sign) and sign not in _TURNS)
    if tags or hidden >= MANY:
        yield block("file", f"{hidden + tags} signs that cannot be seen", _FIX)
    elif hidden:
        yield warn("file", f"{hidden} signs that cannot be seen are taken out", _FIX)
    if digits := sum(count for sign, count in signs.items() if _foreign_digit(sign)):
        yield block("file", f"{digits} digits of another script than 0-9: they are not read as numbers", "write 0-9")
    yield from _spaces(seen, sum(count for sign, count in signs.items() if unicodedata.category(sign) == "Zs"))


def _hidden(sign: str) -> bool:
    number = ord(sign)
    return (
        unicodedata.category(sign) in {"Cf", "Co", "Cn", "Cs"}
        or sign in _LINES
        or number in {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}
        or number in _SELECTORS
    )


def _foreign_digit(sign: str) -> bool:
    return unicodedata.category(sign) == "Nd"


def _spaces(seen: Seen, kinds: int) -> Iterator[Finding]:
    """White space leaves as one plain space and one plain line end: say where that takes something away."""
    trailing = {len(found[0]) for found in _TRAILING.finditer(seen.text)}
    if len(trailing) > 1:
        yield warn("file", "white space of several lengths at the ends of lines is taken out")
    if kinds >= MANY:
        yield warn("file", f"{kinds} spaces of other widths become plain ones")
    if len(set(_ENDS.findall(seen.text))) > 1:
        yield warn("file", "lines end in several ways; they become one")
