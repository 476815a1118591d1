"""Variants and reads of invented people, and what is needed to make an extract of them."""

import gzip
import hashlib
import io
import subprocess
from pathlib import Path

from tre.data.deid.pseudonyms import Naming, PatientId, ProjectKeys
from tre.data.deid.reads import look as reads_look
from tre.data.deid.reads import make as reads_make
from tre.data.deid.reads.part import Reads
from tre.data.deid.stored import Kind, Stored, nobody
from tre.data.deid.variants import look as variants_look
from tre.data.deid.variants import make as variants_make
from tre.data.deid.variants.part import Variants
from tre.data.deid.who import Who

EAGLE = Path("/usr/share/doc/bio-eagle/examples")
PYVCF = Path("/usr/share/doc/python3-vcf/test")
VARIANTS = Variants("lab", "sample")
READS = Reads("lab", "sample")

HEAD = """##fileformat=VCFv4.2
##contig=<ID=1,length=249250621,assembly=GRCh37>
##INFO=<ID=AC,Number=A,Type=Integer,Description="Count">
##INFO=<ID=AN,Number=1,Type=Integer,Description="Number">
##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">
"""
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"
SAMPLES = ("NHS9990000018", "NHS9990000026", "NHS9990000034")
RECORDS = (
    "1\t100\trs11\tA\tG\t50\tPASS\tAC=1;AN=6;DP=30\tGT:GQ\t0/1:40\t0/0:50\t0/0:60",
    "1\t200\t.\tC\tT\t50\tPASS\tAC=1;AN=6;DP=31\tGT:GQ\t0/0:40\t0/0:50\t0/1:60",
    "1\t300\trs33\tG\tA,T\t50\tPASS\tAC=1,1;AN=6;DP=32\tGT:GQ\t0/1:40\t0/0:50\t0/2:60",
)


def vcf(*records, head="", samples=SAMPLES, base=HEAD):
    return (
        base + head + "\t".join([COLUMNS, *samples]) + "\n" + "".join(f"{one}\n" for one in records or RECORDS)
    ).encode()


def a_single(record="1\t100\trs11\tA\tG\t50\tPASS\tAC=1;AN=2;DP=30\tGT:GQ\t0/1:40", head=""):
    return vcf(record, head=head, samples=SAMPLES[:1])


def bgz(text):
    return subprocess.run(["bgzip", "-c"], input=text, capture_output=True, check=True).stdout


def bcf(text):
    return tool("bcftools", "view", "--no-version", "-Ob", "-", given=text)


def tool(*words, given=b""):
    return subprocess.run([str(word) for word in words], input=given, capture_output=True, check=True).stdout


GROUP = "@RG\tID:1\tSM:NHS9990000018\tPL:ILLUMINA\n"
SAM_HEAD = "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:248956422\n"
TAGS = ("NM:i:0", "MD:Z:10", "AS:i:10", "RG:Z:1")


def sam(count=50, *, head=SAM_HEAD, groups=GROUP, more="", tags=TAGS):
    lines = (
        "\t".join(
            [
                f"read{at // 2}",
                str(65 + at % 2 * 64),
                "chr1",
                str(100 + at),
                "60",
                "10M",
                "=",
                str(100 + at),
                "0",
                "ACGTACGTAC",
                "FFFFFFFFFF",
                *tags,
            ]
        )
        for at in range(count)
    )
    return (head + groups + more + "".join(f"{line}\n" for line in lines)).encode()


def bam(text):
    return tool("samtools", "view", "--no-PG", "-b", "-", given=text)


def cram(text, *options):
    words = [word for option in ("no_ref=1", *options) for word in ("--output-fmt-option", option)]
    return tool("samtools", "view", "--no-PG", "-C", *words, "-", given=text)


def a_who(*samples, project=b"k", withdrawn=(), same=None):
    """Each sample is a person of its own, unless `same` says whose it is."""
    people = {name: PatientId(f"hospital:{(same or {}).get(name, name)}") for name in samples}
    gone = frozenset(people[name] for name in withdrawn)
    return Who(Naming(ProjectKeys(project * 32, b"d" * 32)), {("lab", "sample"): people}, gone)


def stored(content, *, number=0, facts=None, kind=Kind.VCF):
    digest = hashlib.sha256(content).hexdigest()
    return Stored(number, kind, "a", len(content), digest, lambda: io.BytesIO(content), facts or {})


def variants(folder, *contents, who=None, part=VARIANTS, looked=True):
    """Make an extract of variants; return its summary."""
    looks = [variants_look.look(io.BytesIO(one), part) for one in contents] if looked else []
    who = who or a_who(*(one.value for look in looks for one in look.ids))
    files = [stored(one, number=at, facts=looks[at].facts if looked else {}) for at, one in enumerate(contents)]
    return variants_make.make(files, folder, part=part, who=who, tell=nobody)


def reads(folder, *contents, who=None, part=READS, looked=True):
    """Make an extract of reads; return its summary."""
    looks = [reads_look.look(io.BytesIO(one), part) for one in contents] if looked else []
    who = who or a_who(*(one.value for look in looks for one in look.ids))
    files = [
        stored(one, number=at, facts=looks[at].facts if looked else {}, kind=Kind.BAM)
        for at, one in enumerate(contents)
    ]
    return reads_make.make(files, folder, part=part, who=who, tell=nobody)


def all_bytes(folder):
    """Return everything in an extract, also what is compressed, and the files' names."""
    said = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            said += [path.name.encode(), content]
            if content.startswith(b"\x1f\x8b"):
                said.append(gzip.decompress(content))
            if content.startswith(b"CRAM"):
                said.append(tool("samtools", "view", "-h", "--no-PG", path))
    return b"\n".join(said)


def the(folder, suffix):
    """Return the one file of this suffix."""
    (path,) = folder.rglob(f"*{suffix}")
    return path


def ends(folder):
    """Return each file's path and content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
