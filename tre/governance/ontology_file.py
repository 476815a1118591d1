"""Ontologies of diseases come as OBO or as OBO-graph JSON: read term by term, and refused whole if anything is odd.

A file that is cut off, a parent that is not there or a circle would make a disease a kind of something it is not.
"""

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from tre.errors import Unreadable

LARGEST = 1_000_000_000
"""Bytes of a file, unpacked."""
LONGEST = 2_000_000
"""Bytes of a line."""
_TAG = re.compile(r"(?:http://purl\.obolibrary\.org/obo/)?([A-Z]+)[:_](\d{1,10})")


class Term(NamedTuple):
    """A disease."""

    id: str
    label: str
    parents: tuple[str, ...] = ()
    obsolete: bool = False


@dataclass(frozen=True)
class Read:
    """What a file holds."""

    version: str
    terms: Mapping[str, Term]


def read(path: Path, prefix: str) -> Read:
    """Read the terms of one ontology, or say in one line why not."""
    try:
        with _opened(path) as file:
            version, found = _graph(file) if ".json" in path.suffixes else _obo(file, path.name)
            mine = [
                _spelled(term) for term in found if term.id.startswith((f"{prefix}:", f"{prefix}_")) or "/" in term.id
            ]
    except OSError as error:
        raise Unreadable(f"{path.name}: cannot be read ({error.strerror or 'damaged'})") from None
    except (EOFError, zlib.error):
        raise Unreadable(f"{path.name}: the compressed file is cut off or damaged; fetch it again") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{path.name}: not UTF-8; fetch it again") from None
    return Read(version, whole((term for term in mine if term.id.startswith(f"{prefix}:")), path.name, prefix))


def whole(found: Iterable[Term], name: str, prefix: str = "") -> dict[str, Term]:
    """Return the terms by their ids, if each stands once, every parent is there, and none is its own ancestor."""
    terms: dict[str, Term] = {}
    for term in found:
        if term.id in terms:
            raise Unreadable(f"{name}: {term.id} stands twice")
        if not term.label and not term.obsolete:
            raise Unreadable(f"{name}: {term.id} has no name; the file is cut off or damaged")
        mine = tuple(one for one in term.parents if not prefix or one.startswith(f"{prefix}:"))
        terms[term.id] = term._replace(parents=() if term.obsolete else mine)
    if not terms:
        raise Unreadable(f"{name}: holds no term of {prefix or 'any ontology'}")
    for term in terms.values():
        for parent in term.parents:
            if parent not in terms:
                raise Unreadable(f"{name}: {term.id} is a kind of {parent}, which is not there; the file is cut off")
    _no_circle(terms, name)
    return terms


def _no_circle(terms: Mapping[str, Term], name: str) -> None:
    """Take away, again and again, what nothing else is under; what is left over goes in a circle."""
    under = dict.fromkeys(terms, 0)
    for term in terms.values():
        for parent in term.parents:
            under[parent] += 1
    free = [one for one, count in under.items() if count == 0]
    taken = 0
    while free:
        taken += 1
        for parent in terms[free.pop()].parents:
            under[parent] -= 1
            if under[parent] == 0:
                free.append(parent)
    if taken < len(terms):
        one = min(one for one, count in under.items() if count)
        raise Unreadable(f"{name}: {one} is a kind of itself, by way of others")


def _opened(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")  # gzip says IO[Any]


def _spelled(term: Term) -> Term:
    return Term(_id(term.id), term.label, tuple(map(_id, term.parents)), term.obsolete)


def _id(said: str) -> str:
    found = _TAG.fullmatch(said)
    return f"{found[1]}:{found[2]}" if found else said


# --- OBO --------------------------------------------------------------------------------------------------------------
def _obo(file: BinaryIO, name: str) -> tuple[str, list[Term]]:
    """Read stanza by stanza; only `[Term]` counts."""
    head: dict[str, list[str]] = {}
    found: list[Term] = []
    for kind, tags in _stanzas(file, name):
        if not kind:
            head = tags
            if "format-version" not in head:
                raise Unreadable(f"{name}, line 1: not an OBO file (no format-version)")
        elif kind == "[Term]":
            if len(tags.get("id", ())) != 1:
                raise Unreadable(f"{name}: a term has no id, or two; the file is damaged")
            found.append(_term(tags))
    return head.get("data-version", [""])[0], found


def _term(tags: Mapping[str, list[str]]) -> Term:
    parents = tuple(one.split(" ", 1)[0] for one in tags.get("is_a", ()))
    return Term(tags["id"][0].split(" ", 1)[0], tags.get("name", [""])[0], parents, tags.get("is_obsolete") == ["true"])


def _stanzas(file: BinaryIO, name: str) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield the head under no name, then each stanza with its tags."""
    kind, tags, seen = "", dict[str, list[str]](), 0
    for number, line in enumerate(iter(lambda: file.readline(LONGEST), b""), 1):
        seen += len(line)
        if len(line) >= LONGEST or seen > LARGEST:
            raise Unreadable(f"{name}, line {number}: too long for an ontology")
        text = line.decode("utf-8").strip()
        if text.startswith("[") and text.endswith("]"):
            yield kind, tags
            kind, tags = text, {}
        elif text and not text.startswith("!"):
            tag, colon, value = text.partition(":")
            if not colon:
                raise Unreadable(f"{name}, line {number}: not `tag: value`; the file is damaged")
            tags.setdefault(tag, []).append(value.strip())
    yield kind, tags


# --- OBO graph --------------------------------------------------------------------------------------------------------
def _graph(file: BinaryIO) -> tuple[str, list[Term]]:
    """Read the nodes and the `is_a` edges of all graphs."""
    text = file.read(LARGEST + 1)
    name = Path(getattr(file, "name", "") or "graph").name
    if len(text) > LARGEST:
        raise Unreadable(f"{name}: too long for an ontology")
    try:
        return _nodes(json.loads(text))
    except (AttributeError, KeyError, TypeError, RecursionError, json.JSONDecodeError):
        raise Unreadable(f"{name}: not an OBO graph in JSON; the file is cut off or damaged") from None


def _nodes(said: Any) -> tuple[str, list[Term]]:  # noqa: ANN401 -- JSON of somebody else
    parents: dict[str, list[str]] = {}
    found: list[Term] = []
    for graph in said["graphs"]:
        for edge in graph.get("edges", ()):
            if edge["pred"] == "is_a":
                parents.setdefault(edge["sub"], []).append(edge["obj"])
    for graph in said["graphs"]:
        for node in graph["nodes"]:
            if node.get("type", "CLASS") == "CLASS":
                obsolete = bool((node.get("meta") or {}).get("deprecated", False))
                found.append(
                    Term(str(node["id"]), str(node.get("lbl", "")), tuple(parents.get(node["id"], ())), obsolete)
                )
    version = str(((said["graphs"][0].get("meta") or {}).get("version")) or "")
    return version, found
