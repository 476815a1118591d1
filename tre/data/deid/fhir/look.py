"""What the front door learns of a file of FHIR: its release, its types, whose it is, and what in it is left out."""

from collections import Counter
from typing import BinaryIO

from tre.data.deid.fhir import owner, release, rules, source
from tre.data.deid.fhir.at import HeldBack
from tre.data.deid.fhir.owner import Patient
from tre.data.deid.fhir.part import Fhir
from tre.data.deid.fhir.references import Target
from tre.data.deid.stored import Look
from tre.data.deid.who import Id
from tre.errors import Unreadable

TOLD = 1000
"""Places that are told one by one; the rest are counted."""


def look(file: BinaryIO, part: Fhir) -> Look:
    """Read a file through, with no key; refuse it if there is no resource in it that is taken."""
    seen = _Seen(part)
    for item in source.items(file, part):
        seen.item(item)
    if not seen.types:
        raise Unreadable(f"FHIR: {seen.nothing()}")
    return Look(tuple(seen.ids), sum(seen.types.values()), seen.facts(), seen.held)


class _Seen:
    """What was seen of one file so far."""

    def __init__(self, part: Fhir) -> None:
        self._part, self._rules = part, rules.load()
        self.types: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self._more: Counter[str] = Counter()
        self._r5 = False
        self._release = release.Release(self._rules)
        self.ids: dict[Id, None] = {}
        self.held: dict[str, str] = {}

    def item(self, item: source.Item) -> None:
        of = None if item.fault else owner.taken(item.resource, self._rules)
        if of is None and not item.fault:
            self._left[owner.not_taken(item.resource, self._rules)] += 1
            return
        reason = item.fault
        if of is not None:
            self.types[of.name] += 1
            reason = self._of(item, of)
        if reason:
            self._hold(item.place, reason)

    def _of(self, item: source.Item, of: rules.Resource) -> str:
        if self._release.is_older(item.resource):
            return release.OLDER
        self._r5 = self._r5 or self._release.is_r5(item.resource)
        try:
            found = owner.patients(item, of, self._part)
        except HeldBack as reason:
            return str(reason)
        for one in found:
            self.ids[self._id(one)] = None
        return ""

    def _id(self, one: Patient) -> Id:
        if isinstance(one, Target):
            return Id(self._part.system, self._part.patient, one.id)
        return Id(self._part.system, one.type, one.value)

    def _hold(self, place: str, reason: str) -> None:
        if len(self.held) < TOLD:
            self.held[place] = reason
            return
        self._more[reason] += 1
        self.held["others"] = "; ".join(f"{count} x {what}" for what, count in sorted(self._more.items()))

    def facts(self) -> dict[str, str]:
        said = {"FHIR release": "R5" if self._r5 else "R4"}
        said["resources"] = ", ".join(f"{name} {count}" for name, count in sorted(self.types.items()))
        if self._left:
            said["not taken"] = ", ".join(f"{what} ({count})" for what, count in sorted(self._left.items()))
        return said

    def nothing(self) -> str:
        """Say why there is nothing to take."""
        reasons = [*self._left, *self.held.values()]
        return f"no resource that is taken; {reasons[0] if reasons else 'nothing in it'}"
