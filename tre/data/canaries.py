"""Persons whom there never were lie in each extract, to be carried off with the rest and to say where they came from.

They stand in one small table of their own that says what it is, beside the data and in none of its tables: no
statistic changes. Their pseudonyms and contact data are made from the project's key, so nobody can guess them, no two
projects have one in common, and whoever holds the keys makes them again without a list. A file of any kind that holds
one is a copy of a whole folder of that project.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from tre.data.deid.pseudonyms import Mac, PatientId, pseudonym
from tre.data.deid.spelling import plain

NAME = "contacts"
"""The table; it is no table of the dataset's plan, and `tre.datasets()` does not list it."""
FILE = f".{NAME}.parquet"
COUNT = 8
_FIRST = "Aldis Berit Corvin Delphine Edric Fenella Gethin Hedda Isolde Jorun Kester Liesl Merrick Nerys Osric Petra"
_LAST = "Ashgrove Brackenbury Coldharbour Dunmallet Eskdale Farthingoe Greyfriar Hollowmere"
_NOTE = "contact data for recontact, one line a person"


@dataclass(frozen=True)
class Canary:
    """Somebody who does not exist."""

    pseudonym: str
    name: str
    number: str
    email: str


def of(key: bytes) -> Iterator[Canary]:
    """Yield the canaries of a project's epoch, made from its pseudonym key."""
    mac = Mac(key)
    for at in range(COUNT):
        drawn = mac(b"canary|%d" % at)
        first = _FIRST.split()[drawn[0] % 16]
        last = f"{_LAST.split()[drawn[1] % 8]}-{_syllables(drawn[2:8])}"
        number = f"HX{int.from_bytes(drawn[8:13]) % 10**10:010}"
        yield Canary(
            pseudonym(PatientId(f"canary|{at}|{drawn.hex()}"), key), f"{first} {last}", number,
            f"{last.lower()}.{drawn[13]:03}@{first.lower()}.example",
        )  # fmt: skip


def _syllables(drawn: bytes) -> str:
    return "".join("bdfgklmnprstvzhw"[byte & 15] + "aeiou"[(byte >> 4) % 5] for byte in drawn[:4]).title()


def known(keys: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """Return what a canary is known by, without case and punctuation -> its project."""
    return {form: project for project, key in keys for form in _forms(key)}


@lru_cache(maxsize=1024)
def _forms(key: bytes) -> tuple[str, ...]:
    return tuple(plain(one) for each in of(key) for one in (each.pseudonym, each.name, each.number, each.email))


def write(folder: Path, key: bytes) -> Path:
    """Lay the canaries into an extract; the same key gives the same bytes."""
    people = sorted(of(key), key=lambda each: each.pseudonym)
    table = pa.table(
        {
            "person": [each.pseudonym for each in people],
            "name": [each.name for each in people],
            "number": [each.number for each in people],
            "email": [each.email for each in people],
        }
    ).replace_schema_metadata({"about": _NOTE})
    path = folder / FILE
    pyarrow.parquet.write_table(table, path, compression="none")
    return path
