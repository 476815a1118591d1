"""A number in a table is known to the last digit that is printed, and some can be read in two ways."""

import math
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Sort(StrEnum):
    """What stands in a cell."""

    NUMBER = "number"
    HIDDEN = "hidden"
    """Nothing, a star, `<10`: the author does not tell."""
    UNCLEAR = "unclear"
    """1.234,5 or 12,5: where the comma stands for the point, thousands cannot be told from fractions."""
    WORDS = "words"


class Printed(NamedTuple):
    """A cell: its number, half a unit of its last digit, and whether more numbers stand behind it."""

    sort: Sort
    value: float = 0.0
    half: float = 0.0
    more: bool = False
    percent: bool = False


SIGNS = frozenset({
    "", "*", "**", "***", "c", "x", "s", "suppressed", "redacted", "hidden", "masked", "nan", "na", "n/a", "<na>",
    "none", "null", "-", "--", ".", "..", "...", "\u2013", "\u2014", "\u2020",
})  # fmt: skip
_BRACKETS = re.compile(r"[\[(](.*)[\])]\Z")
_LIMIT = re.compile(r"(?:<=|>=|<|>|≤|≥)\s*\d+\Z")
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>\d{1,3}(?:,\d{3})+|\d+|(?=\.\d))(?:\.(?P<part>\d*))?(?:[eE](?P<power>[+-]?\d{1,3}))?"
    r"\s*(?P<percent>%?)"
)
_BEHIND = re.compile(r"\s*(?:[(\[/|;:±]|of\b|out\b|to\b|\u2013|\+/-)")
_COMMA = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+),(?:\d{1,2}|\d{4,})\s*%?\Z|[+-]?\d{1,3}(?:\.\d{3})+,\d+\s*%?\Z")
NOTHING = Printed(Sort.HIDDEN)
UNCLEAR = Printed(Sort.UNCLEAR)
WORDS = Printed(Sort.WORDS)


def read(cell: str) -> Printed:
    """Read a cell, as 12, 1,234, 45%, 1.2e-3, or 3 (1.2%), whose first number counts."""
    said = cell.strip().replace("\N{MINUS SIGN}", "-")
    bare = _BRACKETS.match(said)
    if said.lower() in SIGNS or (bare and bare[1].strip().lower() in SIGNS) or _LIMIT.match(said):
        return NOTHING
    if _COMMA.match(said):
        return UNCLEAR
    found = _NUMBER.match(said)
    if found is None:
        return WORDS
    rest = said[found.end() :]
    if rest.strip() and not _BEHIND.match(rest):
        return WORDS
    return _printed(found, more=bool(rest.strip()))


def column(cells: Iterable[str]) -> tuple[Printed, ...]:
    """Read a column; where one cell has a decimal comma, no cell with a comma is clear."""
    cells = tuple(cells)
    read_ = tuple(map(read, cells))
    if all(each.sort is not Sort.UNCLEAR for each in read_):
        return read_
    return tuple(UNCLEAR if "," in cell else each for cell, each in zip(cells, read_, strict=True))


def agrees(printed: Printed, value: float) -> bool:
    """Return whether a number may have been printed so: half a unit of its last digit, and what floats lose."""
    return abs(printed.value - value) <= printed.half * (1 + 1e-6) + 1e-9 * max(1.0, abs(value))


def _printed(found: re.Match[str], *, more: bool) -> Printed:
    part, power = found["part"] or "", int(found["power"] or 0)
    value = float(f"{found['sign']}{found['whole'].replace(',', '') or '0'}.{part or '0'}e{power}")
    if not math.isfinite(value):
        return WORDS
    half = 0.5 * 10.0 ** min(power - len(part), 300)
    if found["part"] is None and not power:
        half = 0.5 if found["percent"] else 0.0  # a whole number is a count, or a value rounded to one: see `rounded`
    scale = 0.01 if found["percent"] else 1.0
    return Printed(Sort.NUMBER, value * scale, half * scale, more, bool(found["percent"]))


def rounded(printed: Printed) -> Printed:
    """Read a whole number as one that was rounded to it."""
    return printed._replace(half=max(printed.half, 0.5)) if printed.half == 0 else printed
