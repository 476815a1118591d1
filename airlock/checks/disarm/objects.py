"""JSON is what it says once: each key one value, each number one that other programs read as the same."""

import json
import math
from typing import Any, NoReturn

from airlock.checks.disarm import prose
from airlock.checks.disarm.cannot import Cannot
from airlock.checks.thresholds import Thresholds

DEEPEST = 64
_LARGEST = 1 << 63
_DIGITS = 20


def rewrite(content: bytes, limits: Thresholds) -> bytes:
    """Read the values, and write them again in their order."""
    del limits
    return written(_same(read(prose.decoded(content)), 0))


def written(value: object) -> bytes:
    """Write a value as lines that a person can read."""
    return (json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def read(text: str) -> Any:  # noqa: ANN401 -- whatever JSON holds
    """Read JSON as the standard has it, or say what is wrong with it."""
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_whole, parse_float=_number
        )
    except RecursionError:
        raise _deep() from None
    except ValueError:
        raise Cannot("cannot be read as JSON", "write it with a JSON library") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = {prose.seen(key): value for key, value in pairs}
    if len(found) < len(pairs):
        raise Cannot("an object has a key twice", "write each key once")
    return found


def _constant(name: str) -> NoReturn:
    raise Cannot(f"holds {name}, which is no number of JSON", "write null")


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS or not -_LARGEST <= int(digits) < _LARGEST:
        raise Cannot("holds a whole number of more than 64 bits", "write a number with fewer digits")
    return int(digits)


def _number(digits: str) -> float:
    if not math.isfinite(found := float(digits)):
        raise Cannot("holds a number that is too large", "write null")
    return found


def _same(value: object, depth: int) -> object:
    if depth > DEEPEST:
        raise _deep()
    if isinstance(value, dict):
        return {key: _same(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_same(inner, depth + 1) for inner in value]
    return prose.plain(value).strip() if isinstance(value, str) else value


def _deep() -> Cannot:
    return Cannot(f"is nested more than {DEEPEST} deep", "write it flat")
