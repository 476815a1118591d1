"""Which diseases there are and which is a kind of which: what the house loaded, before that the part that is shipped.

A loading is kept as a file of the house under its SHA-256, and the newest of its name holds. A file that is not what
was loaded is never asked.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tre.errors import NotFound, Tampered, Unreadable
from tre.governance.ontology_file import Term, read, whole
from tre.records import audit, files
from tre.records.db import SETTINGS, Records
from tre.records.tables import OntologyRow
from tre.settings import Settings

NAMES: Mapping[str, str] = {"mondo": "MONDO", "doid": "DOID"}
"""Name of an ontology -> how its ids begin."""
SHIPPED = Path(__file__).with_name("diseases.tsv")
MOST = 20


@dataclass(frozen=True)
class Diseases:
    """An ontology, or several beside each other."""

    terms: Mapping[str, Term]
    _above: dict[str, frozenset[str]] = field(default_factory=dict, repr=False, compare=False)

    def ancestors(self, code: str) -> frozenset[str]:
        """Return every broader disease, all the way up, without the disease itself."""
        met = self._above.get(code)
        if met is None:
            found: set[str] = set()
            left = list(self.terms[code].parents) if code in self.terms else []
            while left:
                one = left.pop()
                if one not in found:
                    found.add(one)
                    left += self.terms[one].parents
            met = self._above[code] = frozenset(found)
        return met

    def label(self, code: str) -> str:
        """Return a disease's name; its id if nobody knows it."""
        found = self.terms.get(code)
        return found.label or code if found else code

    def known(self, code: str) -> bool:
        """Whether the disease is there, and not obsolete."""
        found = self.terms.get(code)
        return found is not None and not found.obsolete

    def search(self, words: str, most: int = MOST) -> tuple[tuple[str, str], ...]:
        """Return id and name of the diseases in whose name or id all words stand, the closest first."""
        wanted = words.casefold().split()
        if not wanted:
            return ()
        whole_name = " ".join(wanted)
        found = [
            (label != whole_name, not label.startswith(whole_name), len(label), term.id, term.label)
            for term in self.terms.values()
            if not term.obsolete
            and all(word in (label := term.label.casefold()) or word == term.id.casefold() for word in wanted)
        ]
        return tuple((code, label) for *_, code, label in sorted(found)[:most])


def load(records: Records, settings: Settings, name: str, path: Path, *, actor: str, now: datetime) -> OntologyRow:
    """Take an ontology in; it holds from now on. Whatever is wrong with the file, the one before stays in force."""
    prefix = _prefix(name)
    found = read(path, prefix)
    text = _written(found.terms.values())
    digest = sha256(text).hexdigest()
    with records.act(actor, "ontology.load", f"ontology/{name}") as session:
        number = (session.scalar(select(func.max(OntologyRow.number)).where(OntologyRow.name == name)) or 0) + 1
        audit.append(session, "ontology.load", actor=actor, subject=f"ontology/{name}", at=now, number=number,
                     version=found.version[:100], sha256=digest, terms=len(found.terms))  # fmt: skip
        place = _place(settings, name, number)
        files.folder(place.parent, 0o700)
        files.replace(place, text, mode=files.READ_ONLY)
        row = OntologyRow(name=name, number=number, version=found.version[:100], loaded_at=now, terms=len(found.terms),
                          manifest=json.dumps({"file": place.name, "sha256": digest}))  # fmt: skip
        session.add(row)
    return row


def newest(session: Session) -> dict[str, OntologyRow]:
    """Return the loading of each ontology that holds; none of one of which only the shipped part is there."""
    rows = session.scalars(select(OntologyRow).order_by(OntologyRow.number))
    return {row.name: row for row in rows}


def current(session: Session, settings: Settings) -> Diseases:
    """Return the diseases that this house knows now."""
    rows = newest(session)
    return _together(tuple(_loading(settings, rows[name]) if name in rows else ("", name, "", ()) for name in NAMES))


def here(session: Session) -> Diseases:
    """Return the same, of the house whose records these are."""
    settings: Settings | None = session.info.get(SETTINGS)
    return current(session, settings) if settings else _together(tuple(("", name, "", ()) for name in NAMES))


def whether_known(session: Session) -> Callable[[str], bool]:
    """Return what says whether a disease may be named: any of an ontology of which only a part is shipped."""
    diseases, whole_ones = here(session), {NAMES[name] for name in newest(session)}
    return lambda code: diseases.known(code) or code.partition(":")[0] not in whole_ones


def get(diseases: Diseases, code: str) -> Term:
    """Return a disease, or say that nobody here knows it."""
    found = diseases.terms.get(code.replace("_", ":").upper())
    if found is None:
        raise NotFound(f"no disease {code[:30]!r} here: `tre ontology search WORDS`, or load the whole ontology")
    return found


def _loading(settings: Settings, row: OntologyRow) -> tuple[str, str, str, tuple[int, ...]]:
    """Return path, name, SHA-256, and what changes when the file does: it is hashed again only then."""
    place = _place(settings, row.name, row.number)
    try:
        told = place.stat()
    except OSError:
        raise Tampered(f"ontology {row.name} {row.number} is gone: load it again") from None
    change = (told.st_mtime_ns, told.st_ctime_ns, told.st_size, told.st_ino)
    return str(place), row.name, json.loads(row.manifest)["sha256"], change


@lru_cache(maxsize=4)
def _together(parts: tuple[tuple[str, str, str, tuple[int, ...]], ...]) -> Diseases:
    terms: dict[str, Term] = {}
    for path, name, digest, _ in parts:
        terms |= _read(Path(path), name, digest) if path else _shipped(name)
    return Diseases(terms)


def _shipped(name: str) -> dict[str, Term]:
    found = whole(_parsed(SHIPPED.read_text("utf-8")), SHIPPED.name)
    return {code: term for code, term in found.items() if code.startswith(f"{_prefix(name)}:")}


def _read(path: Path, name: str, digest: str) -> dict[str, Term]:
    """Read a file of the house, if it is the one that was loaded."""
    text = path.read_bytes()
    if sha256(text).hexdigest() != digest:
        raise Tampered(f"ontology {name}: {path.name} is not what was loaded; load it again")
    return {term.id: term for term in _parsed(text.decode())}


def _parsed(text: str) -> Iterator[Term]:
    for line in text.splitlines():
        if not line.startswith("#"):
            code, label, parents, obsolete = line.split("\t")
            yield Term(code, label, tuple(parents.split()), bool(obsolete))


def _written(terms: Iterable[Term]) -> bytes:
    rows = (f"{t.id}\t{' '.join(t.label.split())}\t{' '.join(t.parents)}\t{'obsolete' if t.obsolete else ''}\n"
            for t in sorted(terms))  # fmt: skip
    return "".join(rows).encode()


def _prefix(name: str) -> str:
    if name not in NAMES:
        raise Unreadable(f"no ontology {name[:20]!r}: {' or '.join(NAMES)}")
    return NAMES[name]


def _place(settings: Settings, name: str, number: int) -> Path:
    return settings.home / "ontology" / f"{name}-{number}.tsv"
