"""What an extract says: each record of it found again by what had to stay of it."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow.parquet
import pydicom
import pysam

from tests.golden import dicom
from tests.golden.key import Row

ALIKE = 0.8
"""Share of a sample's genotypes by which it is found again."""


class Record(ABC):
    """One record of an extract."""

    @abstractmethod
    def at(self, place: str) -> list[str]:
        """Return what stands at a place, which may be several things or nothing."""


@dataclass(frozen=True)
class Cells(Record):
    """A row of a table."""

    row: Mapping[str, object]

    def at(self, place: str) -> list[str]:
        value = self.row.get(place)
        return [] if value is None else [str(value)]


@dataclass(frozen=True)
class Resource(Record):
    """A FHIR resource."""

    said: Mapping[str, object]

    def at(self, place: str) -> list[str]:
        return [one if isinstance(one, str) else json.dumps(one) for one in _walk(self.said, place.split("."))]


def _walk(found: object, steps: list[str]) -> Iterator[object]:
    if not steps:
        yield found
    elif isinstance(found, list):
        for one in found:
            yield from _walk(one, steps[1:] if steps[0] == "*" else steps)
    elif isinstance(found, dict) and steps[0] in found:
        yield from _walk(found[steps[0]], steps[1:])


@dataclass(frozen=True)
class Image(Record):
    """A DICOM file."""

    image: pydicom.FileDataset

    def at(self, place: str) -> list[str]:
        if place.startswith("meta/"):
            return [str(self.image.file_meta.get(place[5:], ""))]
        if place == "PixelData":
            return [dicom.fingerprint(self.image)]
        if "*" in place:
            many = self.image.get("ContentSequence", ())
            return [one for at in range(len(many)) for one in self.at(place.replace("*", str(at), 1))]
        value = dicom.at(self.image, place)
        return [] if value is None else [dicom.text(value)]


@dataclass(frozen=True)
class Sample(Record):
    """One sample of a variant file."""

    name: str
    calls: tuple[str, ...]
    file: "VariantsFile" = field(repr=False)

    def at(self, place: str) -> list[str]:
        if place == "sample":
            return [self.name]
        return [self.calls[int(place.removeprefix("GT "))]] if place.startswith("GT ") else []


@dataclass(frozen=True)
class VariantsFile(Record):
    """A variant file: its header, and what it says of each site."""

    path: Path
    header: str
    names: tuple[str, ...]
    sites: Mapping[str, tuple[str, ...]]

    def at(self, place: str) -> list[str]:
        if place.startswith("##"):
            return [line for line in self.header.splitlines() if line.startswith(place)]
        if place.startswith("contig "):
            lines = [line for line in self.header.splitlines() if f"<ID={place[7:]}," in line]
            return [line.split("length=")[1].split(",")[0].rstrip(">") for line in lines]
        if place == "INFO WHOSE":
            return [line for line in self.header.splitlines() if "WHOSE" in line]
        return list(self.sites.get(place, ()))


@dataclass(frozen=True)
class Reads(Record):
    """A file of reads."""

    header: Mapping[str, list[Mapping[str, str]]]
    reads: tuple[tuple[str, int, str], ...]

    def at(self, place: str) -> list[str]:
        if place.startswith("read "):
            _, number, what = place.split()
            sequence, position, _ = self.reads[int(number)]
            return [sequence if what == "sequence" else str(position)]
        kind, _, name = place[1:].partition(" ")
        lines = self.header.get(kind, [])
        found = [str(line) if isinstance(line, str) else str(line[name]) for line in lines if not name or name in line]
        return [*found, *(group for _, _, group in self.reads)] if place == "@RG ID" else found


@dataclass(frozen=True)
class Extract:
    """One project's copy. `names` is subject -> pseudonym, `numbers` subject -> OMOP's number."""

    folder: Path
    names: Mapping[str, str]
    numbers: Mapping[str, int]

    def record(self, row: Row) -> Record | None:
        """Find what a row of the key asks about."""
        return getattr(self, f"_{row.kind}")(row)

    # --- tables
    def _table(self, row: Row) -> Record | None:
        rows = self._tables.get(Path(row.file).stem, ())
        if Path(row.file).stem == "labs":
            return next((Cells(one) for one in rows if str(one.get("value")) == row.record), None)
        mine = self.names.get(row.person, row.record)
        return next((Cells(one) for one in rows if one.get("mrn") == mine), None)

    def _omop(self, row: Row) -> Record | None:
        table, _, mark = row.record.partition("|")
        if mark:
            return self._measured.get(float(mark))
        mine = self.numbers.get(row.person)
        return next((Cells(one) for one in self._told.get(table, ()) if one.get("person_id") == mine), None)

    @cached_property
    def _measured(self) -> dict[float, Record]:
        return {one["value_as_number"]: Cells(one) for one in self._told.get("measurement", ())}

    @cached_property
    def _tables(self) -> dict[str, list[dict[str, object]]]:
        return {path.stem: pyarrow.parquet.read_table(path).to_pylist() for path in self.folder.glob("*.parquet")}

    @cached_property
    def _told(self) -> dict[str, list[dict[str, object]]]:
        return {path.stem: pyarrow.parquet.read_table(path).to_pylist() for path in self.folder.glob("omop/*.parquet")}

    # --- FHIR
    def _fhir(self, row: Row) -> Record | None:
        kind, _, mark = row.record.partition("|")
        if kind == "Observation":
            return self._values.get(float(mark))
        if mark:
            return next((one for one in self._resources.get(kind, ()) if mark in json.dumps(one.said)), None)
        mine = self.names.get(row.person, "nobody")
        whose = "id" if kind == "Patient" else "subject.reference"
        return next(
            (one for one in self._resources.get(kind, ()) if one.at(whose)[:1] in ([mine], [f"Patient/{mine}"])), None
        )

    @cached_property
    def _values(self) -> dict[float, Resource]:
        return {one.said["valueQuantity"]["value"]: one for one in self._resources.get("Observation", ())}

    @cached_property
    def _resources(self) -> dict[str, list[Resource]]:
        found = {}
        for path in self.folder.glob("fhir/*.ndjson"):
            found[path.stem] = [Resource(json.loads(line)) for line in path.read_text("utf-8").splitlines()]
        return found

    # --- images
    def _dicom(self, row: Row) -> Record | None:
        return self.images.get(row.record)

    @cached_property
    def images(self) -> dict[str, Image]:
        """Every image by its pixels."""
        return {mark: Image(pydicom.dcmread(path)) for mark, path in self.image_paths.items()}

    @cached_property
    def image_paths(self) -> dict[str, Path]:
        """Where each image lies, by its pixels."""
        found = sorted(self.folder.glob("dicom/**/*.dcm"))
        return {dicom.fingerprint(pydicom.dcmread(path)): path for path in found}

    # --- variants
    def _variants(self, row: Row) -> Record | None:
        if row.record:
            return self._sample(row.record)
        return self._file_of.get(row.file)

    def _sample(self, calls: str) -> Sample | None:
        wanted = calls.split()
        best = max(self.samples, key=lambda sample: _alike(sample.calls, wanted), default=None)
        return best if best and _alike(best.calls, wanted) >= ALIKE * len(wanted) else None

    @cached_property
    def _file_of(self) -> dict[str, VariantsFile]:
        """Say which file of the extract a delivered one became: that with its first samples."""
        return {}

    def learn(self, rows: list[Row]) -> None:
        """Find the files of the delivery by the samples that were in them."""
        for row in rows:
            if row.kind == "variants" and row.place == "sample" and row.file not in self._file_of:
                found = self._sample(row.record)
                if found:
                    self._file_of[row.file] = found.file

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """Every sample of every file."""
        files = sorted([*self.folder.glob("variants/*.vcf.gz"), *self.folder.glob("variants/*.bcf")])
        return tuple(sample for path in files for sample in _samples(path))

    # --- reads
    def _reads(self, row: Row) -> Record | None:
        return self.reads.get(row.record)

    @cached_property
    def reads(self) -> dict[str, Reads]:
        """Every file of reads by its first read."""
        return {mark: _reads_of(path) for mark, path in self.reads_paths.items()}

    @cached_property
    def reads_paths(self) -> dict[str, Path]:
        """Where each file of reads lies, by its first read."""
        files = sorted([*self.folder.glob("reads/*.bam"), *self.folder.glob("reads/*.cram")])
        return {_reads_of(path).reads[0][0]: path for path in files}


def _alike(calls: tuple[str, ...], wanted: list[str]) -> int:
    return sum(one == other for one, other in zip(calls, wanted, strict=False))


def _samples(path: Path) -> Iterator[Sample]:
    pysam.set_verbosity(0)
    with pysam.VariantFile(str(path)) as file:
        names, lines = list(file.header.samples), [str(record).rstrip("\n").split("\t") for record in file]
        sites = {}
        for line in lines:
            for place, value in zip(("ID", "REF", "ALT"), line[2:5], strict=True):
                sites[f"{line[0]}:{line[1]} {place}"] = (value,)
            for place in ("DP", "VT"):
                stood = [part[3:] for part in line[7].split(";") if part.startswith(f"{place}=")]
                sites[f"{line[0]}:{line[1]} {place}"] = tuple(stood)
        made = VariantsFile(path, str(file.header), tuple(names), sites)
    for at, name in enumerate(names):
        yield Sample(name, tuple(line[9 + at].split(":")[0] for line in lines), made)


def _reads_of(path: Path) -> Reads:
    pysam.set_verbosity(0)
    with pysam.AlignmentFile(str(path), check_sq=False) as file:
        reads = [
            (read.query_sequence, read.reference_start, read.get_tag("RG") if read.has_tag("RG") else "")
            for read in file.fetch(until_eof=True)
        ]
        return Reads(file.header.to_dict(), tuple(reads))
