"""At the front door a file of reads is read to its end: it must be whole; whose it is, what may be copied, is told."""

import hashlib
import json
from typing import BinaryIO

from tre.data.deid.reads import cram, rules, source, tags
from tre.data.deid.reads import header as headers
from tre.data.deid.reads.header import Header
from tre.data.deid.reads.part import Reads
from tre.data.deid.stored import Look
from tre.data.deid.who import Id

PROOF = "clean by"
"""The fact that every tag may stay as it is, by the rules of this fingerprint."""
NOBODY = "a read group without SM, or no read group: nothing says whose reads these are"
CONTIGS = "reference sequences with names of no known kind"
BUILDS = {
    "247249719": "NCBI36",
    "249250621": "GRCh37",
    "248956422": "GRCh38",
    "248387328": "T2T-CHM13v2.0",
}
"""Length of chromosome 1."""


def look(file: BinaryIO, part: Reads) -> Look:
    """Return whose reads these are, or say in one line why the file cannot be read."""
    found = source.opened(file)
    if found.cram is not None:
        cram.walk(file, found.cram)
    facts = {
        "format": "cram" if found.cram else "bam",
        "groups": str(len(found.header.groups)),
        "build": build(found.header),
    }
    if tags.clean(found, rules.load()):
        facts[PROOF] = proof()
    why = held(found.header)
    return Look(
        ids=tuple(Id(part.system, part.sample, name) for name in found.header.samples),
        records=len(found.header.groups),
        facts=facts,
        held={"header": why} if why else {},
    )


def proof() -> str:
    """Return the fingerprint of the rules by which a file is clean."""
    return hashlib.sha256(json.dumps([rules.version(), "1"]).encode()).hexdigest()


def held(header: Header) -> str:
    """Say why a file is left out of every extract, if it is."""
    if not header.groups or any("SM" not in line.said for line in header.groups):
        return NOBODY
    return "" if headers.known_contigs(header, rules.load()) else CONTIGS


def build(header: Header) -> str:
    """Name the genome build by the length of chromosome 1."""
    first = (line.said.get("LN", "") for line in header.contigs if line.said.get("SN") in {"1", "chr1"})
    return BUILDS.get(next(first, ""), "unknown")
