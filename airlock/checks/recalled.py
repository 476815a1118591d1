"""What was called back does not leave again, under whatever name: the same bytes need a named exception."""

from collections.abc import Collection, Iterator
from hashlib import sha256

from airlock.checks.case import Case
from airlock.checks.finding import Finding, Severity


def check(case: Case) -> Iterator[Finding]:
    """Compare the file, and what would leave instead of it, with the hashes of what was recalled."""
    gone = case.facts["recalled"]
    assert isinstance(gone, Collection)  # noqa: S101 -- who makes the case says so; without it nothing is known
    held = {sha256(content).hexdigest() for content in (case.file.content, case.look.leaves) if content is not None}
    if held & set(gone):
        yield Finding(
            "recalled", Severity.BLOCK, "file", "was released before and recalled",
            fix="leave it out, or ask for a named exception and say why it may leave now",
        )  # fmt: skip
