"""What a confined process says may be of any shape: it is read as data, and nonsense is a damaged file."""

import json
from collections.abc import Mapping

from tre.errors import Unreadable

_NONSENSE = "damaged: the process that looked at it said nothing of use"


def read(payload: bytes) -> Mapping[str, object]:
    """Read an answer."""
    try:
        said: Mapping[str, object] = json.loads(payload)
    except (ValueError, RecursionError):
        raise Unreadable(_NONSENSE) from None
    return said


def whole(said: object) -> int:
    """Return a count."""
    if isinstance(said, bool) or not isinstance(said, int) or said < 0:
        raise Unreadable(_NONSENSE)
    return said


def items(said: object) -> list[tuple[object, object]]:
    """Return what a mapping holds."""
    if not isinstance(said, dict):
        raise Unreadable(_NONSENSE)
    return list(said.items())


def ids(said: object) -> list[tuple[str, str, str]]:
    """Return ids: system, type, value."""
    try:
        found = [(str(system), str(kind), str(value)) for system, kind, value in said]  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise Unreadable(_NONSENSE) from None
    return found
