import json
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.checks import confined, counts, grid, kinds, notebook, png, rows, run, tables, thresholds
from airlock.checks.file import File, Table
from airlock.checks.finding import Severity
from tre.errors import Unreadable

TEN = thresholds.load("default")
FIVES = thresholds.load("opensafely")


def table(text: str) -> Table:
    heads, *lines = [tuple(line.split(",")) for line in text.strip().split()]
    return Table(heads, tuple(lines))


def said(findings) -> list[tuple[str, str]]:
    return [(str(found.severity), found.where) for found in findings]


# --- counts -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sex,n\n0,10\n1,10", []),
        ("sex,n\n0,9\n1,10", [("block", "column 2, row 1")]),
        ("sex,n\n0,0\n1,10", []),
        ("sex,n\n0,1\n1,10", [("block", "column 2, row 1")]),
        ("sex,N\n0,9.0\n1,10", [("block", "column 2, row 1")]),
        ("sex,n_patients\n0,9\n1,10", [("block", "column 2, row 1")]),
        ("sex,patient.count\n0,9\n1,10", [("block", "column 2, row 1")]),
        ("time,at_risk,observed\n0,60,10\n5,50,4", [("block", "column 3, row 2")]),
        ("sex,mean_age\n0,9\n1,10", []),
        ("arm,0,1\na,30,9\nb,30,30", [("block", "column 3, row 1")]),
        ("arm,0,All\na,30,30\nb,7,30", [("block", "column 2, row 2")]),
        ("sex,n\n0,1,000", None),
    ],
)
def test_counts_below_ten_are_found(text, found):
    if found is not None:
        assert [each for each in said(counts.check(table(text), None, TEN)) if each[0] == "block"] == found


def test_counts_are_multiples_where_the_profile_rounds():
    assert said(counts.check(table("sex,n\n0,10\n1,11\n2,5"), (10, 11, 5), FIVES))[:2] == [
        ("block", "column 2, row 3"), ("block", "column 2, row 2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "persons", "severity"),
    [(20, 20, None), (20, 12, "block"), (20, 0, "warn"), (20, 25, "warn"), (20, 1, "block"), (0, 40, None)],
)
def test_a_claimed_count_is_compared_with_the_persons_in_the_data(claim, persons, severity):
    found = list(counts.check(table(f"arm,n\na,{claim}"), (persons,), TEN))
    worst = "block" if any(each.severity is Severity.BLOCK for each in found) else found[0].severity if found else None
    assert worst == severity


def test_counts_that_cannot_be_made_again_are_for_the_approvers():
    assert said(counts.check(table("group,n\na,30"), None, TEN)) == [("warn", "file")]


def test_a_table_without_counts_is_checked_by_the_persons_behind_its_rows():
    assert said(counts.check(table("arm,mean\na,3.5\nb,4.5"), (30, 4), TEN)) == [("block", "row 2")]


@given(st.lists(st.integers(0, 100), min_size=1, max_size=50))
def test_every_small_count_and_no_other_is_pointed_at(numbers):
    tabled = Table(("g", "n"), tuple((str(at), str(n)) for at, n in enumerate(numbers)))
    places = {found.where for found in counts.check(tabled, None, TEN) if found.severity is Severity.BLOCK}
    few = [f"column 2, row {at}" for at, n in enumerate(numbers, 1) if 1 <= n < 10]
    assert places == set(few[:20]) | ({"file"} if len(few) > 20 else set())


@pytest.mark.parametrize(
    ("cell", "number"), [("12", 12), ("1,234", 1234), (" 7 ", 7), ("7.0", 7), ("7.5", None), ("<10", None), ("", None)]
)
def test_a_whole_number_is_read_as_people_write_it(cell, number):
    assert counts.whole(cell) == number


# --- rows -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("values", "found"),
    [
        ("A00001 A00002 A00003 A00004 A00005", ["column 1"]),
        ("900000001 900000002 900000003 900000004 900000005", ["column 1"]),
        ("A00001 A00001 A00003 A00004 A00005", []),
        ("1999 2000 2001 2002 2003", []),
        ("2020-01 2020-02 2020-03 2020-04 2020-05", []),
        ("rs12345 rs23456 rs34567 rs45678 rs56789", []),
        ("ENSG00000139618 ENSG00000139619 ENSG00000139620 ENSG00000139621 ENSG00000139622", []),
        ("age_40_49 age_50_59 age_60_69 age_70_79 age_80_89", []),
        ("0.10234 0.20234 0.30234 0.40234 0.50234", []),
    ],
)
def test_a_number_of_its_own_on_every_row_is_found(values, found):
    assert [each.where for each in rows.check(Table(("x",), tuple((one,) for one in values.split())), TEN)] == found


def test_more_rows_than_a_result_has_are_data():
    many = Table(("x",), tuple(("same",) for _ in range(5001)))
    assert "5001 rows" in next(rows.check(many, TEN)).message


# --- grid -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"a,b\n1,2\n", []),
        (b"\xef\xbb\xbfa,b\n1,2\n", []),
        (b"a,a\n1,2\n", ["header"]),
        (b"a,A \n1,2\n", ["header"]),
        (b"a,b\n1\n2,3\n", ["row 1"]),
        (b"\n\n", ["file"]),
        (b"a;b\n1;2\n", ["header"]),
        (b"a\tb\n1\t2\n", ["header"]),
    ],
)
def test_a_table_is_plain(content, where):
    assert [found.where for found in grid.plain(File("t.csv", "csv", content), TEN)] == where


@pytest.mark.parametrize(
    ("cell", "runs"),
    [("=1+1", True), ("@SUM(A1)", True), ("+A1", True), ("-A1", True), ("-1.5", False), ("+3", False), ("--", False),
     ("-12%", False), ("a=1", False), ("|cmd", True)],
)  # fmt: skip
def test_what_a_spreadsheet_would_run_is_found(cell, runs):
    assert bool(list(grid.formulas(File("t.csv", "csv", f'a\n"{cell}"\n'.encode()), TEN))) is runs


@pytest.mark.parametrize(
    "value",
    [
        [{"sex": 0, "n": 3}, {"sex": 1, "n": 4}],
        {"sex": [0, 1], "n": [3, 4]},
        {"sex": {"0": 0, "1": 1}, "n": {"0": 3, "1": 4}},
        {"about": "x", "data": [{"sex": 0, "n": 3}, {"sex": 1, "n": 4}]},
    ],
)
def test_a_table_in_json_is_a_table(value):
    found = tables.tables(File("t.json", "json", json.dumps(value).encode()))
    assert Table(("sex", "n"), (("0", "3"), ("1", "4"))) in found


@pytest.mark.parametrize(
    "text",
    [
        "sex,n\n0,3\n1,4\n",
        "Results\n\nsex;n\n0;3\n1;4\n\nand more\n",
        "sex\tn\n0\t3\n1\t4",
        "| sex | n |\n|-----|---|\n| 0 | 3 |\n| 1 | 4 |\n",
        "sex   n\n  0   3\n  1   4\n",
        '"sex" "n"\n"0" "3"\n"1" "4"\n',
    ],
)
def test_a_table_in_a_text_is_a_table(text):
    found = tables.tables(File("t.md", "md", text.encode()))
    assert found == (Table(("sex", "n"), (("0", "3"), ("1", "4"))),)


def test_a_table_as_pandas_prints_it_has_its_index():
    found = tables.tables(File("t.txt", "txt", b"   sex  n\n0    0  3\n1    1  4\n"))
    assert found == (Table(("", "sex", "n"), (("0", "0", "3"), ("1", "1", "4"))),)


def test_prose_is_no_table():
    text = b"We compared the arms of the trial.\nNo difference was found in any of them.\nThe rest is silence.\n"
    assert tables.tables(File("t.md", "md", text)) == ()


# --- kinds ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.csv", b"a,b\n", "csv"), ("a.CSV", b"a,b\n", "csv"), ("a.md", b"# x", "md"), ("a.log", b"x", "txt"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "png"), ("a.csv", b"\x89PNG\r\n\x1a\n", "unknown"),
        ("a.png", b"a,b", "unknown"),
        ("a.csv", b"a\x00b", "unknown"), ("a.csv", b"\xff\xfea\x00", "unknown"), ("a.svg", b"<svg/>", "unknown"),
        ("a.html", b"<p>", "unknown"), ("a", b"x", "unknown"), ("a.csv", b"PK\x03\x04", "unknown"),
        ("a.txt", b"##fileformat=VCFv4.3\n", "raw"), ("a.csv", b"#CHROM\tPOS", "raw"), ("a.txt", b"@HD\tVN:1.6", "raw"),
        ("a.txt", b"@r1\nACGTN\n+\nIIIII\n", "raw"), ("a.json", b'{"resourceType": "Bundle"}', "raw"),
        ("a.txt", b">chr1\nACGTACGTACGTACGTACGTACGT\n", "raw"), ("a.txt", b"\xef\xbb\xbf##fileformat=VCF", "raw"),
    ],
)  # fmt: skip
def test_a_file_is_known_by_its_bytes(name, content, kind):
    assert kinds.sniff(name, content) == kind


# --- thresholds -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("profile", "smallest"), [("default", 10), ("opensafely", 8), ("all-of-us", 21), ("handbook", 3)]
)
def test_a_profile_says_its_numbers(profile, smallest):
    assert thresholds.load(profile).smallest_count == smallest


@pytest.mark.parametrize("profile", ["", "none", "../../etc/passwd"])
def test_an_unknown_profile_is_refused(profile):
    with pytest.raises(Unreadable, match="there are all-of-us, cprd, default"):
        thresholds.load(profile)


# --- the throw-away process -------------------------------------------------------------------------------------------
def test_every_check_of_the_table_is_run_by_somebody():
    apart = {check.name: check.kinds for check in run.CHECKS if check.run is None}
    assert apart == {name: kinds_ for name, (kinds_, _) in confined.CHECKS.items()} | {confined.REWRITTEN: run.ALL}
    assert all(check.promise.endswith(".") for check in run.CHECKS)


def test_a_check_that_dies_did_not_run():
    deep = b"[" * 200_000 + b"]" * 200_000
    look = confined.look(File("n.ipynb", "ipynb", deep), TEN)
    assert "notebook" not in look.ran
    assert not look.read


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"3", b'{"cells": 3, "nbformat": 4}'])
def test_what_is_no_notebook_is_said_to_be_none(content):
    look = confined.look(File("n.ipynb", "ipynb", content), TEN)
    assert "notebook" not in look.ran or any(found.check == "notebook" for found in look.findings)


@pytest.mark.parametrize(
    "deed",
    ["open('/etc/passwd')", "open('/tmp/x', 'w')", "socket.socket()", "os.fork()", "bytearray(2 << 30)", "os.pipe()"],
)
def test_the_process_can_do_nothing_but_look(deed):
    code = f"import os, socket\nfrom airlock.checks import shut\nshut.confine(answer=1)\n{deed}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, cwd="/")
    assert done.returncode == 1
    assert b"Error" in done.stderr


def test_the_process_gets_no_secret(monkeypatch):
    monkeypatch.setenv("TRE_HOME", "/secret")
    seen = []
    real = confined.subprocess.run

    def spy(*words, **how):
        seen.append(how["env"])
        return real(*words, **how)

    monkeypatch.setattr(confined.subprocess, "run", spy)
    confined.look(File("t.csv", "csv", b"a,b\n1,2\n"), TEN)
    assert seen == [{"LANG": "C.UTF-8"}]


@given(st.binary(max_size=300))
def test_no_bytes_pass_for_a_picture(content):
    assert list(png.check(File("p.png", "png", b"\x89PNG\r\n\x1a\n" + content), TEN))


def test_no_single_changed_byte_of_a_picture_raises():
    from tests.attacks.test_leaks_in_exports import png as a_png

    good, chance = a_png(), random.Random(1)
    assert not list(png.check(File("p.png", "png", good), TEN))
    for at in range(8, len(good)):
        bad = bytearray(good)
        bad[at] ^= 1 << chance.randrange(8)
        assert list(png.check(File("p.png", "png", bytes(bad)), TEN)), at


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
            st.sampled_from(["cells", "nbformat", "metadata", "cell_type", "outputs", "id", "x"]), inner, max_size=4
        ),
        max_leaves=20,
    )
)  # fmt: skip
def test_no_json_makes_the_notebook_check_or_the_table_reader_raise(value):
    file = File("n.ipynb", "ipynb", json.dumps(value).encode())
    list(notebook.check(file, TEN))
    tables.tables(file)
    list(grid.plain(File("t.json", "json", file.content), TEN))
