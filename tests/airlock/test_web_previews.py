"""What is shown of a file: all of it, page by page, and nothing of it as anything but text or pixels."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.checks.kinds import KINDS
from airlock.pages import previews
from airlock.pages.previews import Pointed
from tests.airlock.web import PNG


def _texts(row):
    return ["".join(text for text, _ in cell.parts) for cell in row.cells]


def _flags(view):
    return {
        (row.number, at)
        for row in (view.head, *view.rows)
        for at, cell in enumerate(row.cells, 1)
        if cell.flag or row.flag
    }


@pytest.mark.parametrize(
    ("where", "flagged"),
    [
        ("column 2, row 1", {(1, 2)}),
        ("column n, row 2", {(2, 2)}),
        ("column 1, row 0", {(0, 1)}),
        ("column 2", {(0, 2), (1, 2), (2, 2), (3, 2)}),
        ("row 3", {(3, 1), (3, 2)}),
        ("line 1", {(0, 1), (0, 2)}),
        ("line 3", {(1, 1), (1, 2)}),
        ("line 4", {(2, 1), (2, 2)}),
        ("line 5", {(2, 1), (2, 2)}),
        ("file", set()),
        ("column 9, row 9", set()),
    ],
)
def test_a_finding_marks_what_it_points_at(where, flagged):
    view = previews.of("csv", b'arm,n\n\nA,3\n"B\nC",40\nD,5\n', wheres=[Pointed(where)])
    assert _flags(view) == flagged


def test_a_long_table_is_shown_to_its_last_row():
    content = b"n\n" + b"".join(b"%d\n" % i for i in range(1, 451))
    shown = [
        text
        for first in (0, 200, 400)
        for row in previews.of("csv", content, wheres=(), first=first).rows
        for text in _texts(row)
    ]
    assert shown == [str(i) for i in range(1, 451)]


def test_a_long_text_is_shown_to_its_last_line():
    content = b"".join(b"line %d\n" % i for i in range(1, 1201))
    seen = [row for first in (0, 500, 1000) for row in previews.of("txt", content, wheres=(), first=first).rows]
    assert [row.number for row in seen] == list(range(1, 1201))


def test_a_cell_that_is_cut_says_how_much_is_missing():
    view = previews.of("csv", b"n\n" + b"x" * 1000 + b"\n", wheres=())
    assert _texts(view.rows[0])[0].endswith("and 600 signs more")


@pytest.mark.parametrize("sign", ["\u202e", "\u200b", "\u2066", "\ufeff", "\u00ad", "\u2028", "\ue000"])
def test_a_sign_that_cannot_be_seen_is_named(sign):
    assert (f"U+{ord(sign):04X}", True) in previews.visible(f"a{sign}b")


def test_a_notebook_is_shown_by_its_cells_and_whole():
    book = {"cells": [{"cell_type": "code", "source": ["a = 1\n", "b = 2"]}], "nbformat": 4, "secret": "kept"}
    view = previews.of("ipynb", json.dumps(book, indent=1).encode(), wheres=())
    assert [(kind, [_texts(row)[0] for row in rows]) for kind, rows in view.cells] == [("code", ["a = 1", "b = 2"])]
    assert any("secret" in _texts(row)[0] for row in view.rows)


@pytest.mark.parametrize("content", [b"{}", b"[1]", b'{"cells": 3}', b'{"cells": [{}]}', b"not json", b"[" * 100_000])
def test_what_is_no_notebook_is_shown_as_text(content):
    assert previews.of("ipynb", content, wheres=()).how == "text"


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("png", b"<svg/>"),
        ("csv", b"\x00\x01"),
        ("txt", b"\xff\xfe"),
        ("raw", b"x"),
        ("unknown", b"x"),
        ("csv", b"\n\n"),
    ],
)
def test_bytes_that_are_not_of_their_kind_are_not_shown(kind, content):
    assert previews.of(kind, content, wheres=()).how == "none"


def test_a_picture_is_a_picture():
    assert previews.of("png", PNG, wheres=()).how == "picture"


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(KINDS), st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_no_bytes_break_a_preview(kind, content):
    view = previews.of(kind, content, wheres=[Pointed("column 1, row 1"), Pointed("line 2")])
    assert view.how in {"table", "text", "notebook", "picture", "none"}


@given(st.text(max_size=200))
def test_what_is_visible_loses_nothing(text):
    spelt = "".join(chr(int(f"0x{part[2:]}", 0)) if unseen else part for part, unseen in previews.visible(text))
    assert spelt == text
