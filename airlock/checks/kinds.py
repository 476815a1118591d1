"""What kind a file is, by its bytes: a short list may leave, and everything else is `unknown` or `raw`."""

import re
from pathlib import PurePosixPath

KINDS = ("csv", "png", "md", "txt", "json", "ipynb")
"""What may leave. A name's ending must agree with what the bytes are."""

_ENDINGS = {".csv": "csv", ".png": "png", ".md": "md", ".txt": "txt", ".log": "txt", ".json": "json", ".ipynb": "ipynb"}
_PNG = b"\x89PNG\r\n\x1a\n"
_HEAD = 65536
# Records of single people that call themselves text: VCF, SAM, FASTQ, FASTA, GFF, FHIR bundles, PLINK pedigrees.
_RAW = re.compile(
    rb"\A\s*(?:##fileformat=VCF|#CHROM\t|@(?:HD|SQ|RG)\t|@\S[^\n]*\n[ACGTN]+\n\+|>\S[^\n]*\n[ACGTNU]{20}|##gff-version"
    rb"|\{\s*\"resourceType\")",
    re.IGNORECASE,
)
# The same, behind whatever was written before it; and FHIR, whose keys come in any order.
_RAW_WITHIN = re.compile(
    rb"^(?:##fileformat=VCF|#CHROM\tPOS|@(?:HD|SQ|RG)\t|##gff-version)", re.IGNORECASE | re.MULTILINE
)
_FHIR = re.compile(rb"\"resourceType\"\s*:")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def sniff(name: str, content: bytes) -> str:
    """Return a kind of KINDS, `raw` for records of single people, or `unknown`."""
    kind = _ENDINGS.get(PurePosixPath(name.lower()).suffix, "unknown")
    head = content[:_HEAD]
    if head.startswith(_PNG) or kind == "png":
        return "png" if head.startswith(_PNG) and kind == "png" else "unknown"
    if _RAW.match(head.removeprefix(b"\xef\xbb\xbf")) or _RAW_WITHIN.search(content):
        return "raw"
    if kind == "json" and _FHIR.search(content):
        return "raw"
    return kind if is_text(content) else "unknown"


def is_text(content: bytes) -> bool:
    """Return whether all bytes are UTF-8 without control characters."""
    try:
        content.decode("utf-8", "strict")
    except UnicodeDecodeError:
        return False
    return not _CONTROL.search(content)
