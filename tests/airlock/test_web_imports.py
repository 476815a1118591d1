"""Files come into a project by the pages: a member sends them, an approver of another project looks and decides."""

import re

import pytest

from airlock import imports
from tests.airlock.web import an_airlock

SCRIPT = b"import pandas\nprint('<b>sure</b>')\n"


@pytest.fixture
def airlock(settings, now):
    with an_airlock(settings, now) as found:
        yield found


def bring(person, *files, project="sunrise", why="the script of the second analysis"):
    sent = [("files", (name, content, "application/octet-stream")) for name, content in files]
    return person._send("POST", "imports/new", {}, data={"project": project, "why": why}, files=sent)


def looked(airlock):
    imports.step(airlock.records, airlock.settings, now=airlock.clock())


def decide(airlock, person, at, **other):
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', airlock.sign_in("bob").get(f"imports/{at}").text)
    form = {"verdict": "approve", "reason": "plain code", "seen": seen[1] if seen else "", **other}
    return person.post(f"imports/{at}/vote", form | {"code": other.get("code") or airlock.code(person.name)})


def test_files_are_brought_looked_at_and_decided_on_pages(airlock):
    ann, bob, eve = (airlock.sign_in(name) for name in ("ann", "bob", "eve"))
    assert "Into which project" in ann.get("imports/new").text
    sent = bring(ann, ("second.py", SCRIPT), ("codes.csv", b"code,name\nA01,fever\n"))
    assert sent.status_code == 303, sent.text
    at = int(sent.headers["location"].rsplit("/", 1)[1])
    assert "have not finished" in ann.get(f"imports/{at}").text
    looked(airlock)
    assert f"imports/{at}" in bob.get("imports").text
    page = bob.get(f"imports/{at}").text
    assert "Your decision" in page
    assert "second.py" in page
    assert "A01" in page
    assert "<b>sure" not in page
    assert "&lt;b&gt;sure" in page
    got = bob.get(f"imports/{at}/files/0")
    assert (got.content, got.headers["content-disposition"]) == (SCRIPT, "attachment")
    assert [eve.get(path).status_code for path in (f"imports/{at}", f"imports/{at}/files/0")] == [404, 404]
    assert decide(airlock, bob, at).status_code == 303
    looked(airlock)
    assert f"/imports/{at}, read-only" in ann.get(f"imports/{at}").text
    assert (airlock.settings.imports / "sunrise" / str(at) / "second.py").read_bytes() == SCRIPT


def test_a_member_cannot_agree_to_what_comes_into_their_own_project(airlock):
    at = int(bring(airlock.sign_in("ann"), ("a.py", SCRIPT)).headers["location"].rsplit("/", 1)[1])
    looked(airlock)
    ann = airlock.sign_in("ann")
    assert "Your decision" not in ann.get(f"imports/{at}").text
    said = decide(airlock, ann, at)
    assert said.status_code == 409
    assert "not yours to decide" in said.text
    assert airlock.sign_in("eve").post(f"imports/{at}/vote", {"verdict": "approve"}).status_code == 404
    assert airlock.sign_in("eve").post(f"imports/{at}/withdraw").status_code == 404
    assert ann.post(f"imports/{at}/withdraw").status_code == 303
    assert decide(airlock, airlock.sign_in("bob"), at).status_code == 409


def test_what_is_missing_is_said_before_a_code_is_spent(airlock):
    at = int(bring(airlock.sign_in("ann"), ("a.py", SCRIPT)).headers["location"].rsplit("/", 1)[1])
    looked(airlock)
    bob, code = airlock.sign_in("bob"), airlock.code("bob")
    for wrong in ({"verdict": "perhaps"}, {"reason": " "}):
        said = decide(airlock, bob, at, code=code, **wrong)
        assert said.status_code == 422
        assert "a.py" in said.text
    assert decide(airlock, bob, at, code=code, seen="0" * 64).status_code == 403
    assert decide(airlock, bob, at).status_code == 303


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([], "choose at least one"),
        ([("../a.py", SCRIPT)], "name"),
        ([(".hidden.py", SCRIPT)], "begins with a point"),
        ([("a.py", SCRIPT), ("A.py", SCRIPT)], "same name"),
        ([("a.py", b"")], "0 bytes"),
    ],
)
def test_files_that_cannot_be_taken_are_told_on_the_form(airlock, files, says):
    said = bring(airlock.sign_in("ann"), *files, why="kept & shown")
    assert said.status_code in {403, 422}
    assert says in said.text
    assert "kept &amp; shown" in said.text
    assert not airlock.sign_in("ann").get("imports").text.count("Import 1")


def test_nobody_brings_into_a_project_of_others_nor_more_than_fits(airlock):
    eve = airlock.sign_in("eve")
    assert bring(eve, ("a.py", SCRIPT)).status_code == 403
    assert bring(airlock.sign_in("bob"), ("a.py", SCRIPT)).status_code == 403
    large = bring(eve, ("a.py", b"#" * (imports.LARGEST + 1)), project="dusk")
    assert large.status_code == 413
    assert "smaller files" in large.text
    assert bring(airlock.nobody(), ("a.py", SCRIPT)).status_code in {302, 401, 403}
