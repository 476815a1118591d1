"""One record of the source becomes one of the project, or is held back with the reason."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from tre.data.deid.fhir import codes, dates, owner, release
from tre.data.deid.fhir.at import COUNTED, At, HeldBack
from tre.data.deid.fhir.codes import LANGUAGE
from tre.data.deid.fhir.part import Fhir
from tre.data.deid.fhir.references import Names
from tre.data.deid.fhir.rules import Resource, Rules, load
from tre.data.deid.fhir.source import Item, identifiers
from tre.data.deid.fhir.walk import Walker
from tre.data.deid.pseudonyms import Person
from tre.data.deid.who import Who

MOST = 200_000  # references remembered
_VERSION = re.compile("[0-9]{1,9}")
PSEUDED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "PSEUDED"}
_PSEUDED = {"security": [PSEUDED]}


class Made(NamedTuple):
    """One resource as the project may see it."""

    type: str
    id: str
    resource: dict[str, Any]
    person: Person | None
    born: str
    """Birth date of a Patient as it came; its year is written when the last word on the person is known."""
    last: str
    """The last day in it."""
    rank: tuple[int, int]
    """When it was last changed, and its version: of two with one id the newer stays."""
    names: tuple[str, ...]
    """What names the person in the source, if this is a Patient: to be looked for, never to be written."""


@dataclass
class Taker:
    """Takes the records of one project from one system."""

    part: Fhir
    who: Who
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    rules: Rules = field(default_factory=load)

    def __post_init__(self) -> None:
        """Turn the tables into functions once."""
        self.names = Names(self.rules, self.part, self.who)
        self.walker = Walker(self.rules, self.part, codes.of(self.rules, self.part.code_systems))
        self._profiles = _profiles(self.rules)
        self._release = release.Release(self.rules)
        self._known: dict[str, str | None] = {}
        self._people: dict[str, Person] = {}

    def take(self, item: Item) -> Made:
        """Walk one resource."""
        resource = item.resource
        of = owner.taken(resource, self.rules)
        if of is None:
            raise HeldBack(owner.not_taken(resource, self.rules))
        if self._release.is_older(resource):
            raise HeldBack(release.OLDER)
        person = self._person(item, of)
        known = self._known if item.bundle is None else item.bundle.known
        if len(known) > MOST:
            known.clear()
        at = At(self.names, self.counts, known, person, item.bundle)
        id_ = self._id(item, of, person)
        contained = self._contained(resource, of, id_, at) if "contained" in resource else ()
        made: dict[str, Any] = {"resourceType": of.name, "id": id_, "meta": self._meta(resource)}
        if isinstance(resource.get("language"), str) and LANGUAGE.fullmatch(resource["language"]):
            made["language"] = resource["language"]
        if contained:
            made["contained"] = list(contained)
        made |= self.walker.resources[of.name](resource, at)
        return Made(
            of.name,
            id_,
            made,
            person,
            self._born(resource, of),
            at.last,
            _rank(resource),
            _names(resource) if of.name == "Patient" else (),
        )

    def _person(self, item: Item, of: Resource) -> Person | None:
        """Find whose it is; the same reference in the same file is the same person."""
        said = _plain(item.resource, of)
        people = self._people if item.bundle is None else item.bundle.people
        if said is not None and said in people:
            return people[said]
        found = owner.patients(item, of, self.part)
        person = owner.one(found, self.names, item.bundle) if found else None
        if said is not None and person is not None:
            if len(people) > MOST:
                people.clear()
            people[said] = person
        return person

    def _id(self, item: Item, of: Resource, person: Person | None) -> str:
        if person is not None and of.belongs == ("self",):
            return person.pseudonym
        value = item.id or "\0" + sha256(orjson.dumps(item.resource, option=orjson.OPT_SORT_KEYS)).hexdigest()
        return self.names.fresh(of, value)

    def _meta(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        meta = resource.get("meta")
        said = meta.get("profile") if type(meta) is dict else None
        if type(said) is not list:
            return _PSEUDED
        profiles = [one for one in said if type(one) is str and one in self._profiles]
        return {"profile": profiles, "security": [PSEUDED]} if profiles else _PSEUDED

    def _born(self, resource: Mapping[str, Any], of: Resource) -> str:
        if of.name != "Patient" or "birthDate" not in resource:
            return ""
        # A birth date that moved would give the days away to whoever knows it, and an age in days is unique.
        said = resource["birthDate"]
        known = isinstance(said, str) and dates.year(said) is not None
        self.counts["year" if known else "drop"] += 1
        return said if known else ""

    def _contained(self, resource: Mapping[str, Any], of: Resource, id_: str, at: At) -> tuple[dict[str, Any], ...]:
        """Walk what a resource holds in itself; a Patient in it is only pointed at by its pseudonym."""
        inner = resource["contained"]
        kept: list[tuple[Resource, dict[str, Any], str]] = []
        inside: dict[str, str] = {}
        for one in inner if isinstance(inner, list) else ():
            name = one.get("id") if isinstance(one, dict) else None
            if not isinstance(name, str):
                continue
            rule = owner.taken(one, self.rules)
            if rule is not None and rule.contained:
                code = self.names.code("Medication", f"{of.name}/{id_}#{rule.name}/{name}") or ""
                inside[name] = f"#{code}"
                kept.append((rule, one, code))
            elif rule is not None and rule.name == "Patient" and (to := self._patient_inside(one, at)):
                inside[name] = to
        self.counts["drop"] += len(inner) - len(kept) if isinstance(inner, list) else 1
        at.inside = inside
        return tuple(self._one_contained(rule, one, code, at) for rule, one, code in kept)

    def _patient_inside(self, one: dict[str, Any], at: At) -> str:
        found = identifiers(one, self.part)
        if not found:
            return ""
        person = owner.one(found, self.names, at.bundle)
        return f"Patient/{person.pseudonym}"

    def _one_contained(self, rule: Resource, one: dict[str, Any], code: str, at: At) -> dict[str, Any]:
        """Walk one; it must be of the same person as what holds it."""
        said = next((one[name] for name in rule.belongs if name in one), None)
        if isinstance(said, dict) and not str(said.get("reference", "")).startswith("#"):
            found = owner.patients(Item("", {**one, "contained": []}, at.bundle), rule, self.part)
            if owner.one(found, self.names, at.bundle) != at.person:
                raise HeldBack(owner.TWO)
        bare = {key: value for key, value in one.items() if key not in {"contained", "id"}}
        return {"resourceType": rule.name, "id": code, **self.walker.resources[rule.name](bare, at)}


def _plain(resource: Mapping[str, Any], of: Resource) -> str | None:
    """Return what a record says of its patient if that is one address and nothing else."""
    for name in of.belongs:
        said = resource.get(name)
        if said is not None:
            address = said.get("reference") if type(said) is dict and "identifier" not in said else None
            return address if type(address) is str and address[:1] != "#" else None
    return None


def _profiles(table: Rules) -> frozenset[str]:
    said = table.codes["profiles"]
    return frozenset(base + name for base, names in said.items() for name in str(names).split())


def _rank(resource: Mapping[str, Any]) -> tuple[int, int]:
    """Say when it was last changed, in milliseconds, and its version."""
    meta = resource.get("meta")
    if type(meta) is not dict:
        return 0, 0
    version, changed = meta.get("versionId"), meta.get("lastUpdated")
    number = int(version) if type(version) is str and _VERSION.fullmatch(version) else 0
    if type(changed) is not str:
        return 0, number
    try:
        return max(int(datetime.fromisoformat(changed).timestamp() * 1000), 0), number
    except (ValueError, OverflowError):
        return 0, number


def named(resource: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what names somebody who is left out, and whom others' texts may name all the same."""
    return _names(resource) if resource.get("resourceType") == "Patient" else ()


def _names(patient: Mapping[str, Any]) -> tuple[str, ...]:
    """Gather what names a person: id, identifiers, names, addresses, numbers."""
    found = [patient.get("id")]
    found += [one.get("value") for list_ in ("identifier", "telecom") for one in _dicts(patient.get(list_))]
    for name in _dicts(patient.get("name")):
        given = [one for one in _list(name.get("given")) if type(one) is str]
        found += [" ".join([*given, str(name.get("family", ""))]), name.get("family"), name.get("text")]
    for address in _dicts(patient.get("address")):
        found += [*_list(address.get("line")), address.get("text")]
    return tuple(one for one in found if type(one) is str and one)


def _list(value: object) -> list[Any]:
    return value if type(value) is list else []


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in _list(value) if type(one) is dict]
