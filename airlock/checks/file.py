"""What a check is given: a file's name, kind and bytes, and its table if it is one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """The bytes that are to leave, as they lie in the store."""

    name: str
    kind: str
    content: bytes


@dataclass(frozen=True)
class Table:
    """Cells as they are written; every row has one for each head."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, at: int) -> tuple[str, ...]:
        """Return the cells below a head."""
        return tuple(row[at] for row in self.rows)
