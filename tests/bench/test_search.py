"""A gigabyte of an extract, a million identifiers: what it costs to look for all of them in all of it."""

import json
import random
import subprocess
import sys
import time
from hashlib import file_digest
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from tre.data import identifiers as known_identifiers
from tre.data.deid import pseudonyms

pytestmark = pytest.mark.bench

IDENTIFIERS = 1_000_000
SECONDS, MEGABYTES = 60, 1536
PLANTED = 7
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

PROGRAM = """
import json, resource, sys, time
from pathlib import Path
from tre.data import search

folder, values = Path(sys.argv[1]), Path(sys.argv[2])
with values.open() as lines:
    began = time.perf_counter()
    done = search.sweep(folder, (line.rstrip("\\n") for line in lines))
    seconds = time.perf_counter() - began
assert done.identifiers == %d and not done.unread, done
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([seconds, megabytes, done.bytes, sum(one.places for one in done.found)]))
"""


def test_a_gigabyte_is_searched_for_a_million_identifiers(tmp_path, report):
    values = identifiers()
    folder = tmp_path / "extract"
    size = extract(folder, values)
    (tmp_path / "values").write_text("\n".join(values))
    program = PROGRAM % len(values)
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder), str(tmp_path / "values")],
        capture_output=True, text=True, check=True, timeout=900,
    )  # fmt: skip
    seconds, megabytes, read, found = json.loads(done.stdout)
    assert found == PLANTED
    began = time.perf_counter()
    for path in folder.iterdir():
        with path.open("rb") as file:
            file_digest(file, "sha256")
    floor = time.perf_counter() - began
    said = f"SHA-256 of the same files {floor:.1f} s"
    report("leak search: seconds a gigabyte", seconds * 1e9 / size, "s", SECONDS, said)
    report("leak search: read, unpacked", read / 1e6, "MB", None, f"{size / 1e6:,.0f} MB of files")
    report("leak search: memory", megabytes, "MB", MEGABYTES)


def identifiers() -> list[str]:
    rng = random.Random(1)
    numbers = {f"{rng.randrange(10**10):010}" for _ in range(IDENTIFIERS // 2)}
    mixed = {f"MRN-{rng.randrange(10**7):07}" for _ in range(IDENTIFIERS // 4)}
    names = {f"{word(rng)} {word(rng)}" for _ in range(IDENTIFIERS // 4)}
    return sorted(numbers | mixed | names)


def word(rng: random.Random) -> str:
    return "".join(rng.choices("abcdefghiklmnoprstuvwz", k=rng.randrange(4, 9))).title()


def extract(folder: Path, values: list[str]) -> int:
    """A third resources, a third tables, a third images: as an extract is."""
    folder.mkdir()
    rng = random.Random(2)
    people = [f"tre1-{''.join(rng.choices(LETTERS, k=26))}" for _ in range(2000)]
    lines = [resource(rng, people) for _ in range(60_000)]
    with (folder / "Observation.ndjson").open("w") as out:
        for at in range(25):
            out.writelines(lines if at % 2 else reversed(lines))
        out.writelines(f'{{"note":"{values[at * 9973]}"}}\n' for at in range(PLANTED))
    with pyarrow.parquet.ParquetWriter(folder / "labs.parquet", table(rng, people, 2).schema) as writer:
        for _ in range(50):
            writer.write_table(table(rng, people, 150_000))
    with (folder / "images.bin").open("wb") as out:
        for _ in range(340):
            out.write(rng.randbytes(1_000_000))
    return sum(path.stat().st_size for path in folder.iterdir())


def resource(rng: random.Random, people: list[str]) -> str:
    code = "".join(rng.choices(LETTERS, k=26))
    day = f"{rng.randrange(1990, 2020)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
    said = {
        "resourceType": "Observation",
        "id": code,
        "status": "final",
        "code": {
            "coding": [{"system": "http://loinc.org", "code": f"{rng.randrange(1000, 99999)}-{rng.randrange(10)}"}]
        },
        "subject": {"reference": f"Patient/{rng.choice(people)}"},
        "effectiveDateTime": f"{day}T10:11:12+01:00",
        "valueQuantity": {"value": round(rng.random() * 100, 4), "unit": "mg/dL"},
    }
    return json.dumps(said, separators=(",", ":")) + "\n"


def table(rng: random.Random, people: list[str], rows: int) -> pa.Table:
    return pa.table({
        "person": [rng.choice(people) for _ in range(rows)],
        "day": [rng.randrange(5000) for _ in range(rows)],
        "value": [round(rng.gauss(100, 20), 3) for _ in range(rows)],
        "count": [rng.randrange(10**6) for _ in range(rows)],
    })  # fmt: skip


EXPORT = """
import json, random, resource, sys, time
from pathlib import Path
from tre.data import identifiers, named
from tre.data.deid import pseudonyms

index, content = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()
began = time.perf_counter()
known = named.Known((("sunrise", b"k" * 32), ("dusk", b"d" * 32)), ((identifiers.read(index), b"k" * 32),), "sunrise")
found = named.leaks(content, known)
seconds = time.perf_counter() - began
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, [one.kind for one in found]]))
"""


def test_an_export_of_16_mb_is_searched_for_a_million_people(tmp_path, report):
    values = identifiers()
    held = known_identifiers.write(tmp_path / "index", values, b"k" * 32)
    assert held > 0.9 * IDENTIFIERS
    rng = random.Random(3)
    lines = [f"{at},{word(rng)},{rng.random():.9f},{rng.randrange(10**6)},{word(rng)} {at}" for at in range(345_000)]
    lines[200_000] += f",{pseudonyms.pseudonym('P1', b'k' * 32)}"
    lines[300_000] += f",{values[-1]}"
    export = tmp_path / "table.csv"
    export.write_text("\n".join(lines))
    done = subprocess.run(
        [sys.executable, "-c", EXPORT, str(tmp_path / "index"), str(export)],
        capture_output=True, text=True, check=True, timeout=600,
    )  # fmt: skip
    seconds, megabytes, kinds = json.loads(done.stdout)
    assert sorted(set(kinds)) == ["identifier", "pseudonym"]
    report(
        "export against a million people, all layers", seconds, "s", 5, f"{export.stat().st_size / 1e6:.1f} MB of CSV"
    )
    report("the same: memory", megabytes, "MB", 1000)
