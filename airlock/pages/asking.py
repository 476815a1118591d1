"""The form in which an author says of each file what it is, what was done to it, and how it can be made again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData

from airlock.checks import about
from airlock.checks.about import Sort
from airlock.outbox import Lying
from tre.errors import Unreadable

DESCRIBED = 50
"""So many files of an outbox can be described here; of more, what lies beside them counts."""
SORTS = {
    Sort.TABLE: "a table of groups of people",
    Sort.FIGURE: "a picture",
    Sort.REGRESSION: "coefficients of a regression",
    Sort.SURVIVAL: "a survival curve or its table",
    Sort.GENOMICS: "variants or statistics of them",
    Sort.MODEL: "weights of a model",
    Sort.TEXT: "a text",
    Sort.CODE: "code",
}
_TEXTS = ("kind", "context", "controls", "supports", "asks")
_OBJECTS = ("made", "more")


@dataclass(frozen=True)
class Line:
    """A file of the outbox in the form, with what is or was typed about it."""

    name: str
    size: int
    chosen: bool
    said: Mapping[str, str]
    """Field of the form -> its text."""


def lines(
    lying: Sequence[Lying], chosen: Sequence[str], before: Mapping[str, Mapping[str, object]], sent: FormData | None
) -> tuple[Line, ...]:
    """Fill in the form: with what was sent, else with what lies beside each file or was said in the round before."""
    typed = _typed(sent) if sent is not None else {}
    return tuple(
        Line(
            file.name,
            file.size,
            file.name in chosen,
            typed[file.name] if file.name in typed else _texts(file.about or before.get(file.name, {})),
        )
        for file in lying
    )


def read(sent: FormData) -> dict[str, Mapping[str, object]]:
    """Read what is said of each file that was chosen; of one of which nothing is said, nothing."""
    chosen = set(paths(sent))
    said = {name: _said(name, texts) for name, texts in _typed(sent).items() if name in chosen}
    return {name: each for name, each in said.items() if each}


def paths(sent: FormData) -> tuple[str, ...]:
    """Return the files that were chosen."""
    return tuple(path for path in sent.getlist("paths") if isinstance(path, str))


def _typed(sent: FormData) -> dict[str, dict[str, str]]:
    found = {}
    for at in range(DESCRIBED):
        name = sent.get(f"file-{at}")
        if isinstance(name, str):
            found[name] = {field: str(sent.get(f"{field}-{at}", "")) for field in (*_TEXTS, *_OBJECTS)}
    return found


def _said(name: str, texts: Mapping[str, str]) -> dict[str, object]:
    said: dict[str, object] = {field: texts[field].strip() for field in _TEXTS if texts[field].strip()}
    said |= {field: _object(name, field, texts[field]) for field in _OBJECTS if texts[field].strip()}
    if said and "kind" not in said:
        raise Unreadable(f"{name[:80]!a}: say what kind of result it is")
    try:
        about.read(said)
    except Unreadable as wrong:
        raise Unreadable(f"{name[:80]!a}: {wrong}") from None
    return said


def _object(name: str, field: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        what = "the output manifest" if field == "made" else "what else there is to say"
        raise Unreadable(f"{name[:80]!a}, {what}: write it as JSON, names and values in braces")
    return found


def _texts(said: Mapping[str, object]) -> dict[str, str]:
    texts = {field: str(said.get(field, "")) for field in _TEXTS}
    return texts | {field: json.dumps(said[field], indent=2) if said.get(field) else "" for field in _OBJECTS}
