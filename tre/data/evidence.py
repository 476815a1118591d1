"""What the airlock may know of a project's data: whether a file names a person, and how many persons a count counts.

    evidence = of(session, settings, "sunrise")
    evidence.leaks(data)     pseudonyms of any project, and this project's source identifiers, wherever they hide
    evidence.persons(dims)   distinct persons behind each row of a table

The silo is not opened for it: identifiers are known by their keyed hashes alone.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.data import counting, differences, identifiers, measures, regressed, singled, sketches
from tre.data.deid import pseudonyms
from tre.data.layers import Budget, Layer, layers
from tre.records.tables import ExtractRow, ProjectRow
from tre.settings import Settings

Found = TypeVar("Found")

LEAKS_SHOWN = 100  # of one kind; more of the same tell no more
CANDIDATES = 2_000_000  # bare strings whose check is tried

_LENGTH = pseudonyms.PAYLOAD + pseudonyms.CHECK
_SHAPED = re.compile(rb"tre1[-_]([A-Z2-7]{8,})", re.IGNORECASE)
_BARE_RUN = re.compile(rb"[A-Za-z2-7]{26,}")
_JOINED = re.compile(rb"tre1(?=([A-Z2-7]{%d}))" % _LENGTH, re.IGNORECASE)
_NOT_ALNUM = re.compile(rb"[^A-Za-z0-9]+")


@dataclass(frozen=True)
class Leak:
    """A place in a file that names a person. `detail` says whose, never what."""

    kind: str
    """pseudonym: check digits of a project; pseudonym-shape: looks like one; identifier: of the source; unread."""
    where: str
    detail: str


@dataclass(frozen=True)
class Mounted:
    """One extract of the project."""

    dataset: str
    version: int
    number: int
    folder: Path
    person: Mapping[str, str]
    """Table -> its column of pseudonyms."""


@dataclass(frozen=True)
class Evidence:
    """What is known of one project's data, gathered once for one look at one request."""

    project: str
    datasets: tuple[Mounted, ...]
    """Of each dataset the newest extract that passed its checks."""
    _keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    """Project and pseudonym key, of every project and each of its epochs: a leak may be another's, or an old one."""
    _indexes: tuple[tuple[Path, bytes], ...] = field(repr=False)
    """Index of an extract, and the key under which it was made."""
    _made: dict[object, measures.Measured | measures.Why] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def _identifiers(self) -> tuple[tuple[identifiers.Index, bytes], ...]:
        return tuple((identifiers.read(path), key) for path, key in self._indexes)

    def leaks(self, data: bytes) -> tuple[Leak, ...]:
        """Point at every place of a file that names a person."""
        budget, found = Budget(), dict[Leak, None]()
        for layer in layers(data, budget):
            found.update(dict.fromkeys(self._named(layer)))
        if budget.spent:
            found[Leak("unread", "the file", "unpacks to more than can be searched")] = None
        return tuple(found)

    def persons(self, dims: pa.Table) -> tuple[int, ...] | None:
        """Count the distinct persons behind each row of `dims`; None when no one extract table has its columns."""
        return counting.persons([(each.folder, each.person) for each in self.datasets], dims)

    def singled(
        self, heads: Sequence[str], rows: Sequence[Sequence[str]], *, smallest: int
    ) -> tuple[singled.Singled, ...]:
        """Say where the rows of a table are single persons of the mounted data."""
        return singled.singled([(each.folder, each.person) for each in self.datasets], heads, rows, smallest=smallest)

    def measured(
        self, made: measures.Made, heads: tuple[str, ...], rows: tuple[tuple[str, ...], ...]
    ) -> measures.Measured | measures.Why:
        """Make the numbers of a table again as its manifest says, once for all who ask; or say why not."""
        asked = (made, heads, rows)
        if asked not in self._made:
            self._made[asked] = measures.measured(self.datasets, made, heads, rows)
        return self._made[asked]

    def regressed(self, more: Mapping[str, object]) -> regressed.Regressed | measures.Why:
        """Look at what a regression rests on, as its author describes it; or say why not."""
        return regressed.told(self.datasets, more)

    def everybody(self, more: Mapping[str, object]) -> int | measures.Why:
        """Count the persons of the dataset and table that an author names; or say why not."""
        return regressed.everybody(self.datasets, more)

    def apart(self, manifests: Sequence[differences.Made]) -> differences.Apart:
        """Sort the people of the project's extracts by the tables they are counted in."""
        return differences.together(self.datasets, manifests)

    def cohort(self, made: differences.Made) -> bytes:
        """Write down who a table counts, to be compared when the data is gone; nothing where that cannot be asked."""
        who = differences.people(self.datasets, made)
        return b"" if who is None else sketches.write(who, self._cohort_key(made, who))

    @staticmethod
    def differ(one: bytes, other: bytes) -> tuple[int, bool] | None:
        """Return by how many people two such cohorts differ and whether exactly (else by at least as many)."""
        held = sketches.read(one), sketches.read(other)
        found = sketches.differs(held[0], held[1]) if held[0] is not None and held[1] is not None else None
        return (found.here + found.there, found.exact) if found is not None else None

    def _cohort_key(self, made: differences.Made, who: Sequence[str]) -> bytes:
        """Return the key whose names these are; of names that bear no check one of this extract alone."""
        own = [key for project, key in self._keys if project == self.project]
        bears = (key for key in own if who and pseudonyms.verify(who[0], key))
        numbers = {each.dataset: each.number for each in self.datasets}
        alone = b"".join(own[:1]) + f"{made.dataset}|{numbers.get(made.dataset)}".encode()
        return next(bears, sha256(alone).digest())

    def _named(self, layer: Layer) -> Iterator[Leak]:
        yield from self._pseudonyms(layer)
        yield from self._bare(layer)
        yield from self._joined(layer)
        yield from self._sources(layer)

    def _pseudonyms(self, layer: Layer) -> Iterator[Leak]:
        for found in _at_most(_SHAPED.finditer(layer.data)):
            project = pseudonyms.project_of(found[1][:_LENGTH].decode("ascii"), self._keys)
            where = _where(layer, found.start())
            if project:
                yield Leak("pseudonym", where, f"a pseudonym of project {project}")
            else:
                yield Leak("pseudonym-shape", where, "the shape of a pseudonym, whole or in part")

    def _bare(self, layer: Layer) -> Iterator[Leak]:
        """Pseudonyms without their prefix, glued to anything; known by their check digits alone."""
        tried = 0
        for run in _BARE_RUN.finditer(layer.data):
            text = run.group().decode("ascii")
            before = layer.data[max(0, run.start() - 5) : run.start()].lower()
            if before in {b"tre1-", b"tre1_"} and len(text) == _LENGTH:
                continue  # already told with its prefix
            if text.isalpha():
                continue
            for start in range(len(text) - _LENGTH + 1):
                window = text[start : start + _LENGTH]
                if window.isalpha():
                    continue  # DNA and long words; one real pseudonym in two hundred has no digit
                tried += 1
                if project := pseudonyms.project_of(window, self._keys):
                    yield Leak("pseudonym", _where(layer, run.start() + start), f"a pseudonym of project {project}")
            if tried > CANDIDATES:
                yield Leak("unread", _where(layer, run.start()), "more strings than can be tried")
                return

    def _joined(self, layer: Layer) -> Iterator[Leak]:
        """Pseudonyms with something between their characters, or backwards."""
        letters = _NOT_ALNUM.sub(b"", layer.data)
        for way, text in (("with separators", letters), ("backwards", letters[::-1])):
            for found in _at_most(_JOINED.finditer(text)):
                if project := pseudonyms.project_of(found[1].decode("ascii"), self._keys):
                    yield Leak("pseudonym", _told(layer, f"perhaps {way}"), f"a pseudonym of project {project}")

    def _sources(self, layer: Layer) -> Iterator[Leak]:
        text = _text(layer)
        for index, key in self._identifiers if text else ():
            for at in _at_most(identifiers.find(text, index, key)):
                where = _told(layer, f"line {text.count(chr(10), 0, at) + 1}")
                yield Leak("identifier", where, f"an identifier of a person in the source of project {self.project}")


def of(session: Session, settings: Settings, project: str) -> Evidence:
    """Gather what is needed to look at a project's files."""
    rows = session.scalars(select(ExtractRow).where(ExtractRow.project == project).order_by(ExtractRow.number)).all()
    newest = {row.dataset: row for row in rows if row.assessed}  # one that did not pass hides none that did
    epochs = session.execute(select(ProjectRow.name, ProjectRow.epoch).order_by(ProjectRow.name)).all()
    keys = {
        (name, epoch): pseudonyms.keys_of(settings, name, epoch=epoch).pseudonym
        for name, last in epochs
        for epoch in range(last, 0, -1)
    }
    return Evidence(
        project=project,
        datasets=tuple(_mounted(row, settings) for row in newest.values()),
        _keys=tuple((name, key) for (name, _), key in keys.items()),
        _indexes=tuple((index_of(settings, row), keys[project, epoch_of(row)]) for row in rows if row.assessed),
    )


def epoch_of(row: ExtractRow) -> int:
    """Return under which keys of its project an extract was made."""
    return int(json.loads(row.manifest).get("epoch", 1))


def index_of(settings: Settings, row: ExtractRow) -> Path:
    """Where the hashes of an extract's source identifiers lie: beside the folder that a room mounts, not in it."""
    folder = settings.extract(row.project, row.dataset, row.number)
    return folder.with_name(f"{folder.name}.identifiers")


def _mounted(row: ExtractRow, settings: Settings) -> Mounted:
    person = json.loads(row.manifest)["person"]
    folder = settings.extract(row.project, row.dataset, row.number)
    return Mounted(row.dataset, row.version, row.number, folder, person)


def _at_most(found: Iterator[Found]) -> Iterator[Found]:
    return islice(found, LEAKS_SHOWN)


def _text(layer: Layer) -> str:
    """Read the layer as text; of what was unpacked only what is text."""
    try:
        return layer.data.decode("utf-8", "strict" if layer.how else "replace")
    except UnicodeDecodeError:
        return ""


def _where(layer: Layer, at: int) -> str:
    return _told(layer, f"line {layer.data.count(10, 0, at) + 1}" if at < len(layer.data) else "the file")


def _told(layer: Layer, place: str) -> str:
    return f"inside {layer.how}" if layer.how else place
