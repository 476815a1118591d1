"""A resource is walked once along the paths that are allowed; what stands beside them is not even looked at.

The table of paths is turned into functions before the first resource comes: an action takes a value and returns what
may be seen of it, or None.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tre.data.deid.fhir import dates
from tre.data.deid.fhir.codes import Codes
from tre.data.deid.fhir.part import Dates, Fhir
from tre.data.deid.fhir.references import Bundle, Names, logical, target
from tre.data.deid.fhir.rules import Rules, Tree
from tre.data.deid.pseudonyms import Person

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
MASKED = {"extension": [{"url": ABSENT, "valueCode": "masked"}]}

Json = Any  # what a stranger wrote: each action asks first what it is


@dataclass
class At:
    """Where a walk is: whose record, in which Bundle, what it did so far."""

    names: Names
    counts: Counter[str]
    person: Person | None = None
    bundle: Bundle | None = None
    inside: Mapping[str, str] = field(default_factory=dict)
    """Name of a contained resource there -> the reference that stands for it."""
    last: str = ""
    """The last day that was met, moved as all days are."""
    speaks: bool = False
    """The text of the observation we are in may stay."""


Action = Callable[[Json, At], Json]


class HeldBack(Exception):  # noqa: N818 -- a word
    """The whole record stays out; the reason, without any of it."""


class Walker:
    """The table of paths as functions."""

    def __init__(self, rules: Rules, part: Fhir, codes: Codes) -> None:
        """Turn every tree into a function."""
        self.rules, self.part, self.codes = rules, part, codes
        self.day = self._date(whole=True)
        self._types: dict[str, Action] = {
            "Coding": self._coding,
            "CodeableConcept": self._concept,
            "Quantity": self._quantity,
            "age": self._age,
            "address": self._address,
            "identifier": _identifier,
            "owner": _owner,
            "date": self.day,
            "dateTime": self._date(),
            "instant": self._date(instant=True),
            "birth": lambda _value, _at: None,
            "uid": _uid,
            "text": _text,
        }
        self._extensions = self._table_of_extensions()
        for name, tree in rules.types.items():  # one that stands above may be named below
            self._types[name] = self._object(tree)
        self.resources = {name: self._object(one.tree, whole=True) for name, one in rules.resources.items()}

    def _object(self, tree: Tree, *, whole: bool = False) -> Action:
        fields = {name: _many(step.list, self._action(below)) for name, (step, below) in tree.below.items()}
        groups: dict[str, list[str]] = {}
        for name, (step, _) in tree.below.items():
            if step.needed:
                groups.setdefault(step.needed, []).append(name)
        mask = {name: _mask(step.list, below.action) for name, (step, below) in tree.below.items() if step.needed}
        fields["extension"] = self._extension_list
        fields["modifierExtension"] = self._modifiers
        judged = "code" in fields and ("valueString" in fields or "valueQuantity" in fields)
        walk = _walk(fields, tuple((tuple(names), mask) for names in groups.values()), whole=whole)
        return self._judged(walk) if judged else walk

    def _judged(self, walk: Action) -> Action:
        """An observation's code says whether its text may stay, and whether its value is an age."""
        texts, ages = frozenset(self.part.texts), frozenset(self.rules.codes["ages"]["loinc"])  # type: ignore[call-overload] # our own table
        marked = texts | ages

        def act(value: Json, at: At) -> Json:
            found = _codes_of(value, marked) if type(value) is dict else frozenset()
            before, at.speaks = at.speaks, bool(found & texts)
            made = walk(value, at)
            at.speaks = before
            if found & ages and made is not None:
                _cap(made)
            return made

        return act

    def _action(self, tree: Tree) -> Action:
        if tree.below:
            return self._object(tree)
        ways = [self._one(word.strip()) for word in tree.action.split(" | ")]
        return ways[0] if len(ways) == 1 else _either(ways, tree.action)

    def _one(self, said: str) -> Action:
        verb, _, rest = said.partition(" ")
        if verb == "keep":
            return KEEPS[rest]
        if verb == "word":
            return _word(frozenset(rest.split()))
        if verb == "reference":
            return self._reference(frozenset(rest.split()))
        return self._types[verb]

    # --- codes

    def _coding(self, value: Json, at: At) -> Json:
        if type(value) is dict:
            system, code = value.get("system"), value.get("code")
            if type(system) is str and type(code) is str:
                kept = self.codes.coding(system, code)
                if kept is not None:
                    at.counts["code"] += 1
                    return kept
        at.counts["drop"] += 1
        return None

    def _concept(self, value: Json, at: At) -> Json:
        if type(value) is dict:
            codings = value.get("coding")
            if type(codings) is list:
                kept = [one for coding in codings if (one := self._coding(coding, at)) is not None]
                if kept:
                    return {"coding": kept}
            if "extension" in value and (absent := self._extension_list(value["extension"], at)):
                return {"extension": absent}
        at.counts["drop"] += 1
        return None

    def _quantity(self, value: Json, at: At) -> Json:
        if type(value) is not dict:
            at.counts["drop"] += 1
            return None
        made: dict[str, Json] = {}
        number = value.get("value")
        if type(number) is float or type(number) is int:
            made["value"] = number
        if value.get("comparator") in COMPARATORS:
            made["comparator"] = value["comparator"]
        self._unit(value, made)
        at.counts["keep" if made else "drop"] += 1
        return made or None

    def _unit(self, value: Json, made: dict[str, Json]) -> None:
        unit, system, code = value.get("unit"), value.get("system"), value.get("code")
        kept = self.codes.coding(system, code) if type(system) is str and type(code) is str else None
        if type(unit) is str and ((kept and unit == code) or unit in self.codes.units.written):
            made["unit"] = unit
        if kept is not None:
            made |= kept

    def _age(self, value: Json, at: At) -> Json:
        made = self._quantity(value, at)
        if made is None or "value" not in made or made.get("code") not in YEARS_IN:
            return None  # an age in no known unit may be any age
        if made["value"] / YEARS_IN[made["code"]] > dates.OLDEST:
            made |= {"value": OLD, "comparator": ">=", "unit": "a", "code": "a"}
        return made

    # --- places and days

    def _address(self, value: Json, at: At) -> Json:
        places = self.rules.codes["places"]
        if type(value) is not dict:
            return None
        state, code, country = (value.get(name) for name in ("state", "postalCode", "country"))
        made = {}
        if type(state) is str and state in places["states"]:  # type: ignore[operator] # our own table
            made["state"] = state
        if type(code) is str and (re.fullmatch(r"\d{5}(-?\d{4})?", code)) and country in places["united_states"]:  # type: ignore[operator] # our own table
            made["postalCode"] = "000" if code[:3] in str(places["zip3_closed"]).split() else code[:3]
            at.counts["zip3"] += 1
        if type(country) is str and (re.fullmatch("[A-Z]{2,3}", country) or country in places["countries"]):  # type: ignore[operator] # our own table
            made["country"] = country
        at.counts["keep" if made else "drop"] += 1
        return made or None

    def _date(self, *, whole: bool = False, instant: bool = False) -> Action:
        if self.part.dates is Dates.YEAR:
            return _no_instant if instant else _year

        def act(value: Json, at: At) -> Json:
            if type(value) is str and at.person is not None and (not whole or len(value) == WHOLE):
                moved = dates.shifted(value, at.person.days)
                if moved is not None and (not instant or len(moved) > WHOLE):
                    if moved[:WHOLE] > at.last:
                        at.last = moved[:WHOLE]
                    at.counts["shift"] += 1
                    return moved
            at.counts["drop"] += 1
            return None

        return act

    # --- references

    def _reference(self, types: frozenset[str]) -> Action:
        part = self.part

        def act(value: Json, at: At) -> Json:
            if type(value) is dict:
                said = value.get("reference")
                name = _named(said, at, part) if type(said) is str else None
                if name is None and (by := logical(value, part)) is not None:
                    name = at.names.reference(by, at.bundle)
                if name is not None and (not types or name[0] == "#" or name.partition("/")[0] in types):
                    at.counts["reference"] += 1
                    return {"reference": name}
            at.counts["drop"] += 1
            return None

        return act

    # --- extensions

    def _table_of_extensions(self) -> dict[str, dict[str, tuple[str, Action]]]:
        found: dict[str, dict[str, tuple[str, Action]]] = {}
        for url, parts in self.rules.extensions.items():
            found[url] = {name: (said.split(" ")[0], self._one(said.partition(" ")[2])) for name, said in parts.items()}
        for url in self.part.extensions:
            found.setdefault(url, {})
        return found

    def _extension_list(self, value: Json, at: At) -> Json:
        if type(value) is not list:
            at.counts["drop"] += 1
            return None
        return [made for one in value if (made := self._extension(one, at)) is not None] or None

    def _extension(self, value: Json, at: At) -> Json:
        url = value.get("url") if type(value) is dict else None
        parts = self._extensions.get(url) if type(url) is str else None
        made = None
        if parts is not None:
            made = (
                self._simple(value, parts[""], at)
                if "" in parts
                else self._nested(value, parts, at)
                if parts
                else self._any(value, at)
            )
        if made is None:
            at.counts["drop"] += 1
            return None
        at.counts["extension"] += 1
        return {"url": url, **made}

    def _simple(self, value: Json, rule: tuple[str, Action], at: At) -> Json:
        key, action = rule
        made = action(value.get(key), at)
        return None if made is None else {key: made}

    def _nested(self, value: Json, parts: Mapping[str, tuple[str, Action]], at: At) -> Json:
        inner = value.get("extension")
        made = []
        for one in inner if type(inner) is list else ():
            name = one.get("url") if type(one) is dict else None
            rule = parts.get(name) if type(name) is str else None
            kept = self._simple(one, rule, at) if rule is not None else None
            if kept is not None:
                made.append({"url": name, **kept})
        return {"extension": made} if made else None

    def _any(self, value: Json, at: At) -> Json:
        """An extension of the plan's: a value that can be judged by itself."""
        for key, said in PLAN_VALUES.items():
            if key in value:
                return self._simple(value, (key, self._one(said)), at)
        return None

    def _modifiers(self, value: Json, at: At) -> Json:
        """What changes the meaning of the rest must be understood, or the rest is not read."""
        made = self._extension_list(value, at)
        if value and (made is None or len(made) != len(value)):
            raise HeldBack("an extension that changes the meaning of the rest, and is not known")
        return made


OLD, WHOLE = 90, 10
COMPARATORS = ("<", "<=", ">=", ">", "ad")
YEARS_IN = {"a": 1, "mo": 12, "wk": 52.18, "d": 365.25, "h": 8766, "min": 525960}
PLAN_VALUES = {
    "valueCoding": "Coding", "valueCodeableConcept": "CodeableConcept", "valueBoolean": "keep boolean",
    "valueInteger": "keep integer", "valueDecimal": "keep number", "valueQuantity": "Quantity", "valueDate": "date",
    "valueDateTime": "dateTime", "valuePeriod": "Period", "valueReference": "reference",
}  # fmt: skip


def _walk(
    fields: Mapping[str, Action], needed: tuple[tuple[tuple[str, ...], Mapping[str, Json]], ...], *, whole: bool
) -> Action:
    """Return the function that goes through one object."""

    def act(value: Json, at: At) -> Json:
        if type(value) is not dict:
            at.counts["drop"] += 1
            return None
        made = {}
        for key, inner in value.items():
            action = fields.get(key)
            if action is not None:
                kept = action(inner, at)
                if kept is not None:
                    made[key] = kept
            elif key != "resourceType":
                at.counts["drop"] += 1
        for names, masks in needed:
            if not any(name in made for name in names) and not _masked(made, value, names, masks):
                if whole:
                    raise HeldBack("an element that is needed is missing, or has no value that is known")
                return None
        return made if whole else made or None

    return act


def _masked(
    made: dict[str, Json], value: Mapping[str, Json], names: tuple[str, ...], masks: Mapping[str, Json]
) -> bool:
    """Write that something was here, where a release wants it and we may not say what."""
    name = next((name for name in names if name in value), names[0])
    mask = masks[name]
    if mask is None:
        return False
    made[f"_{name}" if mask is MASKED_TIME else name] = (
        [mask] if type(value.get(name)) is list and mask is MASKED else mask
    )
    return True


MASKED_TIME = {**MASKED}


def _mask(many: str, action: str) -> Json:
    """Say what stands where something needed was lost: a concept or a day can be masked, nothing else."""
    if action == "dateTime":
        return MASKED_TIME
    if action == "CodeableReference":
        return {"concept": MASKED}
    if action.startswith(("Code", "Coding")):
        return [MASKED] if many == "[]" else MASKED
    return None


def _many(kind: str, action: Action) -> Action:
    if not kind:
        return action

    def act(value: Json, at: At) -> Json:
        if type(value) is list:
            return [made for one in value if (made := action(one, at)) is not None] or None
        if kind == "[?]":
            return action(value, at)
        at.counts["drop"] += 1
        return None

    return act


def _either(ways: list[Action], said: str) -> Action:
    """Choose by the shape of the value."""
    shapes = [SHAPES[word.strip().split(" ")[0]] for word in said.split(" | ")]

    def act(value: Json, at: At) -> Json:
        for fits, way in zip(shapes, ways, strict=True):
            if fits(value):
                return way(value, at)
        at.counts["drop"] += 1
        return None

    return act


def _keys(value: Json) -> Json:
    return value if type(value) is dict else ()


SHAPES: dict[str, Callable[[Json], bool]] = {
    "word": lambda value: type(value) is str,
    "CodeableConcept": lambda value: "coding" in _keys(value) or "text" in _keys(value),
    "CodeableReference": lambda value: (
        "concept" in _keys(value) or type(_keys(value) and value.get("reference")) is dict
    ),
    "reference": lambda value: type(_keys(value) and value.get("reference")) is str,
    "Coding": lambda value: "code" in _keys(value),
}


def _kept(fits: Callable[[Json], bool]) -> Action:
    def act(value: Json, at: At) -> Json:
        if fits(value):
            at.counts["keep"] += 1
            return value
        at.counts["drop"] += 1
        return None

    return act


KEEPS: dict[str, Action] = {
    "boolean": _kept(lambda value: type(value) is bool),
    "number": _kept(lambda value: type(value) in (int, float)),
    "integer": _kept(lambda value: type(value) is int and -(2**31) <= value < 2**31),
    "positive": _kept(lambda value: type(value) is int and 0 < value < 2**31),
    "time": _kept(lambda value: type(value) is str and dates.TIME.fullmatch(value) is not None),
    "samples": _kept(
        lambda value: (
            type(value) is str and re.fullmatch(r"(?:(?:-?\d{1,7}(?:\.\d{1,7})?|[EUL])(?: |$))+", value) is not None
        )
    ),
}


def _word(words: frozenset[str]) -> Action:
    return _kept(lambda value: type(value) is str and value in words)


def _owner(_value: Json, at: At) -> Json:
    if at.person is None:
        return None
    at.counts["reference"] += 1
    return {"reference": f"Patient/{at.person.pseudonym}"}


def _named(said: str, at: At, part: Fhir) -> str | None:
    if said.startswith("#"):
        return at.inside.get(said[1:])
    to = target(said, part, at.bundle)
    return None if to is None else at.names.reference(to, at.bundle)


def _uid(value: Json, at: At) -> Json:
    bare = value.removeprefix("urn:oid:") if type(value) is str else ""
    if not re.fullmatch(r"[0-9.]{1,64}", bare):
        at.counts["drop"] += 1
        return None
    at.counts["uid"] += 1
    return at.names.who.naming.uid(bare)


def _identifier(value: Json, at: At) -> Json:
    """Keep only the UID of an image study, under the name that the image has."""
    if type(value) is dict and value.get("system") == "urn:dicom:uid" and (uid := _uid(value.get("value"), at)):
        return {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}
    at.counts["drop"] += 1
    return None


def _text(value: Json, at: At) -> Json:
    if at.speaks and type(value) is str and value:
        at.counts["text"] += 1
        return value
    at.counts["drop"] += 1
    return None


def _year(value: Json, at: At) -> Json:
    found = dates.year(value) if type(value) is str else None
    if found is None:
        at.counts["drop"] += 1
        return None
    at.last = max(at.last, value[:WHOLE])
    at.counts["year"] += 1
    return found


def _no_instant(value: Json, at: At) -> Json:
    """Drop it: an instant cannot be a year."""
    if type(value) is str and dates.year(value):
        at.last = max(at.last, value[:WHOLE])
    at.counts["drop"] += 1


def _codes_of(value: Json, wanted: frozenset[str]) -> frozenset[str]:
    """Return those codes of an observation that are looked for."""
    codings = _keys(value.get("code")) and value["code"].get("coding")
    if type(codings) is not list:
        return frozenset()
    said = {one.get("code") for one in codings if type(one) is dict and type(one.get("code")) is str}
    return wanted & said


def _cap(made: dict[str, Json]) -> None:
    """An age of 90 or more is 90."""
    quantity = made.get("valueQuantity")
    if quantity and quantity.get("value", 0) > dates.OLDEST:
        made["valueQuantity"] = {**quantity, "value": OLD, "comparator": ">="}
    if made.get("valueInteger", 0) > dates.OLDEST:
        made["valueInteger"] = OLD
    for name in ("valueRange", "valueRatio", "valueString"):
        made.pop(name, None)
