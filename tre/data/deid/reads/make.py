"""A project's reads: a file bears its person's pseudonym, and its header says nothing but what is known.

The compressed reads are copied as they are where every tag of them may stay. Else each read of a BAM is written anew;
a CRAM is held, for it cannot be written again without its reference.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tre.data.deid import htslib
from tre.data.deid.pseudonyms import Domain, Naming, Person
from tre.data.deid.reads import header as headers
from tre.data.deid.reads import look, rules, source, tags
from tre.data.deid.reads.header import Header
from tre.data.deid.reads.part import Names, Reads
from tre.data.deid.reads.source import Source
from tre.data.deid.stored import Stored, Summary
from tre.data.deid.who import LEFT_OUT, Absent, Who
from tre.errors import Unreadable

FOLDER = "reads"
TABLE = f"{FOLDER}/files"
SCHEMA = pa.schema([("person", pa.string()), ("sample", pa.string()), ("file", pa.string())])
SEVERAL = "a file with reads of several persons"
AS_BAM = "a CRAM whose reads need a change: bring it as BAM"
COPIED, REWRITTEN = "file of reads: header made anew, reads copied", "file of reads: each read by rule"
LONGEST_FOR_BAI = 1 << 29


@dataclass(frozen=True)
class Owned:
    """One file whose person is known."""

    file: Stored
    person: Person
    samples: Mapping[str, str]
    """Name of the source -> name in this project."""


@dataclass(frozen=True)
class Extract:
    """Where to write, by which plan, with whose names; and what came of it."""

    folder: Path
    part: Reads
    naming: Naming
    summary: Summary
    met: Counter[str] = field(default_factory=Counter)
    """Files of each person so far."""


def make(files: Iterable[Stored], folder: Path, *, part: Reads, who: Who, tell: Callable[[int], None]) -> Summary:
    """Write the reads of one extract below `folder`; `tell` how many files are done."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    summary = Summary(rules={"reads": rules.version()})
    owned = [one for one in (_owned(file, part, who, summary) for file in files) if one is not None]
    owned.sort(key=lambda one: (one.person.pseudonym, who.naming.order(one.file.sha256), one.file.number))
    extract = Extract(folder, part, who.naming, summary)
    rows: list[tuple[str, str, str]] = []
    for done, one in enumerate(owned, 1):
        try:
            rows += _one(one, extract)
        except Unreadable as fault:
            summary.held[f"a file of reads: {fault}"] += 1
        tell(done)
    if rows:
        _write(sorted(rows), folder, summary)
    return summary


def _owned(file: Stored, part: Reads, who: Who, summary: Summary) -> Owned | None:
    """Find the one person of a file, or hold it."""
    try:
        with file.open() as stream:
            header = source.opened(stream).header
    except Unreadable as fault:
        summary.held[f"a file of reads: {fault}"] += 1
        return None
    why = look.held(header)
    persons = [who.person(part.system, part.sample, name) for name in header.samples]
    absent = next((one for one in persons if isinstance(one, Absent)), None)
    if not why and absent is not None:
        why = f"a file of reads of {absent}" if absent in LEFT_OUT else f"a file of reads with {absent}"
    present = {one.subject: one for one in persons if not isinstance(one, Absent)}
    if why or len(present) != 1:
        summary.held[why or SEVERAL] += 1
        return None
    person = next(iter(present.values()))
    return Owned(file, person, _names(header, person, who.naming))


def _names(header: Header, person: Person, naming: Naming) -> Mapping[str, str]:
    """Call a person's second sample in one file `<pseudonym>.2`."""
    drawn = sorted(header.samples, key=naming.order)
    return {name: person.pseudonym + (f".{at}" if at > 1 else "") for at, name in enumerate(drawn, 1)}


def _one(owned: Owned, extract: Extract) -> list[tuple[str, str, str]]:
    person, summary = owned.person.pseudonym, extract.summary
    with owned.file.open() as stream:
        found = source.opened(stream)
        nth = extract.met[person] + 1
        suffix = ".cram" if found.cram else ".bam"
        path = extract.folder / FOLDER / f"{person}{f'.{nth}' if nth > 1 else ''}{suffix}"
        try:
            _written(found, owned, path, extract)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    extract.met[person] = nth
    name = f"{FOLDER}/{path.name}"
    summary.files += [name, *_index(path, found, summary)]
    summary.persons.add(person)
    summary.records += len(found.header.groups)
    return [(person, sample, name) for sample in owned.samples.values()]


def _written(found: Source, owned: Owned, path: Path, extract: Extract) -> None:
    table, naming, summary = rules.load(), extract.naming, extract.summary
    groups = headers.groups_anew(found.header, table, lambda one: naming.code(Domain.READ_GROUP, one).encode())
    text = headers.rebuilt(found.header, table, groups, owned.samples)
    # a read of a CRAM has its group by number, that of a BAM by name
    keeps_groups = found.cram is not None or headers.neutral(found.header, table)
    if extract.part.names is Names.KEEP and keeps_groups and _clean(found, owned.file):
        with path.open("xb") as target:
            for piece in found.swapped(text):
                target.write(piece)
        summary.counts[COPIED] += 1
        return
    if found.cram is not None:
        raise Unreadable(AS_BAM)

    def rename(name: str) -> str:
        return naming.code(Domain.READ, name)

    again = rename if extract.part.names is Names.KEY else None
    tags.rewrite(found, table, text, str(path), groups=groups, rename=again)
    summary.counts[REWRITTEN] += 1


def _clean(found: Source, file: Stored) -> bool:
    """Say whether every tag may stay as it is: the look has proved it by these rules, or it is proved now."""
    return file.facts.get(look.PROOF) == look.proof() or tags.clean(found, rules.load())


def _index(path: Path, found: Source, summary: Summary) -> list[str]:
    """Index a file whose reads are sorted."""
    lengths = (line.said.get("LN", "") for line in found.header.contigs)
    long = any(length.isdecimal() and int(length) >= LONGEST_FOR_BAI for length in lengths)
    index = path.with_name(path.name + (".crai" if found.cram else ".csi" if long else ".bai"))
    try:
        htslib.run("samtools", "index", *(["-c"] if index.suffix == ".csi" else []), str(path))
    except Unreadable:
        index.unlink(missing_ok=True)
    if index.exists():
        return [f"{FOLDER}/{index.name}"]
    summary.counts["file of reads that is not sorted: no index"] += 1
    return []


def _write(rows: list[tuple[str, str, str]], folder: Path, summary: Summary) -> None:
    table = pa.Table.from_arrays([pa.array(column, pa.string()) for column in zip(*rows, strict=True)], schema=SCHEMA)
    pq.write_table(table, folder / f"{TABLE}.parquet")
    summary.files.append(f"{TABLE}.parquet")
    summary.tables[TABLE] = "person"
