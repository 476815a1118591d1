"""A file under another name is found by what is in it: what it is, where, and what to do instead."""

from collections.abc import Iterator

from airlock.checks.file import File
from airlock.checks.finding import Finding
from airlock.checks.inspect import containers, genotypes, numbers, packed, people, unseen
from airlock.checks.inspect.seen import Seen, block
from airlock.checks.thresholds import Thresholds

LOOKS = (people.look, genotypes.look, packed.look, unseen.look, numbers.look)
"""Each looks through a text; together they are the check `disguise`."""


LONGEST = 8_000_000
"""Bytes of a text that people and detectors can look through."""


def check(file: File, limits: Thresholds) -> Iterator[Finding]:
    """Look at a file as if it had no name; what it is instead of what it may be says the check `kind`."""
    del limits
    if file.kind in {"raw", "unknown"}:
        yield from containers.look(file.content)
    elif file.kind not in {"png", "jpeg", "model"}:
        if len(file.content) > LONGEST:
            yield block("file", f"{len(file.content)} bytes of text; a result has at most {LONGEST}", "export less")
            return
        seen = Seen(file)
        for look in LOOKS:
            yield from look(seen)
