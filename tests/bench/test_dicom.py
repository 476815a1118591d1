"""CT slices a second beside plain reading and saving, a copy and the field's tool; what each leaves of a person."""

import shutil
import time
from functools import partial

import pydicom
import pytest
from dicomanonymizer import anonymize_dicom_file
from pydicom.data import get_testdata_file

from tests.tre.data.deid import dciodvfy
from tests.tre.data.deid.dicom_files import a_part, made, public_files, stored, who
from tre.data.deid.dicom import make
from tre.data.deid.stored import Kind, Stored

pytestmark = pytest.mark.bench

SLICES = 200
TIMES_THEIRS, OF_PLAIN = 2, 0.6
PLANTED = {
    "PatientName": "Quillfeather^Mary",
    "PatientID": "QX7734901",
    "PatientBirthDate": "19320405",
    "OtherPatientIDs": "NHS4857773456",
    "PatientAddress": "7 Larkspur Lane",
    "ReferringPhysicianName": "Osterwald^Ruth",
    "OperatorsName": "Brandywine^Tom",
    "InstitutionName": "Thistledown Hospital",
    "StationName": "THISTLECT4",
    "DeviceSerialNumber": "SN88172636",
    "AccessionNumber": "ACC5550199",
    "StudyID": "ST77881",
    "StudyDate": "20210317",
    "StudyDescription": "CT of Mrs Quillfeather",
    "SeriesDescription": "seen by Osterwald",
    "PatientComments": "lives in Larkspur Lane",
    "StudyInstanceUID": "1.2.826.0.1.7777.1",
    "ProtocolName": "Brandywine special",
}
WORDS = (
    b"Quillfeather", b"QX7734901", b"19320405", b"NHS4857773456", b"Larkspur", b"Osterwald", b"Brandywine",
    b"Thistledown", b"THISTLECT4", b"SN88172636", b"ACC5550199", b"ST77881", b"20210317", b"1.2.826.0.1.7777.1",
    b"Pemberton",
)  # fmt: skip


@pytest.fixture(scope="module")
def slices(tmp_path_factory):
    """Write slices of 512 x 512 with a name in many places, one of them private."""
    folder = tmp_path_factory.mktemp("slices")
    said = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    for keyword, value in PLANTED.items():
        setattr(said, keyword, value)
    said.private_block(0x0009, "BENCH", create=True).add_new(1, "LO", "Pemberton")
    said.Rows = said.Columns = 512
    said.PixelData = bytes(range(256)) * 2048
    for at in range(SLICES):
        said.SOPInstanceUID = said.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.7777.9.{at}"
        said.InstanceNumber = at
        said.save_as(folder / f"{at:03}.dcm", enforce_file_format=True)
    return tuple(sorted(folder.iterdir()))


def each(verb, slices, folder):
    folder.mkdir()
    for path in slices:
        verb(path, folder / path.name)


def plainly(path, out):
    pydicom.dcmread(path).save_as(out)


def by_the_peer(path, out):
    anonymize_dicom_file(str(path), str(out))


def ours(slices, folder):
    files = [Stored(at, Kind.DICOM, "", 0, "", partial(path.open, "rb")) for at, path in enumerate(slices)]
    done = make.make(files, folder, part=a_part(), who=who(PLANTED["PatientID"]))
    assert done.records == len(slices)


TOOLS = {
    "file copy": partial(each, shutil.copyfile),
    "pydicom read and save": partial(each, plainly),
    "dicom-anonymizer": partial(each, by_the_peer),
    "ours": ours,
}


def left(folder):
    first = min(folder.rglob("*.dcm")).read_bytes()
    return sum(word in first for word in WORDS)


def test_slices_a_second_and_what_is_left_of_the_person(slices, tmp_path, report):
    seconds = {}
    for name, tool in TOOLS.items():
        tool(slices[:5], tmp_path / f"warm {name}")
        began = time.perf_counter()
        tool(slices, tmp_path / name)
        seconds[name] = time.perf_counter() - began
    rates = {name: SLICES / took for name, took in seconds.items()}
    beside = ", ".join(f"{name} {rate:.0f}/s" for name, rate in rates.items() if name != "ours")
    plain, theirs = seconds["pydicom read and save"], seconds["dicom-anonymizer"]
    report("DICOM: 1,000 CT slices", 1000 / rates["ours"], "s", of=beside)
    report("DICOM: of plain read and save", seconds["ours"] / plain, "x", 1 / OF_PLAIN, f"plain {plain:.2f} s")
    report("DICOM: of dicom-anonymizer", seconds["ours"] / theirs, "x", 1 / TIMES_THEIRS, f"theirs {theirs:.2f} s")
    for name in TOOLS:
        report(
            f"DICOM: planted words left, {name}",
            left(tmp_path / name),
            f"of {len(WORDS)}",
            0 if name == "ours" else None,
        )
    assert left(tmp_path / "ours") == 0
    assert left(tmp_path / "file copy") == len(WORDS)


def test_the_validator_finds_nothing_new_in_any_public_file(tmp_path, report):
    part, new, checked = a_part(structured_reports=True), {}, 0
    for at, path in enumerate(public_files()):
        content = path.read_bytes()
        folder = tmp_path / str(at)
        done = made(folder, content, part=part, cleared={stored(content).sha256: ()})
        if done.records:
            checked += 1
            if found := dciodvfy.errors(folder / done.files[0]) - dciodvfy.errors(path):
                new[path.name] = found
    report("DICOM: new dciodvfy errors", sum(map(len, new.values())), "errors", 0, f"{checked} public files")
    assert new == {}
