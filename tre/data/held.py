"""What the front door did not let through: refused or held, one reason a file; and who answers for a held image.

The list is sealed with the version. A held record comes in by itself with the first extract after the linkage knows
its id; a held image when a person has looked at it and said what of it must be blacked out.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.data import index
from tre.data.index import Row, State
from tre.data.manifest import Manifest
from tre.errors import NotFound, Refused, Unreadable
from tre.records import audit
from tre.records.tables import ClearedRow
from tre.settings import Settings

Region = tuple[int, int, int, int]
LARGEST = 65_535
"""Rows and columns of a DICOM image are 16 bits."""
SIDES = 4


@dataclass(frozen=True)
class Held:
    """One file of the quarantine."""

    number: int
    path: str
    kind: str
    state: str
    """`refused` or `held`; of a file that is held in part, `held` too."""
    reason: str


def quarantine(session: Session, settings: Settings, dataset: str, version: int, manifest: Manifest) -> Iterator[Held]:
    """Yield what of a version is refused or held, without the images that a person has cleared."""
    done = set(session.scalars(select(ClearedRow.sha256).where(ClearedRow.dataset == dataset)))
    for row in index.read(settings, dataset, version, manifest):
        if row.reason and not (row.picture_held and row.sha256 in done):
            state = State.REFUSED if row.state is State.REFUSED else State.HELD
            yield Held(row.number, row.path, row.kind or "unknown", str(state), row.reason)


def find(settings: Settings, dataset: str, version: int, manifest: Manifest, *, which: str) -> Row:
    """Return a file of a version by its number or its path."""
    for row in index.read(settings, dataset, version, manifest):
        if which in {str(row.number), row.path}:
            return row
    raise NotFound(f"version {version} of {dataset} has no such file: `tre dataset quarantine {dataset}` lists them")


def clear(
    session: Session, dataset: str, row: Row, *, regions: Sequence[Region], reason: str, actor: str, now: datetime
) -> None:
    """Let a held image into the next extracts, blacked out where it must be; who says so answers for it."""
    if not reason.strip():
        raise Unreadable("say why: `--reason` is empty")
    if not row.picture_held:
        raise Refused(
            f"file {row.number} of {dataset} is no image that is held",
            remedies=[
                "an id that is not in the linkage: load a linkage that knows it",
                "a file that was refused: mend",
            ],
        )
    said = json.dumps([list(region) for region in regions])
    known = session.get(ClearedRow, (dataset, row.sha256), with_for_update=True)
    if known is None:
        known = ClearedRow(dataset=dataset, sha256=row.sha256)
        session.add(known)
    known.regions, known.reason, known.actor, known.at = said, reason, actor, now
    audit.append(
        session,
        "dataset.clear",
        actor=actor,
        subject=f"dataset/{dataset}",
        at=now,
        sha256=row.sha256,
        regions=[list(region) for region in regions],
        reason=reason,
    )


def region(text: str) -> Region:
    """Read `X,Y,W,H`, in pixels from the upper left corner."""
    parts = text.split(",")
    if len(parts) != SIDES or not all(part.isascii() and part.isdigit() and int(part) <= LARGEST for part in parts):
        raise Unreadable("a region is X,Y,WIDTH,HEIGHT in pixels, for example 0,0,512,60")
    x, y, width, height = map(int, parts)
    if not width or not height:
        raise Unreadable("a region has a width and a height above 0")
    return x, y, width, height
