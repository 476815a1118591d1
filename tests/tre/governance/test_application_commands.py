"""An application goes its whole way on the command line: from a file to a project, each step by whoever may take it."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from policies.facts import Role
from tests.builders import HOST, a_committee, a_dataset, a_person
from tests.tre.governance.test_applications import FULL
from tre import show
from tre.cli import build, run
from tre.governance import accounts
from tre.records import audit
from tre.records.db import opened

UNTIL = f"{datetime.now(UTC) + timedelta(days=300):%Y-%m-%d}"


@pytest.fixture
def database():
    """One database is enough here."""
    return ""


@pytest.fixture
def home(settings):
    """Records with ann and ben, a dataset, a committee of two and its chair iris."""
    records, now = opened(settings), datetime.now(UTC)
    with records.act(HOST, "test.build", "home") as session:
        for name in ("ann", "ben"):
            a_person(session, name, settings=settings, now=now)
        a_person(session, "iris", Role.COMMITTEE, Role.CHAIR, settings=settings, now=now)
        a_committee(session, settings=settings, now=now)
        a_dataset(session, "trial", now=now)
    yield records
    records.close()


@pytest.fixture
def tre(settings, home, monkeypatch, capsys):
    """Run one command of `tre application`; with a person's name before it, confirmed by their code."""
    monkeypatch.setenv("TRE_HOME", str(settings.home))

    def call(*words, by="", coded=True):
        more = ["--as", by] if by else []
        if by and coded:
            free_codes(home, by)
            with home.read() as session:
                more += ["--code", accounts.code_now(session, settings, by, datetime.now(UTC))]
        token = show.as_json.set(False)
        try:
            status = run(build(), ["application", *map(str, words), *more, "--json"])
        finally:
            show.as_json.reset(token)
        out, err = capsys.readouterr()
        return status, json.loads(out) if status == 0 else err

    return call


def free_codes(home, name):
    """Let the code that is shown now be used again: a test does not wait for the next one."""
    with home.act(HOST, "test.code", f"person/{name}") as session:
        accounts.person(session, name).totp_step = 0
        audit.append(session, "test.code", actor=HOST, subject=f"person/{name}")


@pytest.fixture
def form(tmp_path):
    path = tmp_path / "form.json"

    def write(**more):
        path.write_text(json.dumps(FULL | {"until": UNTIL} | more))
        return path

    return write


def done(answer):
    status, said = answer
    assert status == 0, said
    return said


def test_an_application_goes_from_a_file_to_a_project(tre, form, tmp_path):
    assert done(tre("new", "--form", form(title=""), by="ann", coded=False))["state"] == "draft"
    (tmp_path / "more.toml").write_text('title = "Does it help"\n')
    done(tre("edit", 1, "--form", tmp_path / "more.toml", "--edition", 1, by="ann", coded=False))
    done(tre("accept", 1, by="ben"))
    assert done(tre("submit", 1, by="ann", coded=False))["turn"] == ["erin", "frank", "iris"]
    assert done(tre("triage", 1, by="erin"))["state"] == "in_review"
    for name in ("erin", "frank", "iris"):
        done(tre("declare", 1, by=name))
    for name in ("erin", "frank"):
        done(tre("vote", 1, "approve", "--reason", "r", by=name))
    assert done(tre("list", "--waiting"))[0]["whose"] == "iris"
    decided = done(tre("decide", 1, "--until", UNTIL, "--before", "a contract", by="iris"))
    assert decided["state"] == "approved_pending"
    assert "a contract (before it begins; open)" in done(tre("show", 1))["to_meet"][0]
    done(tre("evidence", 1, "signed on Monday", by="ann", coded=False))
    assert done(tre("condition", 1, by="frank"))["state"] == "active"
    done(tre("suspend", 1, "--why", "a question", by="iris"))
    done(tre("resume", 1, "--why", "answered", by="iris"))
    child = done(tre("amend", 1, by="ann", coded=False))
    assert (child["application"], child["state"]) == (2, "draft")
    done(tre("withdraw", 2, by="ann", coded=False))
    assert [one["state"] for one in done(tre("list"))] == ["active", "withdrawn"]


def test_a_draft_that_is_not_complete_says_everything_in_one_line(tre, form):
    done(tre("new", "--form", form(until="2020-01-01", members=["ann", "nobody"]), by="ann", coded=False))
    status, said = tre("submit", 1, by="ann", coded=False)
    assert status == 5
    assert "is past" in said
    assert "no person 'nobody'" in said
    assert said.count("\n") == 1
    assert len(done(tre("show", 1))["missing"]) == 2


def test_a_second_editor_is_told_who_saved(tre, form, tmp_path):
    done(tre("new", "--form", form(), by="ann", coded=False))
    path = tmp_path / "other.json"
    path.write_text('{"purpose": "another"}')
    done(tre("edit", 1, "--form", path, "--edition", 1, by="ben", coded=False))
    status, said = tre("edit", 1, "--form", path, "--edition", 1, by="ann", coded=False)
    assert status == 3
    assert "ben saved this form" in said


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b'{"nothing": 1}'])
def test_a_file_that_is_no_form_is_one_line(tre, tmp_path, content):
    path = tmp_path / "form.json"
    path.write_bytes(content)
    status, said = tre("new", "--form", path, by="ann", coded=False)
    assert (status, said.count("\n")) == (5, 1)


def test_the_diagram_is_drawn(tre):
    assert done(tre("diagram"))["mermaid"].startswith("stateDiagram-v2")
