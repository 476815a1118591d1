"""The rules of disclosure control in words: what is wrong, what its author does about it, and who says so."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from tre.errors import Unreadable


class Rule(NamedTuple):
    """A rule of `policies/disclosure.toml`."""

    sentence: str
    fix: str
    source: str


@cache
def rules() -> dict[str, Rule]:
    """Return every rule by its id."""
    said = tomllib.loads((files("policies") / "disclosure.toml").read_text("utf-8"))
    for name, one in said.items():
        if set(one) != set(Rule._fields) or not all(isinstance(text, str) and text for text in one.values()):
            raise Unreadable(f"policies/disclosure.toml, {name}: give sentence, fix and source")
    return {name: Rule(**one) for name, one in said.items()}


def rule(name: str) -> Rule:
    """Return one rule."""
    try:
        return rules()[name]
    except KeyError:
        raise Unreadable(f"no rule of disclosure control is called {name[:20]!r}") from None


def sentence_of(name: str) -> str:
    """Say what is wrong."""
    return rule(name).sentence


def fix_of(name: str) -> str:
    """Say what its author does about it."""
    return rule(name).fix
