"""A file is what its first bytes say it is, whatever its name; what nobody can vouch for is refused by name.

`sniff` looks at the start of a file, and at the start of what is in it where it is compressed. It takes at most
`MOST` bytes out of a compressed file, so that a bomb does not go off here.
"""

import codecs
import csv
import io
import re
import zlib
from dataclasses import dataclass

from tre.data.deid.stored import Kind
from tre.errors import Unreadable

HEAD = 64 * 1024
"""Bytes of a file that are looked at; of JSON, `MOST`."""
MOST = 1024 * 1024
ELEMENT = 8  # bytes of tag, VR and length

# First bytes -> what it is, and what to do.
REFUSED = (
    (b"PK\x03\x04", "a ZIP or Excel file: unpack it, or save the sheet as CSV"),
    (b"PK\x05\x06", "an empty ZIP file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file: save the sheet as CSV"),
    (b"BZh", "compressed with bzip2: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first"),
    (b"\xfd7zXZ\0", "compressed with xz: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip file: unpack it first"),
    (b"Rar!", "a RAR file: unpack it first"),
    (b"\xff\xfe", "UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "UTF-16: save it as UTF-8"),
    (b"SQLite format 3", "an SQLite database: export each table as CSV"),
    (b"HEADER RECORD", "a SAS transport file: save it as CSV"),
    (b"$FL2", "an SPSS file: save it as CSV"),
    (b"<stata_dta>", "a Stata file: save it as CSV"),
    (b"\x89HDF", "an HDF5 file: export each table as CSV"),
    (b"%PDF", "a PDF: free text and pictures are not taken"),
    (b"{\\rtf", "an RTF text: free text is not taken"),
    (b"\x89PNG", "a PNG picture: images are taken as DICOM"),
    (b"\xff\xd8\xff", "a JPEG picture: images are taken as DICOM"),
    (b"GIF8", "a GIF picture: images are taken as DICOM"),
    (b"II*\0", "a TIFF picture: images are taken as DICOM"),
    (b"MM\0*", "a TIFF picture: images are taken as DICOM"),
    (b"\x5c\x01\0\0n+1", "a NIfTI image: bring the DICOM files it was made from"),
    (b"BAI\x01", "an index of a BAM: leave it out, it is made anew"),
    (b"TBI\x01", "an index of a VCF: leave it out, it is made anew"),
    (b"CSI\x01", "an index of a VCF, BCF or BAM: leave it out, it is made anew"),
    (b"MSH|", "HL7 version 2 messages: bring them as FHIR"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"#!", "a script"),
    (b"crypt4gh", "sealed with crypt4gh: open it first"),
    (b"age-encryption.org", "sealed with age: open it first"),
    (b"-----BEGIN", "a key or a sealed message"),
)
TEXTS = (
    (re.compile(rb"@(HD|SQ|RG|PG|CO)\t"), "SAM text: make a BAM of it (samtools view -b)"),
    (re.compile(rb"@[^\n]*\n[A-Za-z.*~-]+\r?\n\+"), "FASTQ: reads that are not aligned are not taken; align them"),
    (re.compile(rb"@[\x21-\x7e][^\n]*$"), "FASTQ: reads that are not aligned are not taken; align them"),
    (re.compile(rb">[\x21-\x7e][^\n]*\n[A-Za-z*.-]+\r?(\n|$)"), "FASTA: sequences are not taken"),
    (re.compile(rb"[^\t\n]+\t\d+\t[^\t\n]*\t[ACGTNacgtn]+\t[ACGTNacgtn<>.,*:\[\]\w]+\t"), "a VCF without its header"),
    (re.compile(rb"\s*<"), "XML or HTML: bring FHIR as JSON"),
)
_RESOURCE = re.compile(rb'"resourceType"\s*:')
_VRS = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()
)
_BGZF = re.compile(rb"\x1f\x8b\x08\x04.{6}..BC\x02\0", re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


@dataclass(frozen=True)
class Sniffed:
    """What a file is."""

    kind: Kind
    gzipped: bool = False
    delimiter: str = ","
    """Between the columns of a CSV or TSV."""


def sniff(head: bytes) -> Sniffed:
    """Say what a file is by its first bytes, or why it is not taken."""
    if not head.strip():
        raise Unreadable("empty")
    if head.startswith(b"\x1f\x8b"):
        return _zipped(head)
    if _is_dicom(head):
        return Sniffed(Kind.DICOM)
    for magic, kind in ((b"PAR1", Kind.PARQUET), (b"CRAM", Kind.CRAM), (b"BCF\x02", Kind.BCF)):
        if head.startswith(magic):
            return Sniffed(kind)
    if head.startswith(b"BAM\x01"):
        raise Unreadable("a BAM without its compressed blocks: write it again (samtools view -b)")
    return _plain(head)


def _zipped(head: bytes) -> Sniffed:
    """Look into what was compressed."""
    inner = unzipped(head)
    if inner.startswith((b"BAM\x01", b"BCF\x02")):
        if not _BGZF.match(head):
            raise Unreadable("a BAM or BCF compressed once more with gzip: unpack it first")
        return Sniffed(Kind.BAM if inner.startswith(b"BAM") else Kind.BCF)
    if inner.startswith(b"\x1f\x8b"):
        raise Unreadable("gzip inside gzip: unpack it first")
    if not inner.strip():
        raise Unreadable("compressed with gzip, and empty")
    if inner.startswith((b"PAR1", b"CRAM")) or _is_dicom(inner):
        raise Unreadable("compressed with gzip: unpack it first")
    found = _plain(inner)
    return Sniffed(found.kind, gzipped=True, delimiter=found.delimiter)


def unzipped(head: bytes, most: int = MOST) -> bytes:
    """Return what is at the start of a gzip stream, and not more than `most` bytes of it."""
    found = bytearray()
    while head.startswith(b"\x1f\x8b") and len(found) < most:
        stream = zlib.decompressobj(wbits=31)
        try:
            found += stream.decompress(head, most - len(found))
        except zlib.error:
            if not found:
                raise Unreadable("compressed with gzip, and damaged") from None
            break
        head = stream.unused_data
    return bytes(found)


def _plain(head: bytes) -> Sniffed:
    """Tell text from text."""
    bare = head.removeprefix(codecs.BOM_UTF8)
    for magic, what in REFUSED:
        if bare.startswith(magic):
            raise Unreadable(what)
    if bare.startswith(b"##fileformat=VCF"):
        return Sniffed(Kind.VCF)
    if re.match(rb"(##|#CHROM\t)", bare):
        raise Unreadable("a VCF without its first line (##fileformat), or another text that begins with #")
    if bare.lstrip()[:1] in {b"{", b"["}:
        return _json(bare.lstrip())
    for shape, what in TEXTS:
        if shape.match(bare):
            raise Unreadable(what)
    return _table(bare)


def _json(text: bytes) -> Sniffed:
    if text.startswith(b"["):
        raise Unreadable("a JSON list: bring FHIR as one resource, a Bundle, or one resource a line")
    if not _RESOURCE.search(text[:MOST]):
        raise Unreadable("JSON that is no FHIR resource; save a table as CSV")
    return Sniffed(Kind.FHIR)


def _table(text: bytes) -> Sniffed:
    """Say what stands between the columns; a first line with control characters is of no table."""
    first = text.partition(b"\n")[0]
    if _CONTROL.search(first):
        raise Unreadable("of a kind that is not known here")
    commas, tabs = (_columns(first, mark) for mark in (",", "\t"))
    return Sniffed(Kind.TSV, delimiter="\t") if tabs > commas else Sniffed(Kind.CSV)


def _columns(line: bytes, mark: str) -> int:
    try:
        return len(next(csv.reader(io.StringIO(line.decode("utf-8", "replace")), delimiter=mark), []))
    except csv.Error:
        return 0


def _is_dicom(head: bytes) -> bool:
    """Say whether a file begins as one of PS3.10, or as its data set without preamble and file meta."""
    if head[128:132] == b"DICM":
        return _dual(head[:128])
    if head[:2] in {b"\x02\0", b"\x08\0"}:
        return _element(head, "little")
    return head[:2] == b"\0\x08" and _element(head, "big")


def _dual(preamble: bytes) -> bool:
    """Accept any preamble that is not the start of another kind (a TIFF may be, by PS3.10)."""
    others = (b"\x1f\x8b", b"PAR1", b"CRAM", b"BCF\x02", b"BAM\x01", b"##", b"#CHROM")
    tiff = (b"II*\0", b"MM\0*")
    for magic in (*others, *(magic for magic, _ in REFUSED if magic not in tiff)):
        if preamble.startswith(magic):
            raise Unreadable("two kinds at once: a DICOM file that begins as another")
    return True


def _element(head: bytes, order: str) -> bool:
    """Say whether a first element stands here: explicit VR, or implicit with an even, short length."""
    if len(head) < ELEMENT:
        return False
    if head[4:6] in _VRS:
        return True
    implicit = int.from_bytes(head[4:8], "little")
    return order == "little" and head[3] == 0 and implicit < HEAD and implicit % 2 == 0
