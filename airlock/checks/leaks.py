"""No file that leaves names a person: no pseudonym of any project, no identifier of the source, in any wrapping."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from airlock.checks.finding import Finding, Severity

_SHOWN = 20


class Leak(Protocol):
    """What the search of the data's side reports."""

    @property
    def where(self) -> str:
        """Say where in the file."""

    @property
    def detail(self) -> str:
        """Say whose it is, never what."""


def check(leaks: Iterable[Leak]) -> Iterator[Finding]:
    """Block on each leak that was found."""
    found = [Finding("leaks", Severity.BLOCK, leak.where, f"{leak.detail}: remove it") for leak in leaks]
    yield from found[:_SHOWN]
    if len(found) > _SHOWN:
        yield Finding("leaks", Severity.BLOCK, "file", f"and {len(found) - _SHOWN} more")
