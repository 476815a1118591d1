"""Bytes are written as letters or digits in a dozen ways, and packed in half a dozen: each is undone where it stands.

A long run that decodes to no text is also tried as something packed. What one step finds is given as one text, each
run on a line of its own.
"""

import base64 as b64
import binascii
import bz2
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator

STREAM = 32 * 1024 * 1024
SMALL = 256 * 1024
MOST_RUNS = 200_000
"""Runs of one kind in one text that are undone."""
COSTLY = 2_000
"""The same, of those ways that take long."""
MEMBERS = 200
LEAST_TEXT = 8

_IN = b"a"
_ALNUM = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SIGNS64 = _ALNUM + b"+/_-="
_SIGNS85 = _ALNUM + b"!#$%&()*+;<=>?@^_`{|}~-"
_SIGNS_HEX = b"0123456789abcdefABCDEFx ,:;_-"
_SIGNS_DECIMAL = b"0123456789 ,;\t"

_SPACE = re.compile(rb"\s+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{12,}={0,2}")
_WRAPPED = re.compile(rb"(?:^[ \t]*[A-Za-z0-9+/_-]{16,}={0,2}[ \t]*\r?\n?){2,}", re.MULTILINE)
_BASE32 = re.compile(rb"[A-Z2-7]{16,}|[a-z2-7]{16,}")
_BASE85 = re.compile(rb"[0-9A-Za-z!#$%&()*+;<=>?@^_`{|}~-]{20,4096}")
_ASCII85 = re.compile(rb"[!-~]{20,4096}")
_BASE58 = re.compile(rb"(?<![0-9A-Za-z])[1-9A-HJ-NP-Za-km-z]{24,128}(?![0-9A-Za-z])")
_HEX = re.compile(rb"[0-9A-Fa-f]{20,}|(?<![0-9A-Za-z.])(?:(?:0x)?[0-9A-Fa-f]{2}[ ,:;_-]{1,2}){9,}(?:0x)?[0-9A-Fa-f]{2}")
_NOT_HEX = re.compile(rb"0x|[^0-9A-Fa-f]+")
_DECIMALS = re.compile(rb"(?<![0-9.])(?:[0-9]{1,3}[ ,;\t]{1,2}){9,}[0-9]{1,3}(?![0-9.])")
_NUMBER = re.compile(rb"[0-9]+")
_STREAM = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]|\xfd7zXZ\0|BZh[1-9]1AY&SY")
_ZIP = b"PK\x03\x04"
_BYTE = 256
_ALPHABET58 = {letter: at for at, letter in enumerate(b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def begins(data: bytes) -> bool:
    """Say whether something packed begins in these bytes: by chance hardly anything does."""
    return _ZIP in data or any(_unpacked(data[found.start() : found.start() + 1024], 16) for found in _streams(data))


def runs(data: bytes, signs: bytes, least: int) -> Iterator[tuple[int, int]]:
    """Yield where each run of these signs begins and ends, without a look at each byte."""
    marked = data.translate(bytes(_IN[0] if byte in signs else 0x20 for byte in range(256))) + b" "
    wanted, at = _IN * least, 0
    while (at := marked.find(wanted, at)) >= 0:
        end = marked.find(b" ", at)
        yield at, end
        at = end


def long(data: bytes, signs: bytes, least: int) -> bytes:
    """Return these runs below each other."""
    return b"\n".join(data[start:end] for start, end in runs(data, signs, least))


# --- letters and digits ----------------------------------------------------------------------------------------------
def base64(data: bytes) -> Iterator[bytes]:
    """Each long run of base64, also when wrapped into lines, at each of the four places it may begin."""
    met = set(_BASE64.findall(long(data, _SIGNS64, 12)))
    met.update(_SPACE.sub(b"", block) for block in _WRAPPED.findall(data) if met)
    if len(data) <= SMALL:
        met.update(_BASE64.findall(_SPACE.sub(b"", data)))
    chosen = _some(run for run in met if _mixed(run))
    for start in range(4 if chosen else 0):
        yield _text(_decoded(run[start:]) for run in chosen)


def _mixed(run: bytes) -> bool:
    """Say whether a run has small and capital letters, as base64 of anything this long has; or is no word at all."""
    return not (run.isdigit() or run.islower() or run.isupper()) or any(map(run.__contains__, b"0123456789+/="))


def _decoded(run: bytes) -> bytes:
    letters = run.rstrip(b"=").translate(_URL_SAFE)
    whole = len(letters) - (len(letters) % 4 == 1)
    try:
        return binascii.a2b_base64(letters[:whole] + b"=" * (-whole % 4))
    except binascii.Error:
        return b""


def base32(data: bytes) -> Iterator[bytes]:
    """Each long run of base32, at each of the eight places it may begin."""
    chosen = _some({run.upper() for run in _BASE32.findall(long(data, _ALNUM, 16))})
    for start in range(8 if chosen else 0):
        yield _text(_decoded32(run[start:]) for run in chosen)


def _decoded32(run: bytes) -> bytes:
    whole = len(run) - (len(run) % 8 in {1, 3, 6})
    return b64.b32decode(run[:whole] + b"=" * (-whole % 8))


def base85(data: bytes) -> Iterator[bytes]:
    """Each long run without a space that has more signs than base64: as Python, Adobe and Git write it."""
    met = _ASCII85.findall(data) if len(data) <= SMALL else _BASE85.findall(long(data, _SIGNS85, 20))
    chosen = {run for run in met if not _BASE64.fullmatch(run)}
    found = (_decoded85(run) for run in sorted(chosen)[:COSTLY])
    if below := _text(one for pair in found for one in pair if _is_text(one) or begins(one) or _inflated(one)):
        yield below


def _decoded85(run: bytes) -> Iterator[bytes]:
    for piece in {run, *re.split(rb"[\"',]", run)}:
        for decode in (b64.b85decode, b64.a85decode):
            try:
                yield decode(piece.removeprefix(b"<~").removesuffix(b"~>"))
            except ValueError:
                continue


def base58(data: bytes) -> Iterator[bytes]:
    """Each run that could be base58, and is text once undone."""
    met = set(_BASE58.findall(long(data, _ALNUM, 24)))
    chosen = sorted(run for run in met if not (run.islower() or run.isupper() or run.isdigit()))
    if below := b"\n".join(one for one in map(_decoded58, chosen[:COSTLY]) if _is_text(one)):
        yield below


def _decoded58(run: bytes) -> bytes:
    number = 0
    for letter in run:
        number = number * 58 + _ALPHABET58[letter]
    return number.to_bytes((number.bit_length() + 7) // 8)


def hexadecimal(data: bytes) -> Iterator[bytes]:
    """Each long run of hexadecimal digits, whatever stands between them, at either place it may begin."""
    chosen = _some({_NOT_HEX.sub(b"", run) for run in _HEX.findall(long(data, _SIGNS_HEX, 20))})
    for start in range(2 if chosen else 0):
        digits = (run[start : len(run) - (len(run) - start) % 2] for run in chosen)
        yield _text(bytes.fromhex(run.decode("ascii")) for run in digits)


def decimals(data: bytes) -> Iterator[bytes]:
    """Each long list of numbers that could be bytes, and is text once undone."""
    found = set[bytes]()
    for run in _DECIMALS.findall(long(data, _SIGNS_DECIMAL, 19))[:MOST_RUNS]:
        numbers = [int(number) for number in _NUMBER.findall(run)]
        if max(numbers) < _BYTE and (_is_text(read := bytes(numbers)) or begins(read)):
            found.add(read)
    if found:
        yield b"\n".join(sorted(found))


def _some(met: Iterable[bytes]) -> list[bytes]:
    return sorted(met)[:MOST_RUNS]


def _text(decoded: Iterable[bytes]) -> bytes:
    """Lay what was decoded below each other; what is no text also as what it may be when it is inflated."""
    found = list[bytes]()
    for raw in decoded:
        found.append(raw)
        if not _is_text(raw) and (below := _inflated(raw)):
            found.append(below)
    return b"\n".join(found)


def _is_text(raw: bytes) -> bool:
    return len(raw) >= LEAST_TEXT and not raw[:4096].replace(b"\0", b"").translate(None, _PRINTABLE)


# --- packed ----------------------------------------------------------------------------------------------------------
def archives(data: bytes) -> Iterator[bytes]:
    """Each gzip, zlib, xz or bzip2 stream, as far as it can be read, and each member of a zip."""
    for found in _streams(data):
        if below := _unpacked(memoryview(data)[found.start() :], STREAM):
            yield below
    if _ZIP in data:
        yield from _members(data)


def _streams(data: bytes) -> Iterator[re.Match[bytes]]:
    return _STREAM.finditer(data)


def _unpacked(data: "memoryview | bytes", most: int) -> bytes:
    try:
        if data[:1] == b"\xfd":
            return lzma.LZMADecompressor().decompress(bytes(data), most)
        if data[:1] == b"B":
            return bz2.BZ2Decompressor().decompress(bytes(data), most)
        return zlib.decompressobj(wbits=47).decompress(data, most)
    except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError):
        return b""


def _inflated(raw: bytes) -> bytes:
    """Read bytes as deflate without a head, if they are one to its end and give text."""
    stream = zlib.decompressobj(wbits=-15)
    try:
        read = stream.decompress(raw, STREAM)
    except zlib.error:
        return b""
    return read if stream.eof and _is_text(read) else b""


def _members(data: bytes) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data[data.index(_ZIP) :])) as archive:
            for member in archive.infolist()[:MEMBERS]:
                with archive.open(member) as file:
                    yield member.filename.encode("utf-8", "replace") + b"\n" + file.read(STREAM)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, ValueError, RuntimeError, NotImplementedError):
        return
