"""A program brings files, an approver decides by a program: as much as the verbs allow, and no more."""

import base64

import pytest

from airlock import imports
from tests.airlock.web import an_airlock

CODE = b"print(1)\n"


@pytest.fixture
def airlock(settings, now):
    with an_airlock(settings, now) as found:
        yield found


def bring(content, name="a.py"):
    return {"project": "sunrise", "why": "code", "files": [{"name": name, "content": content}]}


def test_an_import_goes_its_way_by_calls(airlock):
    ann, bob, eve = (airlock.sign_in(name) for name in ("ann", "bob", "eve"))
    made = ann.call("POST", "imports", bring(base64.b64encode(CODE * 40_000).decode()))
    assert made.status_code == 201, made.text
    at = made.json()["id"]
    imports.step(airlock.records, airlock.settings, now=airlock.clock())
    assert eve.call("GET", f"imports/{at}").status_code == 404
    assert bob.call("GET", f"imports/{at}/files/0").content == CODE * 40_000
    seen = bob.call("GET", f"imports/{at}").json()
    vote = {"verdict": "approve", "reason": "plain", "manifest_sha256": seen["manifest_sha256"]}
    assert bob.call("POST", f"imports/{at}/vote", vote | {"code": "000000"}).status_code != 200
    said = bob.call("POST", f"imports/{at}/vote", vote | {"code": airlock.code("bob")})
    assert (said.status_code, said.json()["state"]) == (200, "approved"), said.text
    assert ann.call("GET", "imports").json()["own"][0]["id"] == at
    assert ann.call("POST", "imports", bring("not base64!")).status_code == 422
    assert ann.call("POST", "imports", bring("A" * (imports.LARGEST + 1))).status_code == 413
