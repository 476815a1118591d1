"""What comes into a project is looked at as what leaves is: of a short list of kinds, read to its end, no people."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Protocol

from airlock.checks import confined, kinds, leaks
from airlock.checks.case import Leak
from airlock.checks.file import File
from airlock.checks.finding import Finding, Severity
from airlock.checks.thresholds import Thresholds

# ending -> what it is to the rules, and as what kind of text it is looked at
KINDS = {
    ".py": ("code", "txt"), ".r": ("code", "txt"), ".sql": ("code", "txt"), ".ipynb": ("notebook", "ipynb"),
    ".md": ("text", "md"), ".txt": ("text", "txt"),
    ".csv": ("table", "csv"), ".tsv": ("table", "txt"), ".json": ("table", "json"), ".parquet": ("table", ""),
}  # fmt: skip
UNKNOWN = "unknown"
COUNTS = frozenset({"kind", "disguise", "rewrite"})
"""Of what is found in the throw-away process, this is about what comes in; the rest is about what leaves."""
_PARQUET = b"PAR1"
_ROWS = 10**7


class Known(Protocol):
    """What the data's side answers."""

    def leaks(self, data: bytes) -> Iterable[Leak]:
        """Point at every place that names a person."""


@dataclass(frozen=True)
class Looked:
    """What was found, and the bytes that arrive; none where something blocks."""

    findings: tuple[Finding, ...]
    arrives: bytes | None


def kind_of(name: str, content: bytes) -> str:
    """Return what a file is to the rules, by its ending and its first and last bytes."""
    said, text = KINDS.get(_ending(name), (UNKNOWN, ""))
    if said == UNKNOWN:
        return UNKNOWN
    if not text:
        whole = content.startswith(_PARQUET) and content.endswith(_PARQUET)
        return said if whole and int.from_bytes(content[-8:-4], "little") <= len(content) - 12 else UNKNOWN
    return said if kinds.is_text(content) else UNKNOWN


def shown_as(name: str) -> str:
    """Return as what kind of text a file is shown; empty where it is none."""
    return KINDS.get(_ending(name), (UNKNOWN, ""))[1]


def look(name: str, content: bytes, limits: Thresholds, known: Known, *, scanned: tuple[str, str]) -> Looked:
    """Look through a file; `scanned` is what the scanner for malware said: verdict and detail."""
    found = [*_names(name, content, known), *_scan(limits, scanned)]
    text = shown_as(name)
    if kind_of(name, content) == UNKNOWN:
        what = f"is of a kind that does not come in: bring one of {', '.join(KINDS)}, as UTF-8 text"
        return Looked((*found, Finding("kind", Severity.BLOCK, "file", what, rule="T1")), None)
    if not text:
        unseen = "a table that is not shown here: agree to it only if you know where it is from"
        return _so(content, [*found, Finding("kind", Severity.WARN, "file", unseen)])
    # Looked at under a name of its kind: the list of what may leave has other endings.
    seen = confined.look(File(f"file.{text}", text, content), replace(limits, largest_rows=_ROWS))
    found += [one for one in seen.findings if one.check in COUNTS]
    missing = COUNTS - seen.ran
    found += [Finding(name, Severity.BLOCK, "file", "the check did not run: mend the file") for name in sorted(missing)]
    return _so(seen.leaves if text == "ipynb" else content, found)


def _so(arrives: bytes | None, found: list[Finding]) -> Looked:
    return Looked(tuple(found), None if any(one.severity is Severity.BLOCK for one in found) else arrives)


def _names(name: str, content: bytes, known: Known) -> Iterator[Finding]:
    """Refuse what would join the data to names: a list of who is who does not come in beside them."""
    yield from leaks.check(known.leaks(content))
    yield from leaks.check(known.leaks(name.encode()))


def _scan(limits: Thresholds, scanned: tuple[str, str]) -> Iterator[Finding]:
    """Say what was not looked at, which is never clean: the approver answers for it by name, or it stays outside."""
    verdict, detail = scanned
    if verdict == "found":
        yield Finding(
            "virus", Severity.BLOCK, "file", f"the scanner found {detail}", fix="Leave it out; tell an admin."
        )
    elif verdict != "clean":
        severity = {"required": Severity.BLOCK, "off": Severity.NOTE}.get(limits.scan, Severity.WARN)
        yield Finding(
            "virus", severity, "file", f"not scanned for malware: {detail}", fix="Ask an admin for a scanner."
        )


def _ending(name: str) -> str:
    return PurePosixPath(name.lower()).suffix
