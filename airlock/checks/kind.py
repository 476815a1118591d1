"""A file is what its name says, through to its last byte."""

import json
from collections.abc import Iterator

from airlock.checks import kinds
from airlock.checks.file import File
from airlock.checks.finding import Finding, Severity
from airlock.checks.thresholds import Thresholds


def check(file: File, limits: Thresholds) -> Iterator[Finding]:
    """Sniff the stored bytes again; read text to its end."""
    found = kinds.sniff(file.name, file.content)
    if found in {"raw", "unknown"}:
        what, instead = kinds.why_not(file.name, file.content)
        yield _says(f"may not leave: it {what}; what may is {', '.join(kinds.KINDS)}", instead)
    elif found != file.kind:
        yield _says(f"was taken for {file.kind} and is {found}: submit it again")
    elif found in {"json", "ipynb"} and not _is_json(file.content):
        yield _says("cannot be read as JSON: write it with a JSON library")
    if found in {"txt", "md"} and (lines := file.content.count(b"\n")) > limits.largest_rows:
        yield _says(f"{lines} lines; a text that leaves has at most {limits.largest_rows}")


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


def _says(message: str, fix: str = "") -> Finding:
    return Finding("kind", Severity.BLOCK, "file", message, rule="T1", fix=fix)
