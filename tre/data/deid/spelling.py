"""One identifier has many spellings: case, accents, spaces and punctuation do not count, nor whose name comes first.

Distinctive is what cannot occur by chance: nine digits or more, two words or more, three signs of a script that has
thousands, or letters and digits mixed.
"""

import re
import unicodedata
from collections.abc import Iterator

DIGITS, MIXED, LETTERS, SIGNS = 9, 6, 6, 3  # least length of each class

WORD = re.compile(r"[^\W_]+")
_LOWER = bytes(range(256)).lower()
_BETWEEN = bytes(byte for byte in range(128) if not chr(byte).isalnum())
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?")


def plain(value: str) -> str:
    """Letters and digits only, without case and accents: how two spellings of one identifier are equal."""
    if value.isascii():
        return value.encode().translate(_LOWER, _BETWEEN).decode()
    apart = unicodedata.normalize("NFKD", value)
    value = "".join(c for c in apart if not unicodedata.combining(c))
    return "".join(c for c in value.casefold() if c.isalnum())


def distinctive(value: str) -> bool:
    """Say whether a value is so long, or so mixed, that it does not occur by chance."""
    joined = plain(value)
    if joined.isdecimal():
        return len(joined) >= DIGITS
    if joined.isalpha():
        return (len(joined) >= LETTERS and len(WORD.findall(value)) > 1) or sum(map(_sign, joined)) >= SIGNS
    return len(joined) >= MIXED and not _MOMENT.fullmatch(value)


def spellings(value: str) -> Iterator[str]:
    """Yield the plain form, and for names also the last word first."""
    yield plain(value)
    words = WORD.findall(value)
    if len(words) > 1 and plain(value).isalpha():
        yield plain("".join([words[-1], *words[:-1]]))


def _sign(letter: str) -> bool:
    """Say whether this is a sign of Han or Hangul, of which there are thousands, or a kana."""
    return unicodedata.east_asian_width(letter) == "W"
