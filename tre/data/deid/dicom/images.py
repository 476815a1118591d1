"""One row an image: what a person needs in order to choose images without opening them, and no text."""

import datetime as dt
from typing import Any, TypeAlias

import pyarrow as pa

from tre.data.deid.dicom.gate import COLUMNS, FRAMES, MODALITY, ROWS, SOP_CLASS, names, number
from tre.data.deid.dicom.parse import Dataset, Image, value_of
from tre.data.deid.dicom.values import day_of

Row: TypeAlias = dict[str, Any]  # Any: a row of a table has values of every kind

SCHEMA = pa.schema(
    {
        "person": pa.string(),
        "path": pa.string(),
        "class": pa.string(),
        "modality": pa.string(),
        "study_uid": pa.string(),
        "series_uid": pa.string(),
        "sop_uid": pa.string(),
        "study_date": pa.date32(),
        "body_part": pa.string(),
        "series_number": pa.int64(),
        "instance_number": pa.int64(),
        "rows": pa.int32(),
        "columns": pa.int32(),
        "frames": pa.int32(),
        "slice_position": pa.float64(),
        "slice_thickness": pa.float64(),
        "pixel_spacing_row": pa.float64(),
        "pixel_spacing_column": pa.float64(),
        "blacked_out": pa.bool_(),
        "recognisable_face_possible": pa.bool_(),
        "bytes": pa.int64(),
    }
)
AT_ONCE = 10_000
SLICED = frozenset(("CT", "MR", "PT"))
HEADS = frozenset(
    (
        "HEAD", "BRAIN", "SKULL", "FACE", "HEADNECK", "NECK", "EYE", "ORBIT", "ORBITS", "SINUS", "NASAL", "JAW",
        "MANDIBLE", "MAXILLA", "IAC", "EAR",
    )
)  # fmt: skip


def row(image: Image, kept: Dataset, *, person: str, path: str, blacked_out: bool, size: int) -> Row:
    """Return the row of one image; every value is of what was kept, none of the source."""
    modality, body = _text(kept, MODALITY), _text(kept, 0x00180015)
    position = _floats(kept, 0x00200032, 3)
    spacing = _floats(kept, 0x00280030, 2)
    return {
        "person": person,
        "path": path,
        "class": names().get(_text(kept, SOP_CLASS)),
        "modality": modality or None,
        "study_uid": _text(kept, 0x0020000D),
        "series_uid": _text(kept, 0x0020000E),
        "sop_uid": _text(kept, 0x00080018),
        "study_date": _study_date(kept),
        "body_part": body or None,
        "series_number": _whole(kept, 0x00200011),
        "instance_number": _whole(kept, 0x00200013),
        "rows": number(image, ROWS) or None,
        "columns": number(image, COLUMNS) or None,
        "frames": number(image, FRAMES) or 1,
        "slice_position": position[2] if position else _first(_floats(kept, 0x00201041, 1)),
        "slice_thickness": _first(_floats(kept, 0x00180050, 1)),
        "pixel_spacing_row": spacing[0] if spacing else None,
        "pixel_spacing_column": spacing[1] if spacing else None,
        "blacked_out": blacked_out,
        "recognisable_face_possible": modality in SLICED and (not body or body in HEADS),
        "bytes": size,
    }


class Rows:
    """Rows of one extract, kept small: a million of them are a few hundred megabytes."""

    def __init__(self) -> None:
        self._full: list[pa.Table] = []
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Take one more."""
        self._rows.append(row)
        if len(self._rows) == AT_ONCE:
            self._pack()

    def table(self) -> pa.Table:
        """Return the table, in an order that says nothing of the source's."""
        self._pack()
        return pa.concat_tables(self._full).sort_by("path")

    def _pack(self) -> None:
        self._full.append(pa.Table.from_pylist(self._rows, SCHEMA))
        self._rows = []


def _text(kept: Dataset, tag: int) -> str:
    return value_of(kept, tag).decode("ascii", "replace")


def _study_date(kept: Dataset) -> dt.date | None:
    return day_of(value_of(kept, 0x00080020))


def _whole(kept: Dataset, tag: int) -> int | None:
    text = _text(kept, tag)
    return int(text) if text.lstrip("+-").isdigit() else None


def _floats(kept: Dataset, tag: int, count: int) -> list[float]:
    parts = _text(kept, tag).split("\\")
    try:
        return [float(part) for part in parts] if len(parts) == count else []
    except ValueError:
        return []


def _first(found: list[float]) -> float | None:
    return found[0] if found else None
