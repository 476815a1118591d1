"""A file of PS3.10 is written anew: an empty preamble, our own header, attributes, and pixels copied byte by byte."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from tre.data.deid.dicom.parse import BIG_ENDIAN, EXPLICIT, IMPLICIT, UNDEFINED, Dataset, Element, Form, Span
from tre.data.deid.dicom.vr import LONG_VRS
from tre.errors import Unreadable

IMPLEMENTATION = b"2.25.26341191612686046754277261235884631846"
VERSION_NAME = b"HORTUS"
_BLOCK = 1 << 20
_SHORT_MOST = 0xFFFE


def write(out: BinaryIO, elements: Dataset, syntax: str, form: Form, file: BinaryIO) -> None:
    """Write one file; spans are copied from the source."""
    by_tag = {one.tag: one.value for one in elements}
    out.write(bytes(128) + b"DICM" + _header(by_tag[0x00080016], by_tag[0x00080018], syntax))
    pending: list[bytes] = []
    for one in elements:
        if isinstance(one.value, Span):
            compressed = bool(one.value.fragments)
            pending.append(_head(one.tag, one.vr, UNDEFINED if compressed else one.value.length, form))
            out.write(b"".join(pending))
            pending = []
            _copy(file, out, one.value)
        else:
            _element(one, form, pending)
    out.write(b"".join(pending))


def syntax_of(form: Form) -> str:
    """Return the transfer syntax of pixels as they are."""
    if not form.explicit:
        return IMPLICIT
    return EXPLICIT if form.little else BIG_ENDIAN


def _copy(file: BinaryIO, out: BinaryIO, span: Span) -> None:
    file.seek(span.offset)
    left = span.length
    while left:
        block = file.read(min(left, _BLOCK))
        if not block:
            raise Unreadable("DICOM: the source ended while it was copied")
        out.write(block)
        left -= len(block)


def _header(sop_class: object, sop: object, syntax: str) -> bytes:
    """Return group 2: what this file is, and which program wrote it; no station and no address."""
    form = Form(explicit=True, little=True)
    said: list[bytes] = []
    for element in _meta(sop_class, sop, syntax):
        _element(element, form, said)
    body = b"".join(said)
    return struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(body)) + body


def _meta(sop_class: object, sop: object, syntax: str) -> Iterator[Element]:
    if not isinstance(sop_class, bytes) or not isinstance(sop, bytes):
        raise Unreadable("DICOM: no SOP class or no SOP instance")
    yield Element(0x00020001, b"OB", b"\0\1")
    yield Element(0x00020002, b"UI", sop_class)
    yield Element(0x00020003, b"UI", sop)
    yield Element(0x00020010, b"UI", syntax.encode("ascii"))
    yield Element(0x00020012, b"UI", IMPLEMENTATION)
    yield Element(0x00020013, b"SH", VERSION_NAME)


_SHORT = {True: struct.Struct("<HH2sH"), False: struct.Struct(">HH2sH")}
_LONG = {True: struct.Struct("<HH2sHI"), False: struct.Struct(">HH2sHI")}
_PLAIN = {True: struct.Struct("<HHI"), False: struct.Struct(">HHI")}
_NUL_PADDED = frozenset(b"UI OB UN".split())


def _head(tag: int, vr: bytes, length: int, form: Form) -> bytes:
    if not form.explicit:
        return _PLAIN[form.little].pack(tag >> 16, tag & 0xFFFF, length)
    if vr in LONG_VRS:
        return _LONG[form.little].pack(tag >> 16, tag & 0xFFFF, vr, 0, length)
    return _SHORT[form.little].pack(tag >> 16, tag & 0xFFFF, vr, length)


def _element(one: Element, form: Form, said: list[bytes]) -> None:
    value = _items(one.value, form) if isinstance(one.value, list) else one.value
    if not isinstance(value, bytes):
        raise Unreadable("DICOM: pixels where none can be")
    if len(value) % 2:
        value += b"\0" if one.vr in _NUL_PADDED else b" "
    if len(value) > _SHORT_MOST and form.explicit and one.vr not in LONG_VRS:
        said.append(_head(one.tag, b"UN", len(value), form))  # PS3.5, 6.2.2
    else:
        said.append(_head(one.tag, one.vr, len(value), form))
    said.append(value)


def _items(items: list[Dataset], form: Form) -> bytes:
    said: list[bytes] = []
    for item in items:
        inside: list[bytes] = []
        for one in item:
            _element(one, form, inside)
        body = b"".join(inside)
        said += [_PLAIN[form.little].pack(0xFFFE, 0xE000, len(body)), body]
    return b"".join(said)
