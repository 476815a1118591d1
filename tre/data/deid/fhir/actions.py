"""What may be done to one value, whatever the plan: it is kept if it is what it should be, named anew, or dropped."""

import re
from collections.abc import Callable
from typing import Any

from tre.data.deid.fhir import dates
from tre.data.deid.fhir.at import Action, At, Json, dropped
from tre.data.deid.fhir.part import Dates, Fhir
from tre.data.deid.fhir.references import logical, target

WHOLE = 10  # characters of a whole day
_SMALL = 2**31
_SAMPLES = re.compile(r"(?:(?:-?\d{1,7}(?:\.\d{1,7})?|[EUL])(?: |$))+", re.ASCII)
_UID = re.compile(r"[0-9.]{1,64}")
_ZIP = re.compile(r"\d{5}(-?\d{4})?", re.ASCII)
_COUNTRY = re.compile("[A-Z]{2,3}")


def kept(fits: Callable[[Json], bool]) -> Action:
    """Keep what fits."""

    def act(value: Json, at: At) -> Json:
        if fits(value):
            at.counts["keep"] += 1
            return value
        return dropped(at)

    return act


KEEPS: dict[str, Action] = {
    "boolean": kept(lambda value: type(value) is bool),
    "number": kept(lambda value: type(value) in {int, float}),
    "integer": kept(lambda value: type(value) is int and -_SMALL <= value < _SMALL),
    "positive": kept(lambda value: type(value) is int and 0 < value < _SMALL),
    "time": kept(lambda value: type(value) is str and dates.TIME.fullmatch(value) is not None),
    "samples": kept(lambda value: type(value) is str and _SAMPLES.fullmatch(value) is not None),
}


def word(words: frozenset[str]) -> Action:
    """Keep one of these words."""

    def act(value: Json, at: At) -> Json:
        if type(value) is str and value in words:
            at.counts["keep"] += 1
            return value
        return dropped(at)

    return act


def owner(_value: Json, at: At) -> Json:
    """Point at the person whose record it is, however the source said it."""
    if at.person is None:
        return None
    at.counts["reference"] += 1
    return {"reference": f"Patient/{at.person.pseudonym}"}


def text(value: Json, at: At) -> Json:
    """Keep a text if the observation's code is one of the plan's."""
    if at.speaks and type(value) is str and value:
        at.counts["text"] += 1
        return value
    return dropped(at)


def uid(value: Json, at: At) -> Json:
    """Name a DICOM UID as the image itself is named."""
    bare = value.removeprefix("urn:oid:") if type(value) is str else ""
    if not _UID.fullmatch(bare):
        return dropped(at)
    at.counts["uid"] += 1
    return at.names.who.naming.uid(bare)


def identifier(value: Json, at: At) -> Json:
    """Keep only the UID of an image study."""
    if type(value) is dict and value.get("system") == "urn:dicom:uid" and (named := uid(value.get("value"), at)):
        return {"system": "urn:dicom:uid", "value": f"urn:oid:{named}"}
    return dropped(at)


def reference(types: frozenset[str], part: Fhir) -> Action:
    """Point at the same thing by its name in the project; only at the types that may stand here."""

    def act(value: Json, at: At) -> Json:
        if type(value) is dict:
            said = value.get("reference")
            name = None
            if type(said) is str:
                name = at.known[said] if said in at.known else _named(said, at, part)
            if name is None and "identifier" in value and (by := logical(value, part)) is not None:
                name = at.names.reference(by, at.bundle)
            if name is not None and (not types or name[0] == "#" or name[: name.find("/")] in types):
                at.counts["reference"] += 1
                return {"reference": name}
        return dropped(at)

    return act


def _named(said: str, at: At, part: Fhir) -> str | None:
    if said[:1] == "#":
        return at.inside.get(said[1:]) if at.inside else None
    to = target(said, part, at.bundle)
    name = at.known[said] = None if to is None else at.names.reference(to, at.bundle)
    return name


def day(how: Dates, *, whole: bool = False, instant: bool = False) -> Action:
    """Move a date, or leave its year."""
    if how is Dates.YEAR:
        return _no_instant if instant else _year

    def act(value: Json, at: At) -> Json:
        if type(value) is str and at.person is not None and (not whole or len(value) == WHOLE):
            moved = dates.shifted(value, at.person.days)
            if moved is not None and (not instant or len(moved) > WHOLE):
                if moved > at.last:
                    at.last = moved[:WHOLE]
                at.counts["shift"] += 1
                return moved
        return dropped(at)

    return act


def _year(value: Json, at: At) -> Json:
    found = dates.year(value) if type(value) is str else None
    if found is None:
        return dropped(at)
    at.last = max(at.last, value[:WHOLE])
    at.counts["year"] += 1
    return found


def _no_instant(value: Json, at: At) -> Json:
    """Drop it: an instant cannot be a year."""
    if type(value) is str and dates.year(value):
        at.last = max(at.last, value[:WHOLE])
    return dropped(at)


def address(places: Any) -> Action:  # noqa: ANN401 -- our own table
    """Keep the country, the state, and three digits of a post code of the United States."""
    states, countries = frozenset(places["states"]), frozenset(places["countries"])
    united, closed = frozenset(places["united_states"]), frozenset(places["zip3_closed"].split())

    def act(value: Json, at: At) -> Json:
        said = (
            {name: value[name] for name in ("state", "postalCode", "country") if type(value.get(name)) is str}
            if (type(value) is dict)
            else {}
        )
        made, code, country = {}, said.get("postalCode", ""), said.get("country", "")
        if said.get("state") in states:
            made["state"] = said["state"]
        if country in united and _ZIP.fullmatch(code):
            made["postalCode"] = "000" if code[:3] in closed else code[:3]
            at.counts["zip3"] += 1
        if _COUNTRY.fullmatch(country) or country in countries:
            made["country"] = country
        return made or dropped(at)

    return act


def many(kind: str, action: Action) -> Action:
    """Do it to each of a list."""
    if not kind:
        return action

    def act(value: Json, at: At) -> Json:
        if type(value) is list:
            return [made for one in value if (made := action(one, at)) is not None] or None
        return action(value, at) if kind == "[?]" else dropped(at)

    return act


def either(ways: list[Action], said: str) -> Action:
    """Choose by the shape of the value."""
    shapes = [SHAPES[one.strip().split(" ")[0]] for one in said.split(" | ")]

    def act(value: Json, at: At) -> Json:
        for fits, way in zip(shapes, ways, strict=True):
            if fits(value):
                return way(value, at)
        return dropped(at)

    return act


def _has(value: Json, *names: str) -> bool:
    return type(value) is dict and any(name in value for name in names)


SHAPES: dict[str, Callable[[Json], bool]] = {
    "word": lambda value: type(value) is str,
    "CodeableConcept": lambda value: _has(value, "coding", "text"),
    "CodeableReference": lambda value: (
        _has(value, "concept") or type(_has(value, "reference") and value["reference"]) is dict
    ),
    "reference": lambda value: (
        _has(value, "identifier") or type(_has(value, "reference") and value["reference"]) is str
    ),
    "Coding": lambda value: _has(value, "code"),
}
