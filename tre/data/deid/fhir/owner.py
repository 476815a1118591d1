"""Every record is somebody's, or nobody's by its type; whose, is told by the elements that its type says it in."""

from collections.abc import Iterator, Mapping
from typing import Any

from tre.data.deid.fhir.at import HeldBack
from tre.data.deid.fhir.part import Fhir
from tre.data.deid.fhir.references import Bundle, Known, Names, Target, logical, target
from tre.data.deid.fhir.rules import Resource, Rules
from tre.data.deid.fhir.source import Item, identifiers
from tre.data.deid.pseudonyms import Person
from tre.data.deid.who import LEFT_OUT, Absent

Patient = Target | Known
TWO = "ids of two persons in one record"
NOBODY = "it names no patient"


def taken(resource: Mapping[str, Any], rules: Rules) -> Resource | None:
    """Return what the rules say of this type; None if it is not taken."""
    kind = resource.get("resourceType")
    return rules.resources.get(kind) if isinstance(kind, str) else None


def not_taken(resource: Mapping[str, Any], rules: Rules) -> str:
    """Say why; the type's name only if it is FHIR's."""
    kind = resource.get("resourceType")
    if isinstance(kind, str) and kind in rules.others:
        return f"a type that is not taken: {kind}"
    return "a type that is not FHIR's" if isinstance(kind, str) else "JSON, but no FHIR resource"


def patients(item: Item, of: Resource, part: Fhir) -> tuple[Patient, ...]:
    """Return all the ids that say whose a record is; they must be one person's."""
    found = tuple(_found(item.resource, of, item, part))
    if not found and of.needs_person:
        raise HeldBack(NOBODY)
    return found


def _found(resource: Mapping[str, Any], of: Resource, item: Item, part: Fhir) -> Iterator[Patient]:
    if of.belongs == ("self",):
        if item.id and (item.bundle is None or item.id not in item.bundle.patients):
            yield Target("Patient", item.id)
        yield from identifiers(item.resource, part)
        return
    said = next((resource[name] for name in of.belongs if name in resource), None)
    if said is None and item.bundle is not None:
        said = _through_encounter(resource, item.bundle, part)
    if isinstance(said, dict):
        yield from _pointed(said, item, part)


def _through_encounter(resource: Mapping[str, Any], bundle: Bundle, part: Fhir) -> object:
    """Give a record without a patient to that of the encounter which came with it."""
    encounter = resource.get("encounter")
    said = encounter.get("reference") if isinstance(encounter, dict) else None
    to = target(said, part, bundle) if isinstance(said, str) else None
    return bundle.encounters.get(to.id) if isinstance(to, Target) and to.type == "Encounter" else None


def _pointed(reference: Mapping[str, Any], item: Item, part: Fhir) -> Iterator[Patient]:
    said = reference.get("reference")
    if isinstance(said, str):
        if said.startswith("#"):
            yield from _inside(said[1:], item.resource, part)
        else:
            to = target(said, part, item.bundle)
            if to is None and item.bundle is None and said.startswith("urn:uuid:"):
                to = Target("Patient", said.removeprefix("urn:uuid:"))
            if isinstance(to, Target) and to.type != "Patient":
                raise HeldBack("its subject is not a patient")
            if to is not None:
                yield to
    by = logical(reference, part)
    if by is not None:
        yield by


def _inside(name: str, resource: Mapping[str, Any], part: Fhir) -> Iterator[Known]:
    contained = resource.get("contained")
    for one in contained if isinstance(contained, list) else ():
        if isinstance(one, dict) and one.get("resourceType") == "Patient" and one.get("id") == name:
            yield from identifiers(one, part)


def one(found: tuple[Patient, ...], names: Names, bundle: Bundle | None) -> Person:
    """Return the one person behind all ids, or hold the record back. An identifier that is not known says nothing."""
    people = [names.person(patient, bundle) for patient in found]
    if out := [one for one in people if isinstance(one, Absent) and one in LEFT_OUT]:
        raise HeldBack(out[0])
    known = {person for person in people if isinstance(person, Person)}
    if len(known) > 1:
        raise HeldBack(TWO)
    if not known or (isinstance(found[0], Target) and not isinstance(people[0], Person)):
        raise HeldBack(Absent.UNKNOWN)
    return known.pop()
