"""What should become of each value of the golden cohort: the answers, from whoever wrote the value."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path


class Answer(StrEnum):
    """What is expected of one value."""

    REMOVED = "removed"
    """It is not there any more: absent, empty, or something else stands in its place."""
    PSEUDONYM = "pseudonym"
    """The person's pseudonym stands there."""
    SHIFTED = "shifted"
    """The date stands there, moved by this person's days."""
    YEAR = "year"
    """Of the date only the year stands there."""
    KEPT = "kept"
    """It stands there as it was."""
    GENERALISED = "generalised"
    """What `becomes` says stands there."""
    RENAMED = "renamed"
    """Another name stands there; the same for each equal name of its kind, and it does not hold the old one."""
    HELD = "held"
    """The record is in no extract."""
    REFUSED = "refused"
    """The file is not taken."""


@dataclass(frozen=True)
class Row:
    """One question and its answer."""

    kind: str
    """table, fhir, omop, dicom, variants, reads or file."""
    file: str
    """Where it was delivered."""
    record: str
    """How to find the record again: something of it that must stay (a value, the pixels' hash, the genotypes)."""
    place: str
    """Column, path in the resource, path of tags, header line."""
    person: str
    """Subject, empty where it is nobody's."""
    value: str
    answer: Answer
    becomes: str = ""
    trap: str = ""
    """What makes it hard, in a word."""


@dataclass
class Key:
    """All rows, and all values that no extract may hold anywhere."""

    rows: list[Row] = field(default_factory=list)
    planted: dict[str, str] = field(default_factory=dict)
    """Value that names a person -> what it is."""

    def say(self, kind: str, file: str, record: str, person: str) -> "Page":
        """Begin what is to be said of one record."""
        return Page(self, kind, file, record, person)

    def plant(self, value: str, what: str) -> str:
        """Note a value that names somebody; return it."""
        self.planted.setdefault(value, what)
        return value

    def write(self, path: Path) -> None:
        """Write it as JSON, a row a line."""
        rows = ",\n".join(json.dumps(asdict(row), ensure_ascii=False) for row in self.rows)
        planted = json.dumps(self.planted, ensure_ascii=False, indent=0)
        path.write_text(f'{{"planted": {planted},\n"rows": [\n{rows}\n]}}\n', "utf-8")

    @classmethod
    def load(cls, path: Path) -> "Key":
        """Read what `write` wrote."""
        said = json.loads(path.read_text("utf-8"))
        return cls([Row(**{**row, "answer": Answer(row["answer"])}) for row in said["rows"]], said["planted"])

    def of(self, *kinds: str) -> Iterator[Row]:
        """Yield the rows of some kinds."""
        return (row for row in self.rows if row.kind in kinds)


@dataclass(frozen=True)
class Page:
    """What is said of one record."""

    key: Key
    kind: str
    file: str
    record: str
    person: str

    def __call__(self, place: str, value: object, answer: Answer, becomes: object = "", trap: str = "") -> None:
        """Add a row."""
        self.key.rows.append(
            Row(self.kind, self.file, self.record, place, self.person, str(value), answer, str(becomes), trap)
        )
