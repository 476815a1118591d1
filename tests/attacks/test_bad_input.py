"""What is made to break the airlock goes the whole way through it, and ends as a finding or a refusal in words."""

import gzip
import io
import json
import os
import struct
import zipfile
import zlib
from datetime import UTC, datetime
from time import monotonic

import pytest

from airlock import outbox, requests, staging
from airlock.states import State
from tests.airlock.house import SAFE, House
from tre.errors import TREError, Unreadable
from tre.records import schema
from tre.records.db import opened
from tre.settings import load

LONGEST = 30.0
"""Seconds that one file may hold up the checks."""
LARGEST = 16_000_000


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    settings = load(tmp_path_factory.mktemp("bad") / "home")
    schema.initialise(settings)
    records = opened(settings)
    yield House(records, settings, datetime(2026, 11, 2, 9, tzinfo=UTC))
    records.close()


def sent(home, name, content, about=None) -> tuple[str, str]:
    """Send a file the whole way; return where it ended and all that was said of it."""
    home.later(hours=1)
    place = home.put(name, content)
    said = {name: about} if about is not None else None
    try:
        files = requests.ready(
            home.records, home.settings, person="ann", project="sunrise", paths=[name], now=home.now, about=said
        )
        with home.act("export.submit", "ann", "project/sunrise") as session:
            request = requests.submit(
                session, home.settings, project="sunrise", person="ann", why="x", now=home.now, ready=files
            ).id
    except TREError as error:
        return "refused", " ".join([str(error), *getattr(error, "remedies", ())])
    finally:
        place.unlink()
    begun = monotonic()
    home.check(request)
    assert monotonic() - begun < LONGEST
    found = home.findings(request)
    assert not any("\n" in where + message for _, _, where, message in found)
    blocks = [f"{check}: {message}" for check, severity, _, message in found if severity == "block"]
    unread = any(each.startswith("rewrite:") for each in blocks)
    assert unread or not any("did not run" in each for each in blocks), found
    state = home.state(request)
    assert (state is State.RETURNED) == bool(blocks)
    return str(state), "; ".join(blocks)


def zipped(**members) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def bomb() -> bytes:
    """Sixteen archives in each of sixteen in each of sixteen: 16 GB when unpacked."""
    content = bytes(4_000_000)
    for _ in range(3):
        content = zipped(**{f"{n}.zip": content for n in range(16)})
    return content


def laughs(root: str) -> bytes:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    return f'<?xml version="1.0"?><!DOCTYPE {root} [<!ENTITY a0 "ha">{entities}]><{root}>&a11;</{root}>'.encode()


def workbook() -> bytes:
    names = ("[Content_Types].xml", "xl/workbook.xml", "xl/sharedStrings.xml", "xl/worksheets/sheet1.xml")
    return zipped(**dict.fromkeys(names, laughs("worksheet")))


def png(width: int, height: int) -> bytes:
    def chunk(name: bytes, said: bytes) -> bytes:
        return struct.pack(">I", len(said)) + name + said + struct.pack(">I", zlib.crc32(name + said))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels + chunk(b"IEND", b"")


BAD = [
    ("nest.csv", bomb(), "refused", "ZIP"), ("nest.zip", bomb(), "refused", "archive"),
    ("figure.svg", laughs("svg"), "refused", "does not leave"), ("book.xlsx", workbook(), "refused", "xlsx"),
    ("gz.csv", gzip.compress(bytes(50_000_000)), "refused", "gzip"),
    ("huge.png", png(60_000, 60_000), "returned", "pixels"), ("no.png", png(0, 5), "returned", "picture"),
    ("line.csv", b"1" * 400_000, "returned", "written anew"),
    ("head.csv", b"a" * 100_000 + b",n\n0,30\n1,30\n", "returned", "400 signs"),
    ("long.csv", b"sex,n\n0," + b"9" * 5000 + b"\n", "returned", "400 signs"),
    ("spaces.csv", b"sex,n\n" + b" " * 200_000 + b"0,30\n", "returned", "written anew"),
    ("rows.csv", b"sex,n\n" + b"0,30\n" * 20_000, "returned", "20000 rows"),
    ("open.csv", b'sex,n\n"0,30\n1,30\n', "returned", "quotes"), ("nul.csv", b"sex,n\n0\x00,30\n", "refused", "R20"),
    ("utf32.csv", "sex,n\n0,30\n".encode("utf-32"), "refused", "UTF-8"),
    ("nan.json", b'{"n": NaN}', "returned", "NaN"),
    ("cells.ipynb", b'{"cells": [{"cell_type": {}, "source": [1, {}]}], "nbformat": 4}', "returned", "cell"),
    ("comma.csv", b'sex,n,m\n0,30,"3,5"\n1,30,4.5\n', "returned", "decimal comma"),
    ("bidi.csv", "sex\u202e,n\n0,30\n".encode(), "returned", "direction"),
    ("call.csv", b"sex,n\n=cmd|' /C calc'!A0,30\n", "returned", "spreadsheet"),
    ("bom.csv", b"\xef\xbb\xbf", "returned", "header"),
    ("commas.csv", b",,,,\n,,,,\n", "returned", "one name"),
    ("nothing.csv", b"sex,n\n", "in_review", ""), ("word.csv", b"x", "in_review", ""),
    ("numbers.csv", b"sex,n,mean_age\n0,NaN,-inf\n1,-0,1e400\n", "in_review", ""),
    ("marks.csv", b"\xef\xbb\xbf\xef\xbb\xbfsex,n\n\xef\xbb\xbf0,30\n1,30\n", "in_review", ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "ends", "word"), BAD, ids=[name for name, *_ in BAD])
def test_a_file_that_is_made_to_break_ends_in_words(home, name, content, ends, word):
    ended, said = sent(home, name, content)
    assert (ended, word in said, "\n" in said) == (ends, True, False), said


# --- the outbox -------------------------------------------------------------------------------------------------------
def test_a_line_of_a_gigabyte_is_refused_in_one_line_before_it_is_read(home):
    place = home.outbox / "line.csv"
    with place.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 30)
    begun = monotonic()
    with pytest.raises(Unreadable, match="1073741824 bytes; the largest that may leave has 16000000"):
        home.ask("line.csv")
    assert monotonic() - begun < 1
    place.unlink()


def test_an_outbox_of_more_files_than_are_looked_at_is_listed_in_part(home):
    home.later(days=1)
    folder = home.outbox / "many"
    folder.mkdir()
    first = folder / "0.csv"
    first.touch()
    made = 1
    while made < 25_000:
        try:
            os.link(first, folder / f"{made}.csv")
        except OSError:  # one file has as many names as its file system lets it
            first = folder / f"{made}.csv"
            first.touch()
        made += 1
    home.put("result.csv")
    begun = monotonic()
    assert len(outbox.listing(home.settings, "sunrise", "ann")) == outbox.MOST
    assert monotonic() - begun < 5
    assert home.state(home.ask("result.csv")) is State.CHECKING


def test_folders_in_folders_are_not_followed_for_ever(home):
    at = os.open(home.outbox, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d", dir_fd=at)
        deeper = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = deeper
    os.close(at)
    assert outbox.listing(home.settings, "sunrise", "ann")
    with pytest.raises(TREError):
        home.ask("/".join("d" * 60) + "/t.csv")


@pytest.mark.parametrize(
    "name", ["\udcff.csv", "a\x07.csv", "a\u2066b.csv", "a\u00ad.csv", "a\u2028b.csv", "\ufeffa.csv", "\ue000.csv"]
)
def test_a_name_with_signs_that_cannot_be_seen_is_refused(home, name):
    with pytest.raises(Unreadable) as refused:
        home.ask(name)
    assert str(refused.value).isascii()
    assert str(refused.value).isprintable()


def test_two_names_that_look_alike_do_not_leave_as_one(home):
    composed, apart = "\u00e9.csv", "e\u0301.csv"
    for name in (composed, apart):
        home.put(name)
    with pytest.raises(Unreadable, match="NFC"):
        home.ask(composed, apart)
    assert staging.named(composed) == composed


# --- what is said of it -----------------------------------------------------------------------------------------------
def made(**said) -> dict:
    first = {"dataset": "trial", "version": 1, "table": "visits", "dimensions": ["sex"], "measures": {"n": "persons"}}
    return {"kind": "table", "made": {**first, **said}}


def nested(levels: int) -> dict:
    said = {}
    for _ in range(levels):
        said = {"x": said}
    return {"kind": "regression", "more": said}


LIES = [
    (made(dataset="other"), "returned", "dataset"), (made(version=99), "returned", "version"),
    (made(table="../../etc/passwd"), "returned", "table"), (made(dimensions=["nope"]), "returned", "dimensions"),
    (made(measures={"n": "mean(person)"}), "returned", "mean"), (made(measures={}), "returned", "measures"),
    (made(measures={"n": "percentile(age, " + "9" * 3000 + ")"}), "returned", "percentile"),
    (made(measures={"n": "sum(age) from read_text('/etc/passwd')"}), "returned", "sum"),
    (made(measures={"n": "proportion(" + "(" * 1500 + ")"}), "returned", "parentheses"),
    (made(cohort="1=1; drop table visits"), "returned", "cohort"), (made(cohort="a" * 1_000_000), "refused", "4000"),
    (made(cohort="(" * 2000 + "age=1"), "returned", "parentheses"),
    (made(cohort="'" + "a'" * 1900), "returned", "cohort"),
    (made(cohort=f"age in ({','.join(str(n) for n in range(900))})"), "returned", "numbers"),
    (made(cohort="".join(f"(age={n} or " for n in range(38)) + "age=99" + ")" * 38), "returned", "numbers"),
    (made(cohort="age=1\0"), "refused", "cohort"), (made(cohort="arm='\ud800'"), "refused", "no text"),
    (made(round_to=2**31 - 1, suppress_below=2**31 - 1), "returned", "numbers"),
    (made(version=2**40), "refused", "version"), (made(version=True), "refused", "version"),
    ({"kind": ["table"]}, "refused", "kind"), ({"made": [1]}, "refused", "made"), ({"x": 1}, "refused", "no field"),
    ({"kind": "table", "context": "\udfff"}, "refused", "no text"), (nested(400), "refused", "in each other"),
    ({"kind": "model", "more": {"persons": float("inf")}}, "refused", "more"),
    ({"kind": "model", "more": {"persons": float("nan")}}, "refused", "more"),
    ({"kind": "regression", "more": {"outcome": "\ud800"}}, "refused", "more"),
    ({"kind": "regression", "more": {"outcome": "y" * 2_000_000}}, "refused", "65536"),
    ({"kind": "regression", "more": {"outcome": ["age"], "table": 5, "dataset": {"a": 1}}}, "returned", "regression"),
    ({"kind": "survival", "more": {"time": [], "table": {}}}, "returned", "survival"),
]  # fmt: skip


@pytest.mark.parametrize(("about", "ends", "word"), LIES, ids=[str(at) for at, _ in enumerate(LIES)])
def test_a_manifest_that_lies_ends_in_words(home, about, ends, word):
    ended, said = sent(home, "t.csv", SAFE, about)
    assert (ended, word in said, "\n" in said) == (ends, True, False), said


def test_a_number_beyond_all_floats_is_no_number(home):
    said = made(measures={"n": "persons", "m": "mean(age)"})
    ended, why = sent(home, "t.csv", b"sex,n,m\n0,30,1e999\n1,31,0e-999\n", said)
    assert (ended, "cannot be read as numbers" in why) == ("returned", True), why


@pytest.mark.parametrize(
    "written",
    [
        b"[" * 100_000, b"\xff\xfe", b'{"kind": "table", "made": []', b"null", b"[1]", b'"x"', b"1e999",
        json.dumps(nested(900)).encode(), b'{"kind": "table", "context": "\\ud800"}', b"\xef\xbb\xbf{}",
        b'{"kind": "model", "more": {"n": NaN}}', b'{"kind": "model", "more": {"n": ' + b"9" * 5000 + b"}}",
        b" " * 70_000 + b"{}",
    ],
)  # fmt: skip
def test_a_description_beside_a_file_that_is_none_counts_as_none(home, written):
    home.put("t.csv")
    home.put("t.csv.about.json", written)
    assert outbox.about_of(home.settings, "sunrise", "ann", "t.csv") == {}
    home.later(hours=1)
    with home.act("export.submit", "ann", "project/sunrise") as session:
        requests.submit(session, home.settings, project="sunrise", person="ann", paths=["t.csv"], why="x", now=home.now)
