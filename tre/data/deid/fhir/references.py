"""One resource may be pointed at in many ways; all of them must come to one name, or to none.

Patient/1   https://ehr/fhir/Patient/1/_history/2   urn:uuid:..   urn:oid:..   #inside   Patient?identifier=system|1
{"identifier": {"system": .., "value": "1"}}
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from tre.data.deid.fhir.part import Fhir
from tre.data.deid.fhir.rules import Resource, Rules
from tre.data.deid.pseudonyms import Domain, Person
from tre.data.deid.who import Absent, Who

ADDRESS = re.compile(
    r"(?:(?P<base>https?://[^?#|\s]+?)/)?(?P<type>[A-Z][A-Za-z]{2,39})/(?P<id>[^/?#|\s]{1,128})(?:/_history/[^/?#|\s]{1,64})?(?:[#|].*)?",
    re.DOTALL,
)
CONDITIONAL = re.compile(
    r"(?:(?P<base>https?://[^?#|\s]+?)/)?Patient\?identifier=(?P<system>[^|&]+)\|(?P<value>[^&|]+)"
)
_MOST = 200_000  # names remembered


class Target(NamedTuple):
    """A resource by type and id."""

    type: str
    id: str


class Known(NamedTuple):
    """A patient by an identifier: id type and value."""

    type: str
    value: str


@dataclass
class Bundle:
    """Resources that came together: what their addresses there stand for."""

    urls: dict[str, Target | None] = field(default_factory=dict)
    """Address -> the resource that stands under it; None if two do."""
    encounters: dict[str, object] = field(default_factory=dict)
    """Id of an encounter -> its subject."""
    patients: dict[str, tuple[Known, ...]] = field(default_factory=dict)
    """Made-up id of a Patient that came without one -> its identifiers."""
    known: dict[str, str | None] = field(default_factory=dict)
    """References met in it -> what stands for each."""
    people: dict[str, Person] = field(default_factory=dict)
    """References to its patients -> who that is."""

    def stands(self, url: str, one: Target) -> None:
        """Learn an address; one that says another type or id than the resource itself is not believed."""
        said = ADDRESS.fullmatch(url)
        if said is None or (said["type"], said["id"]) == one:
            self.urls[url] = one if self.urls.get(url, one) == one else None


def target(text: str, part: Fhir, bundle: Bundle | None) -> Target | Known | None:
    """Say what a reference points at; None if nothing of this system can be told from it."""
    if bundle is not None:
        for said in (text, text.partition("/_history/")[0]):
            if said in bundle.urls:
                return bundle.urls[said]
    found = ADDRESS.fullmatch(text)
    if found is not None:
        return Target(found["type"], found["id"]) if _ours(found["base"], part) else None
    asked = CONDITIONAL.fullmatch(text)
    if asked is not None and _ours(asked["base"], part):
        return known(unquote(asked["system"]), unquote(asked["value"]), part)
    return None


def known(system: object, value: object, part: Fhir) -> Known | None:
    """Return the identifier if its system is one that the plan names."""
    kind = dict(part.identifiers).get(system) if isinstance(system, str) else None
    return Known(kind, value) if kind is not None and isinstance(value, str) else None


def _ours(base: str | None, part: Fhir) -> bool:
    return base is None or not part.bases or base.rstrip("/") in {one.rstrip("/") for one in part.bases}


@dataclass
class Names:
    """The names that one project gives to the resources of one system."""

    rules: Rules
    part: Fhir
    who: Who
    _met: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def person(self, patient: Target | Known, bundle: Bundle | None = None) -> Person | Absent:
        """Return the person behind a Patient's id or identifier."""
        if isinstance(patient, Known):
            return self.who.person(self.part.system, patient.type, patient.value)
        if bundle is not None and patient.id in bundle.patients:
            return self._one(bundle.patients[patient.id])
        return self.who.person(self.part.system, self.part.patient, patient.id)

    def _one(self, identifiers: tuple[Known, ...]) -> Person | Absent:
        found = {self.who.person(self.part.system, one.type, one.value) for one in identifiers}
        return found.pop() if len(found) == 1 else Absent.UNKNOWN

    def id(self, type_: str, value: str) -> str | None:
        """Return the id that stands for a resource's; None for a type that is not taken."""
        if type_ == "Patient":
            person = self.person(Target(type_, value))
            return person.pseudonym if isinstance(person, Person) else None
        return self.code(type_, value)

    def code(self, type_: str, value: str) -> str | None:
        """Return the id that stands for one of anything but a person's."""
        try:
            return self._met[type_, value]
        except KeyError:
            resource = self.rules.resources.get(type_)
            if resource is None:
                return None
            if len(self._met) >= _MOST:
                self._met.clear()
            code = self._met[type_, value] = self.fresh(resource, value)
            return code

    def fresh(self, resource: Resource, value: str) -> str:
        """Return the id that stands for one, without remembering it."""
        named = f"{resource.name}/{value}" if resource.domain is Domain.RECORD else value
        return self.who.naming.code(resource.domain, named, system=self.part.system)

    def reference(self, to: Target | Known, bundle: Bundle | None) -> str | None:
        """Return the reference that stands for one."""
        if isinstance(to, Known) or to.type == "Patient":
            person = self.person(to, bundle)
            return f"Patient/{person.pseudonym}" if isinstance(person, Person) else None
        code = self.code(to.type, to.id)
        return code and f"{to.type}/{code}"


def logical(reference: Mapping[str, object], part: Fhir) -> Known | None:
    """Return the identifier that a reference names its patient by."""
    identifier = reference.get("identifier")
    if not isinstance(identifier, dict) or reference.get("type", "Patient") != "Patient":
        return None
    return known(identifier.get("system"), identifier.get("value"), part)
