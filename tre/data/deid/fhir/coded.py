"""Concepts and quantities: their codes stay, their words do not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tre.data.deid.fhir import dates
from tre.data.deid.fhir.at import Action, At, Json, dropped
from tre.data.deid.fhir.codes import Codes

OLD = dates.OLDEST + 1
COMPARATORS = frozenset({"<", "<=", ">=", ">", "ad"})
YEARS_IN = {"a": 1, "mo": 12, "wk": 52.18, "d": 365.25, "h": 8766, "min": 525960}


@dataclass(frozen=True)
class Coded:
    """Actions on what has codes."""

    codes: Codes
    extensions: Callable[[Json, At], Json]

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
        if type(value) is dict:
            codings = value.get("coding")
            if type(codings) is list:
                kept = [one for coding in codings if (one := self.coding(coding, at)) is not None]
                if kept:
                    return {"coding": kept}
            if "extension" in value and (absent := self.extensions(value["extension"], at)):
                return {"extension": absent}
        return dropped(at)

    def quantity(self, value: Json, at: At) -> Json:
        """Keep the number, how it compares, and its unit."""
        if type(value) is not dict:
            return dropped(at)
        made: dict[str, Json] = {}
        number = value.get("value")
        if type(number) is float or type(number) is int:
            made["value"] = number
        if "comparator" in value and type(value["comparator"]) is str and value["comparator"] in COMPARATORS:
            made["comparator"] = value["comparator"]
        self._unit(value, made)
        if not made:
            return dropped(at)
        at.counts["keep"] += 1
        return made

    def _unit(self, value: Json, made: dict[str, Json]) -> None:
        unit, system, code = value.get("unit"), value.get("system"), value.get("code")
        kept = self.codes.coding(system, code) if type(system) is str and type(code) is str else None
        if type(unit) is str and ((kept is not None and unit == code) or unit in self.codes.units.written):
            made["unit"] = unit
        if kept is not None:
            made["system"], made["code"] = system, code

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


def _marks(value: Json, marked: frozenset[str]) -> list[str]:
    """Return those codes of an observation that are looked for."""
    concept = value.get("code") if type(value) is dict else None
    codings = concept.get("coding") if type(concept) is dict else None
    if type(codings) is not list:
        return []
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
