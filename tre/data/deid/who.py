"""Whose a record is: an id of a source system is looked up in the linkage, and the person is named for one project.

An id that the linkage does not know names nobody: it is never hashed blindly. Whoever withdrew is nobody either,
nor is a person of a consent group that was not approved.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tre.data.deid.dates import shift
from tre.data.deid.pseudonyms import Domain, Naming, PatientId, Person


class Absent(StrEnum):
    """Why there is nobody behind an id."""

    UNKNOWN = "an id that is not in the linkage"
    WITHDRAWN = "a person who withdrew"
    OUTSIDE = "a person whose consent does not cover this project"


LEFT_OUT = frozenset({Absent.WITHDRAWN, Absent.OUTSIDE})
"""Who is known, and stays out."""


@dataclass(frozen=True)
class Id:
    """One id as a source wrote it."""

    system: str
    type: str
    value: str


@dataclass(frozen=True)
class Who:
    """The persons of one project. `links` is (system, id type) -> id value -> subject, merges already followed."""

    naming: Naming
    links: Mapping[tuple[str, str], Mapping[str, PatientId]]
    withdrawn: frozenset[PatientId] = frozenset()
    outside: frozenset[PatientId] = frozenset()
    """Of no consent group that was approved for the project."""
    _met: dict[PatientId, Person] = field(default_factory=dict, repr=False, compare=False)

    def person(self, system: str, kind: str, value: str) -> Person | Absent:
        """Return the person behind an id, or why there is none."""
        subject = self.links.get((system, kind), {}).get(value.strip())
        if subject is None:
            return Absent.UNKNOWN
        if subject in self.outside:
            return Absent.OUTSIDE
        return Absent.WITHDRAWN if subject in self.withdrawn else self.known(subject)

    def known(self, subject: PatientId) -> Person:
        """Name a subject."""
        met = self._met.get(subject)
        if met is None:
            met = self._met[subject] = Person(
                subject=subject,
                pseudonym=self.naming.pseudonym(subject),
                number=self.naming.number(Domain.PERSON_NUMBER, subject),
                days=shift(subject, self.naming.keys.date),
            )
        return met
