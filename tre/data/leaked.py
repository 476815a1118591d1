"""Something was found where it should not be: which project it was carried out of, and under which of its keys.

A pseudonym bears the check of one project and epoch; a canary is nobody's but one project's. Whoever has neither the
house's root key nor a project's can read neither off a file.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.data import named, unpacking
from tre.data.deid import pseudonyms
from tre.errors import Unreadable
from tre.records.tables import ProjectRow
from tre.settings import Settings

OVERLAP = 1024
KINDS = ("pseudonym", "canary")
_BETWEEN = " epoch "


@dataclass(frozen=True)
class Whose:
    """A project whose data stand in a file."""

    project: str
    epoch: int
    pseudonyms: int
    """Places where one stands."""
    canaries: int
    """The same of its canaries: there is one only in a copy of a whole file of its data."""


def whose(session: Session, settings: Settings, found: str) -> tuple[Whose, ...]:
    """Say of a file, or of a text if there is no such file, whose pseudonyms and canaries it holds; most first."""
    known = named.Known(tuple(_keys(session, settings)), (), "")
    places = Counter[tuple[str, str]]()
    for data in _read(found):
        for leak in named.leaks(data, known):
            places.update([(leak.detail.partition(" of project ")[2].partition(":")[0], leak.kind)])
    projects = sorted({project for project, kind in places if kind in KINDS})
    told = [Whose(*_split(each), *(places[each, kind] for kind in KINDS)) for each in projects]
    return tuple(sorted(told, key=lambda one: (-one.canaries, -one.pseudonyms, one.project, one.epoch)))


def _keys(session: Session, settings: Settings) -> Iterator[tuple[str, bytes]]:
    """Yield the key of each project in each of its epochs; closed ones too."""
    for name, last in session.execute(select(ProjectRow.name, ProjectRow.epoch).order_by(ProjectRow.name)):
        for epoch in range(last, 0, -1):
            yield f"{name}{_BETWEEN}{epoch}", pseudonyms.keys_of(settings, name, epoch=epoch).pseudonym


def _split(project: str) -> tuple[str, int]:
    name, _, epoch = project.partition(_BETWEEN)
    return name, int(epoch)


def _read(found: str) -> Iterator[bytes]:
    """Yield a file's path and what is in it, unpacked where it is known how, and as it stands."""
    yield found.encode("utf-8", "surrogateescape")
    path = Path(found)
    with suppress(OSError, ValueError):
        if not path.is_file():
            return
    try:
        for portion in unpacking.portions(path, OVERLAP):
            yield portion.data
    except unpacking.Unread:
        try:
            with path.open("rb") as file:
                while data := file.read(unpacking.PORTION):
                    yield data
        except OSError:
            raise Unreadable(f"{found[:200]}: cannot be read") from None
