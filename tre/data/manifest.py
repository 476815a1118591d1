"""What one ingest brought and under which plan: written once, sealed key included, and read again for every extract."""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Self

from tre.errors import Tampered


@dataclass(frozen=True)
class File:
    """One table of a version."""

    name: str
    source: str
    """The table's name and format; in older days the file's own name."""
    format: str
    rows: int
    bytes: int
    sha256: str
    """Of the file as it was brought."""
    stored_bytes: int
    stored_sha256: str
    """Of the sealed file in the silo."""


@dataclass(frozen=True)
class Count:
    """What came of one kind."""

    files: int = 0
    """Taken; those that are held for now are among them."""
    records: int = 0
    persons: int = 0
    held: int = 0
    """Of the files, those of which all or a part is left out for now."""
    held_records: int = 0
    refused: int = 0


@dataclass(frozen=True)
class Manifest:
    """One version of a dataset."""

    files: tuple[File, ...]
    plan: str
    """The plan's text, as it was when the files came in; it stays this version's plan."""
    plan_sha256: str
    key: bytes
    """The data key, sealed by the root key."""
    private: bytes = b""
    """The X25519 key that opens the version's crypt4gh containers, sealed by the root key."""
    index: str = ""
    """SHA-256 (hex) of the sealed index of all files; empty in a version of the days of tables only."""
    counts: Mapping[str, Count] = field(default_factory=dict)
    """By kind; `unknown` for what is of no kind that is known."""
    linkage: str = ""
    linkage_version: int = 0
    """The loading that held when the files came in; at an extract the newest holds."""

    def to_json(self) -> str:
        """Write it for the records."""
        said = asdict(self) | {name: base64.b64encode(getattr(self, name)).decode() for name in ("key", "private")}
        return json.dumps(said, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, what: str) -> Self:
        """Read it from the records."""
        try:
            said = json.loads(text)
            parts = said | {
                "files": tuple(File(**file) for file in said["files"]),
                "key": base64.b64decode(said["key"]),
                "private": base64.b64decode(said.get("private", "")),
                "counts": {kind: Count(**count) for kind, count in said.get("counts", {}).items()},
            }
            return cls(**parts)
        except (KeyError, TypeError, ValueError):
            raise Tampered(f"the manifest of {what} is not one: restore the records from their backup") from None
