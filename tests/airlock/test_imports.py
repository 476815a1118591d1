"""What is brought into a project: looked through, agreed to by one other, and there once, read-only."""

import json
import shutil
from datetime import UTC, datetime

import pytest

from airlock import brought, clamd, cli, imports
from airlock.states import ImportState, Verdict
from airlock.tables import ImportRow
from tests.airlock.house import IDENTIFIER, House
from tre.cli import run
from tre.errors import NotFound, Refused, StepRefused, Unreadable
from tre.governance import accounts, projects
from tre.records.db import opened
from tre.settings import load
from tre.show import as_json

CODE = b"import polars as pl\n\nprint(pl.read_parquet('/data/trial/visits.parquet').height)\n"
NOTEBOOK = json.dumps(
    {
        "cells": [
            {
                "cell_type": "code", "metadata": {}, "source": "1 + 1", "execution_count": 3,
                "outputs": [{"output_type": "stream", "name": "stdout", "text": "kept inside"}],
            }
        ],
        "metadata": {}, "nbformat": 4, "nbformat_minor": 5,
    }
).encode()  # fmt: skip
CODES = b"code,label\n" + b"".join(b"I%04d,disease %d\n" % (at, at) for at in range(6000))


@pytest.fixture(scope="module")
def home(made_home, tmp_path_factory):
    """One house for all: each test asks for imports of its own."""
    settings = load(shutil.copytree(made_home, tmp_path_factory.mktemp("imports") / "home"))
    records = opened(settings)
    yield House(records, settings, datetime.now(UTC))
    records.close()


@pytest.fixture(autouse=True)
def tomorrow(home):
    home.later(days=1)  # a person may ask for some imports a day, and no more


def ask(home, files=None, person="ann", project="sunrise"):
    kept = imports.keep(home.settings, {"lib/model.py": CODE}.items() if files is None else files.items())
    with home.act("import.submit", person, f"project/{project}") as session:
        return imports.submit(session, project=project, person=person, files=kept, why="to work with", now=home.now).id


def row(home, number):
    with home.records.read() as session:
        return session.get_one(ImportRow, number)


def asked(home, files=None):
    number = ask(home, files)
    imports.step(home.records, home.settings, now=home.now)
    return number


def vote(home, number, person="bob", verdict=Verdict.APPROVE, *, seen=None, second_factor=True):
    with home.act("import.vote", person, f"import/{number}") as session:
        imports.vote(
            session, number=number, person=person, verdict=verdict, reason="harmless",
            seen=row(home, number).manifest_sha256 if seen is None else seen, second_factor=second_factor, now=home.now,
        )  # fmt: skip


def findings(home, number):
    return [(one["check"], one["severity"]) for each in json.loads(row(home, number).findings) for one in each]


def place(home, number):
    return imports.folder(home.settings, row(home, number))


def test_what_one_other_agreed_to_lies_read_only_in_the_rooms(home):
    number = asked(home, {"lib/model.py": CODE, "codes.csv": CODES, "start.ipynb": NOTEBOOK})
    assert row(home, number).state == ImportState.IN_REVIEW, row(home, number).findings
    assert not place(home, number).exists()
    vote(home, number)
    assert imports.step(home.records, home.settings, now=home.now) == 1
    at = place(home, number)
    assert (at / "lib/model.py").read_bytes() == CODE
    assert (at / "codes.csv").read_bytes() == CODES
    assert b"kept inside" not in (at / "start.ipynb").read_bytes()
    modes = {path.relative_to(at).as_posix(): path.stat().st_mode & 0o777 for path in (at, *at.rglob("*"))}
    assert modes == {".": 0o555, "lib": 0o555, "lib/model.py": 0o444, "codes.csv": 0o444, "start.ipynb": 0o444}
    assert {path.stat().st_uid for path in (at, *at.rglob("*"))} == {0}
    assert row(home, number).arrived_at == home.now
    assert imports.step(home.records, home.settings, now=home.now) == 0
    assert [act for act in home.acts() if act.startswith("import.")][-4:] == [
        "import.submit", "import.check", "import.vote", "import.arrive",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "files",
    [
        {"people.txt": b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n"},
        {"who.csv": f"code,name\n{IDENTIFIER},somebody\n".encode()},
        {"broken.json": b"{not json"},
        {"broken.ipynb": b"{}"},
    ],
)
def test_what_names_people_or_is_not_what_it_says_does_not_come_in(home, files):
    number = asked(home, files)
    assert row(home, number).state == ImportState.RETURNED
    assert "block" in {severity for _, severity in findings(home, number)}
    with pytest.raises(StepRefused):
        vote(home, number)


@pytest.mark.parametrize(
    "files",
    [{"a.exe": b"MZ"}, {"a.py": b"\x7fELF\0\0"}, {"a.parquet": b"PAR1 no PAR2"}, {"a.pkl": b"\x80\x04."}, {"a": CODE}],
)
def test_what_is_of_no_known_kind_is_not_even_looked_at(home, files):
    with pytest.raises(Refused, match="R34"):
        ask(home, files)


@pytest.mark.parametrize(
    "files",
    [
        {}, {"../x.py": CODE}, {"/etc/x.py": CODE}, {".hidden.py": CODE}, {"a/.git/x.py": CODE}, {"x.py": b""},
        {"a.py": CODE, "A.py": CODE}, {"x.py": b"", "y.py": CODE}, {"a.py": CODE, "a.py/b.py": CODE},
        {"x\u202e.py": CODE}, {f"{at}.py": CODE for at in range(21)},
    ],
)  # fmt: skip
def test_names_that_lead_elsewhere_and_too_much_are_refused(home, files):
    with pytest.raises((Unreadable, Refused)):
        imports.keep(home.settings, files.items())


def test_a_file_that_is_too_large_is_refused(home):
    with pytest.raises(Unreadable, match="bytes: bring 1 to"):
        imports.keep(home.settings, [("x.txt", b"x" * (home.settings.largest_file + 1))])


@pytest.mark.parametrize(("person", "project", "rule"), [("zoe", "sunrise", "R00"), ("bob", "sunrise", "R00")])
def test_only_a_member_asks(home, person, project, rule):
    with pytest.raises(Refused, match=rule):
        ask(home, person=person, project=project)


def test_who_votes_is_independent_and_saw_what_comes_in(home):
    number = asked(home)
    for person, rule in (("ann", "R22"), ("olive", "R22"), ("zoe", "R22"), ("adam", "R22|R29")):
        with pytest.raises(Refused, match=rule):
            vote(home, number, person)
    with pytest.raises(Refused, match="R23"):
        vote(home, number, seen="0" * 64)
    with pytest.raises(Refused, match="R02"):
        vote(home, number, second_factor=False)
    assert row(home, number).state == ImportState.IN_REVIEW


@pytest.mark.parametrize(
    ("verdict", "state"), [(Verdict.SEND_BACK, ImportState.RETURNED), (Verdict.REJECT, ImportState.REJECTED)]
)
def test_a_no_brings_nothing_in(home, verdict, state):
    number = asked(home)
    vote(home, number, verdict=verdict)
    assert row(home, number).state == state
    assert imports.step(home.records, home.settings, now=home.now) == 0
    assert not place(home, number).exists()


def test_what_is_taken_back_does_not_arrive(home):
    number = asked(home)
    with pytest.raises(NotFound), home.act("import.withdraw", "ben", f"import/{number}") as session:
        imports.withdraw(session, number=number, person="ben", now=home.now)
    with home.act("import.withdraw", "ann", f"import/{number}") as session:
        imports.withdraw(session, number=number, person="ann", now=home.now)
    with pytest.raises(StepRefused):
        vote(home, number)


def test_killed_while_it_arrives_it_is_there_once(home, monkeypatch):
    number = asked(home)
    vote(home, number)
    with monkeypatch.context() as patched:
        patched.setattr(imports, "_synced", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            imports.step(home.records, home.settings, now=home.now)
    assert not place(home, number).exists()
    with monkeypatch.context() as patched:  # after the folder stands, before the records say so
        patched.setattr(imports, "_record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            imports.step(home.records, home.settings, now=home.now)
    assert row(home, number).arrived_at is None
    imports.step(home.records, home.settings, now=home.now)
    assert sorted(path.name for path in place(home, number).parent.glob(f"*{number}*")) == [str(number)]
    assert (place(home, number) / "lib/model.py").read_bytes() == CODE


def test_what_lost_its_ground_waits_and_says_why(home):
    number = asked(home)
    vote(home, number)
    with home.act("test.suspend") as session:
        accounts.suspend(session, "bob", why="left", actor="adam", now=home.now)
    imports.step(home.records, home.settings, now=home.now)
    assert "R34" in row(home, number).trouble
    assert imports.step(home.records, home.settings, now=home.now) == 0
    with home.act("test.suspend") as session:
        accounts.resume(session, "bob", actor="adam", now=home.now)
    home.later(hours=2)
    assert imports.step(home.records, home.settings, now=home.now) == 1
    assert row(home, number).arrived_at == home.now
    assert row(home, number).trouble == ""


def test_what_the_scanner_knows_does_not_come_in_and_what_it_did_not_see_is_said(home, monkeypatch):
    assert ("virus", "note") in findings(home, asked(home))
    monkeypatch.setattr(clamd, "scan", lambda *_: clamd.Scan(clamd.Verdict.FOUND, "Eicar-Test-Signature"))
    assert ("virus", "block") in findings(home, asked(home))
    monkeypatch.setattr(clamd, "scan", lambda *_: clamd.Scan(clamd.Verdict.CLEAN))
    assert findings(home, asked(home)) == []


def test_who_may_know_of_an_import(home):
    number = asked(home)
    with home.records.read() as session:
        for person in ("ann", "ben", "bob"):
            assert brought.seen(session, number, person, now=home.now).id == number
        assert number in {one.id for one in brought.queue(session, "bob")}
        for person in ("zoe", "olive"):
            with pytest.raises(NotFound):
                brought.seen(session, number, person, now=home.now)
            assert brought.queue(session, person) == ()
        name, content = brought.content(session, home.settings, number, 0, "bob", now=home.now)
        assert (name, content) == ("lib/model.py", CODE)
        assert brought.as_json(session, session.get_one(ImportRow, number), "bob")["may"] == ["vote"]
        assert projects.ever_member(session, "sunrise", "olive")


def test_so_many_a_day(home, monkeypatch):
    monkeypatch.setattr(imports, "MOST_A_DAY", 1)
    ask(home)
    with pytest.raises(Refused, match="within a day"):
        ask(home)


# --- the command line -------------------------------------------------------------------------------------------------
def test_an_import_goes_its_way_by_commands_alone(home, monkeypatch, capsys, tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.py").write_bytes(CODE)
    monkeypatch.setenv("TRE_HOME", str(home.settings.home))
    monkeypatch.setattr(imports, "MOST_A_DAY", 1000)  # commands look at the clock, the others are days ahead

    def airlock(*words, by=None):
        with home.records.read() as session:
            now = datetime.now(UTC)
            word = ["--as", by, "--code", accounts.code_now(session, home.settings, by, now)] if by else []
        token = as_json.set(False)
        try:
            code = run(cli.app, ["import", *map(str, words), *word, "--json"])
        finally:
            as_json.reset(token)
        said = capsys.readouterr()
        assert code == 0, said.err
        return json.loads(said.out)

    number = airlock("ask", "sunrise", tmp_path, "--why", "to work with", by="ann")["id"]
    assert airlock("work")["moved"] >= 1
    seen = airlock("show", number)
    assert [file["name"] for file in seen["files"]] == ["lib/a.py"]
    sha = seen["manifest_sha256"]
    assert airlock("vote", number, "approve", "--reason", "plain", "--seen", sha[:16], by="bob")["state"] == "approved"
    airlock("work")
    assert (place(home, number) / "lib" / "a.py").read_bytes() == CODE
    assert number in {one["id"] for one in airlock("list", "--project", "sunrise")}
