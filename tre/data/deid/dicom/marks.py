"""An image says of itself that it names nobody, and by which rules (PS3.15 E.1.1, PS3.16 CID 7050)."""

from collections.abc import Iterator

from tre.data.deid.dicom.parse import Element
from tre.data.deid.dicom.part import Dicom, Option
from tre.data.deid.dicom.profile import EDITION

METHODS = {
    "113100": "Basic Application Confidentiality Profile",
    "113101": "Clean Pixel Data Option",
    "113103": "Clean Graphics Option",
    "113104": "Clean Structured Content Option",
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
    "113109": "Retain Device Identity Option",
    "113111": "Retain Safe Private Option",
    "113112": "Retain Institution Identity Option",
}
_OF_OPTIONS = {
    Option.MODIFIED_DATES: "113107",
    Option.PATIENT: "113108",
    Option.DEVICE: "113109",
    Option.INSTITUTION: "113112",
}


def methods(part: Dicom, *, looked_at: bool) -> tuple[str, ...]:
    """Return the codes of what was done."""
    found = {"113100"} | {code for option, code in _OF_OPTIONS.items() if option in part.options}
    if looked_at:
        found.add("113101")
    if part.structured_reports:
        found.add("113104")
    if part.descriptions:
        found.add("113105")
    if part.private:
        found.add("113111")
    return tuple(sorted(found))


def marks(part: Dicom, *, looked_at: bool, pixels: bool) -> Iterator[Element]:
    """Yield the attributes that say so. That nothing is burned in is said only where somebody or a rule made sure."""
    yield Element(0x00120062, b"CS", b"YES ")
    yield Element(0x00120063, b"LO", f"PS3.15 E.1-1 {EDITION}, deny by default".encode("ascii"))
    yield Element(0x00120064, b"SQ", [_code(code) for code in methods(part, looked_at=looked_at)])
    dates = b"MODIFIED" if Option.MODIFIED_DATES in part.options else b"REMOVED "
    yield Element(0x00280303, b"CS", dates)
    if looked_at and pixels:
        yield Element(0x00280301, b"CS", b"NO")


def _code(code: str) -> list[Element]:
    return [
        Element(0x00080100, b"SH", code.encode("ascii")),
        Element(0x00080102, b"SH", b"DCM"),
        Element(0x00080104, b"LO", METHODS[code].encode("ascii")),
    ]
