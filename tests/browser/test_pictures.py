"""Pictures in the documents are those that the browser tests take: none is missing, none is left over."""

import re

from tests.browser.chromium import LARGEST_PICTURE, PICTURES, TAKEN

ROOT = PICTURES.parents[1]


def test_every_picture_lies_there_that_the_tests_take_and_no_other():
    assert {file.name for file in PICTURES.iterdir()} == {f"{name}.png" for name in TAKEN}


def test_every_picture_of_the_readme_is_one_of_them():
    shown = re.findall(r"\(docs/screenshots/([^)]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert shown
    assert set(shown) <= {f"{name}.png" for name in TAKEN}


def test_pictures_are_small():
    assert all(file.stat().st_size < LARGEST_PICTURE for file in PICTURES.iterdir())
