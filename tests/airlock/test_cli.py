import json
from datetime import UTC, datetime

import pytest

from airlock import cli
from tests.airlock.house import SAFE, House
from tre.cli import run
from tre.governance import accounts
from tre.records import checkpoint
from tre.records.db import opened
from tre.show import as_json


@pytest.fixture
def home(settings):
    """A TRE of today: commands look at the clock."""
    records = opened(settings)
    yield House(records, settings, datetime.now(UTC))
    records.close()


@pytest.fixture
def airlock(home, monkeypatch, capsys):
    """Run one command line; return exit code, stdout and stderr."""
    monkeypatch.setenv("TRE_HOME", str(home.settings.home))

    def call(*words, code_of=None):
        words = [str(word) for word in words]
        if code_of:
            with home.records.read() as session:
                code = accounts.code_now(session, home.settings, code_of, datetime.now(UTC))
            words += ["--as", code_of, "--code", code]
        token = as_json.set(False)
        try:
            code = run(cli.app, words)
        finally:
            as_json.reset(token)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_a_request_goes_its_way_by_commands_alone(home, airlock, tmp_path, monkeypatch):
    home.put("table.csv")
    code, out, _ = airlock("request", "sunrise", "table.csv", "--why", "for the paper", code_of="ann")
    assert (code, "export request 1 is checking" in out) == (0, True)
    home.check(1)
    code, out, _ = airlock("show", 1, "--json")
    seen = json.loads(out)["manifest_sha256"]
    for person in ("bob", "carol"):
        assert airlock("vote", 1, "approve", "--reason", "clean", "--seen", seen[:16], code_of=person)[0] == 0
    assert airlock("release", 1)[0] == 0
    code, out, err = airlock("collect", 1, "--to", tmp_path / "r.zip", code_of="ann")
    assert code == 0, err
    (tmp_path / "key.pem").write_text(checkpoint.public_key(home.settings))
    code, out, _ = airlock("verify", tmp_path / "r.zip", "--key", tmp_path / "key.pem")
    assert (code, "all as signed" in out) == (0, True)
    content = bytearray((tmp_path / "r.zip").read_bytes())
    at = content.index(SAFE)
    content[at + 8] ^= 1
    (tmp_path / "r.zip").write_bytes(bytes(content))
    code, _, err = airlock("verify", tmp_path / "r.zip", "--key", tmp_path / "key.pem")
    assert code in {5, 6}
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("show", 99), 4),
        (("list", "--state", "gone"), 5),
        (("vote", 1, "perhaps", "--reason", "x", "--seen", "y", "--as", "bob", "--code", "1"), 5),
        (("vote", 1, "approve", "--reason", "x", "--seen", "y", "--as", "bob", "--code", "000000"), 3),
        (("request", "sunrise", "t.csv", "--why", "x", "--as", "nobody", "--code", "000000"), 3),
        (("release", 99), 4),
        (("verify", "/nowhere.zip"), 5),
        (("verify", "/etc/hostname", "--key", "/etc/hostname"), 5),
    ],
)
def test_a_fault_is_one_line_and_its_exit_code(airlock, words, code):
    got, _, err = airlock(*words)
    assert got == code
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1


def test_a_wrong_code_changes_nothing(home, airlock):
    request = home.in_review()
    code, _, _ = airlock(
        "vote", request, "approve", "--reason", "x", "--seen", home.manifest(request), "--as", "bob", "--code", "000000"
    )
    assert code == 3
    assert "export.vote" not in home.acts()


def test_a_code_works_for_one_vote(home, airlock):
    request = home.in_review()
    with home.records.read() as session:
        one = accounts.code_now(session, home.settings, "bob", datetime.now(UTC))
    words = ("--reason", "x", "--seen", home.manifest(request), "--as", "bob", "--code", one)
    assert airlock("vote", request, "approve", *words)[0] == 0
    assert airlock("comment", request, "hello", "--as", "bob", "--code", one)[0] == 3


def test_the_host_sees_a_request_but_not_how_an_undecided_vote_stands(home, airlock):
    request = home.in_review()
    home.vote(request, "bob")
    with home.act("person.suspend") as session:
        accounts.suspend(session, "ann", why="a test", actor="host/test", now=home.now)
    code, out, _ = airlock("show", request, "--json")
    assert code == 0
    assert json.loads(out)["votes_in"] == 1
    assert "bob" not in out
    assert airlock("show", request)[0] == 0


def test_requests_are_listed(home, airlock):
    assert airlock("list")[1] == "no export requests\n"
    home.submit()
    assert json.loads(airlock("list", "--json", "--project", "sunrise")[1])[0]["state"] == "checking"
    assert json.loads(airlock("list", "--json", "--state", "released")[1]) == []
