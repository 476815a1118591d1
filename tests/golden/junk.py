"""What lies between the good files of every delivery, and must not stop it."""

from pathlib import Path

from tests.golden.key import Answer, Key
from tests.golden.people import Somebody


def write(folder: Path, everybody: tuple[Somebody, ...], stranger: Somebody, key: Key) -> None:
    """Write junk/."""
    del stranger
    (folder / "junk").mkdir()
    one = everybody[3]
    letter = f"%PDF-1.4\n1 0 obj<</Title ({one.family})>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
    bam = next((folder / "reads").glob("*.bam")).read_bytes()
    image = next((folder / "dicom").rglob("*.dcm")).read_bytes()
    files = {
        f"letter {one.family}.pdf": letter.encode(),
        "empty.csv": b"",
        "truncated.bam": bam[: len(bam) // 2],
        "truncated.dcm": image[: len(image) // 2],
        "reads.fastq": f"@{one.sample}:1\nACGT\n+\nIIII\n".encode(),
        "no header.vcf": b"1\t100\trs1\tA\tG\t50\tPASS\tDP=3\n",
        "unknown.json": b'{"resourceType": "Horoscope", "id": "1"}',
        "broken.ndjson": b'{"resourceType": "Patient", "id": "x"\n',
        "notes.docx": b"PK\x03\x04 not a document",
    }
    for name, content in files.items():
        (folder / "junk" / name).write_bytes(content)
        key.say("file", f"junk/{name}", name, "")("", name, Answer.REFUSED)
