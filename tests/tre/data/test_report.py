"""The page of an extract: whole by itself, and silent about the few."""

import json
from dataclasses import asdict
from html.parser import HTMLParser

import pandas as pd
import pytest

from tests.tre.data import made
from tests.tre.data.test_risk import assessed
from tre.data import report
from tre.data.deid import label
from tre.data.deid import plan as plans

FRAME = pd.DataFrame(
    [("m", "old", "a")] * 40 + [("f", "old", "b")] * 33 + [("f", "young", "a")] * 7 + [("m", "young", "b")] * 3,
    columns=["sex", "age", "outcome"],
)
LABEL = json.loads(label.of(plans.parse(made.PLAN)).to_json())
FOUND = {
    "leaks": {
        "identifiers": 1234, "columns": ["t.note"], "cells": 99, "not_searched": [],
        "found": [{"table": "t", "column": "note<b>", "cells": 7, "how": "an identifier of a person"}],
    },
    "search": {
        "found": [{"file": "x.parquet", "how": "base64", "places": 2}], "unread": ["y.bin: cut short"], "files": 4,
    },
    "short": {"found": [["z.csv", 3]]},
}  # fmt: skip


def a_report(*, smallest=5, frame=FRAME, **more):
    found = assessed(frame, ["sex", "age"], ["outcome"], smallest=smallest)
    return json.loads(json.dumps({"risk": asdict(found), "passed": found.passed, **more}))


class Tags(HTMLParser):
    """The tags and attributes of a page, and what is left open."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "rect", "line"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else():
    text = report.page(a_report(**FOUND), LABEL)
    page = Tags(text)
    assert not page.open
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in page.tags}
    assert not [name for _, attrs in page.tags for name in attrs if name in {"href", "src"} or name.startswith("on")]
    assert "url(" not in text


def test_what_is_named_in_a_report_is_text_on_the_page():
    assert "note<b>" not in report.page(a_report(**FOUND), LABEL, title="<b>x</b>").replace("note&lt;b&gt;", "")
    assert "<b>x</b>" not in report.page(a_report(**FOUND), LABEL, title="<b>x</b>")


def test_an_extract_that_did_not_pass_says_what_to_do():
    text = report.page(a_report(**FOUND), LABEL)
    for step in (
        "A group has fewer than 5 persons.", "coarser in the plan first",
        "t.note&lt;b&gt; holds an identifier of a person",
        "x.parquet holds identifiers of persons (base64)", "y.bin: cut short: it was not searched", "z.csv holds short",
    ):  # fmt: skip
        assert step in text, step
    passed = report.page(a_report(smallest=3), LABEL)
    assert "What to do" not in passed
    assert "It passed every check" in passed


def test_no_number_of_few_persons_is_told():
    """Three young men: nowhere is it told that they are three, nor by what the other sizes leave over."""
    said = report.public(a_report(smallest=5))["risk"]
    assert (said["k"], said["below"], said["maximum"]) == ("fewer than 5", "fewer than 5", "above 0.2")
    assert said["sizes"] == [
        ["fewer than 5", "some", "fewer than 5"], ["5-9", "some", "some"], ["10-24", 0, 0],
        ["25-49", "some", "70 or more"], ["50 and more", 0, 0],
    ]  # fmt: skip
    numbers = {each["k"] for each in said["choices"]} | {each["below"] for each in said["choices"]}
    assert not {one for one in numbers if isinstance(one, int)} & {1, 2, 3, 4}


def test_the_length_of_a_bar_does_not_tell_few_persons_apart():
    pages = []
    for few in (2, 3, 4):  # one alone is told as one of fewer than five who are alone
        frame = pd.concat([FRAME.iloc[:80], FRAME.iloc[80:81].loc[lambda f, n=few: f.index.repeat(n)]])
        text = report.page(a_report(frame=frame), LABEL)
        pages.append([attrs for tag, attrs in Tags(text).tags if tag == "rect" and attrs["class"] == "low"])
    assert pages[0]
    assert all(one == pages[0] for one in pages[1:])


def test_an_older_report_still_has_its_page():
    old = {"risk": {"persons": 60, "k": 30, "uniques": 0, "below": 0, "classes": 2, "average": 0.03, "smallest": 5,
                    "quasi_identifiers": ["people.sex"], "sensitive": {}}, "passed": True}  # fmt: skip
    assert "It passed every check" in report.page(old, {})


def test_the_json_is_the_page_for_machines():
    assert json.loads(report.to_json(a_report()))["risk"]["k"] == "fewer than 5"


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_its_window(chromium, tmp_path, width):
    path = tmp_path / "report.html"
    path.write_text(report.page(a_report(**FOUND), LABEL, title="actg175 for sunrise"), "utf-8")
    page = chromium.new_page(viewport={"width": width, "height": 800})
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()
