"""Every file that pydicom and pydicom-data bring: refused, held or made; nothing of the source in what is made."""

import hashlib
import io
import re
import warnings

import pydicom
import pytest
from pydicom.uid import UID_dictionary

from tests.tre.data.deid import dciodvfy
from tests.tre.data.deid.dicom_files import a_part, ids_of, made, public_files, stored
from tre.data.deid.dicom import look
from tre.errors import Unreadable

WORDS = frozenset(
    ("PatientID", "PatientName", "OtherPatientIDs", "AccessionNumber", "InstitutionName", "InstitutionAddress",
     "StationName", "DeviceSerialNumber", "PatientAddress", "ReferringPhysicianName", "OperatorsName", "StudyID",
     "PerformingPhysicianName", "NameOfPhysiciansReadingStudy", "StudyDescription", "SeriesDescription",
     "PatientComments", "ImageComments", "RequestedProcedureDescription", "ProtocolName", "PersonName", "TextValue")
)  # fmt: skip
PLAIN = frozenset(
    ("file", "here", "info", "liver", "offis", "patient", "pancreas", "scout", "segmentation", "spine", "toshiba",
     "whole", "philips", "body", "systems", "medical", "abdomen", "perfusion", "lossy",
      "uncompressed", "head", "general", "option", "removed", "image", "original", "primary")
)  # fmt: skip
"""Words of a description or a maker that the standard's own terms have too."""
PART = a_part(structured_reports=True)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Return file -> (source's bytes, made file or nothing, why not); every picture was cleared by somebody."""
    found = {}
    for path in public_files():
        content = path.read_bytes()
        folder = tmp_path_factory.mktemp("made")
        try:
            look.look(io.BytesIO(content), PART)
        except Unreadable as reason:
            found[path] = content, None, str(reason)
            continue
        done = made(folder, content, part=PART, cleared={stored(content).sha256: ()})
        found[path] = content, (folder / done.files[0] if done.records else None), next(iter(done.held), "")
    return found


def test_every_file_is_made_or_there_is_one_line_why_not(outcomes):
    assert len(outcomes) > 200
    for _, out, reason in outcomes.values():
        assert bool(out) != bool(reason)
        assert "\n" not in reason
    assert sum(out is not None for _, out, _ in outcomes.values()) > 180


def test_without_a_person_fewer_leave_and_each_of_the_others_has_a_reason(tmp_path):
    contents = [path.read_bytes() for path in public_files()]
    done = made(tmp_path, *contents)
    assert done.records + sum(done.held.values()) == len(contents)
    assert 50 < done.records < 150


def pixels(content):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = pydicom.dcmread(io.BytesIO(content), force=True)
    return said.file_meta.get("TransferSyntaxUID"), said.get("PixelData")


def test_pixels_are_the_same_bytes_in_every_transfer_syntax(outcomes):
    met = set()
    for content, out, _ in outcomes.values():
        if out is not None:
            syntax, before = pixels(content)
            assert hashlib.sha256(before or b"").digest() == hashlib.sha256(pixels(out.read_bytes())[1] or b"").digest()
            met.add(syntax)
    assert len(met) >= 11


def source_words(content):
    """Yield what a search for the person would look for: ids, words of names and descriptions, dates, UIDs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = pydicom.dcmread(io.BytesIO(content), force=True, stop_before_pixels=True)
        elements = list(said.iterall())
    for one in elements:
        if one.VR in ("DA", "DT"):
            yield from re.findall(r"\d{8}", str(one.value))
        elif one.VR == "UI":
            values = one.value if one.VM > 1 else [one.value]
            yield from (str(value) for value in values if value and value not in UID_dictionary)
        elif one.keyword in WORDS or one.VR == "PN":
            yield from re.findall(r"\w{4,}", str(one.value))


def kept_words(path):
    """Return everything in a made file that is text, an id or a date; numbers cannot name anybody."""
    said = pydicom.dcmread(path, stop_before_pixels=True)
    elements = [*said.file_meta, *said.iterall()]
    numbers = ("SQ", "DS", "IS", "TM", "US", "SS", "OW", "FD", "FL", "UL", "OB")
    return "\n".join(str(one.value) for one in elements if one.VR not in numbers).lower()


def test_nothing_that_names_the_person_is_in_what_is_made(outcomes):
    left = {}
    for path, (content, out, _) in outcomes.items():
        if out is not None:
            kept = kept_words(out)
            words = {word for word in source_words(content) if word.lower() not in PLAIN and word.lower() in kept}
            if words:
                left[path.name] = words
    assert left == {}


SAMPLE = (
    "CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "rtplan.dcm", "rtdose.dcm", "rtstruct.dcm", "liver.dcm",
    "test-SR.dcm", "waveform_ecg.dcm", "eCT_Supplemental.dcm", "emri_small_big_endian.dcm", "examples_ybr_color.dcm",
    "examples_overlay.dcm", "image_dfl.dcm", "US1_UNCR.dcm",
)  # fmt: skip


def test_the_validator_finds_no_error_that_was_not_there(outcomes):
    checked = 0
    for path, (_, out, _) in outcomes.items():
        if path.name in SAMPLE and out is not None:
            assert dciodvfy.errors(out) - dciodvfy.errors(path) == set(), path.name
            checked += 1
    assert checked >= 12


def test_ids_of_public_files_are_those_of_pydicom():
    for path in public_files():
        content = path.read_bytes()
        for value in ids_of([content], PART):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert value == str(pydicom.dcmread(path, force=True, stop_before_pixels=True).PatientID).strip()
