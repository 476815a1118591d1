"""Variants and reads under a new header, and cohorts in a new order, beside bcftools and samtools in the same run."""

import hashlib
import os
import random
import statistics
import subprocess
import sys
import time

import pytest

from tests.tre.data.deid.genomics import COLUMNS, a_who
from tre.data.deid import bgzf
from tre.data.deid.reads import look as reads_look
from tre.data.deid.reads import make as reads_make
from tre.data.deid.reads import source as reads_source
from tre.data.deid.reads.part import Reads
from tre.data.deid.stored import Kind, Stored, nobody
from tre.data.deid.variants import look as variants_look
from tre.data.deid.variants import make as variants_make
from tre.data.deid.variants.part import Order, Variants

pytestmark = pytest.mark.bench

RATIO = 1.2
SITES, SAMPLES = 5_000, 500
READS = 100_000
BIG = int(os.environ.get("HORTUS_BIG", "1")) << 30
"""Bytes of the sparse test; HORTUS_BIG=10 for the ten gigabytes of the promise."""
MEGABYTES = 64
"""More than before the first byte was read."""
HEAD = (
    "##fileformat=VCFv4.2\n##contig=<ID=1,length=249250621>\n"
    '##SAMPLE=<ID=NHS9990000000,Description="Quillfeather">\n'
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="x">\n##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="x">\n'
)
NAMES = [f"NHS{9990000000 + at}" for at in range(SAMPLES)]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    chance = random.Random(1)
    some = [f"{a}|{b}:{quality}" for a in "01" for b in "01" for quality in range(20, 99)]
    lines = (
        f"1\t{1000 + at * 10}\trs{at + 1}\tA\tG\t50\tPASS\t.\tGT:GQ\t"
        + "\t".join(chance.choices(some, k=SAMPLES))
        + "\n"
        for at in range(SITES)
    )
    text = HEAD + "\t".join([COLUMNS, *NAMES]) + "\n" + "".join(lines)
    path = tmp_path_factory.mktemp("cohort") / "cohort.vcf.gz"
    with path.open("wb") as target:
        subprocess.run(["bgzip", "-c"], input=text.encode(), stdout=target, check=True)
    return path


def longer(path, skip, folder, times=8):
    """Repeat a file's records, so that what is measured is the copy and not the start of a process."""
    with path.open("rb") as source:
        header = b"".join(bgzf.inflate(source))[:skip]
    with path.open("rb") as source:
        records = b"".join(bgzf.swapped(source, b"", skip=skip)).removesuffix(bgzf.EOF)
    made = folder / f"longer{path.suffix}"
    made.write_bytes(b"".join(bgzf.deflate(header)) + records * times + bgzf.EOF)
    return made


@pytest.fixture(scope="module")
def aligned(tmp_path_factory):
    chance = random.Random(2)
    head = "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:248956422\n@RG\tID:1\tSM:NHS9990000000\n@CO\tQuillfeather\n"
    lines = (
        f"r{at}\t0\tchr1\t{1000 + at}\t60\t100M\t*\t0\t0\t{''.join(chance.choices('ACGT', k=100))}\t"
        f"{''.join(chance.choices('F:,#', k=100))}\tNM:i:0\tMD:Z:100\tAS:i:100\tRG:Z:1\n"
        for at in range(READS)
    )
    path = tmp_path_factory.mktemp("aligned") / "a.bam"
    text = (head + "".join(lines)).encode()
    subprocess.run(["samtools", "view", "-b", "--no-PG", "-o", path, "-"], input=text, check=True)
    return path


def stored(path, facts, kind):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Stored(0, kind, "a", path.stat().st_size, digest, lambda: path.open("rb"), facts)


def seconds(work, times=5):
    """Return the median of some runs."""
    return statistics.median(_once(work) for _ in range(times))


def _once(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peer(*words, target):
    def work():
        with target.open("wb") as out:
            subprocess.run([str(word) for word in words], stdout=out, check=True, stderr=subprocess.DEVNULL)

    return work


def told(report, name, ours, theirs, size, of):
    report(f"{name}, ratio", ours / theirs, "x", RATIO, f"{of} {theirs:.3f} s, ours {ours:.3f} s")
    report(name, size / 1e6 / ours, "MB/s", None, f"{size / 1e6:.0f} MB")


def test_variants_under_a_new_header(cohort, tmp_path, report, monkeypatch):
    """Records copied raw, on the look's proof; the index is told apart, for bcftools reheader makes none."""
    part = Variants("lab", "sample", order=Order.KEEP)
    with cohort.open("rb") as file:
        cohort = longer(cohort, variants_look.source.opened(file).skip, tmp_path)
    began = time.perf_counter()
    with cohort.open("rb") as file:
        facts = variants_look.look(file, part).facts
    proof = time.perf_counter() - began
    who, file = a_who(*NAMES), stored(cohort, facts, Kind.VCF)
    for name in NAMES:
        who.person("lab", "sample", name)
    monkeypatch.setattr(variants_make, "_index", lambda path, found, summary: [])
    folders = iter(tmp_path / str(at) for at in range(100))
    done = []
    ours = seconds(lambda: done.append(variants_make.make([file], next(folders), part=part, who=who, tell=nobody)))
    assert done[0].counts == {variants_make.COPIED: 1}
    (tmp_path / "names").write_text("".join(f"p{at}\n" for at in range(SAMPLES)))
    theirs = seconds(peer("bcftools", "reheader", "-s", tmp_path / "names", cohort, target=tmp_path / "theirs"))
    size = cohort.stat().st_size
    told(report, "variants, new header", ours, theirs, size, "bcftools reheader")
    report("variants, look at the front door", size / 1e6 / proof, "MB/s", None, f"each record by rule, {proof:.2f} s")


@pytest.mark.parametrize("left", [0, 1], ids=["drawn", "one withdrew"])
def test_a_cohort_in_a_new_order(left, cohort, tmp_path, report):
    part = Variants("lab", "sample")
    who = a_who(*NAMES, withdrawn=NAMES[:left])
    file = stored(cohort, {}, Kind.VCF)
    folders = iter(tmp_path / str(at) for at in range(100))
    done = []
    ours = seconds(lambda: done.append(variants_make.make([file], next(folders), part=part, who=who, tell=nobody)), 3)
    assert done[0].counts[variants_make.REWRITTEN] == 1
    order = sorted(NAMES[left:], key=lambda name: hashlib.sha256(name.encode()).digest())
    (tmp_path / "order").write_text("".join(f"{name}\n" for name in order))
    words = ("bcftools", "view", "-S", tmp_path / "order", f"-Oz{variants_make.LEVEL}", cohort)
    theirs = seconds(peer(*words, target=tmp_path / "theirs"), 3)
    what = "cohort in a new order" + (", one withdrew" if left else "")
    told(report, what, ours, theirs, cohort.stat().st_size, f"bcftools view -S at level {variants_make.LEVEL}")


def test_reads_under_a_new_header(aligned, tmp_path, report, monkeypatch):
    part = Reads("lab", "sample")
    short = aligned
    with aligned.open("rb") as file:
        aligned = longer(aligned, reads_source.opened(file).bam.skip, tmp_path)
    began = time.perf_counter()
    with aligned.open("rb") as file:
        facts = reads_look.look(file, part).facts
    proof = time.perf_counter() - began
    file, who = stored(aligned, facts, Kind.BAM), a_who(NAMES[0])
    monkeypatch.setattr(reads_make, "_index", lambda path, found, summary: [])
    folders = iter(tmp_path / str(at) for at in range(100))
    done = []
    ours = seconds(lambda: done.append(reads_make.make([file], next(folders), part=part, who=who, tell=nobody)))
    assert done[0].counts == {reads_make.COPIED: 1}
    (tmp_path / "h.sam").write_text("@HD\tVN:1.6\n@SQ\tSN:chr1\tLN:248956422\n@RG\tID:1\tSM:p\n")
    theirs = seconds(peer("samtools", "reheader", "-P", tmp_path / "h.sam", aligned, target=tmp_path / "theirs"))
    size = aligned.stat().st_size
    told(report, "reads, new header", ours, theirs, size, "samtools reheader -P")
    report("reads, look at the front door", 8 * READS / proof, "reads/s", None, f"every tag asked, {proof:.2f} s")
    keyed = Reads("lab", "sample", names=reads_make.Names.KEY)
    file = stored(short, {}, Kind.BAM)
    slow = _once(lambda: done.append(reads_make.make([file], next(folders), part=keyed, who=who, tell=nobody)))
    assert done[-1].counts == {reads_make.REWRITTEN: 1}
    report("reads, each with a new name", READS / slow, "reads/s", None, f"{slow:.2f} s")


def test_a_big_file_is_read_in_constant_memory(tmp_path, report):
    """A file that repeats one block of records over and over; a process of its own, so that its memory is its own."""
    record = b"1\t100\t.\tA\tG\t50\tPASS\t.\tGT\t0/1\n"
    head = (HEAD + f"{COLUMNS}\t{NAMES[0]}\n").encode()
    body = b"".join(bgzf.deflate(record * (bgzf.FULL * 512 // len(record))))
    stuffed = b"".join(bgzf.deflate(random.Random(3).randbytes(bgzf.FULL * 512)))
    path = tmp_path / "big.vcf.gz"
    with path.open("wb") as target:
        target.write(b"".join(bgzf.deflate(head)) + body)
        while (
            target.tell() < BIG
        ):  # bytes that are no records: the copy does not read them, and memory is what is asked
            target.write(stuffed)
        target.write(bgzf.EOF)
    done = subprocess.run([sys.executable, "-c", PROGRAM, path, tmp_path], capture_output=True, text=True, check=True)
    took, megabytes, size = map(float, done.stdout.split())
    report(
        f"variants, {BIG >> 30} GB copied: memory more", megabytes, "MB", MEGABYTES, f"{size / took / 1e6:,.0f} MB/s"
    )


PROGRAM = """
import re, sys, time
from pathlib import Path
from tests.tre.data.deid.genomics import a_who
from tre.data.deid.stored import Kind, Stored, nobody
from tre.data.deid.variants import look, make, rules
from tre.data.deid.variants.part import Variants
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

path, part = Path(sys.argv[1]), Variants("lab", "sample")
facts = {look.PROOF: rules.proof(part)}
file = Stored(0, Kind.VCF, "a", path.stat().st_size, "0" * 64, lambda: path.open("rb"), facts)
make._index = lambda path, found, summary: []
before = peak()
began = time.perf_counter()
summary = make.make([file], Path(sys.argv[2]), part=part, who=a_who("NHS9990000000"), tell=nobody)
took = time.perf_counter() - began
assert summary.counts == {make.COPIED: 1}, summary
print(took, (peak() - before) / 1024, path.stat().st_size)
"""
