"""One person is one person in every carrier of a project; two projects have nothing in common but what was measured."""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

import pyarrow.parquet

from tests.golden.found import Extract
from tests.golden.key import Answer, Key
from tests.golden.score import Project
from tre.data import canaries

CHANCE = 0.7
"""Rank correlation of two orders of sixty that chance gives once in ten million times; the same order has 1."""
FEW = 30
_DAY = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)")
_COUNTED = re.compile(r"rg\d")
"""The first, the second of a file: it names nothing."""


@dataclass
class Met:
    """What one person is called in one extract, and by how many days their dates moved, wherever it was said."""

    names: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    numbers: set[str] = field(default_factory=set)
    days: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    @property
    def agree(self) -> bool:
        """Whether it is one name, one number and one number of days in all carriers."""
        names, days = (set().union(*by.values()) for by in (self.names, self.days))
        return len(names) == 1 and len(self.numbers) <= 1 and len(days) == 1


def met(folder: Path, key: Key, project: Project, *, withdrawn: Collection[str] = ()) -> dict[str, Met]:
    """Gather by subject what the carriers say; the key tells where, the project's names only how to find a row."""
    extract = Extract(folder, project.names, project.numbers)
    found: dict[str, Met] = defaultdict(Met)
    for row in key.rows:
        if row.answer not in {Answer.PSEUDONYM, Answer.SHIFTED} or row.place == "twin" or row.person in withdrawn:
            continue
        record = extract.record(row)
        for stood in record.at(row.place) if record else ():
            person, name = found[row.person], stood.rsplit("/", 1)[-1]
            if row.answer is Answer.SHIFTED:
                person.days[row.kind].add((_day(stood) - _day(row.value)).days)
            elif row.kind == "omop" and name.isdigit():
                person.numbers.add(name)
            else:
                person.names[row.kind].add(name)
    _by_path(extract, key, found)
    return dict(found)


def _by_path(extract: Extract, key: Key, found: Mapping[str, Met]) -> None:
    """Add what folders and files are called."""
    whose = {row.record: row.person for row in key.of("dicom", "reads") if row.person in found}
    for print_, path in [*extract.image_paths.items(), *extract.reads_paths.items()]:
        if print_ in whose:
            name = path.relative_to(extract.folder).parts[1].split(".")[0].split("_")[0]
            found[whose[print_]].names["path"].add(name)


def _day(text: str) -> date:
    return date(*map(int, _DAY.match(text).groups()))


# --- two projects -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Copy:
    """One project's extract as somebody sees it who has no key."""

    folder: Path
    project: Project = field(repr=False)
    """To put the records in an order that both projects' eyes share, never to compare names."""

    @cached_property
    def extract(self) -> Extract:
        """Read it."""
        return Extract(self.folder, self.project.names, self.project.numbers)

    @cached_property
    def names(self) -> dict[str, set[str]]:
        """Every name that was made for this project, by what it names."""
        found: dict[str, set[str]] = defaultdict(set)
        for kind, name in self._names():
            found[kind].add(name)
        return found

    def _names(self) -> Iterator[tuple[str, str]]:
        for path in sorted(self.folder.rglob("*")):
            parts = path.relative_to(self.folder).parts
            if parts[0] in {"dicom", "variants", "reads"} and path.suffix != ".parquet" and len(parts) > 1:
                yield "file name", parts[-1].split(".")[0]
            if path.is_file() and path.name != canaries.FILE:
                yield from (("pseudonym", name) for name in re.findall(r"tre1-[A-Z2-7]{26}", _text(path)))
        yield from self._of_resources()
        for image in self.extract.images.values():
            yield from (("UID", str(value)) for value in _uids(image.image))
            yield "accession number", str(image.image.get("AccessionNumber", ""))
        for reads in self.extract.reads.values():
            names = (str(line["ID"]) for line in reads.header["RG"])
            yield from (("read group", name) for name in names if not _COUNTED.fullmatch(name))
        yield from self._of_omop()

    def _of_resources(self) -> Iterator[tuple[str, str]]:
        for path in self.folder.glob("fhir/*.ndjson"):
            for line in path.read_text("utf-8").splitlines():
                yield "FHIR id", json.loads(line)["id"]

    def _of_omop(self) -> Iterator[tuple[str, str]]:
        for path in self.folder.glob("omop/*.parquet"):
            table = pyarrow.parquet.read_table(path)
            for name in table.column_names:
                if name.endswith("_id") and not name.endswith("concept_id"):
                    yield from (("OMOP id", str(one)) for one in table[name].to_pylist() if one)

    @cached_property
    def orders(self) -> dict[str, list[str]]:
        """In which order records stand that both projects have, each by something of it that both see."""
        back = {name: subject for subject, name in self.project.names.items()}
        found = {path.stem: _column(path, "mrn") for path in self.folder.glob("*.parquet")}
        found = {f"rows of {name}": [back[one] for one in dict.fromkeys(rows)] for name, rows in found.items()}
        if (labs := self.folder / "labs.parquet").exists():
            found["rows of labs"] = _column(labs, "value")
        for path in sorted(self.folder.glob("fhir/*.ndjson")):
            lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            marks = [_mark(line, back) for line in lines]
            found[f"lines of {path.name}"] = [mark for mark in marks if mark]
        if (told := self.folder / "omop" / "measurement.parquet").exists():
            found["rows of OMOP measurements"] = _column(told, "value_as_number")
        found["images by path"] = list(self.extract.images)
        found["files of reads"] = list(self.extract.reads)
        samples = [sample for sample in self.extract.samples if len(sample.file.names) > 1]
        found["samples of the cohort"] = [" ".join(sample.calls) for sample in samples]
        return {what: order for what, order in found.items() if order}


def overlap(one: Copy, other: Copy) -> dict[str, int]:
    """Count the names that two projects share, by what they name; and the orders that tell who is who."""
    kinds = sorted(one.names.keys() | other.names.keys())
    found = {kind: len(one.names[kind] & other.names[kind] - {""}) for kind in kinds}
    return found | {"order": len(linked_orders(one, other))}


def linked_orders(one: Copy, other: Copy) -> list[str]:
    """Name the carriers in which the order of one project tells that of the other."""
    return [
        what for what in sorted(one.orders.keys() & other.orders.keys()) if _tells(one.orders[what], other.orders[what])
    ]


def _tells(first: list[str], second: list[str]) -> bool:
    place = {mark: at for at, mark in enumerate(second)}
    ranks = [place[mark] for mark in first if mark in place]
    if len(ranks) < FEW:  # few records: by chance alone they stand nearly as they stood
        return len(ranks) > 6 and ranks in (sorted(ranks), sorted(ranks, reverse=True))
    return abs(correlation(ranks)) >= CHANCE


def correlation(ranks: list[int]) -> float:
    """Spearman's rank correlation with 0, 1, 2 ..."""
    sorted_ = {rank: at for at, rank in enumerate(sorted(ranks))}
    size = len(ranks)
    squares = sum((sorted_[rank] - at) ** 2 for at, rank in enumerate(ranks))
    return 1 - 6 * squares / (size * (size * size - 1))


def _mark(resource: Mapping[str, object], back: Mapping[str, str]) -> str:
    if resource["resourceType"] == "Observation":
        return str(resource["valueQuantity"]["value"])
    name = resource["id"] if resource["resourceType"] == "Patient" else resource.get("subject", {}).get("reference", "")
    return back.get(str(name).removeprefix("Patient/"), "")


def _column(path: Path, name: str) -> list[str]:
    table = pyarrow.parquet.read_table(path)
    return [str(one) for one in table[name].to_pylist()] if name in table.column_names else []


def _uids(image) -> Iterator[str]:
    yield from (
        str(element.value)
        for element in [*image.file_meta, *image.iterall()]
        if element.VR == "UI" and element.keyword not in _FIXED and "ClassUID" not in element.keyword
    )


_FIXED = frozenset({"TransferSyntaxUID", "ImplementationClassUID"})


def _text(path: Path) -> str:
    return path.read_bytes().decode("latin-1")
