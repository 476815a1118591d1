"""An image is read strictly, attribute by attribute, and what is not as its transfer syntax says is refused.

Nothing is decoded here: a value stays the bytes it was, so that what is kept leaves as it came. Pixels are not even
read: they are a place in the file. Formats are those of PS3.5 (encodings) and PS3.10 (files).
"""

import io
import struct
import zlib
from typing import BinaryIO, NamedTuple, TypeAlias

from tre.data.deid.dicom.vr import LONG_VRS, SHORT_VRS, is_a_syntax, vr_of
from tre.errors import Unreadable

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, ITEMS_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
DEEPEST = 32
MOST = 2_000_000
"""Attributes and items of one file."""
FIRST, LARGEST = 1 << 20, 256 << 20
"""Bytes: of the first look, and of all that is not pixels."""

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
SYNTAX = 0x00020010
_HEADER = 8
"""Bytes of the shortest attribute."""
_DELIMITERS = 0xFFFE


class Span(NamedTuple):
    """Pixels: where they lie in the file."""

    offset: int
    length: int
    fragments: tuple[tuple[int, int], ...] = ()
    """Of compressed pixels: place and length of each fragment; the first is the table of offsets."""


class Element(NamedTuple):
    """One attribute."""

    tag: int
    vr: bytes
    value: "bytes | list[Dataset] | Span"


Dataset: TypeAlias = list[Element]


class Form(NamedTuple):
    """How attributes are written."""

    explicit: bool
    little: bool


class Image(NamedTuple):
    """One file, read."""

    syntax: str
    """UID of the transfer syntax."""
    form: Form
    elements: Dataset
    file: BinaryIO
    """Where spans point into."""

    def get(self, tag: int) -> bytes:
        """Return a value's bytes without padding, or nothing."""
        return value_of(self.elements, tag)

    def text(self, tag: int) -> str:
        """Return a value as ASCII text, with anything else replaced."""
        return self.get(tag).decode("ascii", "replace")

    def span(self) -> Span | None:
        """Return the pixels."""
        return next((one.value for one in self.elements if isinstance(one.value, Span)), None)


class _More(Exception):
    """A value ends behind the buffer."""


def value_of(elements: Dataset, tag: int) -> bytes:
    """Return a value's bytes without padding, or nothing."""
    for one in elements:
        if one.tag == tag:
            return one.value.strip(b" \0") if isinstance(one.value, bytes) else b""
    return b""


def read(file: BinaryIO) -> Image:
    """Read one file, or say in one line why it is not one."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(FIRST)
    while True:
        try:
            return _read(file, head, size)
        except _More:
            if len(head) >= min(size, LARGEST):
                raise Unreadable("DICOM: ends in the middle of an attribute, or a length is absurd") from None
            head += file.read(min(15 * len(head), LARGEST - len(head)))


def _read(file: BinaryIO, head: bytes, size: int) -> Image:
    at = 132 if head[128:132] == b"DICM" else 0
    syntax, at = _meta(head, at)
    if syntax == DEFLATED:
        head, at = _inflate(file, at), 0
        file, size, syntax = io.BytesIO(head), len(head), EXPLICIT
        form = Form(explicit=True, little=True)
    else:
        form = _form(syntax) if syntax else _guess(head, at)
        syntax = syntax or _syntax_of(form)
    elements = _Walk(file, size).outermost(head, at, form)
    return Image(syntax, form, _ordered(elements), file)


def _syntax_of(form: Form) -> str:
    if not form.explicit:
        return IMPLICIT
    return EXPLICIT if form.little else BIG_ENDIAN


def _meta(head: bytes, at: int) -> tuple[str, int]:
    """Return the transfer syntax of the file's own header, which is always explicit little endian, and its end."""
    syntax = ""
    while head[at : at + 2] == b"\2\0":
        tag, vr, start, length = _explicit(head, at, little=True)
        if length == UNDEFINED or vr == b"SQ":
            raise Unreadable("DICOM: the file's header holds a sequence")
        stop = start + length
        if stop > len(head):
            raise _More
        if tag == SYNTAX:
            syntax = head[start:stop].strip(b" \0").decode("ascii", "replace")
        at = stop
    return syntax, at


def _form(syntax: str) -> Form:
    if not is_a_syntax(syntax):
        raise Unreadable("DICOM: a transfer syntax that is not of the standard")
    return Form(explicit=syntax != IMPLICIT, little=syntax != BIG_ENDIAN)


def _guess(head: bytes, at: int) -> Form:
    """Without a header, the first attribute tells; it is of group 8 wherever there is a SOP class."""
    first = head[at : at + 8]
    little = first[:2] == b"\x08\x00"
    if len(first) < _HEADER or not (little or first[:2] == b"\x00\x08"):
        raise Unreadable("not DICOM")
    return Form(explicit=first[4:6] in SHORT_VRS | LONG_VRS, little=little)


def _inflate(file: BinaryIO, at: int) -> bytes:
    """Inflate what follows the header (PS3.5, A.5), but no bomb."""
    file.seek(at)
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    parts, room = [], LARGEST
    try:
        while packed := file.read(1 << 20):
            while packed and room and not engine.eof:
                parts.append(engine.decompress(packed, min(room, 1 << 24)))
                room -= len(parts[-1])
                packed = engine.unconsumed_tail
            if engine.eof or not room:
                break
    except zlib.error:
        raise Unreadable("DICOM: cannot be inflated") from None
    if not engine.eof:
        raise Unreadable("DICOM: inflates to too much, or ends in the middle")
    return b"".join(parts)


class _Head(NamedTuple):
    """What stands in front of a value."""

    tag: int
    vr: bytes
    start: int
    """Where the value begins."""
    length: int


_EXPLICIT_LITTLE, _EXPLICIT_BIG = struct.Struct("<HH2sH"), struct.Struct(">HH2sH")
_IMPLICIT_LITTLE, _IMPLICIT_BIG = struct.Struct("<HHI"), struct.Struct(">HHI")
_LONG_LITTLE, _LONG_BIG = struct.Struct("<I"), struct.Struct(">I")


def _explicit(buffer: bytes, at: int, *, little: bool) -> _Head:
    """Return tag, VR, where the value begins, its length."""
    if at + 12 > len(buffer):
        buffer = buffer.ljust(at + 12, b"\0")
    group, number, vr, length = (_EXPLICIT_LITTLE if little else _EXPLICIT_BIG).unpack_from(buffer, at)
    if vr in SHORT_VRS:
        return _Head(group << 16 | number, vr, at + 8, length)
    if vr not in LONG_VRS:
        raise Unreadable("DICOM: not written as its transfer syntax says")
    (length,) = (_LONG_LITTLE if little else _LONG_BIG).unpack_from(buffer, at + 8)
    return _Head(group << 16 | number, vr, at + 12, length)


def _implicit(buffer: bytes, at: int, *, little: bool) -> _Head:
    group, number, length = (_IMPLICIT_LITTLE if little else _IMPLICIT_BIG).unpack_from(buffer, at)
    tag = group << 16 | number
    return _Head(tag, vr_of(tag), at + 8, length)


class _Walk:
    """Reads attributes and sequences; counts, so that no file can ask for more than its share."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self._met = 0

    def outermost(self, buffer: bytes, at: int, form: Form) -> Dataset:
        """Read the attributes of the image itself; pixels are stepped over."""
        out: Dataset = []
        base = 0  # place in the file of the buffer's first byte
        while True:
            more = base + len(buffer) < self._size
            at, met = self.elements(buffer, at, len(buffer), form, out, depth=0, more=more)
            if met is None:
                return out
            span = self._pixels(met._replace(start=base + at))
            out.append(Element(met.tag, met.vr, span))
            base, at = span.offset + span.length, 0
            self._file.seek(base)
            buffer = self._file.read(LARGEST)

    def _pixels(self, met: _Head) -> Span:
        """Return where the pixels lie; of compressed ones, every fragment is stepped over (PS3.5, A.4)."""
        if met.length != UNDEFINED:
            if met.start + met.length > self._size:
                raise Unreadable("DICOM: ends in the middle of the pixels")
            return Span(met.start, met.length)
        if met.tag != PIXELS[2] or met.vr not in (b"OB", b"OW"):
            raise Unreadable("DICOM: pixels of no stated length")
        at = met.start
        fragments: list[tuple[int, int]] = []
        while True:
            self._file.seek(at)
            group, number, length = _IMPLICIT_LITTLE.unpack(self._file.read(8).ljust(8, b"\0"))
            at += 8
            if (group << 16 | number) == ITEMS_END and length == 0:
                return Span(met.start, at - met.start, tuple(fragments))
            if (group << 16 | number) != ITEM or at + length > self._size or len(fragments) > MOST:
                raise Unreadable("DICOM: ends in the middle of the pixels, or their fragments are broken")
            fragments.append((at, length))
            at += length

    def elements(
        self, buffer: bytes, at: int, end: int, form: Form, out: Dataset, *, depth: int, more: bool = False
    ) -> tuple[int, _Head | None]:
        """Read attributes up to `end`, the end of their item, or the pixels; `more`: the file goes on behind."""
        header = _explicit if form.explicit else _implicit
        little = form.little
        while at + 8 <= end:
            if buffer[at + 1 if little else at] == _DELIMITERS >> 8 and self._item_ends(
                buffer, at, little=little, depth=depth
            ):
                return at + 8, None
            if depth == 0 and buffer[at : at + 4] == b"\0\0\0\0" and not any(buffer[at:end]):
                return end, None  # zeros behind the last attribute
            head = header(buffer, at, little=little)
            self._count()
            if depth == 0 and head.tag in PIXELS:
                return head.start, head
            value, at = self._value(buffer, end, form, head, depth)
            out.append(Element(head.tag, b"SQ" if isinstance(value, list) else self._known(head, form), value))
        if more:
            raise _More
        if depth and at != end:
            raise _short(buffer, end)
        return end, None

    def _value(self, buffer: bytes, end: int, form: Form, head: _Head, depth: int) -> tuple[bytes | list[Dataset], int]:
        tag, vr, start, length = head
        if length == UNDEFINED:
            return self._undefined(buffer, end, form, head, depth)
        stop = start + length
        if stop > end:
            raise _short(buffer, end)
        if vr == b"SQ":
            return self.items(buffer, start, stop, form, depth + 1)[0], stop
        value = buffer[start:stop]
        if vr == b"UN" and form.little and (vr_of(tag) == b"SQ" or value[:4] == b"\xfe\xff\x00\xe0"):
            return self._hidden(value, depth), stop
        return value, stop

    def _undefined(self, buffer: bytes, end: int, form: Form, head: _Head, depth: int) -> tuple[list[Dataset], int]:
        """Read a sequence that ends with its delimiter; as UN it is implicit little endian (PS3.5, 6.2.2)."""
        vr = head.vr
        if vr not in (b"SQ", b"UN") or (vr == b"UN" and not form.little):
            raise Unreadable("DICOM: a value of no stated length that is not a sequence")
        inner = form if vr == b"SQ" or not form.explicit else Form(explicit=False, little=True)
        return self.items(buffer, head.start, end, inner, depth + 1, delimited=True)

    def _hidden(self, value: bytes, depth: int) -> list[Dataset] | bytes:
        """Read a sequence that is written as bytes of unknown kind, so that its attributes meet the rules."""
        try:
            return self.items(value, 0, len(value), Form(explicit=False, little=True), depth + 1)[0]
        except (Unreadable, _More, struct.error):
            return value

    def items(
        self, buffer: bytes, at: int, end: int, form: Form, depth: int, *, delimited: bool = False
    ) -> tuple[list[Dataset], int]:
        """Read the items of a sequence."""
        if depth > DEEPEST:
            raise Unreadable("DICOM: sequences are nested too deep")
        found: list[Dataset] = []
        while delimited or at < end:
            if at + 8 > end:
                raise _short(buffer, end)
            tag, _, start, length = _implicit(buffer, at, little=form.little)
            self._count()
            if delimited and tag == ITEMS_END and length == 0:
                return found, start
            if tag != ITEM:
                raise Unreadable("DICOM: a sequence holds something that is not an item")
            stop = end if length == UNDEFINED else start + length
            if stop > end:
                raise _short(buffer, end)
            inside: Dataset = []
            at, _ = self.elements(buffer, start, stop, form, inside, depth=depth)
            if (at != stop) if length != UNDEFINED else buffer[at - 8 : at] not in _ITEM_ENDS:
                raise _short(buffer, end)
            found.append(_ordered(inside))
        return found, at

    def _count(self) -> None:
        self._met += 1
        if self._met > MOST:
            raise Unreadable(f"DICOM: more than {MOST:,} attributes")

    @staticmethod
    def _known(head: _Head, form: Form) -> bytes:
        """Return what an attribute of unknown kind is by the dictionary: as UN it is little endian."""
        return vr_of(head.tag) if head.vr == b"UN" and form.little else head.vr

    @staticmethod
    def _item_ends(buffer: bytes, at: int, *, little: bool, depth: int) -> bool:
        tag, _, _, length = _implicit(buffer, at, little=little)
        if tag >> 16 != _DELIMITERS:
            return False
        if depth and tag == ITEM_END and length == 0:
            return True
        raise Unreadable("DICOM: a delimiter where none can be")


def _short(buffer: bytes, end: int) -> Exception:
    """Say that what holds a value ends before it; if that is the buffer, there may be more."""
    if end == len(buffer):
        return _More()
    return Unreadable("DICOM: a length is larger than what holds it")


_ITEM_ENDS = (b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xff\xfe\xe0\x0d\0\0\0\0")


def _ordered(elements: Dataset) -> Dataset:
    """Return attributes by tag; each stands once."""
    tags = [one.tag for one in elements]
    if len(set(tags)) != len(tags):
        raise Unreadable("DICOM: an attribute stands twice")
    return sorted(elements, key=lambda one: one.tag) if tags != sorted(tags) else elements
