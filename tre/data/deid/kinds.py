"""What a column holds, in words that profiles share: a name, a postcode, a date, an age.

Some kinds name a person by themselves; no plan may keep those. Some have a shape by which a claim is seen to be false.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from tre.data.deid import reading
from tre.errors import Unreadable

ANSWERS_TO_DIRECT = frozenset({"drop", "pseudonym"})


@dataclass(frozen=True)
class Kind:
    """One word of the table."""

    name: str
    means: str
    direct: bool
    """It names a person by itself."""


@cache
def table() -> dict[str, Kind]:
    """Return all kinds by their word."""
    text = (resources.files("tre.data.deid") / "profiles" / "kinds.toml").read_text("utf-8")
    return {
        name: Kind(name, said["means"], said.get("direct", False)) for name, said in tomllib.loads(text)["kind"].items()
    }


def word(said: object, where: str) -> str:
    """Return the word, or name those there are; empty where nothing is said."""
    name = reading.string(said, where)
    if name and name not in table():
        raise Unreadable(f"{where}: needs one of {', '.join(table())}")
    return name


def check(name: str, action: str, where: str) -> None:
    """Refuse to let out what names a person by itself."""
    if name and table()[name].direct and action not in ANSWERS_TO_DIRECT:
        raise Unreadable(f"{where}: {name} names a person, so it is dropped or becomes a pseudonym, not {action}")
