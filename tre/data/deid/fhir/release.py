"""Which release of FHIR a resource is written in, as far as its elements tell."""

from collections.abc import Callable, Mapping
from typing import Any

from tre.data.deid.fhir.rules import Rules

OLDER = "FHIR STU3; export it as R4 or later"
SHAPES: dict[str, Callable[[Any], bool]] = {  # JSON of a stranger: each asks what it is
    "": lambda value: True,  # noqa: ARG005
    "text": lambda value: isinstance(value, str),
    "list": lambda value: isinstance(value, list),
    "concepts": lambda value: (
        isinstance(value, list) and any(isinstance(one, dict) and "coding" in one for one in value)
    ),
    "agent": lambda value: isinstance(value, dict) and "agent" in value,
}


Marks = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Type -> element that tells -> shapes in which it does."""


class Release:
    """The marks of the tables."""

    def __init__(self, rules: Rules) -> None:
        """Take those of STU3 and of release 5."""
        self._older, self._r5 = _marks(rules.codes["stu3"]), _marks(rules.codes["r5"])

    def is_older(self, resource: Mapping[str, Any]) -> bool:
        """Say whether it has elements that STU3 alone has."""
        return _has(resource, self._older)

    def is_r5(self, resource: Mapping[str, Any]) -> bool:
        """Say whether it has elements that release 5 brought."""
        return _has(resource, self._r5)


def _marks(table: Mapping[str, Any]) -> Marks:  # our own table
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for kind, marks in table.items():
        for mark in marks:
            name, _, shape = mark.partition(":")
            one = found.setdefault(kind, {})
            one[name] = (*one.get(name, ()), shape)
    return found


def _has(resource: Mapping[str, Any], marks: Marks) -> bool:
    of_type = marks.get(resource["resourceType"])
    if of_type is None or resource.keys().isdisjoint(of_type):
        return False
    return any(SHAPES[shape](resource[name]) for name in of_type if name in resource for shape in of_type[name])
