"""Reads stay byte by byte; who, where and how they were made does not."""

import io

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tre.data.deid import genomics
from tests.tre.data.deid.genomics import GROUP, TAGS, a_who, all_bytes, bam, cram, ends, reads, sam, tool
from tre.data.deid.reads import cram as crams
from tre.data.deid.reads import header as headers
from tre.data.deid.reads import look, make, part, rules
from tre.errors import Unreadable

COPIED, REWRITTEN = make.COPIED, make.REWRITTEN
WHO = a_who("NHS9990000018", "NHS9990000026")
NAME = WHO.person("lab", "sample", "NHS9990000018").pseudonym
KEY = part.Reads("lab", "sample", names=part.Names.KEY)
PACKS = {
    "bam": bam,
    "cram 3.0": lambda text: cram(text, "version=3.0"),
    "cram 3.1": lambda text: tool("samtools", "view", "--no-PG", "-O", "cram,version=3.1,no_ref=1", "-", given=text),
}


def looked(content):
    return look.look(io.BytesIO(content), genomics.READS)


def view(path, *words):
    return tool("samtools", "view", "--no-PG", *words, path).decode()


def one(folder):
    (path,) = [path for path in (folder / "reads").iterdir() if path.suffix in {".bam", ".cram"}]
    return path


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS.keys())
def test_clean_reads_are_copied_under_a_new_header(pack, tmp_path):
    content = pack(sam())
    (tmp_path / "source").write_bytes(content)
    summary = reads(tmp_path, content, who=WHO)
    assert summary.counts == {COPIED: 1}
    assert summary.persons == {NAME}
    assert view(one(tmp_path)) == view(tmp_path / "source")
    assert one(tmp_path).stem == NAME


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS.keys())
def test_a_header_says_what_is_known_and_nothing_else(pack, tmp_path):
    head = (
        "@HD\tVN:1.6\tSO:coordinate\tXX:Ana\n@SQ\tSN:chr1\tLN:248956422\tUR:file:///home/ana/x.fa\tSP:Ana\tAS:GRCh38\tM5:"
        + "a" * 32
    )
    groups = GROUP.rstrip() + "\tLB:Ana\tDS:Ana\tCN:Ana\tDT:2024-01-01\tPU:Ana\n"
    more = "@PG\tID:bwa\tPN:bwa\tVN:0.7.17-r1188\tCL:bwa mem ana.fq\tDS:Ana\n@PG\tID:ana\tPN:ana\tPP:bwa\n@CO\tAna\n"
    reads(tmp_path, pack(sam(head=head + "\n", groups=groups, more=more)), who=WHO)
    assert view(one(tmp_path), "-H").splitlines() == [
        "@HD\tVN:1.6\tSO:coordinate",
        f"@SQ\tSN:chr1\tLN:248956422\tM5:{'a' * 32}\tAS:GRCh38",
        f"@RG\tID:1\tSM:{NAME}\tPL:ILLUMINA",
        "@PG\tID:bwa\tPN:bwa\tVN:0.7.17-r1188",
    ]


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS.keys())
def test_the_index_finds_what_a_full_read_finds(pack, tmp_path):
    reads(tmp_path, pack(sam(500)), who=WHO)
    made = one(tmp_path)
    assert made.with_name(made.name + (".bai" if made.suffix == ".bam" else ".crai")).exists()
    found = tool("samtools", "view", made, "chr1:300-320").decode().splitlines()
    assert len(found) == 30
    assert found == [line for line in view(made).splitlines() if 291 <= int(line.split("\t")[3]) <= 320]


def test_a_group_that_may_hold_a_name_is_called_anew_in_header_and_reads(tmp_path):
    groups = GROUP.replace("ID:1", "ID:Ana")
    summary = reads(tmp_path, bam(sam(groups=groups, tags=(*TAGS[:3], "RG:Z:Ana"))), who=WHO)
    assert summary.counts == {REWRITTEN: 1}
    assert {line.split("\t")[-1] for line in view(one(tmp_path)).splitlines()} == {"RG:Z:rg1"}


def test_a_cram_calls_its_groups_anew_in_the_header_alone(tmp_path):
    groups = GROUP.replace("ID:1", "ID:Ana")
    summary = reads(tmp_path, cram(sam(groups=groups, tags=(*TAGS[:3], "RG:Z:Ana"))), who=WHO)
    assert summary.counts == {COPIED: 1}
    assert {line.split("\t")[-1] for line in view(one(tmp_path)).splitlines()} == {"RG:Z:rg1"}
    assert b"Ana" not in all_bytes(tmp_path)


TAGS_THAT_GO = [
    "CO:Z:Ana",
    "zz:Z:Ana",
    "X9:i:999000001",
    "RG:Z:Ana",
    "NM:Z:Ana",
    "MD:Z:Ana",
    "XB:B:c,65,110,97",
    "PG:Z:Ana",
    "BC:Z:Ana",
]


@pytest.mark.parametrize("tag", TAGS_THAT_GO)
def test_a_tag_that_is_not_known_goes(tag, tmp_path):
    kept = [one for one in TAGS if one[:2] != tag[:2]]
    text = sam(tags=[*kept, tag])
    summary = reads(tmp_path, bam(text), who=WHO)
    assert summary.counts == {REWRITTEN: 1}
    assert view(one(tmp_path)) == "".join(
        f"{line}\n" for line in sam(tags=kept).decode().splitlines() if line[0] != "@"
    )


@pytest.mark.parametrize("tag", TAGS_THAT_GO)
def test_a_tag_that_is_not_known_holds_a_cram(tag, tmp_path):
    text = sam(tags=[*(one for one in TAGS if one[:2] != tag[:2]), tag])
    summary = reads(tmp_path, cram(text), who=WHO)
    if tag.startswith("MD"):  # a CRAM reckons MD anew from its reference, or has none
        return
    assert summary.held == {f"a file of reads: {make.AS_BAM}": 1}
    assert not summary.files


def test_a_tag_that_comes_late_is_found(tmp_path):
    lines = sam(5000).decode().splitlines()
    lines[-1] += "\tCO:Z:Ana"
    assert reads(tmp_path, bam("\n".join([*lines, ""]).encode()), who=WHO).counts == {REWRITTEN: 1}
    assert b"Ana" not in all_bytes(tmp_path)


def test_numbers_texts_and_arrays_of_known_tags_stay(tmp_path):
    tags = [*TAGS, "XA:Z:chr2,+100,10M,0;", "MM:Z:C+m,1,2;", "ML:B:C,1,2", "de:f:0.25", "tp:A:P"]
    reads(tmp_path, bam(sam(tags=tags)), who=WHO)
    assert view(one(tmp_path)).splitlines()[0].split("\t")[11:] == tags


def test_names_are_keyed_if_the_plan_asks_and_mates_stay_mates(tmp_path):
    summary = reads(tmp_path, bam(sam()), who=WHO, part=KEY)
    names = [line.split("\t")[0] for line in view(one(tmp_path)).splitlines()]
    assert summary.counts == {REWRITTEN: 1}
    assert b"read1" not in all_bytes(tmp_path)
    assert names[::2] == names[1::2]
    assert len(set(names)) == 25
    rest = [line.split("\t", 1)[1] for line in view(one(tmp_path)).splitlines()]
    assert rest == [line.split("\t", 1)[1] for line in sam().decode().splitlines() if line[0] != "@"]


def test_names_of_a_cram_are_not_keyed_so_it_is_held(tmp_path):
    assert reads(tmp_path, cram(sam()), who=WHO, part=KEY).held == {f"a file of reads: {make.AS_BAM}": 1}


def test_reads_of_several_persons_are_held(tmp_path):
    both = GROUP + "@RG\tID:2\tSM:NHS9990000026\n"
    assert reads(tmp_path, bam(sam(groups=both)), who=WHO).held == {make.SEVERAL: 1}


def test_two_samples_of_one_person_are_told_apart(tmp_path):
    both = GROUP + "@RG\tID:2\tSM:NHS9990000026\n"
    who = a_who("NHS9990000018", "NHS9990000026", same={"NHS9990000026": "NHS9990000018"})
    reads(tmp_path, bam(sam(groups=both)), who=who)
    rows = pq.read_table(tmp_path / "reads" / "files.parquet").to_pylist()
    assert [row["sample"] for row in rows] == [NAME, f"{NAME}.2"]
    assert {row["person"] for row in rows} == {NAME}


def test_two_files_of_one_person_are_numbered_in_an_order_of_the_project(tmp_path):
    contents = [bam(sam(count)) for count in (10, 20, 30)]
    first = reads(tmp_path / "1", *contents, who=WHO)
    again = reads(tmp_path / "2", *reversed(contents), who=WHO)
    assert sorted(one for one in first.files if one.endswith("bam")) == sorted(
        [f"reads/{NAME}.bam", f"reads/{NAME}.2.bam", f"reads/{NAME}.3.bam"]
    )
    assert ends(tmp_path / "1") == ends(tmp_path / "2")
    assert first.files == again.files


@pytest.mark.parametrize("plan", [genomics.READS, KEY])
def test_an_extract_is_bit_identical(plan, tmp_path):
    contents = [bam(sam()), bam(sam(tags=(*TAGS, "CO:Z:Ana")))]
    for name in ("1", "2"):
        reads(tmp_path / name, *contents, who=WHO, part=plan)
    assert ends(tmp_path / "1") == ends(tmp_path / "2") != {}


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (a_who(), "a file of reads with an id that is not in the linkage"),
        (a_who("NHS9990000018", withdrawn=["NHS9990000018"]), "a file of reads of a person who withdrew"),
    ],
)
def test_reads_of_nobody_are_held(who, why, tmp_path):
    summary = reads(tmp_path, bam(sam()), who=who)
    assert summary.held == {why: 1}
    assert not summary.files


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (sam(groups=""), look.NOBODY),
        (sam(groups="@RG\tID:1\n"), look.NOBODY),
        (sam().replace(b"chr1\t", b"Ana\t"), look.CONTIGS),
    ],
)
def test_a_header_that_does_not_say_whose_or_where_is_held(text, why, tmp_path):
    assert looked(bam(text)).held == {"header": why}
    assert reads(tmp_path, bam(text), who=WHO).held == {why: 1}


def test_reads_that_are_not_sorted_have_no_index(tmp_path):
    lines = sam().decode().splitlines()
    text = "\n".join([*lines[:3], *reversed(lines[3:]), ""]).encode()
    summary = reads(tmp_path, bam(text), who=WHO)
    assert summary.counts["file of reads that is not sorted: no index"] == 1
    assert not list(tmp_path.rglob("*.bai"))


BAD = [
    (bam(sam())[:-28], "cut off"),
    (bam(sam())[:-100], "cut off"),
    (bam(sam(20_000))[:65_000], "cut off"),
    (bam(sam()) + b"Quillfeather", "behind"),
    (b"", "cut off"),
    (b"CRAM", "not a CRAM"),
    (b"CRAM\4\0" + bytes(100), "version"),
    (tool("samtools", "view", "-O", "cram,version=2.1,no_ref=1", "-", given=sam()), "version"),
    (b"CRAM\3\0" + bytes(100), "damaged"),
    (cram(sam())[:-38], "cut off"),
    (cram(sam())[:-200], "cut off"),
    (cram(sam()) + b"Quillfeather", "cut off|behind|damaged"),
    (genomics.bgz(b"SAM\1" + bytes(100)), "not a BAM"),
    (genomics.bgz(b"BAM\1" + (1 << 31).to_bytes(4, "little")), "64 MB"),
    (genomics.bgz(b"BAM\1" + bytes(4) + (1 << 30).to_bytes(4, "little")), "64 MB"),
    (genomics.bgz(b"BAM\1" + bytes(8) + b"\1\0\0\0Quillfeather"), "cannot be read"),
    (bam(sam(groups=GROUP.replace("SM:NHS9990000018", "SM: "))), "no name"),
]


@pytest.mark.parametrize(("content", "why"), BAD)
def test_what_is_no_file_of_reads_is_refused_in_one_line(content, why):
    with pytest.raises(Unreadable, match=why) as refused:
        looked(content)
    assert "\n" not in str(refused.value)
    assert "Quillfeather" not in str(refused.value)


@given(st.integers(0, 0x7FFFFFFF))
def test_a_number_of_variable_length_is_read_as_written(number):
    if number < 1 << 28:
        assert crams._Bytes(io.BytesIO(crams._itf8(number))).number() == number
    five = bytes([0xF0 | number >> 28, number >> 20 & 0xFF, number >> 12 & 0xFF, number >> 4 & 0xFF, number & 0x0F])
    assert crams._Bytes(io.BytesIO(five)).number() == number


@given(st.lists(st.text(), max_size=6), st.sampled_from(["@HD", "@SQ", "@RG", "@PG", "@CO", ""]))
def test_header_lines_of_any_kind_pass_or_are_refused(texts, key):
    raw = (genomics.SAM_HEAD + GROUP + "".join(f"{key}\t{one}\n" for one in texts)).encode("utf-8", "replace")
    try:
        found = headers.parse(raw)
    except Unreadable:
        return
    if not look.held(found):
        groups = headers.groups_anew(found, rules.load(), str.encode)
        assert headers.rebuilt(found, rules.load(), groups, dict.fromkeys(found.samples, "p")).isascii()


@given(st.integers(0), st.integers(1, 255), st.sampled_from([bam(sam(5)), cram(sam(5))]))
@settings(max_examples=60, deadline=None)
def test_a_flipped_byte_is_read_or_refused(place, flip, content):
    broken = bytearray(content)
    broken[place % len(broken)] ^= flip
    try:
        looked(bytes(broken))
    except Unreadable as refused:
        assert "\n" not in str(refused)  # noqa: PT017 -- it may also pass


@given(st.integers(0), st.integers(1, 255))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_flipped_below_the_checksums_is_made_or_held(tmp_path_factory, place, flip):
    clear = bytearray(__import__("gzip").decompress(bam(sam(5, tags=(*TAGS, "CO:Z:Ana")))))
    clear[place % len(clear)] ^= flip
    try:
        summary = reads(tmp_path_factory.mktemp("made"), genomics.bgz(bytes(clear)), who=WHO)
    except Unreadable:
        return
    assert summary.files or summary.held
