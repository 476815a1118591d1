"""One record of the source becomes one of the project, or is held back with the reason."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson

from tre.data.deid.fhir import codes, owner, release
from tre.data.deid.fhir.codes import LANGUAGE
from tre.data.deid.fhir.part import Fhir
from tre.data.deid.fhir.references import Names
from tre.data.deid.fhir.rules import Resource, Rules, load
from tre.data.deid.fhir.source import Item, identifiers
from tre.data.deid.fhir.walk import At, HeldBack, Walker
from tre.data.deid.pseudonyms import Person
from tre.data.deid.who import Who

PSEUDED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "PSEUDED"}


@dataclass(frozen=True)
class Made:
    """One resource as the project may see it."""

    type: str
    id: str
    resource: dict[str, Any]
    person: Person | None
    born: str
    """Birth date of a Patient, moved; it is written when the last word on the person is known."""
    last: str
    """The last day in it."""
    rank: tuple[int, int]
    """When it was last changed, and its version: of two with one id the newer stays."""


@dataclass
class Taker:
    """Takes the records of one project from one system."""

    part: Fhir
    who: Who
    counts: Counter[str]
    rules: Rules = field(default_factory=load)

    def __post_init__(self) -> None:
        """Turn the tables into functions once."""
        self.names = Names(self.rules, self.part, self.who)
        self.walker = Walker(self.rules, self.part, codes.of(self.rules, self.part.code_systems))
        self.profiles = _profiles(self.rules)

    def take(self, item: Item) -> Made:
        """Walk one resource."""
        resource = item.resource
        of = owner.taken(resource, self.rules)
        if of is None:
            raise HeldBack(owner.not_taken(resource, self.rules))
        if release.is_older(resource, self.rules):
            raise HeldBack(release.OLDER)
        found = owner.patients(item, of, self.part)
        person = owner.one(found, self.names, item.bundle) if found else None
        at = At(self.names, self.counts, person, item.bundle)
        id_ = self._id(item, of, person)
        contained = self._contained(resource, of, id_, at) if "contained" in resource else ()
        made: dict[str, Any] = {"resourceType": of.name, "id": id_, "meta": self._meta(resource)}
        if isinstance(resource.get("language"), str) and LANGUAGE.fullmatch(resource["language"]):
            made["language"] = resource["language"]
        if contained:
            made["contained"] = list(contained)
        made |= self.walker.resources[of.name](resource, at)
        return Made(of.name, id_, made, person, self._born(resource, of, at), at.last, _rank(resource))

    def _id(self, item: Item, of: Resource, person: Person | None) -> str:
        if person is not None and of.belongs == ("self",):
            return person.pseudonym
        value = item.id or "\0" + sha256(orjson.dumps(item.resource, option=orjson.OPT_SORT_KEYS)).hexdigest()
        return self.names.code(of.name, value) or ""

    def _meta(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        meta = resource.get("meta")
        said = meta.get("profile") if isinstance(meta, dict) else None
        profiles = (
            [one for one in said if isinstance(one, str) and one in self.profiles] if isinstance(said, list) else []
        )
        return {"profile": profiles, "security": [PSEUDED]} if profiles else {"security": [PSEUDED]}

    def _born(self, resource: Mapping[str, Any], of: Resource, at: At) -> str:
        if of.name != "Patient" or "birthDate" not in resource:
            return ""
        seen = At(at.names, self.counts, at.person)
        return self.walker.day(resource["birthDate"], seen) or ""

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


def _profiles(table: Rules) -> frozenset[str]:
    said = table.codes["profiles"]
    return frozenset(base + name for base, names in said.items() for name in str(names).split())


def _rank(resource: Mapping[str, Any]) -> tuple[int, int]:
    meta = resource.get("meta")
    if not isinstance(meta, dict):
        return 0, 0
    version = meta.get("versionId")
    number = (
        int(version) if isinstance(version, str) and version.isascii() and version.isdigit() and len(version) < 9 else 0
    )
    try:
        changed = datetime.fromisoformat(meta["lastUpdated"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0, number
    return max(int(changed * 1000), 0), number
