"""What a file of other programs begins with: its first bytes say what it is, whatever it is called.

`PEOPLE` hold records of single people; the rest may hold anything. Sources: the formats' own specifications.
"""

import re
from typing import NamedTuple


class Magic(NamedTuple):
    """Bytes at a place, and whose they are."""

    at: int
    bytes: bytes
    what: str
    fix: str


_RESULTS = "export the results that were worked out of it"
_TABLE = "export the result as a CSV"
_UNPACKED = "unpack it and name the files in it"
_PICTURE = "save the picture as PNG"
_DOCUMENT = "save tables as CSV, pictures as PNG and text as Markdown"
_MODEL = "save coefficients as JSON or weights with safetensors"

PEOPLE = (
    Magic(0, b"CRAM", "a CRAM file of sequence reads", _RESULTS),
    Magic(0, b"BAM\x01", "a BAM file of sequence reads", _RESULTS),
    Magic(0, b"BCF\x02", "a BCF file of variants of people", _RESULTS),
    Magic(0, b"\x6c\x1b", "a PLINK file of genotypes", _RESULTS),
    Magic(16, b"bgen", "a BGEN file of genotypes", _RESULTS),
    Magic(0, b"NCBI.sra", "an SRA file of sequence reads", _RESULTS),
    Magic(0, b"ABIF", "a trace of a sequencer", _RESULTS),
    Magic(128, b"DICM", "a DICOM object", _RESULTS),
    Magic(0, b"\x02\x00\x00\x00UL", "a DICOM object without its preamble", _RESULTS),
    Magic(0, b"\x08\x00\x05\x00CS", "a DICOM object without its preamble", _RESULTS),
    Magic(0, b"\x08\x00\x00\x00UL", "a DICOM object without its preamble", _RESULTS),
    Magic(0, b"\x08\x00\x08\x00CS", "a DICOM object without its preamble", _RESULTS),
    Magic(0, b"\x08\x00\x16\x00UI", "a DICOM object without its preamble", _RESULTS),
    Magic(0, b"\x08\x00\x05\x00\x0a\x00\x00\x00ISO_IR", "a DICOM object without its preamble", _RESULTS),
    Magic(0, b"\x08\x00\x00\x00\x04\x00\x00\x00", "a DICOM object without its preamble", _RESULTS),
    Magic(344, b"n+1\x00", "a NIfTI image", _RESULTS),
    Magic(344, b"ni1\x00", "a NIfTI image", _RESULTS),
)
OTHERS = (
    Magic(0, b"PAR1", "a Parquet file", _TABLE),
    Magic(0, b"PARE", "an encrypted Parquet file", _TABLE),
    Magic(0, b"ARROW1", "an Arrow file", _TABLE),
    Magic(0, b"\xff\xff\xff\xff", "an Arrow stream", _TABLE),
    Magic(0, b"FEA1", "a Feather file", _TABLE),
    Magic(0, b"ORC", "an ORC file", _TABLE),
    Magic(0, b"Obj\x01", "an Avro file", _TABLE),
    Magic(0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", _TABLE),
    Magic(512, b"\x89HDF\r\n\x1a\n", "an HDF5 file", _TABLE),
    Magic(0, b"CDF\x01", "a NetCDF file", _TABLE),
    Magic(0, b"CDF\x02", "a NetCDF file", _TABLE),
    Magic(0, b"SQLite format 3\x00", "an SQLite database", _TABLE),
    Magic(8, b"DUCK", "a DuckDB database", _TABLE),
    Magic(12, bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011"), "a SAS table", _TABLE),
    Magic(0, b"HEADER RECORD*******LIB", "a SAS transport file", _TABLE),
    Magic(0, b"<stata_dta>", "a Stata table", _TABLE),
    Magic(0, b"$FL2", "an SPSS table", _TABLE),
    Magic(0, b"$FL3", "an SPSS table", _TABLE),
    Magic(0, b"RDX2\n", "R data", _TABLE),
    Magic(0, b"RDX3\n", "R data", _TABLE),
    Magic(0, b"RDA2\n", "R data", _TABLE),
    Magic(0, b"RDA3\n", "R data", _TABLE),
    Magic(0, b"X\n\x00\x00\x00", "R data", _TABLE),
    Magic(0, b"B\n\x02\x00\x00\x00", "R data", _TABLE),
    Magic(0, b"B\n\x03\x00\x00\x00", "R data", _TABLE),
    Magic(0, b"MATLAB 5.0 MAT", "MATLAB data", _TABLE),
    Magic(0, b"\x93NUMPY", "a NumPy array", _TABLE),
    Magic(0, b"PK\x03\x04", "a ZIP archive", _UNPACKED),
    Magic(0, b"PK\x05\x06", "an empty ZIP archive", _UNPACKED),
    Magic(0, b"PK\x07\x08", "a ZIP archive in parts", _UNPACKED),
    Magic(0, b"\x1f\x8b", "packed with gzip", _UNPACKED),
    Magic(0, b"\xfd7zXZ\x00", "packed with xz", _UNPACKED),
    Magic(0, b"BZh", "packed with bzip2", _UNPACKED),
    Magic(0, b"\x28\xb5\x2f\xfd", "packed with zstd", _UNPACKED),
    Magic(0, b"\x04\x22\x4d\x18", "packed with lz4", _UNPACKED),
    Magic(0, b"\x5d\x00\x00\x80\x00", "packed with lzma", _UNPACKED),
    Magic(0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACKED),
    Magic(0, b"Rar!\x1a\x07", "a RAR archive", _UNPACKED),
    Magic(0, b"MSCF", "a CAB archive", _UNPACKED),
    Magic(257, b"ustar", "a tar archive", _UNPACKED),
    Magic(0, b"%PDF-", "a PDF", _DOCUMENT),
    Magic(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of an old office program", _DOCUMENT),
    Magic(0, b"{\\rtf", "an RTF document", _DOCUMENT),
    Magic(0, b"GIF8", "a GIF picture", _PICTURE),
    Magic(0, b"BM", "a BMP picture", _PICTURE),
    Magic(0, b"II*\x00", "a TIFF picture", _PICTURE),
    Magic(0, b"MM\x00*", "a TIFF picture", _PICTURE),
    Magic(8, b"WEBP", "a WebP picture", _PICTURE),
    Magic(4, b"ftyp", "a picture or film of a camera", _PICTURE),
    Magic(0, b"\x7fELF", "a program", "export source code as text"),
    Magic(0, b"MZ", "a program", "export source code as text"),
)
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
# A pickle of any protocol: 2 and later say so; 0 and 1 begin with a list, a dict or the name of a class.
_PICKLE = re.compile(
    rb"\x80[\x02-\x05]|\([ld]p\d+\n|\([ld]\.|\(?c(?:builtins|__builtin__|copy_?reg|collections|[a-z_]+\.[\w.]+)\n[A-Za-z_]\w*\n"
    rb"|[\](}]q\x00|[SVIFL][^\n]*\np\d+\n\.\Z"
)
_ZIP_END = re.compile(rb"PK\x01\x02|PK\x05\x06")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BGZF = re.compile(rb"\x1f\x8b\x08\x04.{6}.{2}BC\x02\x00", re.DOTALL)
# Implicit VR: group 0008, an even element of a few, a short length.
_IMPLICIT = re.compile(rb"\x08\x00[\x00-\x18]\x00[\x02-\x40]\x00\x00\x00[0-9A-Za-z\\._: ]{2}")


def known(content: bytes) -> tuple[Magic | None, bool]:  # noqa: PLR0911 -- one for each sort of sign
    """Return what a file begins as, if it is known, and whether it holds records of single people."""
    if _BGZF.match(content):
        return Magic(0, b"", "packed as sequence reads and variants are (BGZF)", _RESULTS), True
    for table in (PEOPLE, OTHERS):
        for magic in table:
            if content.startswith(magic.bytes, magic.at) and not _only_text(magic, content):
                return magic, table is PEOPLE
    if _IMPLICIT.match(content):
        return Magic(0, b"", "a DICOM object without its preamble", _RESULTS), True
    if _PICKLE.match(content):
        return Magic(0, b"", "a pickle, which runs code when it is read", _MODEL), False
    if b"%PDF-" in content[:1024]:
        return Magic(0, b"%PDF-", "a PDF", _DOCUMENT), False
    if _ZIP_END.search(content, max(0, len(content) - 70_000)) and not content.startswith((PNG, JPEG)):
        return Magic(0, b"", "a ZIP archive behind something else", _UNPACKED), False
    return None, False


def _only_text(magic: Magic, content: bytes) -> bool:
    """Return whether a word that a text may begin with begins one: `BM`, `ORC`, `PAR1` are such."""
    head = content[:4096]
    return magic.bytes.isalnum() and not _CONTROL.search(head) and b"\xff" not in head
