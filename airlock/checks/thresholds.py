"""The numbers of disclosure control: a profile a file, each number with the source that says it."""

import math
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from typing import NamedTuple

from policies import book
from tre.errors import Unreadable

Value = int | float | str


@dataclass(frozen=True)
class Thresholds:
    """What a profile says. `source` names where each number comes from, `verified` whether we read it there."""

    profile: str
    smallest_count: int
    """A count from 1 to one less than this is a count of too few people. Zero counts nobody."""
    round_to: int
    """Every count must be a multiple of this; 1 if counts need not be rounded."""
    midpoint: int
    """6: counts may be midpoints of six (0, 3, 9, 15, ...) instead of multiples of `round_to`. 0: they may not."""
    zeros: str
    """`refused`: a cell that says nobody is there tells something about everybody there."""
    dominance_n: int
    """So many persons together may not make up more than `dominance_k` of a sum."""
    dominance_k: float
    dominance_p: float
    """Without the two largest, a sum must be more than this share of the largest: nobody can work it out closer."""
    group_share: float
    """A category that holds this share of a group, or more, tells it of everybody in the group."""
    smallest_dof: int
    """Degrees of freedom that a model leaves."""
    largest_leverage: float
    """No record may draw the fitted line to itself more than this."""
    smallest_steps: int
    """Events behind each step of a survival curve."""
    largest_variants: int
    """Variants with frequencies or effects in one file."""
    frequency_digits: int
    """Digits after the point of an allele frequency."""
    smallest_carriers: int
    """Persons who carry an allele whose count leaves."""
    largest_parameters_per_person: float
    """Numbers in a model for each person it learned from."""
    interval: int
    """What can be worked out of a hidden cell must be at least so wide."""
    largest_rows: int
    """A table or text with more rows is not a result but data."""
    largest_pixels: int
    expires_days: int
    """Days without a move after which a request is over."""
    link_days: int
    links: int
    """How many links may be made to collect one release."""
    scan: str
    """`required`: a scanner for malware must have looked; `exception`: or a named person lets it go; `off`."""
    source: dict[str, str]
    verified: dict[str, bool]


class Number(NamedTuple):
    """How a number is written, and which of two is the stricter."""

    kind: type
    least: float
    most: float
    larger_is_stricter: bool = True


class Word(NamedTuple):
    """The words a key may have, the strictest last."""

    words: tuple[str, ...]


NUMBERS: dict[str, Number | Word] = {
    "smallest_count": Number(int, 1, 1000),
    "round_to": Number(int, 1, 1000),
    "midpoint": Number(int, 0, 6, larger_is_stricter=False),
    "zeros": Word(("allowed", "refused")),
    "dominance_n": Number(int, 1, 10),
    "dominance_k": Number(float, 0, 1, larger_is_stricter=False),
    "dominance_p": Number(float, 0, 1),
    "group_share": Number(float, 0, 1, larger_is_stricter=False),
    "smallest_dof": Number(int, 1, 1000),
    "largest_leverage": Number(float, 0, 1, larger_is_stricter=False),
    "smallest_steps": Number(int, 1, 1000),
    "largest_variants": Number(int, 1, 10**9, larger_is_stricter=False),
    "frequency_digits": Number(int, 1, 17, larger_is_stricter=False),
    "smallest_carriers": Number(int, 1, 1000),
    "largest_parameters_per_person": Number(float, 0, 1000, larger_is_stricter=False),
    "interval": Number(int, 1, 1000),
    "largest_rows": Number(int, 1, 10**7, larger_is_stricter=False),
    "largest_pixels": Number(int, 1, 10**9, larger_is_stricter=False),
    "expires_days": Number(int, 1, 3650, larger_is_stricter=False),
    "link_days": Number(int, 1, 365, larger_is_stricter=False),
    "links": Number(int, 1, 1000, larger_is_stricter=False),
    "scan": Word(("off", "exception", "required")),
}


def names() -> tuple[str, ...]:
    """Return the profiles there are."""
    return book.profiles()


def load(profile: str) -> Thresholds:
    """Read a profile, or say what is wrong with it."""
    if profile not in names():
        raise Unreadable(f"profile of thresholds: no {profile[:40]!r}; there are {', '.join(names())}")
    return read(profile, (book.THRESHOLDS / f"{profile}.toml").read_text("utf-8"))


def read(profile: str, text: str) -> Thresholds:
    """Read what a profile says; with `rest` it takes what it does not say from another."""
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as why:
        raise Unreadable(f"profile {profile}: {why}") from None
    rest = said.pop("rest", None)
    title = said.pop("title", None)
    if not isinstance(title, str) or not (rest is None or (isinstance(rest, str) and rest != profile)):
        raise Unreadable(f"profile {profile}: give title, and with rest the name of the profile that says the rest")
    for name in sorted(said):
        _good(profile, name, said[name])
    given = {name: (one["value"], one["source"], one["verified"]) for name, one in said.items()}
    if rest is not None:
        given = {**_parts(load(rest)), **given}
    missing = [name for name in NUMBERS if name not in given]
    if missing:
        raise Unreadable(f"profile {profile}: {', '.join(missing)} missing: name them, or a profile with rest")
    return _built(profile, given)


def strictest(profiles: Iterable[str]) -> Thresholds:
    """Return the strictest of each number of several profiles; none at all is refused."""
    asked = tuple(dict.fromkeys(profiles))
    if not asked:
        raise Unreadable("profile of thresholds: name at least one")
    held = [load(name) for name in asked]
    if len(held) == 1:
        return held[0]
    parts = [_parts(each) for each in held]
    given = {name: _strictest(name, [part[name] for part in parts]) for name in NUMBERS}
    rounding = [part for part in parts if part["round_to"][0] != 1]
    if rounding:  # who does not round has no say in how others round
        given["midpoint"] = min((part["midpoint"] for part in rounding), key=lambda one: one[0])
    return _built("+".join(asked), given)


_Part = tuple[Value, str, bool]


def _strictest(name: str, parts: Collection[_Part]) -> _Part:
    kind = NUMBERS[name]
    if isinstance(kind, Word):
        return max(parts, key=lambda one: kind.words.index(str(one[0])))
    if name == "round_to":  # a multiple of each
        value = math.lcm(*(int(one[0]) for one in parts))
        return next(
            (one for one in parts if one[0] == value), (value, "a multiple of what each profile asks for", True)
        )
    pick = max if kind.larger_is_stricter else min
    return pick(parts, key=lambda one: float(one[0]))


def _parts(held: Thresholds) -> dict[str, _Part]:
    return {name: (getattr(held, name), held.source[name], held.verified[name]) for name in NUMBERS}


def _built(profile: str, given: dict[str, _Part]) -> Thresholds:
    said: dict[str, object] = {name: given[name][0] for name in NUMBERS}
    said["source"] = {name: given[name][1] for name in NUMBERS}
    said["verified"] = {name: given[name][2] for name in NUMBERS}
    return Thresholds(profile=profile, **said)  # type: ignore[arg-type]  # each value was checked in `_good`


def _good(profile: str, name: str, said: object) -> None:
    kind = NUMBERS.get(name)
    if kind is None:
        raise Unreadable(f"profile {profile}: nothing is called {name[:40]}; there are {', '.join(NUMBERS)}")
    if not isinstance(said, dict) or set(said) != {"value", "source", "verified"}:
        raise Unreadable(f"profile {profile}, {name}: give value, source and verified")
    if not isinstance(said["source"], str) or not said["source"] or not isinstance(said["verified"], bool):
        raise Unreadable(f"profile {profile}, {name}: source is a text, verified is true or false")
    value = said["value"]
    if isinstance(kind, Word):
        if value not in kind.words:
            raise Unreadable(f"profile {profile}, {name}: one of {', '.join(kind.words)}")
        return
    fits = isinstance(value, int) if kind.kind is int else isinstance(value, int | float)
    if isinstance(value, bool) or not fits or not kind.least <= value <= kind.most:
        whole = "a whole number" if kind.kind is int else "a number"
        raise Unreadable(f"profile {profile}, {name}: {whole} from {kind.least:g} to {kind.most:g}")


assert {field.name for field in fields(Thresholds)} == {"profile", *NUMBERS, "source", "verified"}  # noqa: S101
