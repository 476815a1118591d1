"""A value has broader values above it: a diagnosis its chapter, a town its region; the plan says which level is seen.

A hierarchy stands in the plan, as lines that can be pasted from a table, so that the plan stays whole by itself:

    hierarchies:
      places: |
        town,region,country
        Leith,Lothian,Scotland

or is one of those that come with this module (`hierarchies/*.toml`), which know codes by their shape. A value that is
in none of its lines becomes NULL, and is counted.
"""

import csv
import io
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from tre.data.deid import reading
from tre.errors import Unreadable

FOLDER = "hierarchies"


@dataclass(frozen=True)
class Hierarchy:
    """Levels, the narrowest first, and one line a value."""

    name: str
    levels: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...] = ()

    def at(self, level: str) -> tuple[tuple[str, str], ...]:
        """Return value -> what stands above it at this level; none for a hierarchy of codes."""
        place = self.levels.index(level)
        return tuple((line[0], line[place]) for line in self.lines)


@dataclass(frozen=True)
class Codes:
    """Codes of one shape, of which the first characters tell their place."""

    name: str
    source: str
    shape: str
    """Regular expression of a code."""
    stem: int
    """Characters that place a code."""
    levels: Mapping[str, tuple[str, ...]]
    """Level -> ranges `A00-B99`; none: the stem itself."""


def read(said: object, where: str) -> dict[str, Hierarchy]:
    """Read the section strictly."""
    return {name: _lines(name, part, f"{where}, {name}") for name, part in reading.mapping(said, where).items()}


def find(name: str, mine: Mapping[str, Hierarchy], where: str) -> Hierarchy:
    """Return a hierarchy of the plan, or one that is shipped."""
    if name in mine:
        return mine[name]
    if name in shipped():
        return Hierarchy(name, tuple(shipped()[name].levels))
    known = ", ".join(sorted({*mine, *shipped()}))
    raise Unreadable(f"{where}: there is none of this name; there are {known}; add it under `hierarchies`")


@cache
def shipped() -> dict[str, Codes]:
    """Return the hierarchies of codes that come with this module."""
    folder = resources.files("tre.data.deid") / FOLDER
    return {each.name.removesuffix(".toml"): _codes(each.read_text("utf-8")) for each in sorted_files(folder)}


def sorted_files(folder: resources.abc.Traversable) -> Iterator[resources.abc.Traversable]:
    """Yield the TOML files of a folder of this package."""
    yield from sorted((each for each in folder.iterdir() if each.name.endswith(".toml")), key=lambda each: each.name)


def _codes(text: str) -> Codes:
    said = tomllib.loads(text)
    levels = {level: tuple(ranges) for level, ranges in said["levels"].items()}
    return Codes(said["name"], said["source"], said["shape"], said["stem"], levels)


def _lines(name: str, said: object, where: str) -> Hierarchy:
    text = reading.string(said, where)
    try:
        lines = [tuple(cell.strip() for cell in line) for line in csv.reader(io.StringIO(text), strict=True) if line]
    except csv.Error:
        raise Unreadable(f"{where}: not lines of values with commas") from None
    if len(lines) <= 1 or len(lines[0]) <= 1:
        raise Unreadable(f"{where}: needs a line of two levels or more, the narrowest first, and lines of values")
    levels, values = lines[0], lines[1:]
    met = set[str]()
    for at, line in enumerate(values, 2):
        if len(line) != len(levels) or not all(line):
            raise Unreadable(f"{where}, line {at}: needs {len(levels)} values")
        if line[0] in met:
            raise Unreadable(f"{where}, line {at}: its value stands twice")
        met.add(line[0])
    return Hierarchy(name, levels, tuple(values))
