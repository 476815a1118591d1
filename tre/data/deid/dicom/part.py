"""What a plan says of DICOM images.

dicom:
  system: pacs                        source system of PatientID, as the linkage writes it
  patient: mrn                        id type of PatientID
  options: [retain-modified-dates, retain-patient-characteristics]      PS3.15 options: see `Option`
  descriptions: ["CT CHEST"]          texts known to name nobody stay where the standard lets them be cleaned
  private: [{creator: "GEMS_PARM_01", element: "0043xx27", reason: ...}]     private attributes that stay
  structured_reports: true            reports are walked (codes and numbers stay); else they stay out
  blackout: [{manufacturer: ..., model: ..., rows: 512, columns: 512, regions: [[0, 0, 512, 60]], reason: ...}]
                                      regions are left, top, width, height in pixels
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from tre.data.deid import reading
from tre.errors import Unreadable

Region: TypeAlias = tuple[int, int, int, int]
"""Left, top, width, height."""


class Option(StrEnum):
    """Options of PS3.15 E.3 that a plan may name; cleaning options follow from what else it says."""

    MODIFIED_DATES = "retain-modified-dates"
    PATIENT = "retain-patient-characteristics"
    DEVICE = "retain-device"
    INSTITUTION = "retain-institution"


NEVER = {
    "retain-uids": "two projects could be joined by them",
    "retain-long-full-dates": "dates are moved: say retain-modified-dates",
}


@dataclass(frozen=True)
class Private:
    """A private attribute known to name nobody."""

    creator: str
    group: int
    element: int
    """The last two digits: 0xEE of (gggg,xxEE)."""


@dataclass(frozen=True)
class Blackout:
    """Where a device writes text into its pictures."""

    manufacturer: str
    model: str
    rows: int
    columns: int
    regions: tuple[Region, ...]


@dataclass(frozen=True)
class Dicom:
    """Images of one source system."""

    system: str
    patient: str
    options: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    private: tuple[Private, ...] = ()
    blackout: tuple[Blackout, ...] = ()
    structured_reports: bool = False


_MAY = frozenset({"options", "descriptions", "private", "blackout", "structured_reports"})
_ELEMENT = re.compile(r"([0-9A-Fa-f]{4})[xX]{2}([0-9A-Fa-f]{2})")


def read(said: object, where: str) -> Dicom:
    """Read the section strictly."""
    parts = reading.mapping(said, where, needs={"system", "patient"}, may=_MAY)
    return Dicom(
        system=reading.string(parts["system"], f"{where}, system"),
        patient=reading.string(parts["patient"], f"{where}, patient"),
        options=tuple(_option(one, f"{where}, options") for one in _list(parts, "options", where)),
        descriptions=reading.strings(parts.get("descriptions", []), f"{where}, descriptions"),
        private=tuple(_private(one, f"{where}, private") for one in _list(parts, "private", where)),
        blackout=tuple(_blackout(one, f"{where}, blackout") for one in _list(parts, "blackout", where)),
        structured_reports=reading.flag(parts.get("structured_reports", False), f"{where}, structured_reports"),
    )


def _list(parts: dict[str, object], key: str, where: str) -> list[object]:
    said = parts.get(key, [])
    if not isinstance(said, list):
        raise Unreadable(f"{where}, {key}: needs a list")
    return said


def _option(said: object, where: str) -> str:
    if isinstance(said, str) and said in NEVER:
        raise Unreadable(f"{where}: {said} is never given: {NEVER[said]}")
    return str(reading.one_of(Option, said, where))


def _private(said: object, where: str) -> Private:
    parts = reading.mapping(said, where, needs={"creator", "element", "reason"})
    shape = _ELEMENT.fullmatch(reading.string(parts["element"], f"{where}, element"))
    if shape is None or not int(shape[1], 16) & 1:
        raise Unreadable(f'{where}, element: needs an odd group, xx and two digits, as "0043xx27"')
    creator = reading.string(parts["creator"], f"{where}, creator").strip()
    _reason(parts, where)
    return Private(creator, int(shape[1], 16), int(shape[2], 16))


def _blackout(said: object, where: str) -> Blackout:
    needs = {"manufacturer", "model", "rows", "columns", "regions", "reason"}
    parts = reading.mapping(said, where, needs=needs)
    _reason(parts, where)
    regions = parts["regions"]
    if not isinstance(regions, list) or not regions:
        raise Unreadable(f"{where}, regions: needs a list of [left, top, width, height]")
    return Blackout(
        manufacturer=reading.string(parts["manufacturer"], f"{where}, manufacturer").strip(),
        model=reading.string(parts["model"], f"{where}, model").strip(),
        rows=_whole(parts["rows"], f"{where}, rows"),
        columns=_whole(parts["columns"], f"{where}, columns"),
        regions=tuple(_region(one, f"{where}, regions") for one in regions),
    )


def _region(said: object, where: str) -> Region:
    if not isinstance(said, list) or len(said) != 4:  # noqa: PLR2004 -- a rectangle
        raise Unreadable(f"{where}: needs [left, top, width, height]")
    left, top, width, height = (_whole(one, where) for one in said)
    if not width or not height:
        raise Unreadable(f"{where}: a region has a width and a height")
    return left, top, width, height


def _whole(said: object, where: str) -> int:
    if isinstance(said, bool) or not isinstance(said, int) or said < 0:
        raise Unreadable(f"{where}: needs a whole number")
    return said


def _reason(parts: dict[str, object], where: str) -> None:
    if not reading.string(parts["reason"], f"{where}, reason").strip():
        raise Unreadable(f"{where}, reason: is empty")
