"""The numbers of disclosure control: a profile a file, each number with the source that says it."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files

from tre.errors import Unreadable


@dataclass(frozen=True)
class Thresholds:
    """What a profile says. `source` names where each number comes from."""

    profile: str
    smallest_count: int
    """A count from 1 to one less than this is a count of too few people. Zero counts nobody."""
    round_to: int
    """Every count must be a multiple of this; 1 if counts need not be rounded."""
    largest_rows: int
    """A table or text with more rows is not a result but data."""
    largest_pixels: int
    source: dict[str, str]


NUMBERS = ("smallest_count", "round_to", "largest_rows", "largest_pixels")


def load(profile: str) -> Thresholds:
    """Read a profile, or say what is wrong with it."""
    folder = files("policies") / "thresholds"
    names = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    if profile not in names:
        raise Unreadable(f"setting thresholds: no profile {profile[:40]!r}; there are {', '.join(names)}")
    read = tomllib.loads((folder / f"{profile}.toml").read_text("utf-8"))
    if sorted(read) != sorted([*NUMBERS, "title"]):
        raise Unreadable(f"profile {profile}: name exactly title, {', '.join(NUMBERS)}")
    for name in NUMBERS:
        if (
            set(read[name]) != {"value", "source"}
            or not isinstance(read[name]["value"], int)
            or read[name]["value"] < 1
        ):
            raise Unreadable(f"profile {profile}, {name}: give value (a whole number from 1) and source")
    return Thresholds(
        profile=profile,
        **{name: read[name]["value"] for name in NUMBERS},
        source={name: read[name]["source"] for name in NUMBERS},
    )
