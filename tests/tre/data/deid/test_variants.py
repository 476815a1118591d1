"""Genotypes stay whose they are; names, order and everything that is not known do not."""

import io
import math
from itertools import product

import pyarrow.parquet as pq
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tre.data.deid import genomics
from tests.tre.data.deid.genomics import (
    EAGLE,
    PYVCF,
    SAMPLES,
    a_single,
    a_who,
    all_bytes,
    bcf,
    bgz,
    ends,
    stored,
    the,
    tool,
    variants,
    vcf,
)
from tre.data.deid.stored import nobody
from tre.data.deid.variants import header as headers
from tre.data.deid.variants import look, make, part, rules
from tre.errors import Unreadable

COPIED, REWRITTEN = make.COPIED, make.REWRITTEN
REAL = [
    EAGLE / "EUR_test.vcf.gz",
    PYVCF / "1kg.vcf.gz",
    EAGLE / "target.vcf.gz",
    PYVCF / "gatk.vcf.gz",
    PYVCF / "freebayes.vcf.gz",
    PYVCF / "bcftools.vcf.gz",
    PYVCF / "strelka.vcf.gz",
]
"""The last has no GT."""


def looked(content, plan=genomics.VARIANTS):
    return look.look(io.BytesIO(content), plan)


def genotypes(path, names=None):
    """Sample -> its genotypes by place, as bcftools reads them; `names` tells the samples' names anew."""
    said = tool("bcftools", "query", "-f", r"[%CHROM:%POS:%REF:%ALT\t%SAMPLE\t%GT\n]", path).decode()
    found = {}
    for place, sample, genotype in (line.split("\t") for line in said.splitlines()):
        found.setdefault((names or {}).get(sample, sample), []).append((place, genotype))
    return found


def pseudonyms(who, samples):
    return {name: who.person("lab", "sample", name).pseudonym for name in samples}


@pytest.mark.parametrize("path", REAL[:-1], ids=lambda path: path.name)
def test_each_person_of_a_real_file_keeps_their_genotypes(path, tmp_path):
    content = path.read_bytes()
    samples = [one.value for one in looked(content).ids]
    who = a_who(*samples)
    summary = variants(tmp_path, content, who=who)
    assert summary.records == len(samples)
    assert not summary.held
    made = genotypes(the(tmp_path, ".vcf.gz"))
    assert made == genotypes(path, pseudonyms(who, samples))


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_nothing_of_a_real_files_header_is_left_but_what_is_known(path, tmp_path):
    variants(tmp_path, path.read_bytes())
    said = tool("bcftools", "view", "-h", "--no-version", the(tmp_path, ".vcf.gz")).decode().splitlines()
    table = rules.load()
    texts = {one.description for one in [*table.info.values(), *table.format.values()]}
    texts |= {*headers.FILTERS.values(), headers.FILTER, headers.ALLELE}
    for line in said[1:-1]:
        key = line[2:].split("=", 1)[0]
        assert key in {"FILTER", "INFO", "FORMAT", "ALT", "contig"}
        assert key == "contig" or line.split('Description="')[1].rstrip('">') in texts


@pytest.mark.parametrize("path", REAL[:4], ids=lambda path: path.name)
def test_the_index_finds_what_a_full_read_finds(path, tmp_path):
    variants(tmp_path, path.read_bytes())
    made = the(tmp_path, ".vcf.gz")
    lines = tool("bcftools", "view", "-H", made).splitlines()
    chrom, position = lines[len(lines) // 2].split(b"\t")[:2]
    region = f"{chrom.decode()}:{position.decode()}-{int(position) + 100_000}"
    read = [
        one
        for one in lines
        if one.startswith(chrom + b"\t") and 0 <= int(one.split(b"\t")[1]) - int(position) <= 100_000
    ]
    assert tool("bcftools", "view", "-H", "-r", region, "--regions-overlap", "0", made).splitlines() == read != []
    assert tool("tabix", made, region).splitlines()[-1] == read[-1]


def test_the_blocks_of_a_clean_file_of_one_person_are_copied(tmp_path):
    summary = variants(tmp_path, bgz(a_single()))
    assert summary.counts == {COPIED: 1}
    assert (
        tool("bcftools", "view", "-H", the(tmp_path, ".vcf.gz")).decode() == a_single().decode().splitlines()[-1] + "\n"
    )


def test_a_bcf_stays_a_bcf_and_may_be_copied(tmp_path):
    summary = variants(tmp_path, bcf(a_single()))
    assert summary.counts == {COPIED: 1}
    assert tool("bcftools", "view", "-H", the(tmp_path, ".bcf")).decode() == a_single().decode().splitlines()[-1] + "\n"
    assert the(tmp_path, ".csi")


@pytest.mark.parametrize("pack", [bytes, bgz, bcf, lambda text: __import__("gzip").compress(text)])
def test_every_container_gives_the_same_genotypes(pack, tmp_path):
    (tmp_path / "a.vcf").write_bytes(vcf())
    who = a_who(*SAMPLES)
    summary = variants(tmp_path / "out", pack(vcf()), who=who)
    (made,) = [tmp_path / "out" / one for one in summary.files if one.endswith((".vcf.gz", ".bcf"))]
    assert genotypes(made) == genotypes(tmp_path / "a.vcf", pseudonyms(who, SAMPLES))


def test_a_look_that_nobody_vouches_for_is_taken_again(tmp_path):
    clean, not_clean = bgz(a_single()), bgz(a_single(head="").replace(b"rs11", b"MRN1"))
    assert variants(tmp_path / "1", clean, looked=False, who=a_who(*SAMPLES)).counts == {COPIED: 1}
    assert variants(tmp_path / "2", not_clean, looked=False, who=a_who(*SAMPLES)).counts[REWRITTEN] == 1


def test_a_proof_holds_for_its_own_plan_only(tmp_path):
    head = '##INFO=<ID=NOTE,Number=1,Type=String,Description="Note">\n'
    text = bgz(a_single(head=head).replace(b"DP=30", b"DP=30;NOTE=Ana"))
    wide = part.Variants("lab", "sample", texts=("NOTE",))
    facts = looked(text, wide).facts
    assert look.PROOF in facts
    file = stored(text, facts=facts)
    summary = make.make([file], tmp_path, part=genomics.VARIANTS, who=a_who(*SAMPLES), tell=nobody)
    assert summary.counts[REWRITTEN] == 1
    assert b"Ana" not in all_bytes(tmp_path)
    assert make.make([file], tmp_path / "wide", part=wide, who=a_who(*SAMPLES), tell=nobody).counts[COPIED] == 1


def test_who_withdrew_is_gone_and_so_is_what_only_they_had(tmp_path):
    variants(tmp_path, bgz(vcf()), who=a_who(*SAMPLES, withdrawn=SAMPLES[2:]))
    said = [line.split("\t") for line in tool("bcftools", "view", "-H", the(tmp_path, ".vcf.gz")).decode().splitlines()]
    assert [(one[1], one[4]) for one in said] == [("100", "G"), ("300", "A")]
    assert [one[7] for one in said] == ["AC=1;AN=4"] * 2


def test_counts_over_other_people_are_gone_where_nobody_is_left_out(tmp_path):
    stale = a_single("1\t100\trs11\tA\tG\t50\tPASS\tAC=1;AN=120;DP=30\tGT:GQ\t0/1:40")
    summary = variants(tmp_path, bgz(stale))
    assert summary.counts["variants: counts of other people"] == 1
    assert tool("bcftools", "query", "-f", "%INFO\n", the(tmp_path, ".vcf.gz")) == b"DP=30\n"


def test_who_is_not_in_the_linkage_is_held(tmp_path):
    summary = variants(tmp_path, bgz(vcf()), who=a_who(*SAMPLES[:2]))
    assert summary.held["a sample with an id that is not in the linkage"] == 1
    assert len(genotypes(the(tmp_path, ".vcf.gz"))) == 2 == summary.records


def test_a_file_of_nobody_is_held(tmp_path):
    summary = variants(tmp_path, bgz(vcf()), who=a_who())
    assert summary.held[make.NOBODY_LEFT] == 1
    assert not summary.files


def test_two_samples_of_one_person_have_two_names(tmp_path):
    who = a_who(*SAMPLES, same={SAMPLES[1]: SAMPLES[0]})
    variants(tmp_path, bgz(vcf()), who=who)
    rows = pq.read_table(tmp_path / "variants" / "samples.parquet").to_pylist()
    twice = who.person("lab", "sample", SAMPLES[0]).pseudonym
    assert {row["sample"] for row in rows if row["person"] == twice} == {twice, f"{twice}.2"}
    assert {row["sample"] for row in rows} == set(genotypes(the(tmp_path, ".vcf.gz")))
    assert {row["file"] for row in rows} == {f"variants/{the(tmp_path, '.vcf.gz').name}"}


def test_the_plan_may_keep_the_order(tmp_path):
    who = a_who(*SAMPLES)
    summary = variants(tmp_path, bgz(vcf()), who=who, part=part.Variants("lab", "sample", order=part.Order.KEEP))
    assert list(genotypes(the(tmp_path, ".vcf.gz"))) == list(pseudonyms(who, SAMPLES).values())
    assert summary.counts == {COPIED: 1}


def test_sites_without_samples_are_held_unless_the_plan_vouches(tmp_path):
    text = tool("bcftools", "view", "-G", "--no-version", "-Oz", "-", given=vcf())
    found = looked(text)
    assert list(found.held.values()) == [look.NO_SAMPLES]
    assert not found.ids
    assert not variants(tmp_path / "1", text).files
    variants(tmp_path / "2", text, part=part.Variants("lab", "sample", sites=part.Sites.KEEP))
    assert tool("bcftools", "query", "-f", "%POS %INFO\n", the(tmp_path, ".vcf.gz")).splitlines()[0] == b"100 DP=30"


def test_an_extract_is_bit_identical(tmp_path):
    contents = [bgz(vcf()), bgz(a_single()), bcf(vcf()), EAGLE.joinpath("EUR_test.vcf.gz").read_bytes()]
    who = a_who(*(one.value for content in contents for one in looked(content).ids), withdrawn=SAMPLES[:1])
    for name in ("1", "2"):
        variants(tmp_path / name, *contents, who=who)
    assert ends(tmp_path / "1") == ends(tmp_path / "2") != {}


def test_the_same_file_twice_is_two_files(tmp_path):
    assert sum(one.endswith(".vcf.gz") for one in variants(tmp_path, bgz(a_single()), bgz(a_single())).files) == 2


def test_records_that_are_not_sorted_have_no_index(tmp_path):
    summary = variants(tmp_path, bgz(vcf(*reversed(genomics.RECORDS))))
    assert summary.counts["variant file that is not sorted: no index"] == 1
    assert not list(tmp_path.rglob("*.tbi"))


BAD = [
    (b"", "##fileformat"),
    (b"hello", "##fileformat"),
    (vcf().split(b"#CHROM")[0], "#CHROM"),
    (b"##fileformat=VCFv4.2\n1\t1\t.\tA\tG\t.\t.\t.\n", "#CHROM"),
    (b"##fileformat=VCFv4.2\n1\t1\t.\tA\tG\t.\t.\t.\n" + vcf().split(b"\n", 1)[1], "above #CHROM"),
    (vcf(samples=("a", "b", "a")), "same name"),
    (vcf(samples=("a", "", "c")), "no name"),
    (vcf("1\t100\t.\tA\tG\t50\tPASS\t.\tGT\t0/1"), "columns"),
    (vcf() + b"half a rec", "columns"),
    (bgz(vcf())[:-28], "cut off"),
    (bgz(vcf())[:-40], "cut off"),
    (__import__("gzip").compress(vcf())[:-10], "cut off"),
    (bgz(b"BCF\2\2" + (1 << 30).to_bytes(4, "little") + bytes(100)), "64 MB"),
    (bgz(b"BCF\2\2" + (1000).to_bytes(4, "little") + bytes(100)), "cut off"),
    (bcf(vcf())[:-28] + bgz(b"Quillfeather"), "not fit"),
]


@pytest.mark.parametrize(("content", "why"), BAD)
def test_what_is_no_variant_file_is_refused_in_one_line(content, why):
    with pytest.raises(Unreadable, match=why) as refused:
        looked(content)
    assert "\n" not in str(refused.value)
    assert "Quillfeather" not in str(refused.value)


def test_a_header_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(headers, "LONGEST", 1 << 16)
    with pytest.raises(Unreadable, match="64 MB"):
        looked(b"##fileformat=VCFv4.2\n" + b"##x=y\n" * 400_000)


@given(st.lists(st.text(), max_size=5), st.sampled_from(["INFO", "FORMAT", "FILTER", "ALT", "contig", "SAMPLE", ""]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_header_lines_of_any_kind_pass_or_are_refused(texts, key):
    head = "".join(f"##{key}=<{one}>\n" for one in texts)
    raw = (genomics.HEAD + head + genomics.COLUMNS + "\ta\n").encode("utf-8", "replace")
    try:
        found = headers.parse(raw)
    except Unreadable:
        return
    made = headers.rebuilt(found, headers.known(found, rules.load(), genomics.VARIANTS), rules.load(), ["p"])
    assert pysam.VariantHeader is not None
    assert made.count(b"\n#CHROM") == 1
    assert made.isascii()


@given(st.integers(0), st.integers(1, 255), st.sampled_from([vcf(), bgz(vcf()), bcf(vcf()), bcf(a_single())]))
@settings(max_examples=150, deadline=None)
def test_a_flipped_byte_is_read_or_refused(place, flip, content):
    broken = bytearray(content)
    broken[place % len(broken)] ^= flip
    try:
        looked(bytes(broken))
    except Unreadable as refused:
        assert "\n" not in str(refused)  # noqa: PT017 -- it may also pass


@given(st.integers(0), st.integers(1, 255), st.sampled_from([vcf(), tool("bcftools", "view", "-Ou", "-", given=vcf())]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_flipped_below_the_checksums_is_made_or_held(tmp_path_factory, place, flip, text):
    broken = bytearray(text)
    broken[place % len(broken)] ^= flip
    folder = tmp_path_factory.mktemp("made")
    try:
        summary = variants(folder, bgz(bytes(broken)), who=a_who(*SAMPLES))
    except Unreadable:
        return
    assert summary.files or summary.held


def test_orders_are_drawn(tmp_path):
    """Of ten projects, not all have one order."""
    orders = set()
    for project in range(10):
        who = a_who(*SAMPLES, project=bytes([project]))
        variants(tmp_path / str(project), bgz(vcf()), who=who)
        names = {name: sample for sample, name in pseudonyms(who, SAMPLES).items()}
        orders.add(tuple(names[one] for one in genotypes(the(tmp_path / str(project), ".vcf.gz"))))
    assert len(orders) > 1 <= math.factorial(3)
    assert orders <= set(product(SAMPLES, repeat=3))
