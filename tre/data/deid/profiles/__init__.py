"""Standards of de-identification as tables: which kind of datum stands in which row, and which actions answer it.

    profile: hipaa-safe-harbor        at the top of a plan: what does not meet the standard is refused

Each standard is a file beside this one. A column says its kind with `is`; without a word, a column of dates is a date,
an id of a person a record number, another id a code, and what is left out answers every row.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from tre.data.deid.columns import DATES, Action, Column
from tre.errors import Unreadable

UNSAID = "?"
TIMES = frozenset({"date", "birth"})


@dataclass(frozen=True)
class Answer:
    """What satisfies a row."""

    action: str = ""
    cap: float | None = None
    """The highest value that still has a category of its own lies below this."""
    level: tuple[str, ...] = ()
    quasi: bool = False
    """Only if the plan counts the column among its quasi-identifiers."""
    any: bool = False

    def fits(self, column: Column, *, quasi: bool) -> bool:
        """Say whether the column is treated so."""
        if self.any:
            return True
        if column.action != self.action or (self.quasi and not quasi):
            return False
        highest = column.at if column.at is not None else column.high
        if self.cap is not None and (highest is None or highest > self.cap):
            return False
        return not self.level or column.level in self.level

    def __str__(self) -> str:
        """Tell it as a plan says it."""
        more = "".join(
            (
                f" at {self.cap:g} or below" if self.cap is not None else "",
                f" to {' or '.join(self.level)}" if self.level else "",
                " as a quasi-identifier" if self.quasi else "",
            )
        )
        return f"{self.action}{more}"


@dataclass(frozen=True)
class Row:
    """One row of a standard."""

    id: str
    words: str
    kinds: frozenset[str]
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Part:
    """What a standard says of one kind of data that is not a table; without a field it says so always."""

    part: str
    row: str
    why: str = ""
    """Why the standard is not met; empty: it is."""
    instead: str = ""
    meets: str = ""
    of: str = ""
    field: str = ""
    has: str = ""

    def speaks_of(self, parts: Mapping[str, object]) -> bool:
        """Say whether the plan has what this row is about."""
        section = parts.get(self.of or self.part)
        if parts.get(self.part) is None or section is None:
            return False
        held = getattr(section, self.field, None) if self.field else None
        if not self.field:
            return True
        return bool(held) if self.has == "*" else self.has == held or (isinstance(held, tuple) and self.has in held)


@dataclass(frozen=True, eq=False)
class Profile:
    """One standard."""

    name: str
    title: str
    source: str
    strictness: int
    says_kinds: bool
    notes: tuple[str, ...]
    rows: tuple[Row, ...]
    parts: tuple[Part, ...]

    def row(self, kind: str) -> Row | None:
        """Return the row that a kind stands in."""
        return next((row for row in self.rows if kind in row.kinds), None)


@dataclass(frozen=True)
class Verdict:
    """What a standard says of one column or part."""

    place: str
    row: str
    words: str
    why: str = ""
    """Why it is not met; empty: it is."""


def known() -> tuple[Profile, ...]:
    """Return all standards, the strictest first."""
    return _read()


@cache
def _read() -> tuple[Profile, ...]:
    folder = resources.files("tre.data.deid") / "profiles"
    texts = [each.read_text("utf-8") for each in folder.iterdir() if each.name.endswith(".toml")]
    said = [each for each in map(tomllib.loads, texts) if "strictness" in each]
    return tuple(sorted((_profile(each) for each in said), key=lambda each: -each.strictness))


def _profile(said: Mapping[str, object]) -> Profile:
    rows, parts, notes = (said.get(word, []) for word in ("row", "part", "notes"))
    assert isinstance(rows, list)  # noqa: S101 -- files of this package
    assert isinstance(parts, list)  # noqa: S101
    assert isinstance(notes, list)  # noqa: S101
    return Profile(
        name=str(said["name"]),
        title=str(said["title"]),
        source=str(said["source"]),
        strictness=int(str(said["strictness"])),
        says_kinds=bool(said["says_kinds"]),
        notes=tuple(notes),
        rows=tuple(_row(each) for each in rows),
        parts=tuple(Part(**each) for each in parts),
    )


def _row(said: Mapping[str, list[dict[str, object]]]) -> Row:
    answers = tuple(_answer(each) for each in said["answers"])
    return Row(str(said["id"]), str(said["words"]), frozenset(map(str, said["kinds"])), answers)


def _answer(said: Mapping[str, Any]) -> Answer:  # Any: TOML of this package
    return Answer(**{**said, "level": tuple(said.get("level", ()))})


def find(name: str, where: str) -> Profile:
    """Return a standard by its name."""
    for profile in known():
        if profile.name == name:
            return profile
    raise Unreadable(f"{where}: needs one of {', '.join(profile.name for profile in known())}")


def verdicts(
    profile: Profile,
    tables: Iterable[tuple[str, Iterable[Column]]],
    parts: Mapping[str, object],
    quasi: Iterable[tuple[str, str]],
) -> Iterator[Verdict]:
    """Say of every column and part which row it stands in, and whether it answers it."""
    counted = set(quasi)
    for table, columns in tables:
        for column in columns:
            yield _of_column(profile, f"{table}.{column.name}", column, quasi=(table, column.name) in counted)
    for name in (name for name, section in parts.items() if section is not None):
        speaking = [part for part in profile.parts if part.part == name and part.speaks_of(parts)]
        for part in speaking:
            yield Verdict(name, part.row, part.meets, f"{part.why}; instead: {part.instead}" if part.why else "")
        if not speaking:
            yield Verdict(name, "-", "nothing of the standard stands against it")


def check(
    name: str,
    tables: Iterable[tuple[str, Iterable[Column]]],
    parts: Mapping[str, object],
    quasi: Iterable[tuple[str, str]],
) -> None:
    """Refuse a plan that does not meet the standard that it names."""
    profile = find(name, "plan, profile")
    for verdict in verdicts(profile, tables, parts, quasi):
        if verdict.why:
            raise Unreadable(f"plan, {verdict.place}: {profile.title}, row {verdict.row}: {verdict.why}")


def kind_of(column: Column) -> str:
    """Return what a column holds, as said; its action or type is believed before its word."""
    if column.action is Action.TEXT:
        return "text"
    if column.type in DATES:
        return column.holds if column.holds in TIMES else "date"
    if column.action is Action.PSEUDONYM and not column.holds:
        return "record-number" if column.is_person else "code"
    return column.holds


def _of_column(profile: Profile, place: str, column: Column, *, quasi: bool) -> Verdict:
    kind = kind_of(column)
    row = profile.row(kind)
    if column.action is Action.DROP:
        return Verdict(place, row.id if row else "-", row.words if row else "left out")
    if row is None:
        why = "the column does not say what it holds; add `is: ...`" if profile.says_kinds else ""
        return Verdict(place, UNSAID, "the plan does not say what it holds", why)
    if any(answer.fits(column, quasi=quasi) for answer in row.answers):
        return Verdict(place, row.id, row.words)
    asked = ", ".join(map(str, row.answers))
    return Verdict(place, row.id, row.words, f"a {kind} is answered by {asked}; not by {column.action} as it stands")
