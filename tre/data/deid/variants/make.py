"""A project's variants: samples are called by their pseudonyms in an order of the project's own, and who left is gone.

Where nothing but the header changes, the compressed records are copied as they are. Else each record passes the rules
and then `bcftools view`, which takes the samples out, counts the alleles of those who stay, and drops what nobody has.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tre.data.deid import bgzf, htslib
from tre.data.deid.pseudonyms import Domain
from tre.data.deid.stored import Stored, Summary
from tre.data.deid.variants import header as headers
from tre.data.deid.variants import look, rules, source
from tre.data.deid.variants.body import Body
from tre.data.deid.variants.header import Known
from tre.data.deid.variants.part import Order, Sites, Variants
from tre.data.deid.variants.source import Source
from tre.data.deid.who import LEFT_OUT, Absent, Who
from tre.errors import Unreadable

FOLDER = "variants"
TABLE = f"{FOLDER}/samples"
SCHEMA = pa.schema([("person", pa.string()), ("sample", pa.string()), ("file", pa.string())])
NOBODY_LEFT = "a variant file with nobody in it who may be in this extract"
COPIED, REWRITTEN = "variant file: header made anew, records copied", "variant file: each record by rule"
LONGEST_FOR_TBI = 1 << 29
LEVEL = "4"
"""Of compression: a third of the time of the usual 6, for files that are a twentieth larger."""


@dataclass(frozen=True)
class Column:
    """One sample of the source: its place, and its name in this project."""

    at: int
    person: str
    name: str


@dataclass(frozen=True)
class Extract:
    """Where to write, by which plan, for whom; and what came of it."""

    folder: Path
    part: Variants
    who: Who
    summary: Summary


def make(files: Iterable[Stored], folder: Path, *, part: Variants, who: Who, tell: Callable[[int], None]) -> Summary:
    """Write the variants of one extract below `folder`; `tell` how many files are done."""
    summary = Summary(rules={"variants": rules.version()})
    extract = Extract(folder, part, who, summary)
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, str, str]] = []
    for done, file in enumerate(files, 1):
        try:
            rows += _one(file, extract)
        except Unreadable as fault:
            summary.held[f"a variant file: {fault}"] += 1
        tell(done)
    if rows:
        _write(sorted(rows), folder, summary)
    return summary


def _one(file: Stored, extract: Extract) -> list[tuple[str, str, str]]:
    summary = extract.summary
    with file.open() as stream:
        found = source.opened(stream)
        columns = columns_of(found.header.samples, extract.part, extract.who, summary)
        if not columns and (found.header.samples or extract.part.sites is Sites.HOLD):
            summary.held[NOBODY_LEFT if found.header.samples else look.NO_SAMPLES] += 1
            return []
        path = _path(file, extract, ".bcf" if found.bcf else ".vcf.gz")
        try:
            _written(found, columns, path, file, extract)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    name = f"{FOLDER}/{path.name}"
    summary.files += [name, *_index(path, found, summary)]
    summary.persons.update(column.person for column in columns)
    summary.records += len(columns)
    return [(column.person, column.name, name) for column in columns]


def columns_of(samples: Sequence[str], part: Variants, who: Who, summary: Summary) -> tuple[Column, ...]:
    """Return who stays, in their order: a person's second sample is called `<pseudonym>.2`."""
    known: list[tuple[str, int]] = []
    for at, sample in enumerate(samples):
        person = who.person(part.system, part.sample, sample)
        if isinstance(person, Absent):
            summary.held[f"a sample of {person}" if person in LEFT_OUT else f"a sample with {person}"] += 1
        else:
            known.append((person.pseudonym, at))
    met: dict[str, int] = {}
    columns = []
    for name, at in sorted(known, key=lambda one: (one[0], who.naming.order(samples[one[1]]))):
        met[name] = met.get(name, 0) + 1
        columns.append(Column(at, name, name if met[name] == 1 else f"{name}.{met[name]}"))
    drawn = part.order is Order.DRAW
    return tuple(sorted(columns, key=lambda one: who.naming.order(one.name) if drawn else one.at.to_bytes(4)))


def _path(file: Stored, extract: Extract, suffix: str) -> Path:
    """Return a name that tells nothing; the same bytes may have come twice."""
    copies = (file.sha256 if nth == 1 else f"{file.sha256}.{nth}" for nth in range(1, 1_000_000))
    paths = (extract.folder / FOLDER / (extract.who.naming.code(Domain.FILE, one) + suffix) for one in copies)
    return next(path for path in paths if not path.exists())


def _written(found: Source, columns: tuple[Column, ...], path: Path, file: Stored, extract: Extract) -> None:
    table, part, summary = rules.load(), extract.part, extract.summary
    may = headers.known(found.header, table, part)
    in_place = [column.at for column in columns] == list(range(len(found.header.samples)))
    if in_place and look.copyable(found) and _clean(found, file, part):
        _copy(found, may, columns, path)
        summary.counts[COPIED] += 1
        return
    short = len(columns) < len(found.header.samples)
    if not headers.declared(found.header):
        contigs = look.read_through(found, part).contigs
        found = replace(found, header=headers.with_contigs(found.header, contigs))
    body = Body(found.header, may, table, short=short)
    _rewrite(found, body, columns, path)
    summary.counts[REWRITTEN] += 1
    for what, count in body.counts.items():
        (summary.held if what.startswith("record") else summary.counts)[f"variants: {what}"] += count


def _clean(found: Source, file: Stored, part: Variants) -> bool:
    """Say whether every record may stay as it is: the look has proved it by these rules, or it is proved now."""
    return file.facts.get(look.PROOF) == rules.proof(part) or look.read_through(found, part).clean


def _copy(found: Source, may: Known, columns: tuple[Column, ...], path: Path) -> None:
    names = [column.name for column in columns]
    indexes = found.header.indexes if found.bcf else None
    said = headers.rebuilt(found.header, may, rules.load(), names, indexes=indexes)
    if found.bcf:
        said = source.BCF + b"\2" + (len(said) + 1).to_bytes(4, "little") + said + b"\0"
    found.file.seek(0)
    with path.open("xb") as target:
        for piece in bgzf.swapped(found.file, said, skip=found.skip):
            target.write(piece)


def _rewrite(found: Source, body: Body, columns: tuple[Column, ...], path: Path) -> None:
    """Feed the clean records, under a clean header, to `bcftools view`."""
    names = [f"left-out-{at}" for at in range(len(found.header.samples))]
    for column in columns:
        names[column.at] = column.name
    said = headers.rebuilt(found.header, body.may, body.rules, names)
    listed = "".join(f"{column.name}\n" for column in columns).encode()
    subset = ["-S", htslib.LIST] if columns else []
    counted = ["--trim-alt-alleles", "--min-ac", "1"] if body.short else ["--no-update"] if columns else []
    form = ["-O", ("b" if found.bcf else "z") + LEVEL, "--threads", "1", "-o", str(path)]
    feed = _fed(said, found, body)
    htslib.run("bcftools", "view", "--no-version", *subset, *counted, *form, "-", feed=feed, listed=listed)


def _fed(said: bytes, found: Source, body: Body) -> Iterator[bytes]:
    yield said
    for line in found.records():
        kept = body.clean(line)
        if kept is not None:
            yield kept + b"\n"


def _index(path: Path, found: Source, summary: Summary) -> list[str]:
    """Index a file whose records are sorted."""
    lengths = (line.said.get("length", "") for line in found.header.lines if line.key == "contig")
    long = any(length.isdecimal() and int(length) >= LONGEST_FOR_TBI for length in lengths)
    how = "csi" if found.bcf or long else "tbi"
    index = path.with_name(f"{path.name}.{how}")
    try:
        htslib.run("bcftools", "index", f"--{how}", str(path))
    except Unreadable:
        index.unlink(missing_ok=True)
    if index.exists():
        return [f"{FOLDER}/{index.name}"]
    summary.counts["variant file that is not sorted: no index"] += 1
    return []


def _write(rows: list[tuple[str, str, str]], folder: Path, summary: Summary) -> None:
    table = pa.Table.from_arrays([pa.array(column, pa.string()) for column in zip(*rows, strict=True)], schema=SCHEMA)
    pq.write_table(table, folder / f"{TABLE}.parquet")
    summary.files.append(f"{TABLE}.parquet")
    summary.tables[TABLE] = "person"
