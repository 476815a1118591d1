"""What a kind of data has in common with the others: a file in the silo, what a look at one found, what was made.

Each kind is a package beside this module (`dicom`, `fhir`, `variants`, `reads`) with three modules of the same names:

    part.read(said, where) -> Part            its section of the plan
    look.look(file, part) -> Look             at the front door, with no key: whole? whose? or Unreadable, in one line
    make.make(files, folder, *, part, who, tell) -> Summary     the files of one extract, below `folder`
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO

from tre.data.deid.who import Id


class Kind(StrEnum):
    """What a file is by its content. Everything else is refused by name."""

    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    FHIR = "fhir"
    """JSON of one resource, a Bundle, or NDJSON; perhaps gzipped."""
    DICOM = "dicom"
    VCF = "vcf"
    BCF = "bcf"
    BAM = "bam"
    CRAM = "cram"


@dataclass(frozen=True)
class Stored:
    """One file of a dataset's version in the silo, byte by byte as it came."""

    number: int
    """Its place in the version's index, from 0."""
    kind: Kind
    path: str
    """Where it lay below what was ingested. It may name a person: it never leaves the process that de-identifies."""
    bytes: int
    sha256: str
    """Of the file as it came, hex."""
    open: Callable[[], BinaryIO] = field(repr=False)
    """Open it for reading at any place; decrypted in memory only."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What the look at the front door found, from the sealed index; proofs in it spare a second reading."""


@dataclass(frozen=True)
class Look:
    """What the front door learned of one file."""

    ids: tuple[Id, ...]
    """Each different id of a person in it, to be found in the linkage."""
    records: int
    """Images, resources, samples or read groups."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """For the index and the catalogue (modality, FHIR version, genome build); nothing that names a person."""
    held: Mapping[str, str] = field(default_factory=dict)
    """Place in the file (`line 17`) -> why what stands there is left out of every extract; in one line, no value."""


@dataclass
class Summary:
    """What making one kind's part of an extract came to."""

    files: list[str] = field(default_factory=list)
    """Paths below the extract's folder."""
    persons: set[str] = field(default_factory=set)
    """Pseudonyms of those who are in it."""
    records: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """Action of the rules -> how often it was taken."""
    held: Counter[str] = field(default_factory=Counter)
    """Why something was left out -> how many."""
    tables: dict[str, str] = field(default_factory=dict)
    """Parquet table below the folder, without suffix (`omop/person`) -> its column that says who."""
    identifiers: set[tuple[str, str]] = field(default_factory=set)
    """(pseudonym, what names that person in the source): looked for in the whole extract, never written anywhere.

    Of somebody who is left out the pseudonym is empty."""
    rules: dict[str, str] = field(default_factory=dict)
    """Table of rules -> SHA-256 (hex) or edition: what was done can be told years later."""


def nobody(done: int) -> None:
    """Tell nobody how far the work has come."""
