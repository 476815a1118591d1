import base64
import gzip
import json
import random

import pyarrow as pa
import pyarrow.parquet
import pysam
import pytest

from tre.data import search

NHS = "943 476 5919"
MRN = "RXH-2041187"
NAME = "Müller Özlem Ayşe"
NAMES = ["Münch Özlem", NHS, MRN, NAME, "Carla Garcia", "12345", "Ann"]


def found(folder, values=NAMES):
    return search.sweep(folder, values).found


HIDDEN = {
    "as it stands": b"x,943 476 5919,y",
    "without its spaces": b"x,9434765919,y",
    "with dashes": b'{"id":"943-476-5919"}',
    "in UTF-16": "nothing 943 476 5919 here".encode("utf-16-le"),
    "in UTF-16, the other way round": "nothing 9434765919 here".encode("utf-16-be"),
    "in UTF-32": "nothing 9434765919 here".encode("utf-32-le"),
    "in other case": b"patient rxh2041187.",
    "inside a word": b"fileRXH2041187copy",
    "in base64": b'{"data":"' + base64.b64encode(b"the patient is 9434765919, who") + b'"}',
    "in base64, one byte on": b"x" + base64.b64encode(b"aMRN is RXH-2041187 and more"),
    "in URL-safe base64": base64.urlsafe_b64encode("Patientin: Müller Özlem Ayşe \xff\xfe".encode()),
    "a name, last word first": b"GARCIA^CARLA",
    "a name, with accents": "Frau Özlem Ayşe Müller".encode(),
    "a name in Latin-1": "MÜNCH ÖZLEM".encode("latin-1"),
    "a name in JSON's escapes": json.dumps({"n": "Özlem Münch"}).encode(),
    "a name without accents": b"Muller, Ozlem Ayse",
    "a name in escapes": "Müller Özlem Ayşe".encode("ascii", "backslashreplace"),
    "in gzip": gzip.compress(b"one\n943 476 5919\n"),
    "in gzip in gzip": gzip.compress(gzip.compress(b"one\n943 476 5919\n")),
    "in the second member of a gzip file": gzip.compress(b"one") + gzip.compress(b" RXH2041187 "),
}


@pytest.mark.parametrize("how", HIDDEN)
def test_an_identifier_is_found(how, tmp_path):
    (tmp_path / "file").write_bytes(HIDDEN[how])
    assert found(tmp_path)


CLEAN = {
    "part of a longer number": b"19434765919 94347659190",
    "digits of two columns": b"9434,765919",
    "a date and a time that join": b"2021-03-15 10:25",
    "too short to tell": b"12345, Ann",
    "a pseudonym": b"tre1-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "part of a longer word": b"the xcarlagarciax",
    "nothing": b"",
}


@pytest.mark.parametrize("what", CLEAN)
def test_what_is_no_identifier_is_not_found(what, tmp_path):
    (tmp_path / "file").write_bytes(CLEAN[what])
    done = search.sweep(tmp_path, [*NAMES, "2021031510"])
    assert done.passed, done


def test_it_is_found_in_every_kind_of_column(tmp_path):
    for at, column in enumerate(
        [
            pa.array(["a", "943 476 5919"]),
            pa.array([1, 9434765919]),
            pa.array([1, -9434765919]),
            pa.array([0.5, 943476591.9]),
            pa.array([b"x", b"9434765919"]),
            pa.array([["a"], ["b", "9434765919"]]),
            pa.array([{"v": "9434765919"}]),
            pa.array(["9434765919"]).dictionary_encode(),
        ]
    ):
        folder = tmp_path / str(at)
        folder.mkdir()
        pyarrow.parquet.write_table(pa.table({"c": column}), folder / "t.parquet")
        assert found(folder), column


def test_a_column_may_not_be_named_after_a_person(tmp_path):
    pyarrow.parquet.write_table(pa.table({"Carla Garcia": [1]}), tmp_path / "t.parquet")
    assert found(tmp_path)


def test_a_file_may_not_be_named_after_a_person(tmp_path):
    (tmp_path / "RXH2041187.txt").write_bytes(b"")
    assert found(tmp_path)[0].how == "its path"


def test_it_is_found_across_two_portions(tmp_path):
    edge = search.unpacking.PORTION
    for shift in (3, 5, search.OVERLAP, search.OVERLAP + 7):
        (tmp_path / "file").write_bytes(b"." * (edge - shift) + b" 943 476 5919 " + b"." * 99)
        (hit,) = found(tmp_path)
        assert hit.places == 1


def test_it_is_found_in_the_header_of_a_bam(tmp_path):
    header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": "1", "LN": 100}], "CO": ["patient 943 476 5919"]}
    for name, mode in (("reads.bam", "wb"), ("reads.cram", "wc")):
        folder = tmp_path / mode
        folder.mkdir()
        with pysam.AlignmentFile(str(folder / name), mode, header=header):
            pass
        assert found(folder)


def test_a_file_that_is_cut_short_does_not_pass(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(random.Random(1).randbytes(9999))[:-50])
    done = search.sweep(tmp_path, NAMES)
    assert not done.passed
    assert done.unread


def test_a_link_out_of_the_extract_does_not_pass(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside/link").symlink_to("/etc/hostname")
    assert not search.sweep(tmp_path / "inside", NAMES).passed


def test_numbers_that_chance_explains_are_told_and_pass(tmp_path):
    rng = random.Random(1)
    ids = [str(rng.randrange(10**9)).zfill(9) for _ in range(100_000)]
    lines = "\n".join(str(rng.randrange(10**9)).zfill(9) for _ in range(100_000))
    (tmp_path / "numbers").write_text(lines)
    done = search.sweep(tmp_path, ids)
    assert done.by_chance > 2
    assert done.passed


def test_numbers_that_chance_does_not_explain_stop_the_extract(tmp_path):
    rng = random.Random(1)
    ids = [str(rng.randrange(10**9)).zfill(9) for _ in range(1_000)]
    lines = "\n".join([*(str(rng.randrange(10**9)).zfill(9) for _ in range(1_000)), *ids[:10]])
    (tmp_path / "numbers").write_text(lines)
    assert not search.sweep(tmp_path, ids).passed
