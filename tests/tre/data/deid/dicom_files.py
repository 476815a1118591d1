"""DICOM files for tests: those that pydicom brings, and a CT slice of an invented person, full of names."""

import hashlib
import io
from functools import cache
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from tre.data.deid.dicom import look, make
from tre.data.deid.dicom import part as parts
from tre.data.deid.pseudonyms import Naming, PatientId, ProjectKeys
from tre.data.deid.stored import Kind, Stored
from tre.data.deid.who import Who

SYSTEM, PATIENT = "pacs", "mrn"
PLAN = {"system": SYSTEM, "patient": PATIENT, "options": ["retain-modified-dates", "retain-patient-characteristics"]}
MRN = "QX7734901"


def a_part(**more):
    return parts.read(PLAN | more, "plan, dicom")


@cache
def public_files():
    """Every file that pydicom and pydicom-data bring."""
    return tuple(sorted(path for path in map(Path, get_testdata_files()) if path.is_file()))


def stored(content, number=0):
    sha256 = hashlib.sha256(content).hexdigest()
    return Stored(number, Kind.DICOM, f"in/{number}", len(content), sha256, lambda: io.BytesIO(content))


def who(*ids, key=b"k" * 32, withdrawn=frozenset()):
    """Return the persons of a project; `ids` are (value, subject) or a value that is its own subject."""
    pairs = [one if isinstance(one, tuple) else (one, one) for one in ids]
    links = {(SYSTEM, PATIENT): {value: PatientId(f"hospital:{subject}") for value, subject in pairs}}
    return Who(Naming(ProjectKeys(key, key[::-1] + b"d")), links, frozenset(withdrawn))


def ids_of(contents, part):
    """Return each PatientID that the front door finds; files that it refuses have none."""
    found = {}
    for content in contents:
        try:
            found |= {one.value: None for one in look.look(io.BytesIO(content), part).ids}
        except look.Unreadable:
            continue
    return tuple(found)


def made(folder, *contents, part=None, people=None, **more):
    """Make an extract of files and return its summary."""
    part = part or a_part()
    people = people or who(*ids_of(contents, part))
    files = [stored(content, at) for at, content in enumerate(contents)]
    return make.make(files, folder, part=part, who=people, **more)


def one_made(folder, content, **more):
    """Make one image and read it with pydicom."""
    done = made(folder, content, **more)
    assert done.records == 1, done.held
    return pydicom.dcmread(folder / done.files[0])


def a_slice(syntax=ExplicitVRLittleEndian, **more):
    """Return a CT slice of Mrs Quillfeather; `more` are attributes by keyword, None takes one away."""
    said = _plain()
    for keyword, value in more.items():
        if value is None:
            delattr(said, keyword)
        else:
            setattr(said, keyword, value)
    said.file_meta.TransferSyntaxUID = syntax
    return said


def _plain():
    said = Dataset()
    said.file_meta = FileMetaDataset()
    said.file_meta.MediaStorageSOPClassUID = CTImageStorage
    said.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.7777.1.3"
    said.file_meta.SourceApplicationEntityTitle = "QUILLFEATHERAE"
    said.SpecificCharacterSet = "ISO_IR 100"
    said.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    said.SOPClassUID = CTImageStorage
    said.SOPInstanceUID = "1.2.826.0.1.7777.1.3"
    said.StudyInstanceUID, said.SeriesInstanceUID = "1.2.826.0.1.7777.1.1", "1.2.826.0.1.7777.1.2"
    said.FrameOfReferenceUID = "1.2.826.0.1.7777.1.4"
    said.StudyDate, said.StudyTime, said.ContentDate, said.ContentTime = "20210317", "101112", "20210317", "101113"
    said.Modality, said.Manufacturer, said.ManufacturerModelName = "CT", "ACME", "Tubus 4"
    said.InstitutionName, said.StudyDescription = "Quillfeather Memorial", "CT of Mrs Quillfeather"
    said.ReferringPhysicianName, said.AccessionNumber, said.StudyID = "Osterwald^Ruth", MRN, "S99123"
    said.PatientName, said.PatientID = "Quillfeather^Mary", MRN
    said.PatientBirthDate, said.PatientSex, said.PatientAge = "19320405", "F", "088Y"
    said.BodyPartExamined, said.KVP, said.SliceThickness = "HEAD", "120", "1.5"
    said.PatientPosition, said.PositionReferenceIndicator = "HFS", ""
    said.SeriesNumber, said.AcquisitionNumber, said.InstanceNumber = "1", "1", "7"
    said.ImagePositionPatient, said.ImageOrientationPatient = ["-1.5", "2", "31.25"], ["1", "0", "0", "0", "1", "0"]
    said.SamplesPerPixel, said.PhotometricInterpretation = 1, "MONOCHROME2"
    said.Rows, said.Columns, said.PixelSpacing = 16, 16, ["0.5", "0.5"]
    said.BitsAllocated, said.BitsStored, said.HighBit, said.PixelRepresentation = 16, 12, 11, 1
    said.RescaleIntercept, said.RescaleSlope = "-1024", "1"
    said.PixelData = bytes(range(256)) * 2
    return said


def written(said, *, preamble=None):
    """Return the bytes of a file."""
    out = io.BytesIO()
    said.preamble = preamble or bytes(128)
    said.save_as(out, enforce_file_format=True)
    return out.getvalue()
