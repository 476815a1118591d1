"""Images of an invented person: what stays, what is named anew, what is moved, what is held."""

import datetime as dt
import hashlib
import io
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from tests.tre.data.deid.dicom_files import MRN, a_part, a_slice, made, one_made, stored, who, written
from tre.data.deid.dicom import blackout, gate, look, make, values
from tre.data.deid.pseudonyms import Domain, PatientId
from tre.data.deid.who import Absent, Id
from tre.errors import Unreadable

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


def test_the_person_has_the_name_of_every_other_carrier(tmp_path):
    people = who(MRN)
    person = people.known(PatientId(f"hospital:{MRN}"))
    kept = one_made(tmp_path, written(a_slice()), people=people)
    assert kept.PatientID == kept.PatientName == person.pseudonym
    assert kept.AccessionNumber == people.naming.short(Domain.ACCESSION, MRN)
    assert kept.StudyID == people.naming.short(Domain.STUDY, "S99123")
    assert kept.StudyInstanceUID == people.naming.uid("1.2.826.0.1.7777.1.1")


def test_the_image_says_what_was_done(tmp_path):
    kept = one_made(tmp_path, written(a_slice()))
    assert kept.PatientIdentityRemoved == "YES"
    assert kept.LongitudinalTemporalInformationModified == "MODIFIED"
    codes = [item.CodeValue for item in kept.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113107", "113108"]
    assert "BurnedInAnnotation" not in kept
    assert kept.file_meta.ImplementationVersionName == "HORTUS"
    assert "SourceApplicationEntityTitle" not in kept.file_meta


def test_dates_move_by_the_days_of_the_person_and_times_stay(tmp_path):
    people = who(MRN)
    days = dt.timedelta(days=people.known(PatientId(f"hospital:{MRN}")).days)
    kept = one_made(tmp_path, written(a_slice()), people=people)
    assert values.day_of(kept.StudyDate.encode()) == dt.date(2021, 3, 17) + days
    assert kept.StudyTime == "101112"
    assert not kept.PatientBirthDate


def test_without_the_option_no_date_stays(tmp_path):
    kept = one_made(tmp_path, written(a_slice()), part=a_part(options=[]))
    assert not kept.StudyDate
    assert kept.ContentDate == "19000101"
    assert kept.LongitudinalTemporalInformationModified == "REMOVED"
    assert "PatientAge" not in kept


@pytest.mark.parametrize(
    ("vr", "value", "days", "expected"),
    [
        (b"DA", b"20200229", -365, b"20190301"),
        (b"DA", b"2020.02.29", -1, b"20200228"),
        (b"DA", b"20200101\\20200102", -1, b"20191231\\20200101 "),
        (b"DT", b"20200101000000.123456-0500", -1, b"20191231000000.123456-0500"),
        (b"DT", b"20200101", -1, b"20191231"),
        (b"DT", b"202001", -1, None),
        (b"DT", b"2020", -1, None),
        (b"DA", b"20200230", -1, None),
        (b"DA", b"Mary", -1, None),
        (b"DA", b"18000101", -1, None),
        (b"DA", b"19700101", -1, None),
        (b"TM", b"101112.5", -1, b"101112.5"),
        (b"TM", b"Mary", -1, None),
    ],
)
def test_a_date_is_moved_or_gone(vr, value, days, expected):
    assert values.moved(vr, value, days) == expected


@pytest.mark.parametrize(
    ("age", "kept"),
    [
        (b"089Y", b"089Y"),
        (b"090Y", b"090Y"),
        (b"093Y", b"090Y"),
        (b"999M", b"999M"),
        (b"080W", b"080W"),
        (b"Mary", None),
    ],
)
def test_nobody_is_older_than_ninety(age, kept):
    assert values.age(age) == kept


def test_what_measures_stays_as_it_was(tmp_path):
    source = a_slice()
    kept = one_made(tmp_path, written(source))
    for keyword in (
        "KVP", "SliceThickness", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns",
        "RescaleIntercept", "Modality", "ImageType", "BodyPartExamined", "Manufacturer", "ManufacturerModelName",
        "InstanceNumber", "PatientSex", "PatientAge", "SpecificCharacterSet", "PatientPosition",
    ):  # fmt: skip
        assert kept[keyword].value == source[keyword].value, keyword


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_pixels_are_the_same_bytes_in_every_plain_syntax(syntax, tmp_path):
    source = a_slice(syntax)
    kept = one_made(tmp_path, written(source))
    assert hashlib.sha256(kept.PixelData).digest() == hashlib.sha256(source.PixelData).digest()
    assert np.array_equal(kept.pixel_array, pydicom.dcmread(io.BytesIO(written(source))).pixel_array)


def test_a_large_picture_is_stepped_over_and_copied(tmp_path):
    source = a_slice()
    source.Rows, source.Columns, source.PixelData = 1024, 2048, bytes(range(256)) * 16384
    source.add_new(0xFFFCFFFC, "OB", bytes(64))
    assert one_made(tmp_path, written(source)).PixelData == source.PixelData


class Watched(io.BytesIO):
    """A file that knows the most that was read of it at once."""

    most = 0

    def read(self, size=-1):
        content = super().read(size)
        Watched.most = max(Watched.most, len(content))
        return content


def test_of_a_large_picture_little_is_in_memory_at_once(tmp_path):
    source = a_slice(NumberOfFrames=64)
    source.Rows, source.Columns, source.PixelData = 256, 512, bytes(16 << 20)
    content, Watched.most = written(source), 0
    file = replace(stored(content), open=lambda: Watched(content))
    done = make.make([file], tmp_path, part=a_part(), who=who(MRN))
    assert done.records == 1
    assert Watched.most <= 1 << 20


def test_attributes_longer_than_the_first_look_are_read(tmp_path):
    source = a_slice()
    source.RedPaletteColorLookupTableData = bytes(3 << 20)
    assert len(one_made(tmp_path, written(source)).RedPaletteColorLookupTableData) == 3 << 20


def test_a_file_without_preamble_and_header_is_read(tmp_path):
    content = written(a_slice())
    bare = content[content.index(b"\x08\x00\x05\x00CS") :]
    assert look.look(io.BytesIO(bare), a_part()).ids == (Id("pacs", "mrn", MRN),)
    assert one_made(tmp_path, bare).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_the_front_door_learns_whose_and_what():
    seen = look.look(io.BytesIO(written(a_slice())), a_part())
    assert seen.ids == (Id("pacs", "mrn", MRN),)
    assert dict(seen.facts) == {"modality": "CT", "class": "CTImageStorage"}
    assert not seen.held
    assert seen.records == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not DICOM"),
        (b"Mary had a little lamb" * 20, "not DICOM"),
        (written(a_slice())[:900], "ends"),
        (written(a_slice())[:-10], "ends"),
        (written(a_slice()).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"), "DICOM"),
        (
            written(a_slice(ImplicitVRLittleEndian)).replace(b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.1"[:18]),
            "DICOM",
        ),
        (written(a_slice()).replace(b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x10\x00US\xff\xff"), "DICOM"),
        (written(a_slice()).replace(b"1.2.840.10008.1.2.1\0", b"1.2.826.10008.1.2.1\0"), "transfer syntax"),
        (written(a_slice(DeflatedExplicitVRLittleEndian))[:-20], "ends"),
        (written(a_slice(SOPInstanceUID="")), "0008,0018"),
    ],
)
def test_what_is_not_whole_is_refused_in_one_line(content, message):
    with pytest.raises(Unreadable, match=message) as told:
        look.look(io.BytesIO(content), a_part())
    assert "\n" not in str(told.value)
    assert "Quill" not in str(told.value)


def test_an_attribute_that_stands_twice_is_refused():
    content = written(a_slice())
    twice = content.replace(b"\x10\x00\x20\x00LO", b"\x10\x00\x10\x00LO")
    with pytest.raises(Unreadable, match="twice"):
        look.look(io.BytesIO(twice), a_part())


def test_nobody_and_an_unknown_person_and_one_who_withdrew_are_held(tmp_path):
    content = written(a_slice())
    assert made(tmp_path, written(a_slice(PatientID=""))).held == {look.NOBODY: 1}
    assert made(tmp_path, content, people=who("other")).held == {str(Absent.UNKNOWN): 1}
    gone = who(MRN, withdrawn={PatientId(f"hospital:{MRN}")})
    assert made(tmp_path, content, people=gone).held == {str(Absent.WITHDRAWN): 1}
    assert not list(tmp_path.iterdir())


def test_the_same_image_twice_is_there_once(tmp_path):
    done = made(tmp_path, written(a_slice()), written(a_slice()))
    assert (done.records, dict(done.held)) == (1, {make.TWICE: 1})


def test_a_description_that_the_plan_knows_stays(tmp_path):
    part = a_part(descriptions=["CT HEAD"])
    kept = one_made(tmp_path, written(a_slice(StudyDescription="CT HEAD", ProtocolName="CT HEAD of Mary")), part=part)
    assert kept.StudyDescription == "CT HEAD"
    assert kept.ProtocolName == "REMOVED"
    assert [item.CodeValue for item in kept.DeidentificationMethodCodeSequence][1] == "113105"


def test_a_device_and_an_institution_stay_if_the_plan_says_so(tmp_path):
    source = a_slice(StationName="CT 4", InstitutionName="House of Acme", DeviceSerialNumber="77")
    part = a_part(options=["retain-device", "retain-institution"])
    kept = one_made(tmp_path / "1", written(source), part=part)
    assert (kept.StationName, kept.InstitutionName, kept.DeviceSerialNumber) == ("CT 4", "House of Acme", "77")
    plain = one_made(tmp_path / "2", written(source))
    assert {plain.StationName, plain.InstitutionName, plain.DeviceSerialNumber} == {"REMOVED"}


def test_a_meaning_is_the_scheme_s_own(tmp_path):
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "T-D1100", "SRT", "Mary's head"
    kept = one_made(tmp_path, written(a_slice(AnatomicRegionSequence=[code])))
    item = kept.AnatomicRegionSequence[0]
    assert (item.CodeValue, item.CodeMeaning) == ("T-D1100", "Head structure (body structure)")


def test_the_table_of_images_says_what_is_needed_and_no_text(tmp_path):
    done = made(tmp_path, written(a_slice()), written(a_slice(SOPInstanceUID="1.2.3.4", BodyPartExamined="KNEE")))
    rows = pq.read_table(tmp_path / "dicom" / "images.parquet").to_pylist()
    assert done.tables == {"dicom/images": "person"}
    assert [row["path"] for row in rows] == sorted(path for path in done.files if path.endswith(".dcm"))
    assert {row["recognisable_face_possible"] for row in rows} == {True, False}
    assert rows[0]["slice_position"] == pytest.approx(31.25)
    assert (rows[0]["rows"], rows[0]["frames"], rows[0]["modality"]) == (16, 1, "CT")
    assert {row["person"] for row in rows} == done.persons
    assert (next(iter(done.persons)), MRN) in done.identifiers


def test_the_same_input_gives_the_same_bytes(tmp_path):
    contents = [written(a_slice()), written(a_slice(SOPInstanceUID="1.2.3.4"))]
    for name in "ab":
        made(tmp_path / name, *contents)
    first, again = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in "ab"
    )
    assert first == again


def a_rule(**more):
    said = {
        "manufacturer": "ACME",
        "model": "Tubus 4",
        "rows": 16,
        "columns": 16,
        "regions": [[2, 1, 4, 3]],
        "reason": "x",
    }
    return a_part(blackout=[said | more])


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_rule_of_the_plan_blacks_out_stored_pixels(syntax, tmp_path):
    source = a_slice(syntax, Modality="US", PixelData=bytes([77]) * 512)
    kept = one_made(tmp_path, written(source), part=a_rule())
    expected = pydicom.dcmread(io.BytesIO(written(source))).pixel_array.copy()
    expected[1:4, 2:6] = 0
    assert np.array_equal(kept.pixel_array, expected)
    assert kept.BurnedInAnnotation == "NO"
    assert "113101" in {item.CodeValue for item in kept.DeidentificationMethodCodeSequence}


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("compress", [False, True])
def test_colours_are_blacked_out_in_every_plane_and_frame(planar, compress, tmp_path):
    source = a_slice(Modality="US", SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=planar)
    source.BitsAllocated = source.BitsStored = 8
    source.HighBit, source.PixelRepresentation, source.NumberOfFrames = 7, 0, 2
    source.PixelData = np.random.default_rng(1).integers(1, 255, 2 * 3 * 256, np.uint8).tobytes()
    if compress:
        source.compress(RLELossless, generate_instance_uid=False)
    expected = source.pixel_array.copy()
    expected[:, 1:4, 2:6] = 0
    kept = one_made(tmp_path, written(source), part=a_rule())
    assert np.array_equal(kept.pixel_array, expected)


@pytest.mark.parametrize("more", [{"rows": 32}, {"model": "Tubus"}, {"manufacturer": "acme"}])
def test_a_rule_for_another_device_opens_nothing(more, tmp_path):
    assert made(tmp_path, written(a_slice(Modality="US")), part=a_rule(**more)).held == {gate.DRAWN: 1}


def test_a_person_clears_a_picture_by_its_hash(tmp_path):
    content = written(a_slice(Modality="US"))
    kept = one_made(tmp_path, content, cleared={stored(content).sha256: ((0, 0, 16, 2),)})
    assert not kept.pixel_array[:2].any()
    assert kept.pixel_array[2:].any()


def test_what_cannot_be_blacked_out_is_held(tmp_path):
    content = written(a_slice(Modality="US", BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=bytes(32)))
    done = made(tmp_path, content, cleared={stored(content).sha256: ((0, 0, 4, 4),)})
    assert done.held == {blackout.CANNOT: 1}


@given(st.binary(max_size=40))
def test_no_value_breaks_a_date(value):
    for vr in (b"DA", b"DT", b"TM"):
        moved = values.moved(vr, value, -100)
        assert moved is None or len(moved) <= len(value) + 2
