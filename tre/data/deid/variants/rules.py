"""Which fields, filters, alleles and contigs of a variant file are known; what is not known may hold anything."""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tre.data.deid.variants.part import Variants

TABLE = Path(__file__).with_name("rules.toml")
SITE, READS, PEOPLE = "site", "reads", "people"
"""What an INFO field is about: the place, the reads of all samples, or the alleles of all people."""
NUMBERS = re.compile(r"[ARG.]|\d{1,2}")
TYPES = ("Integer", "Float", "Flag", "Character", "String")


@dataclass(frozen=True)
class Field:
    """One INFO or FORMAT field as the table, or the plan, knows it."""

    number: str
    type: str
    description: str
    shape: re.Pattern[bytes] | None
    """Of its values; None where the plan takes any."""
    about: str = SITE


@dataclass(frozen=True)
class Rules:
    """The table, ready to use."""

    info: Mapping[str, Field]
    format: Mapping[str, Field]
    values: Mapping[str, re.Pattern[bytes]]
    shapes: Mapping[str, re.Pattern[bytes]]
    fileformats: frozenset[str]
    assemblies: frozenset[str]

    def is_a(self, shape: str, text: bytes) -> bool:
        """Say whether a text has a shape of the table."""
        return self.shapes[shape].fullmatch(text) is not None


@cache
def load() -> Rules:
    """Read the table."""
    said = tomllib.loads(TABLE.read_text("utf-8"))
    values = {kind: _pattern(shape) for kind, shape in said["values"].items()}
    info = {
        name: _field(words, values, about)
        for about in (SITE, READS, PEOPLE)
        for name, words in said["info"][about].items()
    }
    return Rules(
        info=info,
        format={name: _field(words, values, SITE) for name, words in said["format"].items()},
        values=values,
        shapes={name: _pattern(shape) for name, shape in said["shapes"].items()},
        fileformats=frozenset(said["fileformats"]),
        assemblies=frozenset(said["assemblies"]),
    )


def version() -> str:
    """Return the SHA-256 of the table."""
    return hashlib.sha256(TABLE.read_bytes()).hexdigest()


def proof(part: Variants) -> str:
    """Return what a look writes beside `body: clean`, so that it holds for these rules and this plan only."""
    said = json.dumps([version(), "1", sorted(part.texts), part.system, part.sample])
    return hashlib.sha256(said.encode()).hexdigest()


def _field(words: list[str], values: Mapping[str, re.Pattern[bytes]], about: str) -> Field:
    number, kind, description, *shape = words
    return Field(number, kind, description, _pattern(shape[0]) if shape else values[kind], about)


def _pattern(shape: str) -> re.Pattern[bytes]:
    return re.compile(shape.encode("ascii"))
