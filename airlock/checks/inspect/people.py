"""Records of single people in the formats of their fields, written as text: variants, reads, messages, resources."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from airlock.checks.finding import Finding
from airlock.checks.inspect.seen import Seen, block

RESULTS = "export the results that were worked out of them"


class Format(NamedTuple):
    """What a format looks like anywhere in a text."""

    what: str
    looks: re.Pattern[str]


def _format(what: str, *looks: str) -> Format:
    return Format(what, re.compile("|".join(looks), re.MULTILINE))


_SEP = r"[ \t,;|]"
FORMATS = (
    _format(
        "variants of people (VCF)",
        r"^\W{0,5}##fileformat=VCF",
        rf"^\W{{0,5}}#?CHROM{_SEP}+POS{_SEP}+ID{_SEP}+REF{_SEP}+ALT{_SEP}+QUAL",
        rf"\bFILTER{_SEP}+INFO{_SEP}+FORMAT{_SEP}",
        r"^##(?:INFO|FORMAT|contig)=<ID=",
    ),
    _format(
        "sequence reads (SAM)",
        r"^@(?:HD\tVN|SQ\tSN|RG\tID|PG\tID)[:\t]",
        rf"^[!-?A-~]{{1,254}}{_SEP}\d{{1,4}}{_SEP}\S{{1,60}}{_SEP}\d+{_SEP}\d{{1,3}}{_SEP}"
        rf"(?:\*|(?:\d+[MIDNSHPX=])+){_SEP}",
    ),
    _format("sequence reads (FASTQ)", r"^@\S[^\n]*\n[ACGTNacgtn.]{4,}\r?\n\+[^\n]*\n[!-~]{4,}\r?$"),
    _format("sequences of bases (FASTA)", r"^>[^\n]*\n[ACGTNUacgtnu]{20,}", r"\b[ACGTNU]{60,}+", r"\b[acgtnu]{60,}+"),
    _format("features of a genome (GFF)", r"^##gff-version"),
    _format(
        "genotypes of a person (consumer test)",
        rf"^#?[ \t]{{0,9}}\"?rsid\"?{_SEP}+\"?chromosome\"?{_SEP}+\"?position\"?{_SEP}+\"?(?:genotype|allele1)",
    ),
    _format("genotypes (HapMap)", rf"^rs#{_SEP}+alleles{_SEP}+chrom"),
    _format("samples of people (Oxford)", r"^ID_1[ \t]+ID_2[ \t]+missing", r"^0 0 0(?: [DCPB])+$"),
    _format(
        "health records (FHIR)",
        r"[\"']?resourceType[\"']?\s*[:=]\s*[\"']?[A-Z][a-z]",
        r"xmlns(?::\w+)?\s*=\s*[\"']https?://hl7\.org/fhir",
        r"urn:hl7-org:v3",
    ),
    _format("health records (HL7 messages)", r"(?:^|\x0b|[\"'])MSH\|\^~", r"^PID\|[^\n|]*\|[^\n|]*\|", r"^FHS\|\^~"),
    _format(
        "attributes of DICOM images",
        r"[\"'][0-9A-Fa-f]{8}[\"']\s*:\s*\{\s*[\"']vr[\"']",
        r"^\([0-9a-fA-F]{4},\s?[0-9a-fA-F]{4}\)\s.{0,80}\b(?:PN|LO|UI|DA|SH)\b",
        r"<DicomAttribute\b",
    ),
)
_NAMES = r"^[^\s,]+[ \t,]+[^\s,]+[ \t,]+"
_OF_BIRTH = r"[ \t,]+[012][ \t,]+(?:-?\d+(?:\.\d+)?|NA)"
_FAMILY = re.compile(rf"{_NAMES}0[ \t,]+0{_OF_BIRTH}[ \t]*$", re.MULTILINE)
_PEDIGREE = re.compile(rf"{_NAMES}[^\s,]+[ \t,]+[^\s,]+{_OF_BIRTH}(?:[ \t,]+[ACGT0-4]){{4,}}[ \t]*$", re.MULTILINE)
_MAP = re.compile(
    r"^(?:chr)?(?:\d{1,2}|X|Y|MT?)[ \t]+\S+[ \t]+-?\d+(?:\.\d+)?[ \t]+\d+[ \t]+[ACGT0]+[ \t]+[ACGT0]+[ \t]*$",
    re.MULTILINE,
)
_PLINK = (
    ("genotypes (PLINK ped)", _PEDIGREE),
    ("people with their families (PLINK fam)", _FAMILY),
    ("the variants of a genotype file (PLINK bim)", _MAP),
)
_ENOUGH, _HEAD = 3, 1_000_000


def look(seen: Seen) -> Iterator[Finding]:
    """Point at the first place of each format."""
    for form in FORMATS:
        if found := form.looks.search(seen.text):
            yield block(seen.line(found.start()), f"holds {form.what}", RESULTS)
    yield from _plink(seen)


def _plink(seen: Seen) -> Iterator[Finding]:
    """Their files have no header: many lines look alike."""
    head = seen.text[:_HEAD]
    for what, looks in _PLINK:
        lines = list(looks.finditer(head))
        if len(lines) >= _ENOUGH and 2 * len(lines) > head.count("\n"):
            yield block(seen.line(lines[0].start()), f"holds {what}", RESULTS)
