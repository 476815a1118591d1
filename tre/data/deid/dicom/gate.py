"""A picture leaves only if nothing is likely to be drawn into it, or if a rule or a person made sure.

Deny by default: a class that the table does not know stays out, and so does whatever says nothing where it should.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from tre.data.deid.dicom import compressed
from tre.data.deid.dicom.parse import Element, Image, Span
from tre.data.deid.dicom.part import Dicom, Region
from tre.data.deid.dicom.profile import lines


class Class(StrEnum):
    """What a SOP class is to the gate."""

    SCANNER = "scanner"
    RADIOGRAPH = "radiograph"
    DRAWN = "drawn"
    REPORT = "report"
    DATA = "data"
    DOCUMENT = "document"


class Verdict(NamedTuple):
    """Whether a picture may leave, and what of it is to be blacked out."""

    held: str = ""
    regions: tuple[Region, ...] = ()
    looked_at: bool = False
    """A rule or a person made sure."""


SOP_CLASS, MODALITY, IMAGE_TYPE, BURNED_IN = 0x00080016, 0x00080060, 0x00080008, 0x00280301
ROWS, COLUMNS, FRAMES, SAMPLES, BITS, PHOTOMETRIC = (
    0x00280010,
    0x00280011,
    0x00280008,
    0x00280002,
    0x00280100,
    0x00280004,
)
DRAWN_MODALITIES = frozenset(
    (
        "US", "IVUS", "BDUS", "SC", "OT", "XC", "ES", "GM", "SM", "OP", "OPT", "OPM", "OAM", "DOC", "HC", "IO",
        "SD", "TG",
    )
)  # fmt: skip
DRAWN_TYPES = frozenset(("DERIVED", "SECONDARY", "SCREEN SAVE", "SCREENSHOT", "SCREEN"))

NO_RULE = "a class of image that no rule knows"
REPORT = "a structured report, and the plan does not say structured_reports"
OVERLAY = "an overlay inside the pixels"
LENGTH = "pixels that are not as many as rows and columns say"
COMMENT = "compressed pixels that may carry a text"
DRAWN = "a kind of picture with text drawn into it"
BURNED = "a picture with text burned in, by its own word"
UNSAID = "a picture that does not say whether text is burned in"
DERIVED = "a derived or secondary picture"


@cache
def classes() -> Mapping[str, Class]:
    """Return what each SOP class is."""
    return {uid: Class(kind) for uid, _, kind, _ in lines("classes.tsv")}


@cache
def names() -> Mapping[str, str]:
    """Return the keyword of each SOP class."""
    return {uid: name for uid, name, _, _ in lines("classes.tsv")}


def verdict(image: Image, part: Dicom, cleared: tuple[Region, ...] | None) -> Verdict:
    """Say whether an image may leave; `cleared`: what a person said to black out, nothing if nobody looked."""
    if wrong := _never(image, part):
        return Verdict(held=wrong)
    drawn = _drawn(image)
    if cleared is not None:
        return Verdict(regions=cleared, looked_at=True)
    rule = _blackout(image, part)
    if rule is not None:
        return Verdict(regions=rule, looked_at=True)
    return Verdict(held=drawn)


def _never(image: Image, part: Dicom) -> str:
    """Say why nobody can clear a picture as it is."""
    kind = classes().get(image.text(SOP_CLASS))
    if kind is None or kind is Class.DOCUMENT:
        return NO_RULE
    if kind is Class.REPORT:
        return "" if part.structured_reports else REPORT
    if any(_is_inside(one) for one in image.elements):
        return OVERLAY
    span = image.span()
    return "" if span is None else _pixels_are_wrong(image, span)


def _pixels_are_wrong(image: Image, span: Span) -> str:
    if sum(isinstance(one.value, Span) for one in image.elements) > 1:
        return LENGTH
    if span.fragments:
        return COMMENT if compressed.may_carry_text(image.file, image.syntax, span, number(image, FRAMES) or 1) else ""
    return "" if span.length in lengths(image) else LENGTH


def _is_inside(one: Element) -> bool:
    """Say whether an overlay is kept in unused bits of the pixels (60xx,0102 is not the bit 0)."""
    return one.tag >> 24 == 0x60 and one.tag & 0xFFFF == 0x0102 and isinstance(one.value, bytes) and any(one.value)  # noqa: PLR2004 -- tags


def lengths(image: Image) -> set[int]:
    """Return how many bytes the pixels may have, padded or not."""
    samples, bits = number(image, SAMPLES) or 1, _depth(image)
    pixels = number(image, ROWS) * number(image, COLUMNS) * (number(image, FRAMES) or 1)
    exact = (pixels * samples * bits + 7) // 8
    if image.text(PHOTOMETRIC) == "YBR_FULL_422":
        exact = pixels * 2 * bits // 8
    return {exact, exact + exact % 2}


def _depth(image: Image) -> int:
    return number(image, BITS) or {0x7FE00008: 32, 0x7FE00009: 64}.get(image.elements[-1].tag, 0)


def number(image: Image, tag: int) -> int:
    """Return a US or an IS; 0 where there is none."""
    for one in image.elements:
        if one.tag == tag and isinstance(one.value, bytes):
            if one.vr == b"US":
                return int.from_bytes(one.value[:2], "little" if image.form.little else "big")
            text = one.value.strip(b" \0")
            return int(text) if text.isdigit() and len(text) < 12 else 0  # noqa: PLR2004 -- an IS has at most 12
    return 0


def _drawn(image: Image) -> str:
    """Say why text may be drawn into a picture."""
    kind = classes()[image.text(SOP_CLASS)]
    if kind in (Class.REPORT, Class.DATA):
        return ""
    if kind is Class.DRAWN or image.text(MODALITY) in DRAWN_MODALITIES:
        return DRAWN
    said = image.text(BURNED_IN)
    if said not in ("", "NO"):
        return BURNED
    if kind is Class.RADIOGRAPH and not said:
        return UNSAID
    if {part.strip() for part in image.text(IMAGE_TYPE).upper().split("\\")} & DRAWN_TYPES:
        return DERIVED
    return ""


def _blackout(image: Image, part: Dicom) -> tuple[Region, ...] | None:
    device = image.text(0x00080070), image.text(0x00081090), number(image, ROWS), number(image, COLUMNS)
    for rule in part.blackout:
        if (rule.manufacturer, rule.model, rule.rows, rule.columns) == device:
            return rule.regions
    return None
