"""What the checks show beside their findings: numbers made again, what hidden cells give away, what left before."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airlock.pages.previews import Point
from airlock.tables import FileRow

_KNOWN = frozenset({"recomputed", "intervals", "overlaps", "rows"})
_NAMES = {
    "fit": "What the fit rests on",
    "model": "What the model holds",
    "persons": "persons",
    "by_chance": "by chance",
}


@dataclass(frozen=True)
class Again:
    """A number as it is claimed, and as the data have it."""

    row: int
    """As the preview counts: 0 is the header."""
    column: int
    claimed: str
    recomputed: str
    agrees: bool


@dataclass(frozen=True)
class Overlap:
    """An earlier release that tells of nearly the same people."""

    request: int
    project: str
    says: str
    persons: str
    """In one of the two only; empty where that is not known."""
    released: str


@dataclass(frozen=True)
class Exhibits:
    """All that is shown of one file."""

    again: tuple[Again, ...] = ()
    of: int = 0
    """How many numbers were made again; the first that differ are listed."""
    overlaps: tuple[Overlap, ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()  # of JSON
    others: tuple[tuple[str, str], ...] = ()
    """Name of an exhibit that has no shape of its own, and what it says."""

    @property
    def wrong(self) -> int:
        """Count the listed numbers that are not what the data say."""
        return sum(not each.agrees for each in self.again)

    def __bool__(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.again or self.overlaps or self.rows or self.others)


def of(file: FileRow) -> Exhibits:
    """Read what the checks wrote down about a file."""
    told: dict[str, list[dict[str, Any]]] = json.loads(file.evidence or "{}")
    again = [one for shown in told.get("recomputed", ()) for one in _again(shown)]
    return Exhibits(
        again=tuple(sorted(again, key=lambda one: one.agrees)),
        of=sum(int(shown.get("of", len(shown["cells"]))) for shown in told.get("recomputed", ())),
        overlaps=tuple(_overlap(one) for shown in told.get("overlaps", ()) for one in shown["releases"]),
        rows=tuple(told.get("rows", ())),
        others=tuple((name_of(name), words(shown)) for name in told if name not in _KNOWN for shown in told[name]),
    )


def intervals(file: FileRow) -> dict[Point, str]:
    """Say of each hidden cell of the first table what can be worked out of it."""
    told = json.loads(file.evidence or "{}").get("intervals", ())
    first = (cell for shown in told if shown["table"] == 0 for cell in shown["cells"])
    return {(row, column): _interval(low, high) for row, column, low, high in first}


def name_of(name: str) -> str:
    """Name an exhibit, or a number in it, in words."""
    return _NAMES.get(name, name.replace("_", " "))


def words(shown: Mapping[str, object]) -> str:
    """Say an exhibit in one line."""
    return ", ".join(f"{name_of(name)} {_plain(value)}" for name, value in shown.items())


def _again(shown: Mapping[str, Any]) -> Iterator[Again]:
    for row, column, claimed, recomputed, agrees in shown["cells"]:
        yield Again(row + 1, column + 1, str(claimed), "not made" if recomputed is None else _plain(recomputed), agrees)


def _overlap(one: Mapping[str, Any]) -> Overlap:
    persons = one.get("persons")
    known = isinstance(persons, int) and persons >= 0
    return Overlap(
        int(one["request"]), str(one["project"]), str(one["says"]), str(persons) if known else "",
        str(one["released_at"])[:10],
    )  # fmt: skip


def _interval(low: float | None, high: float | None) -> str:
    if low is not None and low == high:
        return f"exactly {_plain(low)}"
    if high is None:
        return f"{_plain(low)} or more" if low is not None else "anything"
    return f"{_plain(low)} to {_plain(high)}" if low is not None else f"at most {_plain(high)}"


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return " x ".join(map(_plain, value))
    return str(value)
