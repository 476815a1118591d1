"""Concepts and quantities: their codes stay, their words do not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tre.data.deid.fhir import dates
from tre.data.deid.fhir.at import Action, At, Json, dropped
from tre.data.deid.fhir.codes import Codes

OLD = dates.OLDEST + 1
COMPARATORS = frozenset({"<", "<=", ">=", ">", "ad"})
_MOST = 100_000  # concepts, units remembered
YEARS_IN = {"a": 1, "mo": 12, "wk": 52.18, "d": 365.25, "h": 8766, "min": 525960}


@dataclass(frozen=True)
class Coded:
    """Actions on what has codes."""

    codes: Codes
    extensions: Callable[[Json, At], Json]
    _single: dict[tuple[Json, Json], Json] = field(default_factory=dict, repr=False)
    """(system, code) -> the concept of this one coding: most concepts are met again and again."""
    _units: dict[tuple[Json, Json, Json], dict[str, Json]] = field(default_factory=dict, repr=False)
    """(unit, system, code) -> what of them stays."""

    def coding(self, value: Json, at: At) -> Json:
        """Keep system and code of a system that is known."""
        if type(value) is dict:
            system, code = value.get("system"), value.get("code")
            if type(system) is str and type(code) is str:
                kept = self.codes.coding(system, code)
                if kept is not None:
                    at.counts["code"] += 1
                    return kept
        return dropped(at)

    def concept(self, value: Json, at: At) -> Json:
        """Keep the codings; a concept of words alone is gone."""
        codings = value.get("coding") if type(value) is dict else None
        if type(codings) is list:
            if len(codings) == 1:
                coding = codings[0]
                try:
                    met = self._single[coding["system"], coding["code"]]
                except (KeyError, TypeError):
                    pass
                else:
                    at.counts["code"] += 1
                    return met
            kept = [one for coding in codings if (one := self.coding(coding, at)) is not None]
            if kept:
                return self._remember(kept) if len(codings) == 1 else {"coding": kept}
        if type(value) is dict and "extension" in value and (absent := self.extensions(value["extension"], at)):
            return {"extension": absent}
        return dropped(at)

    def _remember(self, kept: list[Json]) -> Json:
        if len(self._single) > _MOST:
            self._single.clear()
        concept = self._single[kept[0]["system"], kept[0]["code"]] = {"coding": kept}
        return concept

    def quantity(self, value: Json, at: At) -> Json:
        """Keep the number, how it compares, and its unit."""
        if type(value) is not dict:
            return dropped(at)
        number = value.get("value")
        made: dict[str, Json] = {"value": number} if type(number) is float or type(number) is int else {}
        if "comparator" in value and type(value["comparator"]) is str and value["comparator"] in COMPARATORS:
            made["comparator"] = value["comparator"]
        said = value.get("unit"), value.get("system"), value.get("code")
        try:
            made.update(self._units[said])
        except (KeyError, TypeError):
            made.update(self._unit(*said))
        if not made:
            return dropped(at)
        at.counts["keep"] += 1
        return made

    def _unit(self, unit: Json, system: Json, code: Json) -> dict[str, Json]:
        made: dict[str, Json] = {}
        kept = self.codes.coding(system, code) if type(system) is str and type(code) is str else None
        if type(unit) is str and ((kept is not None and unit == code) or unit in self.codes.units.written):
            made["unit"] = unit
        if kept is not None:
            made["system"], made["code"] = system, code
        if all(type(one) is str or one is None for one in (unit, system, code)):
            if len(self._units) > _MOST:
                self._units.clear()
            self._units[unit, system, code] = made
        return made

    def age(self, value: Json, at: At) -> Json:
        """Keep an age; from 90 on all are 90. One in no known unit may be any age."""
        made = self.quantity(value, at)
        if made is None or "value" not in made or made.get("code") not in YEARS_IN:
            return None
        if made["value"] / YEARS_IN[made["code"]] > dates.OLDEST:
            made |= {"value": OLD, "comparator": ">=", "unit": "a", "code": "a"}
        return made


def judged(walk: Action, texts: frozenset[str], ages: frozenset[str]) -> Action:
    """Ask an observation's code whether its text may stay, and whether its value is an age."""
    marked = texts | ages

    def act(value: Json, at: At) -> Json:
        found = _marks(value, marked)
        if not found:
            return walk(value, at)
        before, at.speaks = at.speaks, not texts.isdisjoint(found)
        made = walk(value, at)
        at.speaks = before
        if made is not None and not ages.isdisjoint(found):
            _cap(made)
        return made

    return act


def _marks(value: Json, marked: frozenset[str]) -> Sequence[str]:
    """Return those codes of an observation that are looked for."""
    concept = value.get("code") if type(value) is dict else None
    codings = concept.get("coding") if type(concept) is dict else None
    if type(codings) is not list:
        return ()
    if len(codings) == 1 and type(codings[0]) is dict:
        code = codings[0].get("code")
        return (code,) if type(code) is str and code in marked else ()
    codes = [one.get("code") for one in codings if type(one) is dict]
    return [code for code in codes if type(code) is str and code in marked]


def _cap(made: dict[str, Any]) -> None:
    """Write an age of 90 or more as 90; it is told in numbers or not at all."""
    quantity = made.get("valueQuantity")
    if quantity and quantity.get("value", 0) > dates.OLDEST:
        made["valueQuantity"] = {**quantity, "value": OLD, "comparator": ">="}
    if made.get("valueInteger", 0) > dates.OLDEST:
        made["valueInteger"] = OLD
    for name in ("valueRange", "valueRatio", "valueString", "valueSampledData"):
        made.pop(name, None)
