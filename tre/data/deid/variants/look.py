"""At the front door a variant file is read to its end: it must be whole; whose it is and what may be copied is told."""

from dataclasses import dataclass
from typing import BinaryIO

from tre.data.deid.stored import Look
from tre.data.deid.variants import header as headers
from tre.data.deid.variants import rules, source
from tre.data.deid.variants.body import Body
from tre.data.deid.variants.header import Header
from tre.data.deid.variants.part import Sites, Variants
from tre.data.deid.variants.source import Container, Source
from tre.data.deid.who import Id

PROOF = "clean by"
"""The fact that every record may stay as it is, by the rules and the plan of this fingerprint."""
NO_SAMPLES = "it has no samples: nobody can say of whom these sites are; the plan may vouch for them with sites: keep"
BUILDS = {
    "247249719": "NCBI36",
    "249250621": "GRCh37",
    "248956422": "GRCh38",
    "248387328": "T2T-CHM13v2.0",
}
"""Length of chromosome 1."""


@dataclass(frozen=True)
class Read:
    """What reading a file to its end came to."""

    records: int
    clean: bool
    contigs: list[str]


def look(file: BinaryIO, part: Variants) -> Look:
    """Return whose samples these are, or say in one line why the file cannot be read."""
    found = source.opened(file)
    done = read_through(found, part)
    facts = {
        "format": "bcf" if found.bcf else "vcf",
        "samples": str(len(found.header.samples)),
        "records": str(done.records),
        "build": build(found.header),
    }
    if done.clean and copyable(found):
        facts[PROOF] = rules.proof(part)
    lone = not found.header.samples and part.sites is Sites.HOLD
    return Look(
        ids=tuple(Id(part.system, part.sample, name) for name in found.header.samples),
        records=len(found.header.samples),
        facts=facts,
        held={"samples": NO_SAMPLES} if lone else {},
    )


def read_through(found: Source, part: Variants) -> Read:
    """Read every record; clean if each may stay as it is."""
    table = rules.load()
    body = Body(found.header, headers.known(found.header, table, part), table)
    records, clean = 0, True
    for line in found.records():
        records += 1
        clean &= body.clean(line) == line
    return Read(records, clean, body.contigs())


def copyable(found: Source) -> bool:
    """Say whether a new header fits the old blocks: BGZF, and in a BCF a dictionary that can be written again."""
    if found.container is not Container.BGZF:
        return False
    if not found.bcf:
        return True
    places = found.header.indexes
    if places is None:
        return False
    table = rules.load()
    contigs = sorted(
        at for (kind, name), at in places.items() if kind == "contig" and table.is_a("contig", headers.octets(name))
    )
    return contigs == list(range(len(contigs)))


def build(header: Header) -> str:
    """Name the genome build by the length of chromosome 1."""
    first = (line.said.get("length", "") for line in header.lines if line.key == "contig" and line.id in {"1", "chr1"})
    return BUILDS.get(next(first, ""), "unknown")
