"""What the archive of images gives: small series with every place in which scanners are known to write a name."""

import base64
import io
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.golden import people
from tests.golden.key import Answer, Key, Page
from tests.golden.people import Old, Somebody

ROOT = "1.2.826.0.1.3680043.10.1337"
SOP = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "SC": "1.2.840.10008.5.1.4.1.1.7",
    "SR": "1.2.840.10008.5.1.4.1.1.88.11",
}
SIZE = 16
NO_PREAMBLE, IMPLICIT, OVERLAY, IN_FILE_NAME, UTF16, BASE64 = 5, 6, 7, 13, 14, 15
ULTRASOUND, SECONDARY, BURNED, REPORT = 16, 17, 18, 19


def write(folder: Path, everybody: tuple[Somebody, ...], stranger: Somebody, key: Key) -> None:
    """Write dicom/."""
    for one in (*everybody, stranger):
        at = folder / "dicom" / f"{one.number:02}"
        at.mkdir(parents=True)
        lender = everybody[people.LENDER]
        for name, image in _of(one, everybody):
            path = at / name
            preamble = one.number != NO_PREAMBLE
            path.write_bytes(_bytes(image, preamble=preamble))
            _say(image, f"dicom/{path.parent.name}/{name}", one, key)
        if one is lender:
            key.plant(one.dicom_name, "name as a scanner writes it")


def fingerprint(image: Dataset) -> str:
    """Return what finds an image again: its pixels' hash, or what a report measured."""
    if "PixelData" in image:
        return sha256(image.PixelData).hexdigest()
    return str(image.ContentSequence[-1].MeasuredValueSequence[0].NumericValue)


def _of(one: Somebody, everybody: tuple[Somebody, ...]) -> Iterator[tuple[str, Dataset]]:
    records = (one, *one.old)
    for at in range(2):
        record = records[at % len(records)]
        name = f"{one.family}_{one.given}_{at}.dcm" if one.number == IN_FILE_NAME else f"IM{at}.dcm"
        yield name, _slice(one, record, "CT", at, everybody)
    if one.number % 3 == 0:
        yield "MR0.dcm", _slice(one, one, "MR", 7, everybody)
    if one.number == ULTRASOUND:
        yield "US0.dcm", _picture(one, "US", 8, everybody)
    if one.number == SECONDARY:
        yield "SC0.dcm", _picture(one, "SC", 9, everybody)
    if one.number == BURNED:
        image = _slice(one, one, "CT", 10, everybody)
        image.BurnedInAnnotation = "YES"
        yield "IM10.dcm", image
    if one.number == REPORT:
        yield "SR0.dcm", _report(one, everybody)


def _base(one: Somebody, record: Somebody | Old, modality: str, at: int) -> Dataset:
    """Return what every image says."""
    image = Dataset()
    study = f"{ROOT}.{one.number + 1}.{one.mrn}"
    day, said = one.stay.start + timedelta(days=at % 5), Dataset()
    image.SpecificCharacterSet = "ISO_IR 100"
    image.SOPClassUID, image.SOPInstanceUID = SOP[modality], f"{study}.1.{at + 1}"
    image.StudyDate = image.SeriesDate = image.ContentDate = image.AcquisitionDate = f"{day:%Y%m%d}"
    image.StudyTime = image.ContentTime = "083000"
    image.AccessionNumber = one.mrn if one.number == people.LENDER else f"AC{one.mrn}"
    image.Modality, image.Manufacturer, image.ManufacturerModelName = modality, "ACME", "Scanner 3"
    image.InstitutionName, image.InstitutionAddress = "Elsewhere General", "1 Elsewhere Road"
    image.ReferringPhysicianName = image.PerformingPhysicianName = image.OperatorsName = "Nebelung^Oskar"
    image.StationName, image.DeviceSerialNumber = "SCAN-3-ROOM-7", "SN-4711-0815"
    image.PatientName, image.PatientID, image.PatientSex = one.dicom_name, record.pacs, one.sex
    image.PatientBirthDate, image.PatientAge = f"{one.born:%Y%m%d}", f"{one.age:03}Y"
    image.PatientAddress, image.PatientTelephoneNumbers = one.street, one.phone[:16]
    image.PatientSize, image.PatientWeight = "1.7", str(50 + one.number)
    image.OtherPatientIDs, image.PatientComments = one.nhs, f"{one.given} {one.family} is deaf"
    image.StudyInstanceUID, image.SeriesInstanceUID = study, f"{study}.{1 if modality == 'CT' else 2}"
    image.FrameOfReferenceUID, image.StudyID = f"{study}.99", one.mrn[:8]
    image.SeriesNumber, image.InstanceNumber = "1", str(at + 1)
    said.ReferencedSOPClassUID, said.ReferencedSOPInstanceUID = SOP["CT"], f"{study}.1.1"
    image.ReferencedImageSequence = Sequence([said])
    return image


def _with_words(image: Dataset, one: Somebody, borrowed: str) -> None:
    """Write the name where it does not belong."""
    image.StudyDescription = "CT CHEST"
    image.SeriesDescription = f"CHEST OF {one.family.upper()}"
    image.ImageComments = f"{one.family}, {one.given}"
    image.RequestedProcedureDescription = f"chest {one.nhs}"
    request = Dataset()
    request.RequestedProcedureID, request.ScheduledProcedureStepDescription = one.mrn, one.family
    request.RequestingPhysician = one.dicom_name
    image.RequestAttributesSequence = Sequence([request])
    private = image.private_block(0x0099, "GOLDEN HOSPITAL", create=True)
    private.add_new(0x01, "LO", f"{one.given} {one.family}")
    private.add_new(0x02, "UN", f"{one.family}^{one.given}".encode())
    nested = Dataset()
    nested.PatientName, nested.ReferencedSOPInstanceUID = one.dicom_name, f"{borrowed}.1.2"
    private.add_new(0x03, "SQ", Sequence([nested]))
    if one.number == UTF16:
        private.add_new(0x04, "OB", _even(one.family.encode("utf-16-le")))
    if one.number == BASE64:
        private.add_new(0x05, "OB", _even(base64.b64encode(f"{one.family} {one.given}".encode())))
    if one.number == OVERLAY:
        image.add_new(0x60000010, "US", SIZE)
        image.add_new(0x60000011, "US", SIZE)
        image.add_new(0x60000022, "LO", one.family)
        image.add_new(0x60000040, "CS", "G")
        image.add_new(0x60000050, "SS", [1, 1])
        image.add_new(0x60000100, "US", 1)
        image.add_new(0x60000102, "US", 0)
        image.add_new(0x60003000, "OW", one.family.encode()[:16].ljust(SIZE * SIZE // 8, b"\0"))


def _slice(one: Somebody, record: Somebody | Old, modality: str, at: int, everybody: tuple[Somebody, ...]) -> Dataset:
    image = _base(one, record, modality, at)
    other = everybody[(one.number + 1) % len(everybody)]
    _with_words(image, one, f"{ROOT}.{other.number + 1}.{other.mrn}")
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.SliceThickness, image.PixelSpacing = "5.0", ["0.7", "0.7"]
    image.ImagePositionPatient = ["0", "0", str(at * 5)]
    image.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    if modality == "CT":
        image.KVP, image.RescaleSlope, image.RescaleIntercept = "120", "1", "-1024"
    else:
        image.ScanningSequence, image.SequenceVariant, image.RepetitionTime, image.EchoTime = "SE", "NONE", "500", "12"
    noise = np.random.default_rng(one.number * 100 + at).integers(0, 2000, (SIZE, SIZE), dtype=np.uint16)
    return _with_pixels(image, noise)


def _picture(one: Somebody, modality: str, at: int, everybody: tuple[Somebody, ...]) -> Dataset:
    """Return an image into which the name is burned."""
    image = _base(one, one, modality, at)
    del everybody
    canvas = Image.new("L", (96, 24))
    ImageDraw.Draw(canvas).text((1, 6), one.family, fill=255)
    image.ImageType = ["DERIVED", "SECONDARY"]
    if modality == "SC":
        image.ConversionType = "WSD"
    return _with_pixels(image, np.asarray(canvas, dtype=np.uint16))


def _with_pixels(image: Dataset, pixels: np.ndarray) -> Dataset:
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns = pixels.shape
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
    image.PixelData = pixels.tobytes()
    image["PixelData"].VR = "OW"
    return image


def _report(one: Somebody, everybody: tuple[Somebody, ...]) -> Dataset:
    """Return a structured report: a name and a text that go, a number and a code that stay."""
    del everybody
    report = _base(one, one, "SR", 11)
    report.CompletionFlag, report.VerificationFlag, report.ValueType = "COMPLETE", "UNVERIFIED", "CONTAINER"
    report.ContinuityOfContent = "SEPARATE"
    report.ConceptNameCodeSequence = Sequence([_code("126000", "DCM", "Imaging Measurement Report")])
    observer, finding, size = Dataset(), Dataset(), Dataset()
    observer.RelationshipType, observer.ValueType = "HAS OBS CONTEXT", "PNAME"
    observer.ConceptNameCodeSequence = Sequence([_code("121008", "DCM", "Person Observer Name")])
    observer.PersonName = one.dicom_name
    finding.RelationshipType, finding.ValueType = "CONTAINS", "TEXT"
    finding.ConceptNameCodeSequence = Sequence([_code("121071", "DCM", "Finding")])
    finding.TextValue = f"{one.given} {one.family}, NHS {one.nhs}, has a nodule"
    size.RelationshipType, size.ValueType = "CONTAINS", "NUM"
    size.ConceptNameCodeSequence = Sequence([_code("410668003", "SCT", "Length")])
    measured = Dataset()
    measured.NumericValue = str(one.stay.values[0])
    measured.MeasurementUnitsCodeSequence = Sequence([_code("mm", "UCUM", "millimeter")])
    size.MeasuredValueSequence = Sequence([measured])
    report.ContentSequence = Sequence([observer, finding, size])
    return report


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _bytes(image: Dataset, *, preamble: bool) -> bytes:
    """Return the file; the preamble holds a name, which is allowed there and seen by nobody."""
    implicit = int(image.PatientWeight) - 50 == IMPLICIT
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit or not preamble else ExplicitVRLittleEndian
    meta.ImplementationClassUID, meta.SourceApplicationEntityTitle = f"{ROOT}.1", "SCAN3ROOM7"
    out = io.BytesIO()
    if preamble:
        image.file_meta, image.preamble = meta, str(image.PatientName).encode().ljust(128, b"\0")
        dcmwrite(out, image, enforce_file_format=True)
    else:
        dcmwrite(out, image, implicit_vr=True, little_endian=True)
    return out.getvalue()


def _even(content: bytes) -> bytes:
    return content + b"\0" * (len(content) % 2)


# --- answers ------------------------------------------------------------------------------------------------------
KEPT = (
    *("SOPClassUID", "Modality", "PatientSex", "PatientSize", "PatientWeight", "Rows", "Columns", "BitsAllocated"),
    *("InstanceNumber", "ImageType", "PixelSpacing", "SliceThickness", "KVP", "RescaleSlope", "RescaleIntercept"),
    *("ImagePositionPatient", "ImageOrientationPatient", "StudyDescription", "EchoTime", "RepetitionTime"),
)
GONE = (
    *("InstitutionName", "InstitutionAddress", "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName"),
    *("StationName", "DeviceSerialNumber", "PatientBirthDate", "PatientAddress", "PatientTelephoneNumbers", "StudyID"),
    *("OtherPatientIDs", "PatientComments", "SeriesDescription", "ImageComments", "RequestedProcedureDescription"),
    *("RequestAttributesSequence/0/RequestingPhysician", "RequestAttributesSequence/0/RequestedProcedureID"),
    *("RequestAttributesSequence/0/ScheduledProcedureStepDescription", "00990010", "00991001", "00991002", "00991003"),
    *("00991004", "00991005", "60000022", "60003000"),
)
NAMED = (
    *("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "AccessionNumber"),
    *("ReferencedImageSequence/0/ReferencedSOPInstanceUID", "meta/MediaStorageSOPInstanceUID"),
)
DATES = ("StudyDate", "SeriesDate", "ContentDate", "AcquisitionDate")
TRAPS = {
    "00991001": "name in a private tag",
    "00991004": "UTF-16",
    "00991005": "base64",
    "60003000": "name in an overlay",
    "SeriesDescription": "name in a series description",
    "ReferencedImageSequence/0/ReferencedSOPInstanceUID": "nested reference",
}


def _say(image: Dataset, file: str, one: Somebody, key: Key) -> None:
    """Write the answers of one image."""
    page = key.say("dicom", file, fingerprint(image), one.subject)
    held = "BurnedInAnnotation" in image or image.Modality in {"US", "SC"}
    if one.number == people.COUNT or held:
        why = "burned-in text" if held else "missing in the linkage"
        key.say("dicom", file, page.record, "")("", image.Modality, Answer.HELD, trap=why)
        return
    for place in ("PatientID", "PatientName"):
        page(place, at(image, place), Answer.PSEUDONYM)
    age = "090Y" if one.age > 89 else f"{one.age:03}Y"
    page("PatientAge", image.PatientAge, Answer.GENERALISED, age, "age 93" if one.age == 93 else "")
    for places, answer in (
        (KEPT, Answer.KEPT),
        (GONE, Answer.REMOVED),
        (NAMED, Answer.RENAMED),
        (DATES, Answer.SHIFTED),
    ):
        for place in places:
            _ask(page, image, place, answer)
    if "PixelData" in image:
        page("PixelData", page.record, Answer.KEPT)
    else:
        _say_report(page, image)


def _ask(page: Page, image: Dataset, place: str, answer: Answer) -> None:
    value = image.SOPInstanceUID if place.startswith("meta/") else at(image, place)
    if value is not None:
        page(place, text(value), answer, trap=TRAPS.get(place, ""))


def _say_report(page: Page, report: Dataset) -> None:
    for place in ("ContentSequence/0/PersonName", "ContentSequence/1/TextValue"):
        page(place, at(report, place), Answer.REMOVED, trap="name in a structured report")
    page("ContentSequence/*/MeasuredValueSequence/0/NumericValue", page.record, Answer.KEPT, trap="structured report")


def at(image: Dataset, place: str) -> object | None:
    """Return what stands at a path of keywords or tags, as `Sequence/0/Keyword`."""
    found: object = image
    for step in place.split("/"):
        if isinstance(found, Sequence):
            found = found[int(step)] if int(step) < len(found) else None
        elif isinstance(found, Dataset):
            name = int(step, 16) if len(step) == 8 and step.isalnum() and step[0].isdigit() else step
            found = found[name].value if name in found else None
    return found


def text(value: object) -> str:
    """Return a value as one line."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return "\\".join(str(one) for one in value)
    return str(value)
