"""Attempts to carry a name out of a hospital inside an image."""

import base64
import io
import struct
import zlib

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    MPEG2MPML,
    BasicTextSRStorage,
    DeflatedExplicitVRLittleEndian,
    EncapsulatedPDFStorage,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from tests.tre.data.deid.dicom_files import MRN, a_part, a_slice, made, one_made, stored, who, written
from tre.data.deid.dicom import gate, look
from tre.data.deid.pseudonyms import PatientId
from tre.errors import Unreadable

NAME = "Quillfeather"
EVIL = (b"Quillfeather", b"QUILLFEATHER", b"Mary", b"Osterwald", MRN.encode(), b"20210317", b"19320405", b".7777.")


def outcome(folder, content, **more):
    """Return the bytes of everything that came out."""
    done = made(folder, content, **more)
    assert done.records == 1, done.held
    return b"".join(path.read_bytes() for path in folder.rglob("*.dcm"))


def is_clean(content):
    forms = [word for evil in EVIL for word in (evil, evil[::-1], evil.decode().encode("utf-16-le"))]
    return not any(word in content for word in [*forms, base64.b64encode(EVIL[0])[:12]])


def a_code(**said):
    item = Dataset()
    for keyword, value in said.items():
        setattr(item, keyword, value)
    return item


def with_name(tag, vr, value=NAME):
    said = a_slice()
    said.add_new(tag, vr, value)
    return said


def test_the_plain_slice_is_clean(tmp_path):
    assert is_clean(outcome(tmp_path, written(a_slice())))


HIDING = {
    "a description": with_name(0x0008103E, "LO", f"CT {NAME} 17.3."),
    "an image comment": with_name(0x00204000, "LT"),
    "a private attribute": with_name(0x00091001, "LO"),
    "a private attribute behind its creator": None,
    "an attribute of an odd group without a creator": with_name(0x001110FF, "UT"),
    "overlay data": with_name(0x60003000, "OW", b"Quillfeather"),
    "an overlay's label": with_name(0x60021500, "LO"),
    "a curve": with_name(0x50003000, "OW", b"Quillfeather"),
    "a curve's label": with_name(0x50002500, "LO"),
    "trailing padding": with_name(0xFFFCFFFC, "OB", b"Quillfeather" * 4),
    "a window's explanation": with_name(0x00281055, "LO"),
    "a kept text": with_name(0x00081090, "LO", "Tubus of Mary"),
    "a UID inside a kept text": with_name(0x00181020, "LO", "v1 1.2.826.0.1.7777.1.9"),
    "a code string": with_name(0x00185100, "CS", "QUILLFEATHER"),
    "a file's own station": a_slice(),
    "a retired attribute": with_name(0x00084000, "LT"),
    "an address": with_name(0x00101040, "LO"),
    "an ICC profile": with_name(0x00282000, "OB", b"Quillfeather"),
    "an encapsulated document": with_name(0x00420011, "OB", b"Quillfeather"),
    "a waveform annotation": None,
    "a long text": with_name(0x0040A160, "UT", NAME * 1000),
    "an unknown attribute": with_name(0x0018EEEE, "LO"),
    "a command element": None,
}


def _fill():
    said = a_slice()
    said.private_block(0x0009, "QUILLFEATHER TOOLS", create=True).add_new(1, "LO", NAME)
    HIDING["a private attribute behind its creator"] = said
    item = a_code(UnformattedTextValue=NAME, AnnotationGroupNumber=1)
    said = a_slice()
    said.WaveformAnnotationSequence = Sequence([item])
    HIDING["a waveform annotation"] = said
    said = a_slice()
    said.add_new(0x00080000, "UL", 4)
    HIDING["a command element"] = said


_fill()


@pytest.mark.parametrize("where", HIDING)
def test_a_name_in(where, tmp_path):
    assert is_clean(outcome(tmp_path, written(HIDING[where])))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_a_name_in_another_transfer_syntax(syntax, tmp_path):
    assert is_clean(outcome(tmp_path, written(a_slice(syntax))))


def test_a_name_in_the_preamble(tmp_path):
    content = outcome(tmp_path, written(a_slice(), preamble=b"Quillfeather".ljust(128, b"x")))
    assert content[:128] == bytes(128)
    assert is_clean(content)


def test_a_name_behind_the_last_attribute(tmp_path):
    done = made(tmp_path, written(a_slice()) + b"Quillfeather Mary", people=who(MRN))
    assert done.records == 0 or is_clean(b"".join(path.read_bytes() for path in tmp_path.rglob("*.dcm")))


def test_a_name_behind_the_picture(tmp_path):
    said = a_slice()
    said.PixelData += b"Quillfeather"
    assert made(tmp_path, written(said)).held == {gate.LENGTH: 1}


def test_a_name_in_the_high_bits_of_the_picture(tmp_path):
    said = a_slice()
    said.add_new(0x60000102, "US", 12)
    assert made(tmp_path, written(said)).held == {gate.OVERLAY: 1}


def test_a_birth_date_made_into_a_uid(tmp_path):
    kept = one_made(tmp_path, written(a_slice(SeriesInstanceUID="1.2.3.19320405")))
    assert kept.SeriesInstanceUID.startswith("2.25.")
    assert "19320405" not in kept.SeriesInstanceUID


def test_a_uid_of_the_source_in_a_nested_reference(tmp_path):
    item = a_code(ReferencedSOPClassUID=SecondaryCaptureImageStorage, ReferencedSOPInstanceUID="1.2.826.0.1.7777.1.3")
    said = a_slice()
    said.ReferencedImageSequence = Sequence([item])
    kept = one_made(tmp_path, written(said))
    assert kept.ReferencedImageSequence[0].ReferencedSOPInstanceUID == kept.SOPInstanceUID
    assert kept.ReferencedImageSequence[0].ReferencedSOPClassUID == SecondaryCaptureImageStorage
    assert kept.file_meta.MediaStorageSOPInstanceUID == kept.SOPInstanceUID


def test_a_name_in_a_private_sequence_in_a_sequence(tmp_path):
    inner = a_code()
    inner.private_block(0x0011, "QUILLFEATHER TOOLS", create=True).add_new(1, "LO", NAME)
    outer = a_code(ReferencedSOPInstanceUID="1.2.826.0.1.7777.9")
    outer.private_block(0x0011, "QUILLFEATHER TOOLS", create=True).add_new(2, "SQ", [inner])
    said = a_slice()
    said.ReferencedImageSequence = Sequence([outer])
    assert is_clean(outcome(tmp_path, written(said)))


def header_ends(content):
    return 132 + 12 + struct.unpack_from("<I", content, 140)[0]


def with_raw(tag, vr, value):
    """Return a slice's bytes with one attribute more, written by hand."""
    content = written(a_slice())
    end = header_ends(content)
    raw = struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, len(value)) + value
    return content[:end] + raw + content[end:]


def hidden_sequence(name=b"Quillfeather^Mary "):
    """Return a sequence of one item with a PN, as implicit little endian bytes."""
    element = struct.pack("<HHI", 0x0010, 0x1001, len(name)) + name
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(element)) + element


@pytest.mark.parametrize("tag", [0x00081140, 0x00091001, 0x00400555, 0x0018EEEE])
def test_a_name_in_a_sequence_that_says_it_is_of_unknown_kind(tag, tmp_path):
    assert is_clean(outcome(tmp_path, with_raw(tag, b"UN", hidden_sequence())))


def private_part(**more):
    return a_part(private=[{"creator": "ACME 1", "element": "0009xx01", "reason": "a dose"} | more])


def test_a_name_of_unknown_kind_where_a_private_attribute_is_allowed(tmp_path):
    said = a_slice()
    said.private_block(0x0009, "ACME 1", create=True).add_new(1, "UN", hidden_sequence())
    assert is_clean(outcome(tmp_path, written(said), part=private_part()))


def test_a_name_and_a_date_where_a_private_attribute_is_allowed(tmp_path):
    said = a_slice()
    block = said.private_block(0x0009, "ACME 1", create=True)
    block.add_new(1, "LO", f"dose of {NAME}")
    assert is_clean(outcome(tmp_path, written(said), part=private_part()))
    block.add_new(1, "DT", "20210317101112.5+0100")
    content = outcome(tmp_path / "dates", written(said), part=private_part())
    assert is_clean(content)
    assert b"101112.5+0100" in content


def test_an_allowed_creator_lends_its_name_to_another_block(tmp_path):
    said = a_slice()
    said.add_new(0x00090010, "LO", "ACME 1")
    said.add_new(0x00090011, "LO", "OTHER")
    said.add_new(0x00091001, "DS", "1.5")
    said.add_new(0x00091101, "LO", "Osterwald")
    content = outcome(tmp_path, written(said), part=private_part())
    kept = pydicom.dcmread(io.BytesIO(content))
    assert kept[0x00091001].value == pytest.approx(1.5)
    assert 0x00091101 not in kept
    assert 0x00090011 not in kept


def test_a_private_attribute_outside_every_reserved_block(tmp_path):
    said = a_slice()
    said.add_new(0x00090010, "LO", "ACME 1")
    said.add_new(0x00091201, "LO", "somebody else")
    kept = one_made(tmp_path, written(said), part=private_part())
    assert not [one for one in kept if one.tag.is_private]


def test_a_creator_of_an_outer_level_does_not_open_an_inner_one(tmp_path):
    inner = a_code(ReferencedSOPInstanceUID="1.2.3")
    inner.add_new(0x00091001, "LO", "somebody else")
    said = a_slice()
    said.add_new(0x00090010, "LO", "ACME 1")
    said.ReferencedImageSequence = Sequence([inner])
    kept = one_made(tmp_path, written(said), part=private_part())
    assert not [one for one in kept.iterall() if one.tag.is_private]


def test_a_name_in_a_second_character_set(tmp_path):
    said = a_slice(SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう")
    said.ManufacturerModelName = "山田"
    content = outcome(tmp_path, written(said))
    kept = pydicom.dcmread(io.BytesIO(content))
    assert not kept.ManufacturerModelName
    assert "山田".encode("iso2022_jp")[3:-3] not in content


def test_a_name_in_a_character_set_that_nobody_knows(tmp_path):
    said = written(a_slice(ManufacturerModelName="Tubus")).replace(b"ISO_IR 100", b"ISO_IR 999")
    kept = pydicom.dcmread(io.BytesIO(outcome(tmp_path, said)))
    assert not kept.get("SpecificCharacterSet")


def test_a_picture_in_the_icon(tmp_path):
    said = a_slice()
    said.IconImageSequence = Sequence([a_code(BitsAllocated=8, PixelData=b"Quillfeather")])
    kept = one_made(tmp_path, written(said))
    assert "IconImageSequence" not in kept


def test_a_picture_in_a_sequence_that_stays(tmp_path):
    said = a_slice()
    said.ReferencedImageSequence = Sequence(
        [a_code(BitsAllocated=8, PixelData=b"Quillfeather", ReferencedSOPInstanceUID="1.2.3")]
    )
    content = outcome(tmp_path, written(said))
    assert is_clean(content)


def test_the_id_of_another_person(tmp_path):
    said = a_slice()
    said.OtherPatientIDsSequence = Sequence([a_code(PatientID="QX555")])
    assert made(tmp_path, written(said), people=who(MRN, "QX555")).held == {look.SEVERAL: 1}
    assert made(tmp_path, written(said), people=who(MRN, ("QX555", MRN))).records == 1


def test_an_id_of_somebody_who_withdrew_among_the_others(tmp_path):
    said = a_slice()
    said.OtherPatientIDsSequence = Sequence([a_code(PatientID="QX555")])
    people = who(MRN, "QX555", withdrawn={PatientId("hospital:QX555")})
    assert made(tmp_path, written(said), people=people).records == 0


def test_several_ids_in_one_value(tmp_path):
    content = written(a_slice()).replace(MRN.encode() + b" ", b"QX77\\QX901")
    assert look.look(io.BytesIO(content), a_part()).held == {"file": look.SEVERAL}
    assert made(tmp_path, content, people=who("QX77", "QX901")).held == {look.SEVERAL: 1}


def test_an_id_between_spaces_is_the_id(tmp_path):
    assert one_made(tmp_path, written(a_slice(PatientID=f"  {MRN}  ")), people=who(MRN)).PatientID.startswith("tre1-")


def test_an_id_that_nobody_knows(tmp_path):
    assert made(tmp_path, written(a_slice()), people=who("another")).records == 0
    assert not list(tmp_path.rglob("*"))


def test_a_screenshot_that_says_it_is_clean(tmp_path):
    said = a_slice(SOPClassUID=SecondaryCaptureImageStorage, BurnedInAnnotation="NO")
    assert made(tmp_path, written(said)).held == {gate.DRAWN: 1}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"Modality": "US"}, gate.DRAWN),
        ({"BurnedInAnnotation": "YES"}, gate.BURNED),
        ({"BurnedInAnnotation": "MAYBE"}, gate.BURNED),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, gate.DERIVED),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1"}, gate.UNSAID),
        ({"SOPClassUID": "1.3.46.670589.7.8.1618510091"}, gate.NO_RULE),
    ],
)
def test_a_picture_that_may_be_written_on(said, why, tmp_path):
    assert made(tmp_path, written(a_slice(**said))).held == {why: 1}


def test_a_person_cannot_clear_what_is_not_in_the_picture(tmp_path):
    said = a_slice()
    said.PixelData += b"Quillfeather"
    content = written(said)
    assert made(tmp_path, content, cleared={stored(content).sha256: ()}).held == {gate.LENGTH: 1}


def test_clearing_one_picture_clears_no_other(tmp_path):
    one, other = written(a_slice(Modality="US")), written(a_slice(Modality="US", SOPInstanceUID="1.2.3.4"))
    assert made(tmp_path, one, other, cleared={stored(one).sha256: ()}).records == 1


def jpeg(segment):
    return b"\xff\xd8" + segment + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + bytes(20) + b"\xff\xd9"


@pytest.mark.parametrize(
    "fragment",
    [
        jpeg(b"\xff\xfe\x00\x0eQuillfeather"),
        jpeg(b"\xff\xe1\x00\x14Exif\0\0Quillfeather"),
        jpeg(b"\xff\xe0\x00\x1eJFIF\0Quillfeather" + bytes(11)),
        jpeg(b"") + b"Quillfeather",
        jpeg(b"") + b"Quillfeather" + b"\xff\xd9",
        b"Quillfeather",
        b"\xff\x4f\xff\x64\x00\x10\0\1Quillfeather\xff\x90\0\x0a" + bytes(8) + b"\xff\xd9",
    ],
    ids=["comment", "EXIF", "JFIF", "tail", "two ends", "no picture", "JPEG 2000"],
)
def test_a_name_inside_compressed_pixels(fragment, tmp_path):
    said = a_slice(JPEGBaseline8Bit)
    said.PixelData = encapsulate([fragment])
    said["PixelData"].VR, said["PixelData"].is_undefined_length = "OB", True
    content = written(said)
    assert made(tmp_path, content, cleared={stored(content).sha256: ()}).held == {gate.COMMENT: 1}


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, RLELossless, MPEG2MPML])
def test_a_name_in_a_fragment_behind_the_picture(syntax, tmp_path):
    said = a_slice(syntax)
    said.PixelData = encapsulate([jpeg(b""), b"Quillfeather"])
    said["PixelData"].VR, said["PixelData"].is_undefined_length = "OB", True
    content = written(said)
    assert made(tmp_path, content, cleared={stored(content).sha256: ()}).held == {gate.COMMENT: 1}


def test_a_picture_without_text_in_its_header_passes(tmp_path):
    said = a_slice(JPEGBaseline8Bit)
    said.PixelData = encapsulate([jpeg(b"\xff\xee\x00\x0eAdobe" + bytes(7))])
    said["PixelData"].VR, said["PixelData"].is_undefined_length = "OB", True
    assert made(tmp_path, written(said)).records == 1


def a_report():
    said = a_slice(SOPClassUID=BasicTextSRStorage, Modality="SR")
    del said.PixelData
    title = a_code(CodeValue="121060", CodingSchemeDesignator="DCM", CodeMeaning=f"History of {NAME}")
    items = [
        a_code(ValueType="TEXT", TextValue=f"{NAME} has a cough", ConceptNameCodeSequence=[title]),
        a_code(ValueType="PNAME", PersonName="Osterwald^Ruth"),
        a_code(ValueType="NUM", ConceptNameCodeSequence=[title]),
        a_code(ValueType="DATE", Date="20210317"),
        a_code(ValueType="CONTAINER", ContentSequence=Sequence([a_code(ValueType="TEXT", TextValue=NAME)])),
        a_code(ValueType="UIDREF", UID="1.2.826.0.1.7777.1.3"),
    ]
    said.ContentSequence = Sequence(items)
    return written(said)


def test_a_report_stays_out_unless_the_plan_says_otherwise(tmp_path):
    assert made(tmp_path, a_report()).held == {gate.REPORT: 1}


def test_a_name_in_the_text_of_a_report(tmp_path):
    content = outcome(tmp_path, a_report(), part=a_part(structured_reports=True))
    kept = pydicom.dcmread(io.BytesIO(content))
    assert is_clean(content)
    assert [item.ValueType for item in kept.ContentSequence] == ["NUM", "DATE", "CONTAINER", "UIDREF"]
    assert kept.ContentSequence[3].UID == kept.SOPInstanceUID
    assert kept.ContentSequence[0].ConceptNameCodeSequence[0].CodeValue == "121060"


def test_a_name_in_a_local_code(tmp_path):
    code = a_code(CodeValue="QUILLFEATHER", CodingSchemeDesignator="99HOUSE", CodeMeaning=NAME)
    kept = one_made(tmp_path, written(a_slice(AnatomicRegionSequence=Sequence([code]))))
    item = kept.AnatomicRegionSequence[0]
    assert (item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning) == ("REMOVED", "99REMOVED", "REMOVED")


def test_a_document_in_a_shell_of_dicom():
    with pytest.raises(Unreadable):
        look.look(io.BytesIO(written(a_slice(SOPClassUID=EncapsulatedPDFStorage))), a_part())


def test_a_stand_in_date_does_not_tell_the_days(tmp_path):
    said = a_slice(ContentDate="19000101", SeriesDate="19700101", AcquisitionDate="00010101")
    said.DateOfLastCalibration = "20210101"
    kept = one_made(tmp_path, written(said))
    assert kept.ContentDate == "19000101"  # the dummy of everybody
    assert kept.SeriesDate == "19000101"
    assert not kept.AcquisitionDate
    assert "DateOfLastCalibration" not in kept


@pytest.mark.parametrize("partial", ["2021", "202103"])
def test_a_partial_date_is_not_kept(partial, tmp_path):
    said = a_slice()
    said.add_new(0x0008002A, "DT", partial)
    assert one_made(tmp_path, written(said)).AcquisitionDateTime == "19000101000000"


def test_a_text_where_a_number_should_be(tmp_path):
    content = written(a_slice(KVP="120")).replace(b"DS\x04\x00120 ", b"DS\x04\x00Mary")
    assert is_clean(outcome(tmp_path, content))


def test_a_text_with_the_kind_of_another_attribute(tmp_path):
    content = written(a_slice()).replace(b"\x28\x00\x02\x00US\x02\x00\x01\x00", b"\x28\x00\x02\x00LO\x02\x00Ma")
    done = made(tmp_path, content)
    assert not done.records or is_clean(b"".join(path.read_bytes() for path in tmp_path.rglob("*.dcm")))


def test_a_bomb():
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = written(a_slice(DeflatedExplicitVRLittleEndian))
    end = header_ends(head)
    body = b"".join(engine.compress(bytes(1 << 20)) for _ in range(300)) + engine.flush()
    with pytest.raises(Unreadable):
        look.look(io.BytesIO(head[:end] + body), a_part())


def test_sequences_without_a_bottom():
    head = written(a_slice())
    end = header_ends(head)
    nested = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 50_000
    with pytest.raises(Unreadable, match="deep"):
        look.look(io.BytesIO(head[:end] + nested), a_part())


def test_two_projects_cannot_be_joined(tmp_path):
    contents = [written(a_slice()), written(a_slice(SOPInstanceUID="1.2.3.4", InstanceNumber="8"))]
    said = []
    for project in (b"1", b"2"):
        folder = tmp_path / project.decode()
        done = made(folder, *contents, people=who(MRN, key=project * 32))
        images = [pydicom.dcmread(folder / path) for path in done.files if path.endswith(".dcm")]
        names = {word for path in done.files for word in path.split("/")} - {"dicom", "images.parquet"}
        uids = {one.value for image in images for one in image.iterall() if one.VR == "UI"}
        ids = {(image.AccessionNumber, image.StudyID, image.StudyDate, image.PatientID) for image in images}
        said.append((names, {uid for uid in uids if uid.startswith("2.25")}, {word for row in ids for word in row}))
    for one, other in zip(*said, strict=True):
        assert one
        assert one.isdisjoint(other)


def test_a_name_in_a_character_set_of_an_item(tmp_path):
    item = a_code(SpecificCharacterSet="ISO_IR 192", ReferencedSOPInstanceUID="1.2.3", Manufacturer="Müller")
    said = a_slice(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")
    said.ReferencedImageSequence = Sequence([item])
    content = outcome(tmp_path, written(said))
    assert "Müller".encode() not in content
    assert "Müller".encode("latin-1") not in content


def test_an_id_where_a_number_should_be(tmp_path):
    said = a_slice(PatientID="4857773456", InstanceNumber="4857773456")
    assert b"4857773456" not in outcome(tmp_path, written(said))


def test_an_id_in_another_alphabet_is_looked_up_as_it_reads():
    content = written(a_slice(PatientID="É77"))
    assert look.look(io.BytesIO(content), a_part()).ids[0].value == "É77"
