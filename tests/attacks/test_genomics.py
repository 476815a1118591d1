"""Ways in which a name could travel inside variants and reads."""

import gzip
import io
import struct

import pytest

from tests.tre.data.deid import genomics
from tests.tre.data.deid.genomics import (
    GROUP,
    SAM_HEAD,
    SAMPLES,
    TAGS,
    a_single,
    a_who,
    all_bytes,
    bam,
    bcf,
    bgz,
    cram,
    reads,
    sam,
    the,
    tool,
    variants,
    vcf,
)
from tre.data.deid import bgzf
from tre.data.deid.variants import make
from tre.errors import Unreadable

NAME = "Quillfeather"
NHS = "9990000018"
SM = f"NHS{NHS}"


def carries(folder):
    """Return which identifiers are in an extract, however its files are compressed."""
    said = all_bytes(folder)
    for path in folder.rglob("*.bcf"):
        said += tool("bcftools", "view", path)
    return [one for one in (NAME, NHS) if one.encode() in said]


HEADERS = {
    "a sample line": f'##SAMPLE=<ID={SM},Description="Ana {NAME}">\n',
    "a pedigree": f"##PEDIGREE=<Name_0={NAME},Name_1={SM}>\n",
    "a meta line": f"##META=<ID={NAME},Type=String,Number=.,Values=[{SM}]>\n",
    "a command line": f"##bcftools_viewCommand=view -s {SM} /data/{NAME}/in.vcf; Date=Mon\n",
    "a path of the reference": f"##reference=file:///home/{NAME}/ref.fa\n",
    "the source": f"##source={NAME}\n",
    "the assembly of a contig": f"##contig=<ID=2,length=100,assembly=/home/{NAME}/x.fa>\n",
    "the species of a contig": f'##contig=<ID=3,species="{NAME}",URL={NHS}>\n',
    "the id of a contig": f"##contig=<ID={NAME}>\n",
    "the length of a contig": f"##contig=<ID=4,length={NAME}>\n",
    "the description of a known field": f'##INFO=<ID=MQ,Number=1,Type=Float,Description="{NAME} {NHS}">\n',
    "the source of a known field": f'##FORMAT=<ID=PL,Number=G,Type=Integer,Source="{NAME}",Version="{NHS}">\n',
    "the number of a known field": f'##INFO=<ID=BQ,Number={NAME},Type=Float,Description="x">\n',
    "the id of a field": f'##INFO=<ID={NAME},Number=1,Type=Integer,Description="x">\n',
    "the id of a filter": f'##FILTER=<ID={NAME},Description="x">\n',
    "the description of a filter": f'##FILTER=<ID=q10,Description="{NAME}">\n',
    "the id of an allele": f'##ALT=<ID={NAME},Description="x">\n',
    "the description of an allele": f'##ALT=<ID=DEL,Description="{NAME} {NHS}">\n',
    "the index of a field": f'##INFO=<ID=SB,Number=1,Type=Float,Description="x",IDX={NHS}>\n',
    "a line of no kind": f"##{NAME}\n",
}
PACKS = {"text": bytes, "bgz": bgz, "gzip": gzip.compress, "bcf": bcf}


@pytest.mark.parametrize("how", ["text", "bgz", "gzip"])
@pytest.mark.parametrize("head", HEADERS.values(), ids=HEADERS.keys())
def test_in_a_header_of_variants(head, how, tmp_path):
    variants(tmp_path, PACKS[how](a_single(head=head)))
    assert the(tmp_path, ".vcf.gz")
    assert carries(tmp_path) == []


def test_in_the_dictionary_of_a_bcf(tmp_path):
    """Its contigs and strings are told by number; the names of unused ones must not stay."""
    head = HEADERS["the id of a field"] + HEADERS["the id of a filter"] + HEADERS["a sample line"]
    assert variants(tmp_path, bcf(a_single(head=head))).counts == {make.COPIED: 1}
    assert carries(tmp_path) == []
    assert tool("bcftools", "query", "-f", "%FILTER %AC %DP\n", the(tmp_path, ".bcf")) == b"PASS 1 30\n"


RECORD = "1\t100\t{id}\t{ref}\t{alt}\t{qual}\t{filter}\t{info}\t{format}\t{sample}"
PLAIN = {
    "id": "rs1",
    "ref": "A",
    "alt": "G",
    "qual": "50",
    "filter": "PASS",
    "info": "DP=30",
    "format": "GT:GQ",
    "sample": "0/1:40",
}
DEFINED = (
    f'##INFO=<ID=NOTE,Number=1,Type=String,Description="x">\n##FILTER=<ID={NAME},Description="x">\n'
    f'##FORMAT=<ID=FT,Number=1,Type=String,Description="x">\n##ALT=<ID={NAME},Description="x">\n'
    '##INFO=<ID=SVTYPE,Number=1,Type=String,Description="x">\n##INFO=<ID=MRN,Number=1,Type=Float,Description="x">\n'
)
VALUES = {
    "the ID column": {"id": f"MRN{NHS}"},
    "the ID column behind an rs number": {"id": f"rs5;{NAME}"},
    "a long rs number with a name": {"id": f"rs5{NAME}"},
    "a string of INFO": {"info": f"DP=30;NOTE={NAME}"},
    "a number of INFO that is not known": {"info": f"DP=30;MRN={NHS}"},
    "a known string of INFO": {"info": f"DP=30;SVTYPE={NAME}"},
    "a field that is not declared": {"info": f"DP=30;{NAME}={NHS}"},
    "a flag that is not declared": {"info": f"DP=30;{NAME}"},
    "a number that is a name": {"info": f"DP={NAME}"},
    "a number that is too long": {"info": f"DP={NHS}"},
    "a filter": {"filter": NAME},
    "a kind of allele": {"alt": f"<{NAME}>"},
    "an end of a break": {"alt": f"A[{NAME}:5["},
    "the reference's bases": {"ref": NAME},
    "the quality": {"qual": NAME},
    "a string of a sample": {"format": "GT:GQ:FT", "sample": f"0/1:40:{NAME}"},
    "a number of a sample": {"sample": f"0/1:{NAME}"},
    "a genotype": {"sample": f"{NAME}:40"},
}


@pytest.mark.parametrize("how", ["text", "bgz"])
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES.keys())
def test_in_a_record(values, how, tmp_path):
    summary = variants(tmp_path, PACKS[how](a_single(RECORD.format(**{**PLAIN, **values}), head=DEFINED)))
    assert make.COPIED not in summary.counts
    assert carries(tmp_path) == []


@pytest.mark.parametrize(
    "values", [VALUES[one] for one in ("the ID column", "a string of INFO", "a filter", "a string of a sample")]
)
def test_in_a_record_of_a_bcf(values, tmp_path):
    variants(tmp_path, bcf(a_single(RECORD.format(**{**PLAIN, **values}), head=DEFINED)))
    assert the(tmp_path, ".bcf")
    assert carries(tmp_path) == []


def test_by_the_order_of_the_samples_in_two_projects(tmp_path):
    samples = [f"NHS{number}" for number in range(9990000000, 9990000040)]
    record = "1\t100\t.\tA\tG\t50\tPASS\t.\tGT:GQ\t" + "\t".join(f"0/{at % 2}:{at}" for at in range(40))
    orders = []
    for project in (b"a", b"b"):
        variants(tmp_path / project.decode(), bgz(vcf(record, samples=samples)), who=a_who(*samples, project=project))
        said = tool("bcftools", "query", "-f", "[%GQ ]", the(tmp_path / project.decode(), ".vcf.gz"))
        orders.append([int(one) for one in said.split()])
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(40))
    assert sum(a == b for a, b in zip(*orders, strict=True)) < 8
    assert list(range(40)) not in orders


def test_by_the_names_of_files_and_samples_in_two_projects(tmp_path):
    names = []
    for project in (b"a", b"b"):
        folder = tmp_path / project.decode()
        variants(folder, bgz(vcf()), who=a_who(*SAMPLES, project=project))
        reads(folder, bam(sam()), who=a_who(*SAMPLES, project=project))
        words = tool("bcftools", "query", "-l", the(folder, ".vcf.gz")).decode().split()
        names.append({path.name for path in folder.rglob("*") if path.suffix not in {".parquet", ""}} | set(words))
    assert names[0].isdisjoint(names[1])


def test_by_the_counts_and_sites_of_who_withdrew(tmp_path):
    record = "1\t{}\t.\tA\tG,T\t50\tPASS\tAC={};AN=6;DP=90\tGT:GQ\t{}"
    records = [record.format(100, "2,1", "0/1:1\t0/1:2\t0/2:3"), record.format(200, "0,1", "0/0:1\t0/0:2\t0/2:3")]
    variants(tmp_path, bgz(vcf(*records)), who=a_who(*SAMPLES, withdrawn=SAMPLES[2:]))
    said = tool("bcftools", "query", "-f", "%POS %ALT %INFO\n", the(tmp_path, ".vcf.gz"))
    assert said == b"100 G AC=2;AN=4\n"


@pytest.mark.parametrize("make_it", [variants, reads])
def test_in_the_gzip_header_of_each_block(make_it, tmp_path):
    """A subfield beside the size, and a time: gzip reads over both."""
    extra = b"QF" + struct.pack("<H", len(NAME)) + NAME.encode()
    content = bgz(a_single()) if make_it is variants else bam(sam())
    blocks = []
    for block in bgzf.blocks(io.BytesIO(content)):
        size = struct.pack("<H", len(block) + len(extra) - 1)
        blocks.append(block[:10] + struct.pack("<H", 6 + len(extra)) + b"BC\2\0" + size + extra + block[18:])
    make_it(tmp_path, b"".join(blocks[:-1]) + bgzf.EOF, who=a_who(SM))
    assert the(tmp_path, ".vcf.gz" if make_it is variants else ".bam")
    assert carries(tmp_path) == []


@pytest.mark.parametrize("flag", [8, 16], ids=["file name", "comment"])
def test_in_the_name_and_comment_of_a_gzip(flag, tmp_path):
    packed = gzip.compress(a_single())
    variants(tmp_path, packed[:3] + bytes([flag]) + packed[4:10] + NAME.encode() + b"\0" + packed[10:])
    assert the(tmp_path, ".vcf.gz")
    assert carries(tmp_path) == []


@pytest.mark.parametrize("make_it", [variants, reads])
def test_behind_the_marker_of_the_end(make_it, tmp_path):
    with pytest.raises(Unreadable):
        make_it(tmp_path, (bgz(a_single()) if make_it is variants else bam(sam())) + NAME.encode())
    with pytest.raises(Unreadable):
        reads(tmp_path, cram(sam()) + NAME.encode())


READS_HEAD = {
    "the command line of a program": f"@PG\tID:bwa\tPN:bwa\tCL:bwa mem {NHS}.fq\n",
    "the description of a program": f"@PG\tID:bwa\tDS:{NAME}\n",
    "the id of a program": f"@PG\tID:{NAME}\n",
    "the name of a program": f"@PG\tID:bwa\tPN:{NAME}\n",
    "the version of a program": f"@PG\tID:bwa\tVN:{NAME}\n",
    "the id behind a program's": f"@PG\tID:bwa.{NAME}\n",
    "the one before a program": f"@PG\tID:bwa\tPP:{NAME}\n",
    "a comment": f"@CO\t{NAME} {NHS}\n",
    "a word of a read group": f"@RG\tID:2\tSM:{SM}\tDS:{NAME}\tLB:{NHS}\tPU:{NAME}\tBC:{NAME}\tPL:{NAME}\n",
}
READS_SEQUENCE = {
    "the path of a sequence": f"\tUR:file:///home/{NAME}/x.fa",
    "the species of a sequence": f"\tSP:{NAME}",
    "the checksum of a sequence": f"\tM5:{NAME}",
    "the assembly of a sequence": f"\tAS:{NAME}",
    "another name of a sequence": f"\tAN:{NAME}",
}


@pytest.mark.parametrize("pack", [bam, cram])
@pytest.mark.parametrize("more", READS_HEAD.values(), ids=READS_HEAD.keys())
def test_in_a_header_of_reads(more, pack, tmp_path):
    assert reads(tmp_path, pack(sam(more=more))).files
    assert carries(tmp_path) == []


@pytest.mark.parametrize("pack", [bam, cram])
@pytest.mark.parametrize("words", READS_SEQUENCE.values(), ids=READS_SEQUENCE.keys())
def test_in_a_line_of_a_sequence(words, pack, tmp_path):
    assert reads(tmp_path, pack(sam(head=SAM_HEAD.rstrip("\n") + words + "\n"))).files
    assert carries(tmp_path) == []


def test_in_the_file_id_of_a_cram(tmp_path):
    content = bytearray(cram(sam()))
    content[6:26] = NAME.encode().ljust(20)
    assert reads(tmp_path, bytes(content)).files
    assert carries(tmp_path) == []


@pytest.mark.parametrize("pack", [bam, cram])
def test_in_the_id_of_a_read_group(pack, tmp_path):
    tags = (*TAGS[:3], f"RG:Z:{NAME}")
    assert reads(tmp_path, pack(sam(groups=GROUP.replace("ID:1", f"ID:{NAME}"), tags=tags))).files
    assert carries(tmp_path) == []


@pytest.mark.parametrize(
    "tag", [f"CO:Z:{NAME}", f"xx:Z:{NAME}", f"BC:Z:{NAME}", f"NM:Z:{NAME}", f"XT:Z:{NAME}", f"SA:Z:{NAME}"]
)
@pytest.mark.parametrize("pack", [bam, cram])
def test_in_a_tag_of_a_read(tag, pack, tmp_path):
    reads(tmp_path, pack(sam(tags=[*(one for one in TAGS if one[:2] != tag[:2]), tag])))
    assert carries(tmp_path) == []


def test_in_the_name_of_a_read_where_the_plan_asks(tmp_path):
    text = sam().replace(b"read1\t", f"{NAME}\t".encode())
    plan = genomics.reads_make.Reads("lab", "sample", names=genomics.reads_make.Names.KEY)
    assert reads(tmp_path, bam(text), part=plan).files
    assert carries(tmp_path) == []


def test_what_samtools_would_say_of_a_line_is_not_heard(tmp_path, capfd):
    record = RECORD.format(**{**PLAIN, "sample": f"0/1:{NAME}"})
    variants(tmp_path / "1", vcf(*genomics.RECORDS[::-1], head=HEADERS["a sample line"]))
    variants(tmp_path / "2", a_single(record))
    with pytest.raises(Unreadable):
        reads(tmp_path / "3", bgz(b"BAM\1" + bytes(8) + b"\1\0\0\0" + NAME.encode()))
    assert capfd.readouterr() == ("", "")
