"""Real files of every kind, and what may be wrong with them: each has its reason, and the rest goes on."""

import gzip
import json
import re
from pathlib import Path

import pydicom
import pysam
import pytest
from sqlalchemy import select

from tests.builders import HOST
from tests.tre.data import mixed
from tre.cli import build, run
from tre.data import catalogue, held, index, ingest
from tre.errors import Refused, Unreadable
from tre.records.tables import ClearedRow, EntryRow
from tre.show import as_json

PICTURES = Path(pydicom.__file__).parent / "data" / "test_files"
PLAN = (
    mixed.PLAN
    + """
fhir: {system: ehr, patient: mrn}
dicom: {system: ehr, patient: mrn}
reads: {system: lab, sample: sample}
"""
)
PATIENT = b'{"resourceType": "Patient", "id": "M1"}'
VCF = b'##fileformat=VCFv4.2\n##contig=<ID=1,length=249250621>\n##FORMAT=<ID=GT,Number=1,Type=String,Description="G">\n'
ROWS = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n1\t100\t.\tA\tC\t.\tPASS\t.\tGT\t0/1\n"


@pytest.fixture
def database():
    """One is enough: nothing here is the database's to decide."""
    return ""


@pytest.fixture
def at(tmp_path):
    """Return a folder with one good file of each kind."""
    at = tmp_path / "in"
    at.mkdir()
    (at / "linkage.csv").write_text(mixed.LINKAGE, "utf-8")
    (at / "labs.csv").write_bytes(b"mrn,value\nM1,1.5\n")
    (at / "patient").write_bytes(PATIENT)
    (at / "bulk").write_bytes(gzip.compress(PATIENT + b"\n" + PATIENT.replace(b"M1", b"M2") + b"\n"))
    (at / "image").write_bytes(image())
    (at / "bare").write_bytes(image()[132:])
    (at / "variants").write_bytes(VCF + ROWS)
    reads(at / "reads")
    return at


def image(name="CT_small.dcm", patient="M1", **changed):
    found = pydicom.dcmread(PICTURES / name)
    found.PatientID = patient
    for keyword, value in changed.items():
        setattr(found, keyword, value)
    sink = pydicom.filebase.DicomBytesIO()
    found.save_as(sink)
    return sink.getvalue()


def reads(path, count=2000):
    header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": "1", "LN": 10_000_000}], "RG": [{"ID": "a", "SM": "S1"}]}
    with pysam.AlignmentFile(str(path), "wb", header=header) as sink:
        for place in range(count):
            one = pysam.AlignedSegment(sink.header)
            one.query_name, one.query_sequence, one.flag = f"r{place}", "ACGT" * 20, 0
            one.reference_id, one.reference_start, one.cigarstring = 0, place * 100 + 1, "80M"
            one.query_qualities = pysam.qualitystring_to_array("I" * 80)
            one.set_tag("RG", "a")
            sink.write(one)
    return path.read_bytes()


@pytest.fixture
def bring(records, settings, now, at):
    def bring_in(plan=PLAN):
        number = mixed.bring_in(records, settings, now, at, plan=plan)
        with records.read() as session:
            _, manifest = catalogue.version(session, "mixed", number)
            found = held.quarantine(session, settings, "mixed", number, manifest)
            return manifest, {one.path.partition("/")[2]: (one.state, one.reason) for one in found}

    return bring_in


GOOD = {"csv": 1, "fhir": 2, "dicom": 2, "vcf": 1, "bam": 1}


def test_one_good_file_of_each_kind_comes_in(bring):
    manifest, found = bring()
    assert found == {}
    assert {kind: count.files for kind, count in manifest.counts.items()} == GOOD


BAD = {
    "cut.bam": (lambda at: reads(at / "reads")[:-2000], "cut off|cannot be read"),
    "cut.dcm": (lambda at: image()[:-500], "DICOM"),
    "empty.dcm": (lambda at: b"", "empty"),
    "no-header.vcf": (lambda at: ROWS.splitlines(keepends=True)[1], "a VCF without its header"),
    "half.vcf": (lambda at: ROWS, "a VCF without its first line"),
    "strange.json": (lambda at: b'{"resourceType": "Dragon", "id": "1"}', "FHIR"),
    "broken.json": (lambda at: PATIENT[:-3], "FHIR"),
    "latin.json": (lambda at: b'{"resourceType": "Patient", "id": "M1", "name": [{"family": "Mu\xf1oz"}]}', "FHIR"),
    "list.json": (lambda at: b"[" + PATIENT + b"]", "a JSON list"),
    "cut.ndjson.gz": (lambda at: gzip.compress(PATIENT * 50)[:-12], "FHIR|gzip"),
    "bomb.ndjson.gz": (lambda at: gzip.compress(PATIENT + b" " * 300_000_000, 1), "FHIR|gzip|memory|times|long"),
    "squeezed.vcf.bz2": (lambda at: b"BZh91AY&SY" + bytes(100), "bzip2"),
    "reads.fastq.gz": (lambda at: gzip.compress(b"@r\nACGT\n+\n!!!!\n"), "FASTQ"),
    "more.csv": (lambda at: b"a,b\n1,2\n", "the plan has no table of this file's name"),
    "sheet.xlsx": (lambda at: b"PK\x03\x04" + bytes(50), "Excel"),
    "letter.pdf": (lambda at: b"%PDF-1.4\n", "a PDF"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_its_reason_and_the_rest_goes_on(bring, at, name):
    make, said = BAD[name]
    content = make(at)
    (at / name).write_bytes(content)
    manifest, found = bring()
    assert set(found) == {name}
    state, reason = found[name]
    assert state == "refused"
    assert re.search(said, reason), reason
    assert reason.isprintable()
    assert "Mu" not in reason
    assert {kind: count.files for kind, count in manifest.counts.items() if count.files} == GOOD


TABLES = [
    (b"mrn,value\nM1,1.5\nM2,1\xe9\n", "table labs, line 3, byte 21: not UTF-8; save the file as UTF-8 text"),
    (b"mrn,value\nM1,1.5\nM2,Secret\n", "table labs, column value, row 3: not a number"),
    (b"mrn,value,more\nM1,1.5,2\n", "table labs: column more is not in the plan for labs"),
]


@pytest.mark.parametrize(("content", "said"), TABLES)
def test_a_bad_table_is_refused_and_the_rest_goes_on(bring, at, content, said):
    (at / "labs.csv").write_bytes(content)
    manifest, found = bring()
    assert found["labs.csv"][0] == "refused"
    assert found["labs.csv"][1].startswith(said)
    assert manifest.files == ()
    assert manifest.counts["bam"].files == 1


def test_a_kind_that_the_plan_does_not_name_is_refused(bring):
    _, found = bring(mixed.PLAN)
    assert found["image"] == (
        "refused",
        "a DICOM image, and the plan says nothing of such; add a section `dicom` to it",
    )
    assert "reads" in found
    assert "patient" in found


def test_tables_come_as_tsv_and_gzipped(bring, at):
    (at / "labs.csv").unlink()
    (at / "labs.tsv.gz").write_bytes(gzip.compress(b"mrn\tvalue\nM1\t1.5\nM2\t2\n"))
    manifest, found = bring()
    assert found == {}
    assert [(file.name, file.format, file.rows) for file in manifest.files] == [("labs", "tsv", 2)]


def test_a_linkage_that_is_found_is_loaded_once(bring, at, records, settings, now):
    assert bring()[0].linkage_version == 1
    assert bring()[0].linkage_version == 1
    (at / "linkage.csv").write_text(mixed.LINKAGE + "ehr,mrn,M6,p6\n", "utf-8")
    assert bring()[0].linkage_version == 2


def test_two_linkages_are_refused(bring, at):
    (at / "other.tsv").write_text(mixed.LINKAGE.replace(",", "\t"), "utf-8")
    with pytest.raises(Unreadable, match="2 linkages were found"):
        bring()


def test_nothing_that_can_be_taken_is_no_version(records, settings, now, tmp_path, bring, at):
    bring()
    only = tmp_path / "only"
    only.mkdir()
    (only / "letter.pdf").write_bytes(b"%PDF")
    with pytest.raises(Refused, match="nothing could be taken of 1 files") as caught:
        ingest.ingest(records, settings, "mixed", [only], actor=HOST, now=now)
    assert caught.value.remedies == ("only/letter.pdf: a PDF: free text and pictures are not taken",)
    with records.read() as session:
        assert len(catalogue.versions(session, "mixed")) == 1


def test_ticks_are_the_bytes_of_all_files(records, settings, now, at):
    (at / "letter.pdf").write_bytes(b"%PDF")
    heard = []
    mixed.bring_in(records, settings, now, at, plan=PLAN, ticks=heard.append)
    files = [path for path in at.iterdir() if path.name != "linkage.csv"]
    assert sum(heard) == sum(path.stat().st_size for path in files)


def test_the_log_has_counts_and_no_path(bring, at, records):
    (at / "letter.pdf").write_bytes(b"%PDF")
    bring()
    with records.read() as session:
        (body,) = session.scalars(select(EntryRow.body).where(EntryRow.act == "dataset.ingest"))
    facts = json.loads(body)["facts"]
    assert facts["kinds"]["unknown"]["refused"] == 1
    assert facts["kinds"]["dicom"]["files"] == 2
    assert b"letter" not in body


# --- a person looks at an image that is held
@pytest.fixture
def tre(settings, monkeypatch, capsys):
    monkeypatch.setenv("TRE_HOME", str(settings.home))

    def command(*words):
        as_json.set(False)
        capsys.readouterr()
        code = run(build(), [*map(str, words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    yield command
    as_json.set(False)


def test_a_held_image_is_cleared_by_a_person(bring, at, tre, records, settings):
    (at / "burned").write_bytes(image(BurnedInAnnotation="YES"))
    manifest, found = bring()
    assert found["burned"][0] == "held"
    assert manifest.counts["dicom"].held == 1
    code, said, _ = tre("dataset", "quarantine", "mixed", "--json")
    (row,) = json.loads(said)
    assert (code, row["path"], row["kind"], row["state"]) == (0, "in/burned", "dicom", "held")
    words = ("dataset", "clear", "mixed", "in/burned", "--region", "0,0,128,20", "--region", "5,5,1,1")
    code, said, _ = tre(*words, "--reason", "the name stands in the upper rows")
    assert (code, said) == (
        0,
        f"file {row['number']} of mixed may leave from the next extract on, 2 regions blacked out\n",
    )
    with records.read() as session:
        (cleared,) = session.scalars(select(ClearedRow))
        (entry,) = session.scalars(select(EntryRow.body).where(EntryRow.act == "dataset.clear"))
        (stored,) = (one for one in index.stored(settings, "mixed", 1, manifest) if one.path == "in/burned")
    assert (cleared.sha256, cleared.regions) == (stored.sha256, "[[0, 0, 128, 20], [5, 5, 1, 1]]")
    assert json.loads(entry)["facts"]["sha256"] == stored.sha256
    assert json.loads(tre("dataset", "quarantine", "mixed", "--json")[1]) == []


NOT_CLEARED = [
    (("in/image", "--reason", "x"), 3, "is no image that is held"),
    (("in/none", "--reason", "x"), 4, "has no such file"),
    (("in/burned", "--reason", " "), 5, "say why"),
    (("in/burned", "--reason", "x", "--region", "1,2,3"), 5, "a region is X,Y,WIDTH,HEIGHT"),
    (("in/burned", "--reason", "x", "--region", "1,2,0,3"), 5, "above 0"),
    (("in/burned", "--reason", "x", "--region", "1,2,-3,3"), 5, "a region is"),
    (("in/burned",), 5, "--reason"),
]


def test_what_is_not_held_or_not_answered_for_is_not_cleared(bring, at, tre):
    (at / "burned").write_bytes(image(BurnedInAnnotation="YES"))
    bring()
    for words, code, said in NOT_CLEARED:
        got, out, complaint = tre("dataset", "clear", "mixed", *words)
        assert (got, out) == (code, "")
        assert said in complaint
