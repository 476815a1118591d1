"""Which lines, words and tags of a file of reads are known; what is not known may hold anything."""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("rules.toml")


@dataclass(frozen=True)
class Rules:
    """The table, ready to use."""

    platforms: frozenset[str]
    assemblies: frozenset[str]
    programs: frozenset[str]
    shapes: Mapping[str, re.Pattern[str]]
    head: Mapping[str, re.Pattern[str]]
    numbers: tuple[str, ...]
    arrays: tuple[str, ...]
    texts: Mapping[str, re.Pattern[str]]

    def is_a(self, shape: str, text: str) -> bool:
        """Say whether a text has a shape of the table."""
        return self.shapes[shape].fullmatch(text) is not None


@cache
def load() -> Rules:
    """Read the table."""
    said = tomllib.loads(TABLE.read_text("utf-8"))
    return Rules(
        platforms=frozenset(said["platforms"]),
        assemblies=frozenset(said["assemblies"]),
        programs=frozenset(said["programs"]),
        shapes=_patterns(said["shapes"]),
        head=_patterns(said["head"]),
        numbers=tuple(said["tags"]["numbers"]),
        arrays=tuple(said["tags"]["arrays"]),
        texts=_patterns(said["tags"]["texts"]),
    )


def version() -> str:
    """Return the SHA-256 of the table."""
    return hashlib.sha256(TABLE.read_bytes()).hexdigest()


def _patterns(said: Mapping[str, str]) -> Mapping[str, re.Pattern[str]]:
    return {name: re.compile(shape, re.ASCII) for name, shape in said.items()}
