"""A code is kept only if it can be one of its code system: what stands in a code may be a name or a hospital's number.

A shape for each system and, where the system has one, its check digit (`systems.tsv`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from tre.data.harmonise import cdm

LONGEST = 50
"""As many characters as an OMOP source value has."""


@dataclass(frozen=True)
class System:
    """A code system that is known by its shape."""

    vocabulary: str
    shape: re.Pattern[str]
    checks: Callable[[str], bool]

    def has(self, code: str) -> bool:
        """Say whether this can be one of its codes."""
        return len(code) <= LONGEST and self.shape.fullmatch(code) is not None and self.checks(code)


@cache
def systems() -> Mapping[str, System]:
    """Return the known systems by their URL."""
    found = {
        row["system"]: System(row["vocabulary"], re.compile(row["shape"], re.ASCII), _CHECKS[row["check"]])
        for row in cdm.rows("systems.tsv")
    }
    return MappingProxyType(found)


def mod10(code: str) -> bool:
    """LOINC's check digit (LOINC Users' Guide, appendix C): Luhn over the digits before the hyphen."""
    digits, _, check = code.removeprefix("LA").partition("-")
    # The letters of an answer (LA) count too: 5 before an even number of digits, 8 before an odd one.
    total = (5, 8)[len(digits) % 2] if code.startswith("LA") else 0
    for at, digit in enumerate(map(int, reversed(digits))):
        doubled = digit * (2 if at % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled  # noqa: PLR2004 -- the sum of two digits
    return (10 - total % 10) % 10 == int(check)


def verhoeff(code: str) -> bool:
    """SNOMED CT's check digit (Verhoeff 1969), and a partition that concepts have (00, 10)."""
    if code[-3:-1] not in {"00", "10"}:
        return False
    check = 0
    for at, digit in enumerate(reversed(code)):
        check = _TIMES[check][_MOVED[at % 8][int(digit)]]
    return check == 0


def ucum(code: str) -> bool:
    """Say whether a unit is made of known atoms; what stands in braces is text, and only few of those are known."""
    bare = _BRACES.sub(lambda found: "1" if found[0] in _ANNOTATIONS else " ", code)
    return all(_UNIT.fullmatch(part) for part in re.split(r"[./]", bare.removeprefix("/")))


_BRACES = re.compile(r"\{[^{}]*\}")
_ANNOTATIONS = frozenset({"{score}", "{#}", "{count}", "{T-score}", "{Ratio}", "{ratio}", "{cells}", "{index}"})
_ATOMS = (
    "m|g|s|L|l|mol|eq|osm|Osm|U|Pa|J|K|Cel|Hz|A|V|W|N|kat|cal|Bq|Gy|Sv|bar|t|B"
    r"|\[iU\]|\[IU\]|m\[Hg\]|m\[H2O\]|\[degF\]|\[pH\]|\[lb_av\]|\[oz_av\]|\[in_i\]|\[ft_i\]|\[arb'U\]|\[ppth\]|\[ppm\]"
    "|min|h|d|wk|mo|a|deg|%|diop"
)
_UNIT = re.compile(rf"1|10\*-?[0-9]{{1,2}}|(?:[YZEPTGMkhdcmunpfazy]|da)?(?:{_ATOMS})-?[0-9]?1?", re.ASCII)

_PRODUCTS = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_MOVES = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
_TIMES = tuple(tuple(map(int, row)) for row in _PRODUCTS)
_MOVED = tuple(tuple(map(int, row)) for row in _MOVES)
_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "": lambda _: True,
    "mod10": mod10,
    "verhoeff": verhoeff,
    "ucum": ucum,
}
