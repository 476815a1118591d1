"""All bytes of an extract are read by parsers, in a process that can do little; this is all that it imports."""

from collections.abc import Callable
from pathlib import Path

from tre.data import search, short


def look_through(
    data: Path, values: list[str], own: list[tuple[str, str]], *, tell: Callable[[int], None]
) -> tuple[search.Sweep, short.Short]:
    """Search the files of an extract."""
    return search.sweep(data, values, tell=tell), short.search(data, own)
