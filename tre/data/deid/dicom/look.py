"""The front door reads one image: whether it is whole, whose it is, and whether something may be drawn into it."""

from typing import BinaryIO

from tre.data.deid.dicom import charset, gate
from tre.data.deid.dicom.gate import MODALITY, SOP_CLASS, Class
from tre.data.deid.dicom.parse import Image, read
from tre.data.deid.dicom.part import Dicom
from tre.data.deid.stored import Look
from tre.data.deid.who import Id
from tre.errors import Unreadable

PATIENT_ID, SOP, STUDY, SERIES = 0x00100020, 0x00080018, 0x0020000D, 0x0020000E
DIRECTORY = 0x0004
"""The group of a DICOMDIR."""
WHOLE = "file"
NOBODY = "no PatientID"
SEVERAL = "ids of two persons"
_MODALITY_SIZE = 16


def look(file: BinaryIO, part: Dicom) -> Look:
    """Look at one file, with no key."""
    image = read(file)
    refuse(image)
    ids = patients(image)
    held = {}
    if not ids:
        held[WHOLE] = NOBODY
    elif len(ids) > 1:
        held[WHOLE] = SEVERAL
    elif reason := gate.verdict(image, part, None).held:
        held["pixels"] = reason
    return Look(ids=tuple(Id(part.system, part.patient, one) for one in ids), records=1, facts=facts(image), held=held)


def refuse(image: Image) -> None:
    """Refuse what is not one image of one person."""
    kind = gate.classes().get(image.text(SOP_CLASS))
    if kind is Class.DOCUMENT:
        raise Unreadable("DICOM: a document, a sound or a directory; only images, signals and reports are taken")
    if any(one.tag >> 16 == DIRECTORY for one in image.elements):
        raise Unreadable("DICOM: a directory of files (DICOMDIR); only the files are taken")
    for tag in (SOP_CLASS, SOP, STUDY, SERIES):
        if not image.get(tag):
            raise Unreadable(f"DICOM: no value of ({tag >> 16:04X},{tag & 0xFFFF:04X}), which every image has")


def patients(image: Image) -> tuple[str, ...]:
    """Return each different PatientID; there should be one, without a backslash."""
    said = charset.decoded(image.get(PATIENT_ID), charset.of(image)).split("\\")
    return tuple(dict.fromkeys(part.strip() for part in said if part.strip()))


def facts(image: Image) -> dict[str, str]:
    """Return what the index may say of an image: nothing that names a person."""
    modality = image.text(MODALITY)
    plain = modality if modality.isascii() and modality.isalpha() and modality.isupper() else ""
    return {
        "modality": plain[:_MODALITY_SIZE] or "unknown",
        "class": gate.names().get(image.text(SOP_CLASS), "unknown"),
    }
