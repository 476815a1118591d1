"""What the sequencing laboratory gives: one cohort, one sample alone, reads of some; and its command lines."""

from pathlib import Path
from random import Random

import pysam

from tests.golden import people
from tests.golden.key import Answer, Key
from tests.golden.people import Somebody

CONTIGS = (("chr1", 248956422), ("chr2", 242193529), ("chrM", 16569))
SITES = 60
ALONE = 58
"""Whose variants come in a BCF of their own, too."""
READERS = range(0, 60, 3)
"""Whose reads are there; the first of them as CRAM."""
M5 = "2648ae1bacce4ec4b6cf337dcae37816"


def write(folder: Path, everybody: tuple[Somebody, ...], stranger: Somebody, key: Key) -> None:
    """Write variants/ and reads/."""
    (folder / "variants").mkdir()
    (folder / "reads").mkdir()
    cohort = [*everybody[:30], stranger, *everybody[30:]]
    names = [(one.sample, one) for one in cohort]
    _variants(folder / "variants/cohort.vcf.gz", names, key, seed=1)
    one = everybody[ALONE]
    _variants(folder / "variants/alone.bcf", [(one.sample, one)], key, seed=2)
    merged = everybody[people.MERGED]
    _variants(folder / "variants/old.vcf.gz", [(merged.old[0].sample, merged)], key, seed=3)
    for number in READERS:
        _reads(folder, everybody[number], everybody[number].sample, key, cram=number == READERS[0])
    _reads(folder, merged, merged.sample, key)
    _reads(folder, merged, merged.old[0].sample, key, seed=500)
    _reads(folder, stranger, stranger.sample, key)


# --- variants -----------------------------------------------------------------------------------------------------
def _variants(path: Path, samples: list[tuple[str, Somebody]], key: Key, *, seed: int) -> None:
    draw = Random(seed)
    sites = [_site(number, draw) for number in range(SITES)]
    calls = [[draw.choice(("0/0", "0/1", "1/1", "0|1", "./.")) for _ in samples] for _ in sites]
    lines = [*_header(samples), "\t".join([*COLUMNS, *(name for name, _ in samples)])]
    lines += [_line(site, row, samples[0][1], draw) for site, row in zip(sites, calls, strict=True)]
    if path.suffix == ".bcf":
        _bcf(path, lines)
    else:
        with pysam.BGZFile(str(path), "wb") as out:
            out.write(("\n".join(lines) + "\n").encode())
        pysam.tabix_index(str(path), preset="vcf", force=True)
        path.with_name(path.name + ".tbi").unlink()
    for column, (name, one) in enumerate(samples):
        _say_sample(path, name, one, [row[column] for row in calls], key)
    _say_header(path, samples, sites, key)


COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")


def _header(samples: list[tuple[str, Somebody]]) -> list[str]:
    name, one = samples[0]
    return [
        "##fileformat=VCFv4.3",
        "##fileDate=20240312",
        f"##source=caller of {one.nhs}",
        f"##reference=file:///home/{one.family.lower()}/ref.fa",
        *(f"##contig=<ID={contig},length={length},assembly=GRCh38>" for contig, length in CONTIGS),
        '##FILTER=<ID=q10,Description="Quality below 10">',
        '##INFO=<ID=VT,Number=.,Type=String,Description="Type of variant">',
        '##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">',
        f'##INFO=<ID=WHOSE,Number=1,Type=String,Description="family of {one.family}">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Genotype quality">',
        f'##SAMPLE=<ID={name},Description="{one.given} {one.family}">',
        f"##PEDIGREE=<ID={name},Mother={one.mrn}>",
        f"##bcftools_viewCommand=view -s {one.nhs} /data/{one.family}/in.vcf; Date=Tue Mar 12 2024",
    ]


def _site(number: int, draw: Random) -> tuple[str, int, str, str, str]:
    contig = CONTIGS[number * len(CONTIGS) // SITES][0]
    reference = draw.choice("ACGT")
    return (
        contig,
        1000 + number * 97,
        f"rs{900000 + number}",
        reference,
        draw.choice([b for b in "ACGT" if b != reference]),
    )


def _line(site: tuple[str, int, str, str, str], calls: list[str], one: Somebody, draw: Random) -> str:
    contig, position, name, reference, other = site
    fields = [
        contig,
        position,
        name,
        reference,
        other,
        50,
        "PASS",
        f"VT=SNP;DP={position % 90};WHOSE={one.family}",
        "GT:GQ",
    ]
    return "\t".join([*map(str, fields), *(f"{call}:{draw.randrange(1, 99)}" for call in calls)])


def _bcf(path: Path, lines: list[str]) -> None:
    """Write the same as BCF, by way of a text that is then gone."""
    text = path.with_suffix(".vcf")
    text.write_text("\n".join(lines) + "\n", "utf-8")
    with pysam.VariantFile(str(text)) as source, pysam.VariantFile(str(path), "wb", header=source.header) as out:
        for record in source:
            out.write(record)
    text.unlink()


def _say_sample(path: Path, name: str, one: Somebody, calls: list[str], key: Key) -> None:
    file, record = f"variants/{path.name}", " ".join(calls)
    if one.number == people.COUNT:
        key.say("variants", file, record, "")("sample", name, Answer.HELD, trap="missing in the linkage")
        return
    page = key.say("variants", file, record, one.subject)
    page("sample", name, Answer.PSEUDONYM, trap="merged MRNs" if path.name == "old.vcf.gz" else "")
    for at, call in enumerate(calls):
        page(f"GT {at}", call, Answer.KEPT)


def _say_header(path: Path, samples: list[tuple[str, Somebody]], sites: list, key: Key) -> None:
    one, file = samples[0][1], f"variants/{path.name}"
    page = key.say("variants", file, "", "")
    page("##fileDate", "20240312", Answer.REMOVED)
    page("##source", one.nhs, Answer.REMOVED)
    page("##reference", one.family, Answer.REMOVED)
    page("##SAMPLE", one.family, Answer.REMOVED)
    page("##PEDIGREE", one.mrn, Answer.REMOVED)
    page("##bcftools_viewCommand", one.nhs, Answer.REMOVED, trap="NHS number in a ## line")
    page("INFO WHOSE", one.family, Answer.REMOVED)
    for contig, length in CONTIGS:
        page(f"contig {contig}", length, Answer.KEPT)
    # Counted over everybody in the file, it would tell two projects' copies from each other where somebody is left out.
    depth = Answer.REMOVED if any(one.number == people.COUNT for _, one in samples) else Answer.KEPT
    for contig, position, name, reference, other in sites:
        for place, value in (("ID", name), ("REF", reference), ("ALT", other), ("VT", "SNP")):
            page(f"{contig}:{position} {place}", value, Answer.KEPT)
        page(f"{contig}:{position} DP", position % 90, depth, trap="counts who was left out")


# --- reads --------------------------------------------------------------------------------------------------------
def _reads(folder: Path, one: Somebody, sample: str, key: Key, *, cram: bool = False, seed: int = 0) -> None:
    draw = Random(seed + one.number)
    path = folder / "reads" / f"{sample}.{'cram' if cram else 'bam'}"
    sequences = ["".join(draw.choice("ACGT") for _ in range(50)) for _ in range(8)]
    options = {"format_options": [b"no_ref=1"]} if cram else {}
    with pysam.AlignmentFile(str(path), "wc" if cram else "wb", header=_said(one, sample), **options) as out:
        for at, sequence in enumerate(sequences):
            out.write(_read(at, sequence, sample, out.header))
    if cram:
        _name_file(path, one.family)
    key.plant(f"{sample}.lane7", "read group")
    _say_reads(path, one, sample, sequences, key)


def _name_file(path: Path, name: str) -> None:
    """Write a name where CRAM keeps that of its file: bytes 6 to 26, which no tool shows."""
    content = bytearray(path.read_bytes())
    content[6:26] = name.encode()[:20].ljust(20, b"\0")
    path.write_bytes(content)


def _said(one: Somebody, sample: str) -> dict:
    return {
        "HD": {"VN": "1.6", "SO": "coordinate"},
        "SQ": [{"SN": "chr1", "LN": 248956422, "M5": M5, "UR": f"file:///home/{one.family}/ref.fa"}],
        "RG": [
            {
                "ID": f"{sample}.lane7",
                "SM": sample,
                "LB": f"lib {one.family}",
                "PU": f"FC1.{one.mrn}",
                "CN": "Elsewhere",
                "DS": f"{one.given} {one.family}",
                "DT": f"{one.stay.start}T10:00:00",
                "PL": "ILLUMINA",
            }
        ],
        "PG": [{"ID": "bwa", "PN": "bwa", "VN": "0.7", "CL": f"bwa mem -R {one.nhs} /data/{one.family}/r1.fq"}],
        "CO": [f"{one.family}, {one.given}"],
    }


def _read(at: int, sequence: str, sample: str, header: pysam.AlignmentHeader) -> pysam.AlignedSegment:
    read = pysam.AlignedSegment(header)
    read.query_name, read.flag, read.reference_id, read.reference_start = f"r{at}", 0, 0, 10_000 + at * 30
    read.mapping_quality, read.cigarstring, read.query_sequence = 60, f"{len(sequence)}M", sequence
    read.query_qualities = pysam.qualitystring_to_array("I" * len(sequence))
    read.set_tag("RG", f"{sample}.lane7")
    read.set_tag("NM", at % 3)
    return read


def _say_reads(path: Path, one: Somebody, sample: str, sequences: list[str], key: Key) -> None:
    file, record = f"reads/{path.name}", sequences[0]
    if one.number == people.COUNT:
        key.say("reads", file, record, "")("@RG SM", sample, Answer.HELD, trap="missing in the linkage")
        return
    page = key.say("reads", file, record, one.subject)
    page("@RG SM", sample, Answer.PSEUDONYM)
    page("@RG ID", f"{sample}.lane7", Answer.RENAMED, trap="RG:Z of each read")
    for line, value in (("@RG LB", one.family), ("@RG DS", one.family), ("@RG CN", "Elsewhere"), ("@RG PU", one.mrn)):
        page(line, value, Answer.REMOVED)
    page("@RG DT", one.stay.start, Answer.REMOVED)
    page("@PG CL", one.nhs, Answer.REMOVED, trap="NHS number in @PG CL")
    page("@CO", one.family, Answer.REMOVED)
    page("@SQ UR", one.family, Answer.REMOVED)
    page("@SQ M5", M5, Answer.KEPT)
    page("@SQ LN", 248956422, Answer.KEPT)
    for at, sequence in enumerate(sequences):
        page(f"read {at} sequence", sequence, Answer.KEPT)
        page(f"read {at} position", 10_000 + at * 30, Answer.KEPT)
