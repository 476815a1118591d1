"""A code stays if its system is known, names things and never people, and the code has that system's shape."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tre.data.deid.fhir.rules import Rules

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
OF_THE_PLAN = re.compile(r"[!-~]{1,64}")
LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-[A-Z]{2})?")

_MOST = 100_000  # pairs remembered
_BRACES = re.compile(r"\{([^{}]*)\}")
_PARTS = re.compile(r"\[[^\]]*\]|%|[A-Za-z_]+|[0-9.*^+/()-]|('{1,2})")

LONGEST = 64
DIGITS = 6
"""Of a unit: `10*12/L`, `mL/min/1.73.m2`; more may be a number of somebody, dressed up."""
_COUNTS = re.compile(r"\d{4}")

Coding = dict[str, str]


@dataclass(frozen=True)
class Units:
    """What a unit may be: in a UCUM code's braces anybody may write anything, so all its words are listed."""

    written: frozenset[str]
    braces: frozenset[str]
    parts: frozenset[str]

    def is_ucum(self, code: str) -> bool:
        """Say whether each part of the code is one of UCUM's."""
        if len(code) > LONGEST or not all(word in self.braces for word in _BRACES.findall(code)):
            return False
        at, bare = 0, _BRACES.sub("", code)
        while at < len(bare):
            part = _PARTS.match(bare, at)
            if part is None or (part[0][0] in _NAMES and part[0] not in self.parts):
                return False
            at = part.end()
        return _COUNTS.search(bare) is None and sum(map(str.isdigit, bare)) <= DIGITS


_NAMES = frozenset("[_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True)
class Codes:
    """The systems of the rules and of the plan."""

    shapes: Mapping[str, re.Pattern[str]]
    units: Units
    _met: dict[tuple[str, str], Coding | None] = field(default_factory=dict, repr=False)

    def coding(self, system: str, code: str) -> Coding | None:
        """Return what stays of a Coding, or None."""
        try:
            return self._met[system, code]
        except KeyError:
            if len(self._met) >= _MOST:
                self._met.clear()
            kept = self._met[system, code] = {"system": system, "code": code} if self._known(system, code) else None
            return kept

    def _known(self, system: str, code: str) -> bool:
        if system == UCUM:
            return self.units.is_ucum(code)
        shape = self.shapes.get(system)
        return shape is not None and shape.fullmatch(code) is not None


def of(rules: Rules, more: Iterable[str] = ()) -> Codes:
    """Gather the systems; `more` are the plan's."""
    table = rules.codes
    shapes = {system: re.compile(str(shape), re.ASCII) for system, shape in table["systems"].items()}
    word = re.compile(str(table["hl7"]["shape"]))
    for base, names in table["hl7"].items():
        if base != "shape":
            shapes.update({base + name: word for name in str(names).split()})
    shapes.update(dict.fromkeys(more, OF_THE_PLAN))
    return Codes(shapes, _units(table["units"], table["ucum"]))


def _units(written: Mapping[str, object], ucum: Mapping[str, object]) -> Units:
    prefixes, atoms = str(ucum["prefixes"]).split(), str(ucum["atoms"]).split()
    parts = {
        *prefixes,
        *atoms,
        *(prefix + atom for prefix in prefixes for atom in atoms),
        *str(ucum["brackets"]).split(),
    }
    return Units(
        frozenset(str(written["written"]).split()), frozenset(str(written["braces"]).split()), frozenset(parts)
    )
