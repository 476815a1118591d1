"""What is fuzzed: each target takes bytes, and may raise only what says in one line that they cannot be read."""

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pydicom

from tests.tre.data.deid import fhir_files, genomics
from tre.data import crypt4gh, linkage_file, sniff, unpacking
from tre.data.deid import bgzf
from tre.data.deid import plan as plans
from tre.data.deid.dicom import look as dicom_look
from tre.data.deid.dicom.part import Dicom
from tre.data.deid.fhir import look as fhir_look
from tre.data.deid.fhir.part import Fhir
from tre.data.deid.reads import look as reads_look
from tre.data.deid.variants import look as variants_look
from tre.errors import Tampered, Unreadable

PICTURES = Path(pydicom.__file__).parent / "data" / "test_files"
PLANS = Path(plans.__file__).parents[1] / "plans"
PRIVATE = bytes(range(32))
DICOM, FHIR = Dicom("ehr", "mrn"), Fhir("ehr", "fhir")
LARGEST_SEED = 16 * 1024


class Target(NamedTuple):
    """How bytes are tried, what they may be refused with, and files to begin with."""

    once: Callable[[bytes], object]
    seeds: Callable[[], Iterator[bytes]]
    refused: tuple[type[Exception], ...] = (Unreadable,)


# --- looks -----------------------------------------------------------------------------------------------------------
def fhir(data: bytes) -> None:
    fhir_look.look(io.BytesIO(data), FHIR)


def resources() -> Iterator[bytes]:
    patient, observation = fhir_files.patient(), fhir_files.observation()
    yield fhir_files.ndjson(patient, observation)
    yield json.dumps(fhir_files.bundle(patient, observation)).encode()
    yield json.dumps(patient | {"contained": [observation], "extension": [{"url": "a", "valueString": "b"}]}).encode()


def dicom(data: bytes) -> None:
    dicom_look.look(io.BytesIO(data), DICOM)


def images() -> Iterator[bytes]:
    for path in sorted(PICTURES.glob("*.dcm")):
        if path.stat().st_size <= LARGEST_SEED:
            yield path.read_bytes()


def variants(data: bytes) -> None:
    variants_look.look(io.BytesIO(_packed(data, b"BCF")), genomics.VARIANTS)


def calls() -> Iterator[bytes]:
    yield genomics.vcf()
    yield genomics.a_single(head='##SAMPLE=<ID=a,Description="b">\n##contig=<ID=x,length=5>\n')
    yield genomics.bgz(genomics.vcf())
    yield genomics.bcf(genomics.vcf())
    yield _clear(genomics.bcf(genomics.vcf()))


def reads(data: bytes) -> None:
    reads_look.look(io.BytesIO(_packed(data, b"BAM")), genomics.READS)


def alignments() -> Iterator[bytes]:
    yield genomics.bam(genomics.sam(3))
    yield _clear(genomics.bam(genomics.sam(3)))
    yield genomics.cram(genomics.sam(3))


def _packed(data: bytes, magic: bytes) -> bytes:
    """Pack clear records, so that what is changed in them is not a checksum alone."""
    return b"".join(bgzf.deflate(data)) + bgzf.EOF if data.startswith(magic) else data


def _clear(data: bytes) -> bytes:
    return b"".join(bgzf.inflate(io.BytesIO(data)))


# --- containers, and what stands before and behind -------------------------------------------------------------------
def blocks(data: bytes) -> None:
    for _ in bgzf.inflate(io.BytesIO(data)):
        pass
    for _ in bgzf.swapped(io.BytesIO(data), b"header", skip=20):
        pass


def some_blocks() -> Iterator[bytes]:
    yield b"".join(bgzf.deflate(b"text" * 50)) + b"".join(bgzf.deflate(bytes(range(256)))) + bgzf.EOF
    yield bgzf.EOF


def sealed(data: bytes) -> None:
    with _held(data) as file, crypt4gh.Reader(file, PRIVATE, what="it") as reader:
        while reader.read(1 << 16):
            pass


def containers() -> Iterator[bytes]:
    for size in (0, 10, crypt4gh.SEGMENT + 1):
        with _written() as path:
            path.unlink()
            writer = crypt4gh.Writer(path, crypt4gh.public_of(PRIVATE))
            writer.write(b"a" * size)
            writer.finish()
            yield path.read_bytes()


def anything() -> Iterator[bytes]:
    yield from (
        b"a,b\n1,2\n",
        b"a\tb\n1\t2\n",
        b'{"resourceType": "Patient"}',
        b"PAR1" + bytes(20),
        b"@r\nACGT\n+\nIIII\n",
    )
    yield genomics.bgz(genomics.vcf())
    yield from list(images())[:3]
    yield from list(alignments())[:1]


def linkage(data: bytes) -> None:
    with _written(data) as path:
        linkage_file.read(path)


def linkages() -> Iterator[bytes]:
    yield b"system,type,value,subject\nehr,mrn,M1,p1\nsubject,subject,p2,p1\n"
    yield b'system\ttype\tvalue\tsubject\nehr\tmrn\t"M ""1"\tp1\n'


def plan(data: bytes) -> None:
    plans.parse(data.decode("utf-8", "replace"))


def some_plans() -> Iterator[bytes]:
    for path in sorted(PLANS.glob("*.yaml")):
        yield path.read_bytes()
    yield b"linkage: {name: hospital}\nfhir: {system: ehr, patient: fhir}\nquasi_identifiers: []\n"
    yield b"hierarchies: {h: {a: [b, c]}}\ndicom: {system: ehr, patient: mrn}\nquasi_identifiers: []\n"


def portions(data: bytes) -> None:
    with _written(data) as path:
        for _ in unpacking.portions(path, 16):
            pass


# --- files in memory -------------------------------------------------------------------------------------------------
def _held(data: bytes) -> io.BufferedRandom:
    file = os.fdopen(os.memfd_create("fuzz"), "w+b")
    file.write(data)
    file.seek(0)
    return file


@contextmanager
def _written(data: bytes = b"") -> Iterator[Path]:
    path = Path("/dev/shm") / f"fuzz-{os.getpid()}"
    path.write_bytes(data)
    try:
        yield path
    finally:
        path.unlink()


TARGETS = {
    "fhir": Target(fhir, resources),
    "dicom": Target(dicom, images),
    "variants": Target(variants, calls),
    "reads": Target(reads, alignments),
    "sniff": Target(sniff.sniff, anything),
    "crypt4gh": Target(sealed, containers, (Tampered,)),
    "linkage": Target(linkage, linkages),
    "bgzf": Target(blocks, some_blocks),
    "plan": Target(plan, some_plans),
    "unpacking": Target(portions, anything, (unpacking.Unread,)),
}
