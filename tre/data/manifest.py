"""What one ingest brought and under which plan: written once, sealed key included, and read again for every extract."""

import base64
import json
from dataclasses import asdict, dataclass
from typing import Self

from tre.errors import Tampered


@dataclass(frozen=True)
class File:
    """One table of a version."""

    name: str
    source: str
    format: str
    rows: int
    bytes: int
    sha256: str
    """Of the file as it was brought."""
    stored_bytes: int
    stored_sha256: str
    """Of the sealed file in the silo."""


@dataclass(frozen=True)
class Manifest:
    """One version of a dataset."""

    files: tuple[File, ...]
    plan: str
    """The plan's text, as it was when the files came in; it stays this version's plan."""
    plan_sha256: str
    key: bytes
    """The data key, sealed by the root key."""

    def to_json(self) -> str:
        """Write it for the records."""
        said = asdict(self) | {"key": base64.b64encode(self.key).decode()}
        return json.dumps(said, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, what: str) -> Self:
        """Read it from the records."""
        try:
            said = json.loads(text)
            parts = said | {
                "files": tuple(File(**file) for file in said["files"]),
                "key": base64.b64decode(said["key"]),
            }
            return cls(**parts)
        except (KeyError, TypeError, ValueError):
            raise Tampered(f"the manifest of {what} is not one: restore the records from their backup") from None
