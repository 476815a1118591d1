"""The register is for everybody, and says of a project what everybody may know."""

import json

import pytest

from tests.committee_house import FORM, furnish, walk
from tests.hub import a_hub
from tre.rooms.pages import register


@pytest.fixture(scope="module")
def hub():
    with a_hub(furnish) as made:
        walk(made, "active", project="sunrise")
        walk(made, "in_review", project="asked-only", title="Only asked for")
        register._last.clear()
        yield made


@pytest.fixture
def stranger(hub):
    return hub.stranger()


def test_nobody_needs_to_sign_in(stranger):
    answer = stranger.page("/hub/register")
    assert answer.status_code == 200
    assert str(answer.url).endswith("/hub/register")
    assert FORM["title"] in answer.text
    assert FORM["lay_summary"] in answer.text
    assert "Sign in" in answer.text


def test_what_was_only_asked_for_is_not_public(stranger):
    assert "Only asked for" not in stranger.page("/hub/register").text
    assert "asked-only" not in stranger.page("/hub/register.json").text


def test_no_person_is_named_who_did_not_agree(stranger):
    for path in ("/hub/register", "/hub/register.json"):
        text = stranger.page(path).text
        assert [name for name in ("Ann Tester", "Ben Tester", "Erin Tester") if name in text] == []


def test_machines_read_the_same(stranger):
    answer = stranger.page("/hub/register.json")
    assert answer.headers["Content-Type"].startswith("application/json")
    found = json.loads(answer.text)
    assert [one["name"] for one in found["projects"]] == ["sunrise"]
    assert found["projects"][0]["datasets"] == ["trial"]
    assert {"ancestry", "registry", "trial"} == {one["name"] for one in found["datasets"]}


@pytest.mark.parametrize(
    ("words", "there"), [("relapse", False), ("early", True), ("TRIAL sunrise", True), ("<b>", False)]
)
def test_words_narrow_it(stranger, words, there):
    page = stranger.http.get(f"{stranger.hub}/hub/register", params={"q": words}).text
    assert ('id="project-sunrise"' in page) is there
    assert "<b>" not in page


def test_it_changes_nothing(stranger):
    assert stranger.http.post(f"{stranger.hub}/hub/register").status_code in {403, 405}


def test_all_other_pages_of_the_committee_stay_shut(stranger):
    for path in ("/hub/applications", "/hub/committee", "/hub/applications/1"):
        assert "/hub/login" in str(stranger.page(path).url)
