"""Mixed data come in through the front door: how fast, and in how much memory, beside plain crypt4gh of the same bytes.

`HORTUS_INGEST_MB` says how much, 1000 unless told; 10000 for the promise of ten gigabytes.
"""

import io
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pydicom
import pysam
import pytest
from crypt4gh import lib
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tests.tre.data import made
from tre.data import catalogue, crypt4gh

pytestmark = pytest.mark.bench

MEGABYTES = int(os.environ.get("HORTUS_INGEST_MB", "1000"))
MOST = 600
"""Megabytes of memory of the process that ingests, whatever comes in."""
PERSONS = 1000
PLAN = """
missing: [""]
linkage: {name: hospital}
tables:
  labs:
    subject: mrn
    columns:
      mrn: {action: pseudonym, of: subject, system: ehr, id: mrn, reason: the person}
      value: {action: keep, type: number, reason: measured}
fhir: {system: ehr, patient: fhir}
dicom: {system: ehr, patient: mrn}
reads: {system: lab, sample: sample}
quasi_identifiers: []
"""
PROGRAM = """
import resource, sys, time, tre.settings
from datetime import UTC, datetime
from pathlib import Path
from tre.data import ingest
from tre.records import db
settings = tre.settings.load(Path({home!r}), database={database!r})
records = db.opened(settings)
began = time.perf_counter()
ingest.ingest(records, settings, "mixed", [Path(sys.argv[1])], actor="host", now=datetime.now(UTC))
seconds = time.perf_counter() - began
memory = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(seconds, *memory)
"""


@pytest.fixture
def database():
    """One is enough: nothing here is the database's to decide."""
    return ""


def mixed(folder, megabytes):
    """A third each: reads in one file, images, and a table with FHIR beside it."""
    folder.mkdir()
    lines = (f"ehr,mrn,M{at},p{at}\nehr,fhir,f{at},p{at}\nlab,sample,S{at},p{at}\n" for at in range(PERSONS))
    (folder / "linkage.csv").write_text("system,type,value,subject\n" + "".join(lines), "utf-8")
    chance = random.Random(1)
    _reads(folder / "S1.bam", megabytes // 3, chance)
    _images(folder / "images", megabytes // 3, chance)
    _table(folder / "labs.csv", megabytes // 6, chance)
    _resources(folder / "Observation.ndjson", megabytes // 6)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _reads(path, megabytes, chance):
    header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": "1", "LN": 200_000_000}], "RG": [{"ID": "a", "SM": "S1"}]}
    with pysam.AlignmentFile(str(path), "wb0", header=header) as sink:
        read = pysam.AlignedSegment(sink.header)
        read.query_sequence = "".join(chance.choices("ACGT", k=15_000))
        read.flag, read.reference_id, read.mapping_quality, read.cigarstring = 0, 0, 60, "15000M"
        read.query_qualities = pysam.qualitystring_to_array("I" * 15_000)
        read.set_tag("RG", "a")
        for at in range(megabytes * 1_000_000 // 22_600):
            read.query_name, read.reference_start = f"r{at}", at
            sink.write(read)


def _images(folder, megabytes, chance):
    folder.mkdir()
    source = pydicom.dcmread(Path(pydicom.__file__).parent / "data" / "test_files" / "CT_small.dcm")
    source.Rows = source.Columns = 512
    for at in range(megabytes * 1_000_000 // 560_000):
        source.PatientID = f"M{at % PERSONS}"
        source.SOPInstanceUID = f"1.2.3.{at}"
        source.file_meta.MediaStorageSOPInstanceUID = source.SOPInstanceUID
        source.PixelData = chance.randbytes(512 * 512 * 2)
        source.save_as(folder / f"{at:06d}")


def _table(path, megabytes, chance):
    with path.open("w", encoding="ascii") as file:
        file.write("mrn,value\n")
        for _ in range(megabytes):
            rows = "".join(f"M{chance.randrange(PERSONS)},{chance.random():.16f}\n" for _ in range(1000))
            for _ in range(1_000_000 // len(rows)):
                file.write(rows)


def _resources(path, megabytes):
    one = (
        '{"resourceType":"Observation","id":"o%d","status":"final","code":{"coding":[{"system":"http://loinc.org",'
        '"code":"8302-2","display":"%s"}]},"subject":{"reference":"Patient/f%d"},"valueQuantity":{"value":%d}}\n'
    )
    with path.open("w", encoding="ascii") as file:
        for at in range(megabytes * 1_000_000 // 1000):
            file.write(one % (at, "x" * 800, at % PERSONS, at))


def test_mixed_data_come_in_in_constant_memory(records, settings, now, tmp_path, report):
    size = mixed(tmp_path / "in", MEGABYTES) / 1e6
    made.register(records, now, plan=PLAN, name="mixed")
    words = PROGRAM.format(home=str(settings.home), database=settings.database)
    done = subprocess.run(
        [sys.executable, "-c", words, str(tmp_path / "in")], capture_output=True, text=True, check=True
    )
    seconds, own, looking = map(float, done.stdout.split())
    with records.read() as session:
        row, manifest = catalogue.version(session, "mixed", 1)
    assert row.persons == PERSONS
    assert not any(count.held or count.refused for count in manifest.counts.values())
    plain = _plain(tmp_path / "in", tmp_path / "out")
    said = f"the crypt4gh package on the same bytes {size / plain:,.0f} MB/s"
    report(f"ingest: {size:,.0f} MB mixed", size / seconds, "MB/s", None, said)
    report("ingest: memory of its process", own, "MB", MOST)
    report("ingest: memory of the process that looks", looking, "MB", 2048)


def _plain(folder, out):
    """Return the seconds that the package takes for every file, and nothing else done."""
    private = X25519PrivateKey.generate().private_bytes_raw()
    public = crypt4gh.public_of(crypt4gh.new_private())
    began = time.perf_counter()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as source, out.open("wb") as sink:
                lib.encrypt([(0, private, public)], source, sink)
    return time.perf_counter() - began


def test_the_container_is_written_and_read_as_fast_as_by_the_package(tmp_path, report):
    content = os.urandom(1 << 20)
    times = 256
    private = crypt4gh.new_private()
    public = crypt4gh.public_of(private)
    source = io.BytesIO(content * times)
    began = time.perf_counter()
    with (tmp_path / "theirs").open("wb") as sink:
        lib.encrypt([(0, X25519PrivateKey.generate().private_bytes_raw(), public)], source, sink)
    theirs = time.perf_counter() - began
    began = time.perf_counter()
    writer = crypt4gh.Writer(tmp_path / "ours", public)
    for _ in range(times):
        writer.write(content)
    written = writer.finish()
    ours = time.perf_counter() - began
    began = time.perf_counter()
    with (tmp_path / "theirs").open("rb") as source, (tmp_path / "clear").open("wb") as sink:
        lib.decrypt([(0, private, None)], source, sink)
    their_reading = time.perf_counter() - began
    began = time.perf_counter()
    sealed = (tmp_path / "ours").open("rb")
    with (
        crypt4gh.Reader(sealed, private, what="x", mark=written.mark) as reader,
        (tmp_path / "clear").open("wb") as sink,
    ):
        while piece := reader.read(1 << 20):
            sink.write(piece)
    reading = time.perf_counter() - began
    report("crypt4gh: write, SHA-256 too", ours / theirs, "x", 1.0, f"the package {times / theirs:,.0f} MB/s")
    report("crypt4gh: read", reading / their_reading, "x", 1.0, f"the package {times / their_reading:,.0f} MB/s")
