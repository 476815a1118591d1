"""What is not a table becomes a project's too: each kind by its own rules, in a process that can do nothing else.

    make(order, folder, ...) -> kind -> Summary

Images, variants, reads and resources are opened from the silo in memory, made anew below the extract's folder, and
nothing of the source lies on a disk in clear. Then the resources are told once more in OMOP's tables.
"""

import importlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.data import confined, index, silo
from tre.data.deid.omop import Omop
from tre.data.deid.pseudonyms import Domain, Naming, PatientId
from tre.data.deid.stored import Kind, Stored, Summary
from tre.data.deid.who import Who
from tre.data.harmonise import make as harmonising
from tre.data.harmonise.vocabulary import Vocabulary
from tre.data.links import Links
from tre.data.making import Order
from tre.records.tables import ClearedRow

# Section of the plan, which is the package of its rules too -> what it makes.
KINDS: Mapping[str, frozenset[Kind]] = {
    "fhir": frozenset({Kind.FHIR}),
    "dicom": frozenset({Kind.DICOM}),
    "variants": frozenset({Kind.VCF, Kind.BCF}),
    "reads": frozenset({Kind.BAM, Kind.CRAM}),
}
SORTED = frozenset({"fhir", "reads"})
"""Put in an order of the project's own by what makes them."""
Regions = tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True)
class Persons:
    """Everybody of the linkage as the project's process needs them."""

    links: Links = field(repr=False)
    naming: Naming = field(repr=False)
    withdrawn: frozenset[PatientId] = field(repr=False)
    """Everybody who stays out, for whatever reason."""
    outside: frozenset[PatientId] = field(default=frozenset(), repr=False)
    """Of these, those whose consent group was not approved."""

    def who(self) -> Who:
        """Give them names."""
        return self.links.who(self.naming, self.withdrawn, self.outside)

    def numbers(self, pseudonyms: Collection[str]) -> dict[str, int]:
        """Return the number of each of these pseudonyms."""
        wanted, found = frozenset(pseudonyms), dict[str, int]()
        for subject in self.links.subjects.to_pylist():
            name = self.naming.pseudonym(subject)
            if name in wanted:
                found[name] = self.naming.number(Domain.PERSON_NUMBER, subject)
        return found


def cleared(session: Session, dataset: str) -> dict[str, Regions]:
    """Return what persons answer for: SHA-256 of a held image -> rectangles to black out."""
    rows = session.scalars(select(ClearedRow).where(ClearedRow.dataset == dataset))
    return {row.sha256: tuple((x, y, w, h) for x, y, w, h in json.loads(row.regions)) for row in rows}


def make(
    order: Order,
    folder: Path,
    persons: Persons | None,
    *,
    cleared: Mapping[str, Regions],
    vocabulary: Vocabulary | None,
    tell: Callable[[int], None],
) -> dict[str, Summary]:
    """Make all kinds that the plan names and the version has; write only below `folder`."""
    made: dict[str, Summary] = {}
    for section, kinds in KINDS.items():
        part = getattr(order.plan, section)
        if part is None or persons is None:
            continue
        found = index.stored(order.settings, order.dataset, order.version, order.manifest, kinds=kinds)
        files = tuple(found if section in SORTED else sorted(found, key=partial(_drawn, persons.naming)))
        if files:
            more = {"cleared": dict(cleared)} if section == "dicom" else {}
            asked = Asked(section, files, folder, part, persons, more)
            lie = (silo.folder_of(order.settings, order.dataset) / str(order.version),)
            made[section] = confined.run(make_one, asked, folder=folder, allow=(Summary,), reads=lie, tell=tell)
    if order.plan.omop is not None and persons is not None and "fhir" in made:
        numbers = persons.numbers(made["fhir"].persons)
        words = (vocabulary.folder,) if vocabulary else ()
        asked_omop = (folder, order.plan.omop, numbers, persons.naming, vocabulary, order.smallest)
        made["omop"] = confined.run(make_omop, asked_omop, folder=folder, allow=(Summary,), reads=words, tell=tell)
    return made


def _drawn(naming: Naming, stored: Stored) -> tuple[bytes, int]:
    """Sort by the project's key: the order in which files are made stays in their folder's and their inodes'."""
    return naming.order(stored.sha256), stored.number


@dataclass(frozen=True)
class Asked:
    """One kind that is to be made, as it goes to the other process."""

    section: str
    files: tuple[Stored, ...]
    folder: Path
    part: object
    persons: Persons
    more: Mapping[str, object]


def make_one(asked: Asked, *, tell: Callable[[int], None]) -> Summary:
    """Make one kind; this runs in the process that may write below the folder alone."""
    kind = importlib.import_module(f"tre.data.deid.{asked.section}.make")
    who = asked.persons.who()
    done: Summary = kind.make(asked.files, asked.folder, part=asked.part, who=who, tell=tell, **asked.more)
    return done


def make_omop(
    asked: tuple[Path, Omop, dict[str, int], Naming, Vocabulary | None, int], *, tell: Callable[[int], None]
) -> Summary:
    """Tell the resources in OMOP's tables, in such a process too."""
    folder, part, numbers, naming, vocabulary, smallest = asked
    return harmonising.make(
        folder, part=part, numbers=numbers, naming=naming, vocabulary=vocabulary, smallest=smallest, tell=tell
    )
