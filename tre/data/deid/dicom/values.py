"""What a value of each kind looks like, its dummy, and a date moved by days."""

import re
from datetime import date, timedelta

from tre.data.deid.dicom.vr import WIDTH

DUMMY_TEXT = b"REMOVED "
_DUMMY = {
    b"DA": b"19000101",
    b"DT": b"19000101000000",
    b"TM": b"000000",
    b"AS": b"000Y",
    b"DS": b"0 ",
    b"IS": b"0 ",
    b"UI": b"2.25.0",
    b"UR": b"http://removed.invalid",
    b"OB": b"\0\0",
    b"UN": b"\0\0",
} | {vr: bytes(width) for vr, width in WIDTH.items()}

_SHAPES = {
    b"CS": re.compile(rb"[A-Z0-9 _]{0,16}(\\[A-Z0-9 _]{0,16})*"),
    b"DS": re.compile(rb" *([-+0-9.eE]{1,16} *)?(\\ *([-+0-9.eE]{1,16} *)?)*"),
    b"IS": re.compile(rb" *([-+]?[0-9]{1,12} *)?(\\ *([-+]?[0-9]{1,12} *)?)*"),
    b"AS": re.compile(rb"([0-9]{3}[DWMY])?"),
    b"UI": re.compile(rb"[0-9.\0 ]*(\\[0-9.]+[\0 ]*)*"),
    b"TM": re.compile(rb"([0-9:]{2,8}(\.[0-9]{1,6})? *(\\[0-9:]{2,8}(\.[0-9]{1,6})? *)*)?"),
}
TERMS = frozenset(
    (
        "abdomen", "angio", "axial", "breast", "brain", "chest", "derived", "density", "dynamic", "extremity",
        "feet", "first", "head", "heart", "knee", "left", "liver", "localizer", "lung", "magnitude", "mean", "mixed",
        "neck", "none", "normal", "original", "other", "pelvis", "perfusion", "phase", "primary", "projection", "rest",
        "right", "secondary", "shoulder", "skull", "spine", "static", "stress", "supine", "volume", "whole",
    )
)  # fmt: skip
"""Words of the standard's own terms: a person of that name is not told by them."""
_DAY = re.compile(rb"(\d{4})(\d{2})(\d{2}) *|(\d{4})\.(\d{2})\.(\d{2})")
_MOMENT = re.compile(rb"(\d{4})(\d{2})(\d{2})((?:\d{2}){0,3}(?:\.\d{1,6})?)([+-]\d{4})? *")
_EARLIEST, _LATEST = date(1950, 1, 2), date(2150, 1, 1)
_STAND_INS = frozenset({date(1970, 1, 1), date(2099, 12, 31)})
"""Dates that programs write where there is none: moved, each would tell by how many days."""


def dummy(vr: bytes) -> bytes:
    """Return a value that says nothing and is valid for its kind."""
    return _DUMMY.get(vr, DUMMY_TEXT)


def fits(vr: bytes, value: bytes) -> bool:
    """Say whether a value is of its kind, so that a text cannot stand where a number or a term should."""
    shape = _SHAPES.get(vr)
    if shape is not None:
        return shape.fullmatch(value.rstrip(b" \0")) is not None
    return len(value) % WIDTH.get(vr, 1) == 0


def moved(vr: bytes, value: bytes, days: int) -> bytes | None:
    """Return dates moved by days, times as they are; nothing if one is partial, no date, or a stand-in for one."""
    if vr == b"TM":
        return value if fits(vr, value) else None
    moved_one = _day if vr == b"DA" else _moment
    parts = [moved_one(part.strip(b" \0"), days) for part in value.split(b"\\")]
    if None in parts:
        return None
    text = b"\\".join(part for part in parts if part is not None)
    return text + b" " * (len(text) % 2)


def day_of(value: bytes) -> date | None:
    """Return a DA as a date."""
    match = _DAY.fullmatch(value.strip(b" \0"))
    if match is None:
        return None
    year, month, day = (int(part) for part in match.groups() if part is not None)
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _shifted(day: date | None, days: int) -> bytes | None:
    if day is None or not _EARLIEST <= day <= _LATEST or day in _STAND_INS:
        return None
    return (day + timedelta(days=days)).strftime("%Y%m%d").encode("ascii")


def _day(value: bytes, days: int) -> bytes | None:
    return _shifted(day_of(value), days) if value else b""


def _moment(value: bytes, days: int) -> bytes | None:
    if not value:
        return b""
    match = _MOMENT.fullmatch(value)
    day = _shifted(day_of(value[:8]), days) if match else None
    return None if match is None or day is None else day + match[4] + (match[5] or b"")


def age(value: bytes) -> bytes | None:
    """Return an age; 90 years and more are one class."""
    if not fits(b"AS", value) or not value.strip(b" \0"):
        return None
    per_year = {b"D": 365.25, b"W": 52.18, b"M": 12, b"Y": 1}[value[3:4]]
    return b"090Y" if int(value[:3]) / per_year >= 90 else value  # noqa: PLR2004 -- 45 CFR 164.514(b)(2)(i)(C)
