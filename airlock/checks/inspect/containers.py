"""Of a file that may not leave it is said what is in it: its author learns why, without it being unpacked."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator

from airlock.checks.finding import Finding
from airlock.checks.inspect.seen import block

MOST_MEMBERS = 2000
MOST_TIMES = 100
_LIST = 1 << 20
"""Bytes that are read of the one member that lists an office document's sheets."""
_HIDDEN = re.compile(rb"state=\"(?:hidden|veryHidden)\"")
# what a member's name says -> what the document carries
_PARTS = (
    (re.compile(r"(?:^|/)customXml/"), "custom data (customXml)"),
    (re.compile(r"/embeddings/|/media/.*\.(?:bin|emf)$"), "embedded files"),
    (re.compile(r"vbaProject\.bin$"), "macros"),
    (re.compile(r"pivotCache/|/externalLinks/"), "the data behind a pivot table or a link"),
    (re.compile(r"comments\d*\.xml$"), "comments"),
    (re.compile(r"\.(?:zip|gz|7z|tar|xz|bz2)$", re.IGNORECASE), "archives in the archive"),
    (re.compile(r"\.pkl$|/data\.pkl$|\.npy$", re.IGNORECASE), "pickles or arrays"),
)
_PDF = (
    (re.compile(rb"/EmbeddedFiles?\b"), "attached files"),
    (re.compile(rb"/JavaScript\b|/JS\b"), "scripts"),
    (re.compile(rb"/OCG\b"), "layers that may be hidden"),
    (re.compile(rb"/XFA\b|/AcroForm\b"), "a form with its data"),
    (re.compile(rb"%%EOF.{0,4}[\r\n]+\s*[^\s]", re.DOTALL), "something behind its end"),
)
_FIX = "save tables as CSV, pictures as PNG and text as Markdown"


def look(content: bytes) -> Iterator[Finding]:
    """Name what an archive, an office document or a PDF carries."""
    if b"%PDF-" in content[:1024]:
        for looks, what in _PDF:
            if looks.search(content):
                yield block("PDF", f"carries {what}", _FIX)
    elif b"PK\x05\x06" in content[-70_000:]:
        yield from _archive(content)


def _archive(content: bytes) -> Iterator[Finding]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        yield block("archive", "its list of files is damaged", "unpack it and name the files in it")
        return
    packed, unpacked = sum(m.compress_size for m in members), sum(m.file_size for m in members)
    if len(members) > MOST_MEMBERS or unpacked > MOST_TIMES * max(packed, 1):
        yield block("archive", f"unpacks {len(members)} files to {unpacked} bytes: a bomb", "export the results alone")
        return
    for looks, what in _PARTS:
        if count := sum(bool(looks.search(member.filename)) for member in members):
            yield block("archive", f"carries {what} ({count})", _FIX)
    yield from _sheets(archive)


def _sheets(archive: zipfile.ZipFile) -> Iterator[Finding]:
    try:
        with archive.open("xl/workbook.xml") as listed:
            hidden = len(_HIDDEN.findall(listed.read(_LIST)))
    except (KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, zlib.error):
        return
    if hidden:
        yield block("workbook", f"has {hidden} hidden sheets", "save each sheet that should leave as CSV")
