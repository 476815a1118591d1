"""Where a walk through one resource is: whose record it is, what came with it, and what was done so far."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tre.data.deid.fhir.references import Bundle, Names
from tre.data.deid.pseudonyms import Person

Json = Any  # what a stranger wrote: each action asks first what it is

COUNTED = ("keep", "code", "reference", "shift", "year", "uid", "zip3", "text", "extension", "drop")
"""What may be done to a value, as the extract's manifest counts it."""


class HeldBack(Exception):
    """The whole record stays out; the reason, without any of it."""


@dataclass(slots=True)
class At:
    """One walk."""

    names: Names
    counts: dict[str, int]
    known: dict[str, str | None]
    """References that were met in this file or Bundle -> what stands for each."""
    person: Person | None = None
    bundle: Bundle | None = None
    inside: Mapping[str, str] | None = None
    """Name of a contained resource there -> the reference that stands for it."""
    last: str = ""
    """The last day that was met, moved as all days are."""
    speaks: bool = False
    """The text of the observation we are in may stay."""


Action = Callable[[Json, At], Json]


def dropped(at: At) -> Json:
    """Count what is left out."""
    at.counts["drop"] += 1
    return None
