"""A form that people write is read strictly: each key known, each value of its kind, each fault told with its place."""

from collections.abc import Hashable, Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import TypeVar

import yaml

from tre.errors import Unreadable

Word = TypeVar("Word", bound=StrEnum)


def from_yaml(text: str) -> object:
    """Read YAML in which each key stands once, or say at which line it is not that."""
    try:
        return yaml.load(text, Loader=_Strict)  # noqa: S506 -- a SafeLoader that refuses double keys
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise Unreadable(f"plan{line}: {error.problem or 'not YAML'}") from None
    except (yaml.YAMLError, RecursionError):
        raise Unreadable("plan: not YAML text") from None


def mapping(
    said: object, where: str, *, needs: AbstractSet[str] = frozenset(), may: AbstractSet[str] | None = None
) -> dict[str, object]:
    """Return keys and values; every needed key is there, and none that is not known."""
    if not isinstance(said, dict):
        raise Unreadable(f"{where}: needs `key: value` lines")
    for key in said:
        if not isinstance(key, str):
            raise Unreadable(f"{where}: put the key {key} in quotes")
    if needs or may is not None:
        only(said, where, needs=needs, may=may or frozenset())
    return dict(said)


def only(said: Mapping[str, object], where: str, *, needs: AbstractSet[str], may: AbstractSet[str]) -> None:
    """Refuse a key that is not known, and one that is missing."""
    for key in said:
        if key not in needs | may:
            raise Unreadable(f"{where}: unknown key {key}; known: {', '.join(sorted(needs | may)) or 'none'}")
    for key in sorted(needs - set(said)):
        raise Unreadable(f"{where}: {key} is missing")


def string(said: object, where: str) -> str:
    """Return a text."""
    if not isinstance(said, str):
        raise Unreadable(f"{where}: needs a text; put it in quotes")
    return said


def strings(said: object, where: str) -> tuple[str, ...]:
    """Return a list of texts."""
    if not isinstance(said, list):
        raise Unreadable(f"{where}: needs a list")
    return tuple(string(one, where) for one in said)


def number(said: object, where: str) -> float:
    """Return a number."""
    if isinstance(said, bool) or not isinstance(said, (int, float)) or said != said:  # noqa: PLR0124 -- NaN
        raise Unreadable(f"{where}: needs a number")
    return said


def flag(said: object, where: str) -> bool:
    """Return true or false."""
    if not isinstance(said, bool):
        raise Unreadable(f"{where}: needs true or false")
    return said


def one_of(kind: type[Word], said: object, where: str) -> Word:
    """Return the word, or name those there are."""
    words = {str(word): word for word in kind}
    if not isinstance(said, str) or said not in words:
        raise Unreadable(f"{where}: needs one of {', '.join(words)}")
    return words[said]


class _Strict(yaml.SafeLoader):
    """YAML without double keys, and without links that unfold to a bomb."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:  # noqa: FBT001, FBT002 -- as the parent
        """Refuse a key that stands twice."""
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value} stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse links."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="a link (*name) is not used here", problem_mark=self.get_mark())
        return super().compose_node(parent, index)
