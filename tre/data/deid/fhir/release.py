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


def is_older(resource: Mapping[str, Any], rules: Rules) -> bool:
    """Say whether it has elements that STU3 alone has."""
    return _has(resource, rules.codes["stu3"])


def is_r5(resource: Mapping[str, Any], rules: Rules) -> bool:
    """Say whether it has elements that release 5 brought."""
    return _has(resource, rules.codes["r5"])


def _has(resource: Mapping[str, Any], table: Mapping[str, object]) -> bool:
    marks = table.get(resource["resourceType"], ())
    for mark in marks if isinstance(marks, list) else ():
        name, _, shape = mark.partition(":")
        if name in resource and SHAPES[shape](resource[name]):
            return True
    return False
