"""Data of people under harmless names, and files that are made to break who looks at them."""

import base64
import contextlib
import gzip
import io
import json
import pickle
import random
import sqlite3
import struct
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from airlock.checks import confined, disarm, inspect, kind, kinds, thresholds
from airlock.checks.file import File
from airlock.checks.inspect import pictures

TEN = thresholds.load("default")
VCF = b"##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tNA1\n"
VCF += b"1\t9\t.\tA\tG\t.\t.\t.\tGT\t0/1\n"
SAM = b"r1\t0\tchr1\t100\t60\t10M\t*\t0\t0\tACGTACGTAC\tIIIIIIIIII\n"
FASTQ = b"".join(b"@r%d\nACGTACGTAC\n+\nIIIIIIIIII\n" % n for n in range(3))
chance = random.Random(7)


def matrix(cells, rows=20, columns=10, between=",") -> bytes:
    head = between.join(f"v{n}" for n in range(columns))
    lines = [between.join(chance.choice(cells) for _ in range(columns)) for _ in range(rows)]
    return "\n".join([head, *lines, ""]).encode()


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return out.getvalue()


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": [1, 2]}), out)
    return out.getvalue()


def arrow() -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_file(out, pa.schema([("a", pa.int64())])):
        pass
    return out.getvalue()


def sqlite() -> bytes:
    with sqlite3.connect(":memory:") as base:
        base.execute("create table t (a)")
        return base.serialize()


def png(colour="white", mode="RGB", **how) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (20, 10), colour).save(out, "PNG", **how)
    return out.getvalue()


def jpeg(**how) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 10), "white").save(out, "JPEG", **how)
    return out.getvalue()


def exif() -> bytes:
    about = Image.Exif()
    about[0x010E] = "person,age"
    return jpeg(exif=about)


BGZF = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
DICOM = bytes(128) + b"DICM\x02\x00\x00\x00UL\x04\x00"
BARE = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"
IMPLICIT = b"\x08\x00\x08\x00\x10\x00\x00\x00ORIGINAL\\PRIMARY"
SAS = bytes(12) + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011") + bytes(40)
MACBOOK = {"resourceType": "Patient", "id": "1"}
PED = b"".join(b"F%d I%d 0 0 1 2 A A G G C T\n" % (n, n) for n in range(5))
FAM = b"".join(b"F%d I%d 0 0 2 -9\n" % (n, n) for n in range(5))
BIM = b"".join(b"1 rs%d 0 %d A G\n" % (n, 1000 + n) for n in range(5))
LETTERS = "id,g1\n" + "".join(f"{n},{chance.choice(['AA', 'AG', 'GG'])}\n" for n in range(40))
BASES = "x\n" + "".join("".join(chance.choice("012") for _ in range(60)) + "\n" for _ in range(5))
PACKED = base64.b64encode(gzip.compress(VCF * 9 + bytes(chance.randbytes(200))))
SHEET = b'<workbook><sheets><sheet name="a"/><sheet name="b" state="veryHidden"/></sheets></workbook>'

# name, content -> a word of what is said
DISGUISES = [
    ("a.csv", VCF, "variants"), ("a.txt", b"results\n\n" + VCF.split(b"\n", 1)[1], "variants"),
    ("a.csv", VCF.split(b"\n", 1)[1].replace(b"#", b"").replace(b"\t", b","), "variants"),
    ("a.txt", SAM * 3, "SAM"), ("a.txt", b"x\n\n" + FASTQ, "FASTQ"), ("a.csv", b"CRAM\x03\x00", "CRAM"),
    ("a.md", b">p1\n" + b"ACGT" * 30, "single people"), ("a.txt", b"s: " + b"ACGT" * 30, "FASTA"),
    ("a.csv", BGZF, "BGZF"), ("a.png", BGZF, "BGZF"), ("a.csv", b"\x6c\x1b\x01\xff", "PLINK"),
    ("a.txt", PED, "PLINK ped"), ("a.txt", FAM, "PLINK fam"), ("a.txt", BIM, "PLINK bim"),
    ("a.csv", PED.replace(b" ", b","), "PLINK ped"), ("a.csv", bytes(16) + b"bgen" + bytes(9), "BGEN"),
    ("a.png", DICOM, "DICOM"), ("a.csv", BARE, "DICOM"), ("a.txt", IMPLICIT, "DICOM"),
    ("a.json", json.dumps({"entry": [MACBOOK]}).encode(), "single people"),
    ("a.txt", (json.dumps(MACBOOK) + "\n").encode() * 3, "single people"),
    ("a.md", b'text\n\n<Bundle xmlns="http://hl7.org/fhir">', "FHIR"),
    ("a.txt", b"x\nMSH|^~\\&|A|B\rPID|1||9||DOE^JO", "HL7"),
    ("a.csv", matrix("012"), "columns of 0, 1 and 2"), ("a.txt", matrix("012", between=" "), "columns of 0, 1 and 2"),
    ("a.csv", matrix(["0/0", "0/1", "1|1"]), "as in a VCF"), ("a.csv", LETTERS.encode(), "written as letters"),
    ("a.txt", BASES.encode(), "without separators"), ("a.csv", matrix("ACGT"), "columns of bases"),
    ("a.csv", b"id,rs12,rs34,rs567\n" + b"1,0.1,1.9,2\n" * 4, "named as variants"),
    ("a.csv", parquet(), "Parquet"), ("a.csv", arrow(), "Arrow"), ("a.csv", sqlite(), "SQLite"),
    ("a.json", b"\x89HDF\r\n\x1a\n" + bytes(9), "HDF5"), ("a.csv", bytes(8) + b"DUCK" + bytes(9), "DuckDB"),
    ("a.csv", SAS, "SAS"), ("a.csv", b"<stata_dta><header>", "Stata"), ("a.txt", b"$FL2@(#)", "SPSS"),
    ("a.txt", b"RDX3\nX\n", "R data"), ("a.csv", b"\x93NUMPY\x01\x00", "NumPy"),
    *[("a.csv", pickle.dumps({"a": [1, 2]}, protocol), "pickle") for protocol in range(6)],
    ("m.safetensors", pickle.dumps([1.5, 2.5]), "pickle"), ("a.csv", zipped(a=VCF), "ZIP"),
    ("a.csv", gzip.compress(VCF), "gzip"), ("a.csv", b"\xfd7zXZ\x00\x00", "xz"), ("a.csv", b"BZh91AY&SY\x00", "bzip2"),
    ("a.csv", b"\x28\xb5\x2f\xfd\x00", "zstd"), ("a.csv", b"7z\xbc\xaf\x27\x1c", "7z"),
    ("a.csv", b"Rar!\x1a\x07\x00", "RAR"), ("a.csv", b"a.vcf".ljust(257, b"\x00") + b"ustar", "tar"),
    ("a.csv", b"a,b\n" + zipped(a=VCF), "ZIP"), ("a.png", jpeg(), "JPEG"), ("a.jpg", png(), "PNG"),
    ("a.xlsx", zipped(xl__workbook_xml=b"").replace(b"_xml", b".xml"), "ZIP"),
    ("a.pdf", b"%PDF-1.7\n/EmbeddedFiles\n%%EOF\n", "attached files"), ("a.txt", b"%PDF-1.7\n/JS x", "scripts"),
    ("a.svg", b"<svg><circle r='3'/></svg>", "does not leave"), ("a.html", b"<html>", "does not leave"),
    ("a.txt", b"<svg xmlns='x'>" + b"<circle/>" * 9, "mark-up"), ("a.md", b"<html><body>", "mark-up"),
    ("a.md", b"# A\n\n![x](data:image/png;base64,iVBORw0KGgo=)\n", "data:"), ("a.md", b"a <!-- 1,2,3 --> b", "remarks"),
    ("a.md", b"# A\n\n[//]: # (1,2,3)\n", "remarks"), ("a.md", b"<script>let x = 1</script>", "script"),
    ("a.csv", b"a,b\n" + PACKED + b",1\n", "base64"), ("a.txt", base64.encodebytes(PACKED), "base64 over lines"),
    ("a.json", json.dumps({"x": PACKED.hex()}).encode(), "hexadecimal"),
    ("a.ipynb", json.dumps({"cells": [{"source": f"x = '{PACKED.decode()}'"}]}).encode(), "base64"),
    ("a.txt", b"begin 644 data.csv\nM86=E\n", "uuencode"), ("a.txt", b"INSERT INTO t VALUES (1);\n", "SQL"),
    ("a.txt", "a\u200b\u200c\u200d\u2060\u200b\u200c\u200d\u2060b".encode(), "cannot be seen"),
    ("a.txt", ("x" + chr(0xE0041) * 3).encode(), "cannot be seen"), ("a.md", "a\u202eb".encode(), "direction"),
    ("a.csv", "sex,n\n0,\uff13\n".encode(), "another script"), ("a.csv", b'sex,m\n0,"3,5"\n1,4.5\n', "decimal comma"),
    ("a.csv", b"a,b\n1,0." + b"7" * 40 + b"\n", "20 digits"), ("a.csv", "a,b\n1,2\n".encode("utf-16"), "UTF-8"),
    ("a.pkl", b"x", "pickle"), ("a.tsv", b"a\tb\n", "commas"), ("a", b"x", "no ending"),
]  # fmt: skip


def said(name: str, content: bytes) -> list:
    file = File(name, kinds.sniff(name, content), content)
    return [*kind.check(file, TEN), *inspect.check(file, TEN)]


@pytest.mark.parametrize(("name", "content", "word"), DISGUISES)
def test_a_disguise_is_named_and_told_how_to_be_mended(name, content, word):
    found = [each for each in said(name, content) if str(each.severity) == "block"]
    assert any(word in f"{each.message} {each.fix}" for each in found), found
    assert all(each.fix for each in found if word in each.message)


ODD_WORKBOOK = {
    "xl/workbook.xml": SHEET, "xl/embeddings/a.bin": b"x", "customXml/item1.xml": b"x", "xl/vbaProject.bin": b"x",
    "xl/pivotCache/p.xml": b"x", "xl/comments1.xml": b"x", "a.zip": b"x", "data.pkl": b"x",
}  # fmt: skip


def test_what_a_workbook_hides_is_said():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in ODD_WORKBOOK.items():
            archive.writestr(name, content)
    words = " ".join(each.message for each in said("a.xlsx", out.getvalue()))
    for word in ("hidden sheets", "embedded", "customXml", "macros", "pivot", "comments", "archives", "pickles"):
        assert word in words


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", b"arm,sex,n,mean_age\na,0,15,34.0\n"), ("t.csv", "arm,β (95% CI)\na,1.2 (0.9\u20131.5)\n".encode()),
        ("gwas.csv", b"chr,pos,rsid,ref,alt,beta,se,p\n" + b"1,1000,rs12,A,G,0.1,0.05,0.04\n" * 30),
        ("big.csv", b'arm,n\na,"1,234"\nb,"12,345,678"\n'), ("ratio.csv", b"arm,ratio\na,1/2\nb,3/4\n"),
        ("n.md", "# Résumé\n\nHazard ratio 1.3 (0.9\u20131.8), p < 0.05; n = 1 234.\n".encode()),
        ("n.txt", b"conclusion\nAll arms alike. BMI 25.\n"), ("BM.txt", b"BMI was measured.\n"),
        ("cases.csv", b"cases\nmale\nfemale\n"), ("n.txt", b"Quality of FORMAT and more\n"),
        ("hash.txt", b"sha256 " + b"ab12" * 16 + b"\n"), ("mono.md", b"-" * 300 + b"\n"),
        ("m.json", b'{"coef": {"age": 0.021, "sex": -0.4}, "n": 60}'), ("km.csv", b"time,at_risk,events\n0,60,10\n"),
        ("alleles.csv", b"rsid,alleles\n" + b"rs1,A/G\nrs2,C/T\n" * 30),
        ("months.csv", b"group,jan,feb,mar,apr,may\na,20,30,10,40,50\nb,0,10,20,0,30\n"),
    ],
)  # fmt: skip
def test_an_honest_text_is_no_disguise(name, content):
    assert said(name, content) == []


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (jpeg(comment=b"rows"), "not pixels"), (exif(), "not pixels"), (jpeg() + zipped(a=VCF), "follow"),
        (jpeg()[:-2], "whole"), (jpeg().replace(b"\xff\xdb", b"\xff\xe5" + struct.pack(">H", 6) + b"rows\xff\xdb", 1),
                                 "not pixels"),
    ],
)  # fmt: skip
def test_a_jpeg_that_carries_more_than_pixels(content, word):
    found = list(pictures.check(File("p.jpg", "jpeg", content), TEN))
    assert any(word in each.message for each in found), found
    assert word == "whole" or b"row" not in rewrite("jpeg", content)


def test_an_honest_jpeg_is_pixels():
    assert list(pictures.check(File("p.jpg", "jpeg", jpeg()), TEN)) == []
    assert list(pictures.check(File("p.jpg", "jpeg", jpeg(progressive=True)), TEN)) == []


# --- what leaves ------------------------------------------------------------------------------------------------------
def rewrite(of: str, content: bytes) -> bytes:
    return disarm.rewrite(File("a", of, content), TEN)


def test_pixels_that_cannot_be_seen_do_not_leave():
    seen_through = Image.new("RGBA", (20, 10), (200, 100, 50, 0))
    out = io.BytesIO()
    seen_through.save(out, "PNG")
    assert rewrite("png", out.getvalue()) == rewrite("png", png())


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_every_sort_of_pixel_is_written_as_it_is_seen(mode):
    grey = {"1": 1, "I;16": 65535, "P": 3}.get(mode, "white")
    again = rewrite("png", png(grey, mode))
    assert rewrite("png", again) == again
    with Image.open(io.BytesIO(again)) as picture:
        assert picture.mode in {"L", "RGB"}
        assert mode == "P" or picture.convert("RGB").getpixel((3, 3)) == (255, 255, 255)


@settings(max_examples=15, deadline=None)
@given(st.binary(min_size=192, max_size=192))
def test_a_photograph_written_twice_is_the_same(pixels):
    out = io.BytesIO()
    Image.frombytes("RGB", (8, 8), pixels).save(out, "PNG")
    once = rewrite("png", out.getvalue())
    assert rewrite("png", once) == once


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["txt", "csv"]), st.text(st.characters(codec="utf-8"), max_size=60))
def test_a_text_written_twice_is_the_same(of, text):
    try:
        once = rewrite(of, text.encode())
    except disarm.Cannot:
        return
    assert rewrite(of, once) == once


SIGNS = st.text(st.sampled_from('a1, \t"\n\r\u200b\u00a0e\u0301;='), max_size=30)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["txt", "csv"]), SIGNS)
def test_quotes_and_white_space_written_twice_are_the_same(of, text):
    test_a_text_written_twice_is_the_same.hypothesis.inner_test(of, text)


VALUES = st.recursive(
    st.none() | st.integers(-(1 << 62), 1 << 62) | st.floats(allow_nan=False, allow_infinity=False) | SIGNS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SIGNS, inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_json_written_twice_is_the_same(value):
    try:
        once = rewrite("json", json.dumps(value).encode())
    except disarm.Cannot:
        return
    assert rewrite("json", once) == once


def test_a_notebook_leaves_as_what_was_typed():
    cell = {"cell_type": "code", "source": ["x = 1 \n", "y"], "outputs": [{"x": "secret"}], "execution_count": 7,
            "metadata": {"secret": 1}, "id": "secret", "attachments": {"secret": {}}}  # fmt: skip
    book = {"cells": [cell], "nbformat": 4, "nbformat_minor": 5, "metadata": {"widgets": {"secret": 1}}, "secret": 1}
    once = rewrite("ipynb", json.dumps(book).encode())
    assert b"secret" not in once
    assert json.loads(once)["cells"][0]["source"] == ["x = 1\n", "y"]
    assert rewrite("ipynb", once) == once


def tensors(head: dict, body: bytes) -> bytes:
    said_ = json.dumps(head).encode()
    return struct.pack("<Q", len(said_)) + said_ + body


def test_weights_leave_without_remarks_and_gaps():
    one = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    once = rewrite("model", tensors({"__metadata__": {"x": "secret"}, "w": one}, bytes(8)))
    assert b"secret" not in once
    assert rewrite("model", once) == once
    for body in (bytes(12), bytes(4)):
        with pytest.raises(disarm.Cannot):
            rewrite("model", tensors({"w": one}, body))
    with pytest.raises(disarm.Cannot):
        rewrite("model", tensors({"w": one, "v": one}, bytes(8)))


@pytest.mark.parametrize(
    ("of", "content", "word"),
    [
        ("json", b'{"a": 1, "a": 2}', "twice"), ("json", '{"a": 1, "a\u200b": 2}'.encode(), "twice"),
        ("json", b"[NaN]", "no number"), ("json", b"[-Infinity]", "no number"), ("json", b"[1e999]", "too large"),
        ("json", b"[1" + b"0" * 5000 + b"]", "64 bits"), ("json", b"[" * 100_000 + b"]" * 100_000, "deep"),
        ("json", b"[" * 70 + b"]" * 70, "deep"), ("json", b"{", "JSON"), ("csv", b'a,b\n"1,2\n', "quotes"),
        ("csv", b"x" * 300_000, "quotes"), ("ipynb", b"[]", "notebook"), ("png", b"\x89PNG\r\n\x1a\n", "picture"),
        ("jpeg", jpeg()[:200], "picture"), ("unknown", b"x", "unknown"), ("txt", b"\xff", "UTF-8"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_anew_is_refused_in_words(of, content, word):
    with pytest.raises(disarm.Cannot, match=word):
        rewrite(of, content)


# --- made to break ----------------------------------------------------------------------------------------------------
def bomb(levels: int = 1) -> bytes:
    content = bytes(20_000_000)
    for _ in range(levels):
        content = zipped(a=content)
    return content


def laughs() -> bytes:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    return f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">{entities}]><x>&a11;</x>'.encode()


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("a.xlsx", bomb(), "bomb"), ("a.txt", laughs(), "mark-up"), ("a.csv", b"1" * 16_000_000, "written anew"),
        ("a.csv", b"a,b\n" + b"1," * 300_000, "columns"), ("a.json", b"[" * 300_000, "deep"),
        ("a.txt", b"\n" * 200_000 + b"x", "lines"), ("a.json", b"9" * 300_000, "64 bits"),
        ("a.txt", b"1" * 9_000_000, "bytes of text"), ("a.txt", b"a " + b" " * 500_000 + b"x", ""),
    ],
    ids=["zip", "xml", "one line", "columns", "deep", "lines", "digits", "long", "spaces"],
)  # fmt: skip
def test_a_bomb_ends_in_words(name, content, word):
    look = confined.look(File(name, kinds.sniff(name, content), content), TEN)
    said_ = [each.message for each in look.findings if str(each.severity) == "block"]
    assert any(word in each for each in said_) if word else look.leaves == b"a " + b" " * 500_000 + b"x\n"


def test_the_process_gives_back_what_would_leave():
    look = confined.look(File("t.csv", "csv", b'\xef\xbb\xbfsex,n\r\n"0",30 \r\n\r\n1,30'), TEN)
    assert look.leaves == b"sex,n\n0,30\n1,30\n"
    assert look.tables[0].rows == (("0", "30"), ("1", "30"))
    assert confined.look(File("p.png", "png", png()), TEN).leaves == rewrite("png", png())


@pytest.mark.parametrize("of", ["csv", "png", "jpeg", "md", "txt", "json", "ipynb", "model", "unknown"])
@settings(max_examples=15, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_break_what_looks_at_them(of, content):
    file = File("a", of, content)
    list(inspect.check(file, TEN))
    list(pictures.check(file, TEN)) if of in {"png", "jpeg"} else None
    with contextlib.suppress(disarm.Cannot):
        disarm.rewrite(file, TEN)


def test_a_cut_or_bent_picture_is_refused_or_pixels():
    for make, of in ((png, "png"), (jpeg, "jpeg")):
        good = make()
        for at in range(8, len(good), 7):
            bent = bytearray(good)
            bent[at] ^= 1 << chance.randrange(8)
            try:
                again = rewrite(of, bytes(bent))
            except disarm.Cannot:
                continue
            assert kinds.sniff(f"a.{of}", again) == of
