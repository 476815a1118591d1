"""Did what should become of each value become of it? One extract against the key.

    score(folder, key, naming) -> Score       actions, and planted values that are still somewhere

Names and days are recomputed here from the project's naming; nothing else of the code under test is asked.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from tests.golden import people, search
from tests.golden.found import Extract
from tests.golden.key import Answer, Key, Row
from tre.data.deid.dates import shift
from tre.data.deid.pseudonyms import Domain, Naming, PatientId

LINKAGE = "hospital"


@dataclass(frozen=True)
class Project:
    """What one project calls everybody, by subject."""

    naming: Naming = field(repr=False)

    def __post_init__(self) -> None:
        subjects = {one.subject: PatientId(f"{LINKAGE}:{one.subject}") for one in people.everybody()}
        names = {one: str(self.naming.pseudonym(whole)) for one, whole in subjects.items()}
        numbers = {one: self.naming.number(Domain.PERSON_NUMBER, whole) for one, whole in subjects.items()}
        days = {one: shift(whole, self.naming.keys.date) for one, whole in subjects.items()}
        for name, value in (("names", names), ("numbers", numbers), ("days", days)):
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Score:
    """What came of it."""

    asked: Counter[str]
    wrong: tuple[tuple[Row, str], ...]
    """Rows that were not answered as expected, and what stood there."""
    leaks: Counter[str]

    @property
    def accuracy(self) -> float:
        """Share of the rows answered as expected."""
        return 1 - len(self.wrong) / max(1, self.asked.total())

    def accuracy_of(self, kind: str) -> float:
        """Return the same of one kind."""
        return 1 - sum(row.kind == kind for row, _ in self.wrong) / max(1, self.asked[kind])

    def told(self, most: int = 30) -> str:
        """Say what is wrong, the commonest first."""
        groups: dict[str, list[tuple[Row, str]]] = defaultdict(list)
        for row, stood in self.wrong:
            groups[
                f"{row.kind} {row.file.split('/')[1] if row.kind in SORTED else ''} {row.place} {row.answer}"
            ].append((row, stood))
        lines = []
        for what, rows in sorted(groups.items(), key=lambda item: -len(item[1])):
            row, stood = rows[0]
            expected = row.becomes or row.value
            lines.append(f"{len(rows):5} x {what} {row.trap}: expected {expected!r:.60}, stood {stood!r:.90}")
        return "\n".join([*lines[:most], *(f"leak: {what}" for what in sorted(self.leaks)[:most])])


SORTED = frozenset({"table", "fhir", "variants"})


def score(
    folder: Path, key: Key, project: Project, *, withdrawn: Collection[str] = (), kinds: Collection[str] = ()
) -> Score:
    """Ask every row of the key (or of some kinds) of an extract's folder."""
    extract = Extract(folder, project.names, project.numbers)
    extract.learn([row for row in key.rows if row.person not in withdrawn])
    asked = [row for row in key.rows if row.kind != "file" and (not kinds or row.kind in kinds)]
    judge = _Judge(extract, project, frozenset(withdrawn))
    wrong = [(row, stood) for row in asked if (stood := judge.fault(row)) is not None]
    wrong += judge.not_one_to_one()
    return Score(Counter(row.kind for row in asked), tuple(wrong), search.leaks(folder, key.planted))


@dataclass
class _Judge:
    extract: Extract
    project: Project
    withdrawn: frozenset[str]
    renamed: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    _rows: dict[tuple[str, str], Row] = field(default_factory=dict)

    def fault(self, row: Row) -> str | None:
        """Return what stands there instead, or None if all is well."""
        record = self.extract.record(row)
        if row.answer is Answer.HELD or row.person in self.withdrawn:
            return None if record is None else "it is in the extract"
        if record is None:
            return "its record is not in the extract"
        stood = record.at(row.place)
        return None if self._right(row, stood) else " | ".join(stood)[:200]

    def _right(self, row: Row, stood: list[str]) -> bool:
        expected = {Answer.GENERALISED: row.becomes, Answer.YEAR: row.value[:4]}
        match row.answer:
            case Answer.REMOVED:
                right = not any(row.value.casefold() in one.casefold() for one in stood)
            case Answer.KEPT:
                right = any(_same(row.value, one) for one in stood)
            case Answer.GENERALISED | Answer.YEAR:
                right = bool(stood) and all(_same(expected[row.answer], one) for one in stood)
            case Answer.PSEUDONYM:
                mine = {self.project.names[self._whose(row)], str(self.project.numbers[self._whose(row)])}
                right = bool(stood) and all(one.rsplit("/", 1)[-1] in mine for one in stood)
            case Answer.SHIFTED:
                moved = _moved(row.value, self.project.days[row.person])
                right = moved in {one.replace("T", " ", 1) for one in stood}
            case Answer.RENAMED:
                right = self._note(row, stood)
            case _:
                raise AssertionError(row.answer)
        return right

    def _whose(self, row: Row) -> str:
        return _OTHERS.get(row.value, row.person) if row.place == "twin" else row.person

    def _note(self, row: Row, stood: list[str]) -> bool:
        """Remember what a name became; it must be one thing, and not hold the old one."""
        names = {one.rsplit("/", 1)[-1] for one in stood if one}
        kind = _name_kind(row)
        self.renamed[kind, row.value] |= names
        self._rows[kind, row.value] = row
        return len(names) == 1 and row.value not in next(iter(names))

    def not_one_to_one(self) -> Iterator[tuple[Row, str]]:
        """Yield names that became several, or several of which became one."""
        owner: dict[str, tuple[str, str]] = {}
        for what, names in self.renamed.items():
            if what[0] == "@RG ID":  # a file's own; the first of each file may be called as that of any other
                continue
            if len(names) > 1:
                yield self._rows[what], f"several names: {sorted(names)}"
            for name in names:
                if owner.setdefault(name, what) != what:
                    yield self._rows[what], f"the name of another thing: {name}"


_OTHERS = {one.mrn: one.subject for one in people.everybody()}


def _name_kind(row: Row) -> str:
    """Return within what equal names are one: UIDs, accession numbers, ids of a type, read groups."""
    if row.kind == "fhir":
        return "Encounter" if row.place.startswith("encounter") else row.record.split("|")[0]
    return "UID" if "UID" in row.place else row.place


def _same(expected: str, stood: str) -> bool:
    if expected == stood:
        return True
    try:
        return float(expected) == float(stood)
    except ValueError:
        parts = expected.split("\\"), stood.split("\\")
        return len(parts[0]) == len(parts[1]) > 1 and all(map(_same, *parts))


_DAY = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)")


def _moved(text: str, days: int) -> str:
    """Move the day and leave the rest as it is."""
    found = _DAY.match(text)
    if not found:
        raise AssertionError(f"the key has no date where one should be: {text}")
    day = date(*map(int, found.groups())) + timedelta(days=days)
    shape = "%Y-%m-%d" if "-" in text[:10] else "%Y%m%d"
    return (day.strftime(shape) + text[found.end() :]).replace("T", " ", 1)


def kinds(scored: Mapping[str, int]) -> list[str]:
    """Return kinds in the order of the table that is printed."""
    return [kind for kind in ("table", "fhir", "omop", "dicom", "variants", "reads") if kind in scored]
