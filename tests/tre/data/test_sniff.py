import gzip
import io
import zlib
from functools import partial
from pathlib import Path

import pydicom
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tre.data import sniff
from tre.data.deid.stored import Kind
from tre.errors import Unreadable

packed = partial(gzip.compress, mtime=0)

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
VCF = b"##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
PATIENT = b'{"resourceType": "Patient", "id": "1"}'
EXPLICIT = b"\x08\0\x05\0CS\x0a\0ISO_IR 100"
IMPLICIT = b"\x08\0\x05\0\x0a\0\0\0ISO_IR 100"
BIG = b"\0\x08\0\x05CS\0\x0aISO_IR 100"

KINDS = [
    (b"a,b\n1,2\n", Kind.CSV),
    (b"\xef\xbb\xbfa,b\n1,2\n", Kind.CSV),
    (b"one\n1\n", Kind.CSV),
    (b"a\tb\n1\t2\n", Kind.TSV),
    (b"a\tb,c\td\n", Kind.TSV),
    (b'"a\tb",c\n', Kind.CSV),
    (b"PAR1\x15", Kind.PARQUET),
    (PATIENT, Kind.FHIR),
    (b"\n  " + PATIENT, Kind.FHIR),
    (b"\xef\xbb\xbf" + PATIENT, Kind.FHIR),
    (b'{"id": "1", "x": {}, "resourceType":\n"Bundle"}', Kind.FHIR),
    (PATIENT + b"\n" + PATIENT + b"\n", Kind.FHIR),
    (bytes(128) + b"DICM\x02\0\0\0UL\x04\0", Kind.DICOM),
    (b"II*\0" + bytes(124) + b"DICM\x02\0\0\0UL\x04\0", Kind.DICOM),
    (b"\x02\0\0\0UL\x04\0\x01\0\0\0", Kind.DICOM),
    (EXPLICIT, Kind.DICOM),
    (IMPLICIT, Kind.DICOM),
    (BIG, Kind.DICOM),
    (VCF, Kind.VCF),
    (b"BCF\x02\x02", Kind.BCF),
    (b"CRAM\x03\0", Kind.CRAM),
]


@pytest.mark.parametrize(("content", "kind"), KINDS)
def test_a_file_is_what_it_begins_with(content, kind):
    assert sniff.sniff(content).kind is kind


@pytest.mark.parametrize(
    ("content", "kind"), [row for row in KINDS if row[1] in {Kind.CSV, Kind.TSV, Kind.FHIR, Kind.VCF}]
)
def test_text_is_the_same_under_gzip(content, kind):
    found = sniff.sniff(gzip.compress(content))
    assert (found.kind, found.gzipped) == (kind, True)


REFUSED = [
    (b"", "empty"),
    (b" \n\n", "empty"),
    (b"PK\x03\x04xx", "a ZIP or Excel"),
    (b"\xd0\xcf\x11\xe0", "old Excel"),
    (b"%PDF-1.7", "a PDF"),
    (b"\x89HDF\r\n", "HDF5"),
    (b"BZh91AY", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"@SEQ_ID\nGATTTGGGG\n+\n!''*((((\n", "FASTQ"),
    (packed(b"@SEQ_ID\nGATTTGGGG\n+\n!''*((((\n"), "FASTQ"),
    (b"@HD\tVN:1.6\n", "SAM text"),
    (b"@SQ\tSN:1\tLN:5\n", "SAM text"),
    (b">chr1 something\nACGTN\n", "FASTA"),
    (b"<?xml version='1.0'?><Patient/>", "XML"),
    (b'[{"resourceType": "Patient"}]', "a JSON list"),
    (b'{"name": "x"}', "no FHIR resource"),
    (b"#CHROM\tPOS\n", "a VCF without its first line"),
    (b"1\t1000\trs1\tA\tC,<DEL>\t50\tPASS\tAC=1\n", "a VCF without its header"),
    (b"##contig=<ID=1>\n", "a VCF without its first line"),
    (packed(b"##contig=<ID=1>\n"), "a VCF without its first line"),
    (b"BAM\x01", "without its compressed blocks"),
    (packed(b"BAM\x01xxxx"), "compressed once more"),
    (packed(packed(PATIENT)), "gzip inside gzip"),
    (packed(b""), "gzip, and empty"),
    (packed(b"PAR1xx"), "gzip: unpack it first"),
    (packed(bytes(128) + b"DICM\x02\0\0\0UL\x04\0"), "gzip: unpack it first"),
    (b"\x1f\x8b\x08xx", "compressed with gzip"),
    (b"\x00\x01\x02\x03", "not known here"),
    ("a,b".encode("utf-16"), "UTF-16"),
    (b"MSH|^~\\&|x", "HL7 version 2"),
    (b"PK\x03\x04" + bytes(124) + b"DICM\x02\0", "two kinds at once"),
    (b"##fileformat=VCFv4.3\n".ljust(128, b"#") + b"DICM\x02\0", "two kinds at once"),
    (b"crypt4gh\x01", "crypt4gh: open it"),
]


@pytest.mark.parametrize(("content", "said"), REFUSED)
def test_what_is_not_taken_is_named(content, said):
    with pytest.raises(Unreadable, match=said):
        sniff.sniff(content)


@pytest.mark.parametrize("path", sorted(TEST_FILES.rglob("*.dcm")), ids=lambda path: path.name)
def test_every_file_of_pydicom_that_pydicom_reads_is_dicom(path):
    try:
        found = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        is_dicom = "SOPClassUID" in found or bool(getattr(found, "file_meta", None))
    except Exception:  # noqa: BLE001 -- whatever it cannot read is not claimed
        return
    head = path.read_bytes()[: sniff.HEAD]
    if is_dicom:
        assert sniff.sniff(head).kind is Kind.DICOM


def test_what_htslib_writes_is_told_apart(tmp_path):
    plain = tmp_path / "x.vcf"
    plain.write_bytes(
        b"##fileformat=VCFv4.3\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t5\t.\tA\tC\t.\t.\t.\n"
    )
    for mode, kind in (("wz", Kind.VCF), ("wb", Kind.BCF)):
        with (
            pysam.VariantFile(str(plain)) as source,
            pysam.VariantFile(str(tmp_path / "y"), mode, header=source.header) as sink,
        ):
            for one in source:
                sink.write(one)
        assert sniff.sniff((tmp_path / "y").read_bytes()).kind is kind
    for mode, kind in (("wb", Kind.BAM), ("wbu", Kind.BAM), ("wc", Kind.CRAM)):
        header = pysam.AlignmentHeader.from_dict({"HD": {"VN": "1.6"}, "SQ": [{"SN": "1", "LN": 1000}]})
        with pysam.AlignmentFile(str(tmp_path / "y"), mode, header=header):
            pass
        assert sniff.sniff((tmp_path / "y").read_bytes()).kind is kind
    for mode, said in (("w", "SAM text"),):
        with pysam.AlignmentFile(str(tmp_path / "y"), mode, header=header):
            pass
        with pytest.raises(Unreadable, match=said):
            sniff.sniff((tmp_path / "y").read_bytes())


def test_a_bomb_does_not_go_off():
    bomb = zlib.compressobj(9, wbits=31)
    data = b"".join([bomb.compress(b"a,b\n" * 250_000) for _ in range(200)]) + bomb.flush()
    assert len(sniff.unzipped(data)) == sniff.MOST
    assert sniff.sniff(data).kind is Kind.CSV


def said(content):
    try:
        return str(sniff.sniff(content).kind)
    except Unreadable as error:
        return str(error)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from([content for content, _ in KINDS] + [content for content, _ in REFUSED]),
    st.binary(max_size=40),
    st.integers(0, 200),
    st.booleans(),
)
def test_any_bytes_are_of_a_kind_or_refused_in_one_line(content, more, at, zipped):
    content = content[:at] + more + content[at:]
    if zipped:
        sink = io.BytesIO()
        with gzip.GzipFile(fileobj=sink, mode="wb") as file:
            file.write(content)
        content = sink.getvalue()
    assert said(content).isprintable()


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=400))
def test_noise_is_of_a_kind_or_refused(content):
    assert said(content).isprintable()
