"""The score itself: a planted value is found however it is written, and each wrong answer is counted as one."""

import base64
import gzip
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet
import pysam
import pytest

from tests.golden import across, harness, make, score, search
from tests.golden.key import Answer

PLANTED = {"Quillfeather": "family name", "9990000018": "NHS number", "999 000 0018": "NHS number, in groups"}
WRITTEN = {
    "as it is": b"x Quillfeather y",
    "in capitals": b"QUILLFEATHER^MARY",
    "in UTF-16": b"\1" + "Quillfeather".encode("utf-16-le"),
    "in UTF-16, the other way round": "quillfeather".encode("utf-16-be"),
    "in hexadecimal": b"Quillfeather".hex().encode(),
    "a number": b"nhs:9990000018;",
    "a number in groups": b"999 000 0018",
    **{f"in base64 after {n}": base64.b64encode(b"z" * n + b"Mary Quillfeather, 7") for n in range(3)},
    "in base64 of UTF-16": base64.b64encode("a Quillfeather".encode("utf-16-le")),
}


@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_planted_value_is_found(tmp_path, how, pack):
    (tmp_path / "some").write_bytes(pack(WRITTEN[how]))
    assert search.leaks(tmp_path, PLANTED)


def test_a_planted_value_is_found_in_a_column_and_in_a_file_name(tmp_path):
    pyarrow.parquet.write_table(
        pa.table({"a": ["x", "Quillfeather"] * 500}), tmp_path / "t.parquet", compression="zstd"
    )
    assert set(search.leaks(tmp_path, PLANTED)) == {"family name in t.parquet"}
    (tmp_path / "t.parquet").rename(tmp_path / "quillfeather.txt")
    assert "family name in quillfeather.txt" in search.leaks(tmp_path, PLANTED)


def test_a_planted_value_is_found_in_the_later_blocks_of_a_bgzf_file(tmp_path):
    with pysam.BGZFile(str(tmp_path / "some.gz"), "wb") as out:
        out.write(b"0123456789" * 20_000 + b"Quillfeather")
    assert search.leaks(tmp_path, PLANTED)


@pytest.mark.parametrize("innocent", [b"quill feather", b"2.25.199900000185", b"Quillfeathe"])
def test_what_only_looks_like_it_is_not_found(tmp_path, innocent):
    (tmp_path / "some").write_bytes(innocent)
    assert not search.leaks(tmp_path, PLANTED)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Images alone, made for one project."""
    folder = tmp_path_factory.mktemp("images")
    key = make.generate(folder / "golden")
    project = harness.a_project("sunrise")
    harness.make("dicom", folder / "golden" / "delivery", folder / "data", project)
    return key, folder / "data", project


def test_images_alone_score_as_expected(images):
    key, folder, project = images
    assert score.score(folder, key, project, kinds=["dicom"]).accuracy == 1


@pytest.mark.parametrize("answer", [Answer.KEPT, Answer.REMOVED, Answer.SHIFTED, Answer.PSEUDONYM, Answer.GENERALISED])
def test_one_wrong_answer_is_counted_as_one(images, answer):
    """The key is turned round in one row; the extract must then fail there and nowhere else."""
    key, folder, project = images
    rows = list(key.of("dicom"))
    at = next(at for at, row in enumerate(rows) if row.answer is answer and row.place != "PixelData")
    turned = {
        Answer.KEPT: {"answer": Answer.REMOVED},
        Answer.REMOVED: {"answer": Answer.KEPT},
        Answer.SHIFTED: {"answer": Answer.KEPT},
        Answer.PSEUDONYM: {"person": "S0059"},
        Answer.GENERALISED: {"becomes": "007Y"},
    }[answer]
    asked = replace(key, rows=[*rows[:at], replace(rows[at], **turned), *rows[at + 1 :]])
    made = score.score(folder, asked, project, kinds=["dicom"])
    assert [row.place for row, _ in made.wrong] == [rows[at].place]


def test_another_projects_extract_answers_nothing_as_expected(images):
    key, folder, _ = images
    made = score.score(folder, key, harness.a_project("harbour"), kinds=["dicom"])
    assert {row.answer for row, _ in made.wrong} == {Answer.PSEUDONYM, Answer.SHIFTED}


def test_two_copies_of_one_project_are_found_to_share_names_and_orders(images):
    """What finds nothing between two projects must find everything between a project and itself."""
    _, folder, project = images
    copy = across.Copy(folder, project)
    assert all(across.overlap(copy, copy).values())
