"""What of FHIR may be seen stands in two tables: paths (`rules.toml`) and codes (`codes.toml`); here they are read."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import NamedTuple

from tre.data.deid.pseudonyms import Domain

TABLES = ("rules.toml", "codes.toml")


class Step(NamedTuple):
    """One name of a path."""

    name: str
    list: str
    """Empty, `[]` for a list, `[?]` for one or a list."""
    needed: str
    """The group of which one is needed; empty if it may be absent."""


STEP = re.compile(r"([A-Za-z]+)(\[\]|\[\?\])?(?:(!)([A-Za-z]*))?")


@dataclass(frozen=True)
class Tree:
    """The elements of one resource, datatype or element."""

    action: str = ""
    below: Mapping[str, tuple[Step, "Tree"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Resource:
    """One type of resource that is taken."""

    name: str
    belongs: tuple[str, ...]
    """Elements that say whose it is; `self` for Patient, none for what belongs to nobody."""
    needs_person: bool
    contained: bool
    tree: Tree
    domain: Domain


@dataclass(frozen=True)
class Rules:
    """Both tables."""

    edition: str
    resources: Mapping[str, Resource]
    types: Mapping[str, Tree]
    extensions: Mapping[str, Mapping[str, str]]
    codes: Mapping[str, Mapping[str, object]]
    others: frozenset[str]
    hashes: Mapping[str, str]


@cache
def load() -> Rules:
    """Read the tables once."""
    raw = {name: resources.files(__package__).joinpath(name).read_bytes() for name in TABLES}
    paths, codes = (tomllib.loads(raw[name].decode()) for name in TABLES)
    domains: Mapping[str, str] = paths["domains"]
    return Rules(
        edition=paths["edition"],
        resources={name: _resource(name, said, domains) for name, said in paths["resources"].items()},
        types={name: tree(said) for name, said in paths["types"].items()},
        extensions=paths["extensions"],
        codes=codes,
        others=frozenset(codes["others"]["names"].split()),
        hashes={f"fhir/{name}": sha256(content).hexdigest() for name, content in raw.items()},
    )


def _resource(name: str, said: Mapping[str, object], domains: Mapping[str, str]) -> Resource:
    belongs, paths = str(said["belongs"]), said["paths"]
    assert isinstance(paths, dict)  # noqa: S101 -- our own table
    return Resource(
        name=name,
        belongs=() if belongs == "nobody" else tuple(belongs.removesuffix("?").split()),
        needs_person=belongs != "nobody" and not belongs.endswith("?"),
        contained=bool(said.get("contained")),
        tree=tree(paths),
        domain=Domain(domains.get(name, "record")),
    )


def tree(paths: Mapping[str, str]) -> Tree:
    """Gather flat paths into a tree; a later path may not contradict an earlier one."""
    below: dict[str, tuple[Step, Tree]] = {}
    heads: dict[str, dict[str, str]] = {}
    steps: dict[str, Step] = {}
    for path, action in paths.items():
        head, _, rest = path.partition(".")
        one = step(head)
        steps.setdefault(one.name, one)
        if rest:
            heads.setdefault(one.name, {})[rest] = action
        else:
            below[one.name] = one, Tree(action)
    for name, deeper in heads.items():
        below[name] = steps[name], tree(deeper)
    return Tree(below={name: below[name] for name in steps})


def step(text: str) -> Step:
    """Read one name of a path."""
    found = STEP.fullmatch(text)
    if found is None:
        raise ValueError(f"no path: {text}")
    name, many, needed, group = found.groups()
    return Step(name, many or "", (group or name) if needed else "")


def as_table() -> str:
    """Return all paths as the tables of a document."""
    rules = load()
    parts = []
    for name, resource in rules.resources.items():
        whose = " or ".join(resource.belongs) or "nobody's"
        parts += [f"### {name}\n", f"Whose: {whose}\n" if resource.belongs != ("self",) else ""]
        parts += ["| element | action |", "|---|---|", *_rows(resource.tree), ""]
    for name, below in rules.types.items():
        parts += [f"### Datatype {name}\n", "| element | action |", "|---|---|", *_rows(below), ""]
    return "\n".join(parts).replace("\n\n\n", "\n\n")


def _rows(tree: Tree, before: str = "") -> Iterator[str]:
    for one, below in tree.below.values():
        path = f"{before}{one.name}{one.list}{'!' if one.needed else ''}"
        if below.below:
            yield from _rows(below, f"{path}.")
        else:
            yield f"| `{path}` | {below.action.replace('|', 'or')} |"
