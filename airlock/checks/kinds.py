"""What kind a file is, by its bytes: a short list may leave, and everything else is `unknown` or `raw`."""

import re
from pathlib import PurePosixPath

from airlock.checks import magics

KINDS = ("csv", "png", "jpeg", "md", "txt", "json", "ipynb")
"""What may leave. A name's ending must agree with what the bytes are."""
MODEL = "model"
"""Weights of a model: they may leave where the project's approval says so."""
ALL = frozenset({*KINDS, MODEL, "raw", "unknown"})
MODELS = (".safetensors",)

_ENDINGS = {
    ".csv": "csv", ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".md": "md", ".txt": "txt", ".log": "txt",
    ".json": "json", ".ipynb": "ipynb", **dict.fromkeys(MODELS, MODEL),
}  # fmt: skip
_PICTURES = {"png": magics.PNG, "jpeg": magics.JPEG}
# What else people give to take along, and what to do instead.
_INSTEAD = {
    ".tsv": "write the table with commas, as .csv",
    ".svg": "save the picture as PNG: a drawing holds a number for each point",
    ".svgz": "save the picture as PNG: a drawing holds a number for each point",
    ".html": "save tables as CSV and pictures as PNG: a page holds the data of its figures",
    ".htm": "save tables as CSV and pictures as PNG: a page holds the data of its figures",
    ".xlsx": "save each sheet as CSV", ".xls": "save each sheet as CSV", ".ods": "save each sheet as CSV",
    ".docx": "save the text as Markdown, tables as CSV", ".pdf": "save the text as Markdown, pictures as PNG",
    ".pkl": "save coefficients as JSON or weights with safetensors: a pickle runs code and is never let out",
    ".joblib": "save coefficients as JSON or weights with safetensors: a pickle runs code and is never let out",
    ".pt": "save weights with safetensors: a pickle runs code and is never let out",
    ".h5": "save tables as CSV, weights with safetensors",
    ".onnx": "save weights with safetensors", ".skops": "save weights with safetensors",
    ".py": "save code as a notebook, .txt or .md", ".r": "save code as a notebook, .txt or .md",
}  # fmt: skip
_HEAD = 65536
# Records of single people that call themselves text: VCF, SAM, FASTQ, FASTA, GFF, FHIR bundles, HL7 messages.
_RAW = re.compile(
    rb"\A\s*(?:##fileformat=VCF|#CHROM\t|@(?:HD|SQ|RG)\t|@\S[^\n]*\n[ACGTN]+\n\+|>\S[^\n]*\n[ACGTNU]{20}|##gff-version"
    rb"|MSH\|\^~|\{\s*\"resourceType\")",
    re.IGNORECASE,
)
# The same, behind whatever was written before it; and FHIR, whose keys come in any order.
_RAW_WITHIN = re.compile(
    rb"^(?:##fileformat=VCF|#CHROM\tPOS|@(?:HD|SQ|RG)\t|##gff-version)", re.IGNORECASE | re.MULTILINE
)
_FHIR = re.compile(rb"\"resourceType\"\s*:")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_HEADER = re.compile(rb".{8}\{\s*\"", re.DOTALL)


def sniff(name: str, content: bytes) -> str:
    """Return a kind of ALL: `raw` for records of single people, `unknown` for all that is not on the list."""
    kind = _ENDINGS.get(PurePosixPath(name.lower()).suffix, "unknown")
    head = content[:_HEAD]
    if kind in _PICTURES or head.startswith(tuple(_PICTURES.values())):
        return kind if kind in _PICTURES and head.startswith(_PICTURES[kind]) else "unknown"
    if kind == MODEL:
        return kind if is_weights(content) else "unknown"
    if _RAW.match(head.removeprefix(b"\xef\xbb\xbf")) or _RAW_WITHIN.search(content):
        return "raw"
    if kind == "json" and _FHIR.search(content):
        return "raw"
    magic, people = magics.known(content)
    if magic is not None:
        return "raw" if people else "unknown"
    return kind if is_text(content) else "unknown"


def is_weights(content: bytes) -> bool:
    """Return whether bytes begin as weights of a model do: a length, and a header in JSON (safetensors)."""
    return int.from_bytes(content[:8], "little") <= len(content) - 8 and bool(_HEADER.match(content))


def why_not(name: str, content: bytes) -> tuple[str, str]:
    """Return what a file that may not leave is, and what to do instead."""
    magic, _ = magics.known(content)
    suffix = PurePosixPath(name.lower()).suffix
    instead = _INSTEAD.get(suffix, f"export the result as one of {', '.join(_ENDINGS)}")
    if content.startswith(magics.PNG):
        return "is a PNG picture under another name", "name it .png"
    if content.startswith(magics.JPEG):
        return "is a JPEG picture under another name", "name it .jpg"
    if magic is not None:
        return f"is {magic.what}", _INSTEAD.get(suffix, magic.fix)
    if sniff("any.json", content) == "raw":
        return "holds records of single people (variants, reads, health records)", "export the results worked out of it"
    if suffix in _ENDINGS and not is_text(content):
        return f"is not what its ending {suffix} says", "save it as UTF-8 text without control characters"
    return f"is of a kind that does not leave ({suffix[:12] or 'no ending'})", instead


def is_text(content: bytes) -> bool:
    """Return whether all bytes are UTF-8 without control characters."""
    try:
        content.decode("utf-8", "strict")
    except UnicodeDecodeError:
        return False
    return not _CONTROL.search(content)
