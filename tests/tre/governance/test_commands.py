"""The command line about people and projects: done, or one line that says what to do and nothing changed."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from functools import partial

import pyotp
import pytest
from sqlalchemy import func, select

from policies.facts import Role
from tests.builders import HOST, a_committee, a_dataset, a_person, a_project
from tre import show
from tre.cli import build, run
from tre.governance import accounts, committee
from tre.governance.operator import last_moment
from tre.records.db import opened
from tre.records.tables import EntryRow
from tre.settings import load

AHEAD = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}"


@pytest.fixture
def at_home(monkeypatch, capsys):
    """Run one command line in a home; return its exit code, stdout and stderr."""

    def call(home, *words):
        monkeypatch.setenv("TRE_HOME", str(home))
        token = show.as_json.set(False)
        try:
            code = run(build(), words)
        finally:
            show.as_json.reset(token)
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def tre(settings, at_home):
    return partial(at_home, settings.home)


@pytest.fixture
def home(settings):
    """Records of a home in which ann is in sunrise and has applied for the trial."""
    records = furnished(settings)
    yield records
    records.close()


@pytest.fixture(scope="module")
def kept(made_home, tmp_path_factory):
    """The same home for all that must not change it."""
    settings = load(shutil.copytree(made_home, tmp_path_factory.mktemp("kept") / "home"))
    records = furnished(settings)
    yield settings, records
    records.close()


def furnished(settings):
    records, now = opened(settings), datetime.now(UTC)
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now, signed=False)
        a_person(session, "ben", settings=settings, now=now)
        a_person(session, "grace", Role.ADMIN, settings=settings, now=now)
        a_committee(session, settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_project(session, "sunrise", ("ann",), now=now)
        committee.apply(session, "sunrise", "trial", applicant="ann", purpose="p", now=now)
    return records


@pytest.fixture
def code(home, settings):
    def current(name):
        with home.read() as session:
            return accounts.code_now(session, settings, name, datetime.now(UTC))

    return current


def entries(records):
    with records.read() as session:
        return session.scalar(select(func.count()).select_from(EntryRow).where(~EntryRow.act.endswith(".refused")))


# --- what works -------------------------------------------------------------------------------------------------------
def test_a_person_added_at_the_host_can_sign_in(home, settings, tre):
    status, out, _ = tre("person", "add", "zoe", "--role", "approver", "--role", "committee", "--json")
    told = json.loads(out)
    assert status == 0
    now = datetime.now(UTC)
    shown = pyotp.parse_uri(told["second_factor"]).at(now)
    assert accounts.sign_in(home, settings, "zoe", told["password"], shown, now=now)


def test_an_application_goes_from_submission_to_revocation(home, tre, code):
    for words in (
        ("application", "withdraw", "1", "--as", "ann"),
        ("application", "submit", "sunrise", "trial", "--as", "ann"),
        ("application", "vote", "2", "approve", "--reason", "r", "--as", "erin", "--code", code("erin")),
        ("application", "vote", "2", "approve", "--reason", "r", "--as", "frank", "--code", code("frank")),
    ):
        assert tre(*words)[0] == 0
    assert json.loads(tre("application", "show", "2", "--json")[1])["votes"] == []
    assert tre("application", "decide", "2", "--until", AHEAD, "--as", "erin", "--code", code("erin"))[0] == 0
    shown = json.loads(tre("application", "show", "2", "--json")[1])
    assert (shown["state"], shown["version"], len(shown["votes"])) == ("active", 1, 2)
    assert tre("application", "revoke", "2", "--why", "w", "--as", "frank", "--code", code("frank"))[0] == 0
    states = [row["state"] for row in json.loads(tre("application", "list", "--json")[1])]
    assert states == ["withdrawn", "revoked"]


def test_a_project_goes_from_opening_to_closing(home, tre):
    for words in (
        ("project", "create", "harbour", "--title", "T", "--purpose", "p", "--until", AHEAD),
        ("member", "add", "harbour", "ben", "--until", AHEAD),
        ("project", "suspend", "harbour", "--why", "w"),
        ("project", "resume", "harbour"),
        ("member", "remove", "harbour", "ben"),
        ("project", "close", "harbour", "--why", "w"),
    ):
        assert tre(*words)[0] == 0
    shown = json.loads(tre("project", "show", "harbour", "--json")[1])
    assert shown["state"] == "closed"
    assert "ben (removed" in shown["members"][0]
    assert "harbour" in tre("project", "list")[1]


def test_a_person_is_trained_signs_and_is_shown(home, tre, code):
    assert tre("training", "record", "ann", "first-aid", "--until", AHEAD, "--evidence", "certificate 7")[0] == 0
    assert tre("agreement", "sign", "--as", "ann", "--code", code("ann"))[0] == 0
    shown = json.loads(tre("person", "show", "ann", "--json")[1])
    assert shown["agreement"] == "signed"
    assert f"first-aid until {AHEAD}" in shown["training"]
    assert shown["projects"] == ["sunrise"]
    assert "first-aid" in tre("training", "list", "ann")[1]
    assert "User agreement" in tre("agreement", "show")[1]


def test_a_person_is_suspended_resumed_and_given_a_new_password(home, tre):
    assert tre("person", "suspend", "ann", "--why", "phone lost")[0] == 0
    assert [row["suspended"] for row in json.loads(tre("person", "list", "--json")[1]) if row["name"] == "ann"] == [
        True
    ]
    assert tre("person", "resume", "ann")[0] == 0
    assert "otpauth" not in tre("person", "password", "ann")[1]
    assert "otpauth" in tre("person", "password", "ann", "--second-factor")[1]


@pytest.mark.parametrize("word", ["person", "project", "training", "application"])
def test_an_empty_house_says_what_to_do(settings, tre, word):
    status, out, _ = tre(word, "list")
    assert (status, len(out.splitlines())) == (0, 1)
    assert "tre" in out


def test_a_day_lasts_until_its_end():
    assert last_moment("2027-06-30", "--until") == datetime(2027, 6, 30, 23, 59, 59, tzinfo=UTC)


# --- what does not ----------------------------------------------------------------------------------------------------
PROJECT = ("project", "create", "harbour", "--title", "T", "--purpose", "p", "--until")
VOTE = ("application", "vote", "1", "approve", "--reason", "r")
NO_DATE = "write it as 2027-06-30"


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [  # the arguments, the exit code, and what the line must say
        # people
        (("person", "add"), 5, "NAME"),
        (("person", "add", "zoe"), 5, "--role"),
        (("person", "add", "Zoe", "--role", "analyst"), 5, "use 1-30 characters"),
        (("person", "add", "zoe", "--role", "chief"), 5, "analyst"),
        (("person", "add", "ann", "--role", "analyst"), 3, "already a person ann"),
        (("person", "add", "zoe", "--role", "admin", "--role", "analyst"), 3, "nobody is both"),
        (("person", "add", "zoe", "--role", "analyst", "--email", "a b"), 5, "name@example.org"),
        (("person", "add", "zoe", "--role", "analyst", "--full-name", "\udcff"), 5, "full name"),
        (("person", "add", "zoe", "--role", "analyst", "--shoe-size", "9"), 5, "--shoe-size"),
        (("person", "show", "nobody"), 4, "tre person list"),
        (("person", "show", "\udcff"), 4, "no person"),
        (("person", "suspend", "nobody", "--why", "w"), 4, "nobody"),
        (("person", "suspend", "ann"), 5, "--why"),
        (("person", "suspend", "ann", "--why", ""), 5, "reason"),
        (("person", "resume", "ann"), 3, "not suspended"),
        (("person", "password", "nobody"), 4, "nobody"),
        (("person", "promote", "ann"), 5, "promote"),
        # training and agreement
        (("training", "record", "ann", "gdpr"), 5, "--until"),
        (("training", "record", "ann", "gdpr", "--until", "tomorrow"), 5, NO_DATE),
        (("training", "record", "ann", "gdpr", "--until", "2027-02-30"), 5, NO_DATE),
        (("training", "record", "ann", "gdpr", "--until", "30.6.2027"), 5, NO_DATE),
        (("training", "record", "ann", "gdpr", "--until", "2020-01-01"), 3, "past"),
        (("training", "record", "ann", "A Course", "--until", AHEAD), 5, "course"),
        (("training", "record", "nobody", "gdpr", "--until", AHEAD), 4, "nobody"),
        (("training", "list", "nobody"), 4, "nobody"),
        (("agreement", "sign", "--as", "ann"), 5, "--code"),
        (("agreement", "sign", "--as", "ann", "--code", "no code"), 3, "not accepted"),
        (("agreement", "sign", "--as", "nobody", "--code", "123456"), 3, "not accepted"),
        # projects and members
        ((*PROJECT, "2027-13-01"), 5, NO_DATE),
        ((*PROJECT, ""), 5, NO_DATE),
        ((*PROJECT, "2020-01-01"), 3, "past"),
        ((*PROJECT, AHEAD, "--retain-until", "2020-01-01"), 3, "retain"),
        ((*PROJECT, AHEAD, "--retain-until", "never"), 5, "--retain-until 'never'"),
        (("project", "create", "My Project", *PROJECT[3:], AHEAD), 5, "use 1-30 characters"),
        (("project", "create", "sunrise", *PROJECT[3:], AHEAD), 3, "already a project"),
        (("project", "show", "nothing"), 4, "tre project list"),
        (("project", "resume", "sunrise"), 3, "not suspended"),
        (("project", "close", "nothing", "--why", "w"), 4, "nothing"),
        (("member", "add", "sunrise", "ann"), 3, "already"),
        (("member", "add", "sunrise", "grace"), 3, "admins read no data"),
        (("member", "add", "sunrise", "nobody"), 4, "nobody"),
        (("member", "add", "nothing", "ann"), 4, "nothing"),
        (("member", "add", "sunrise", "ben", "--until", "2199-01-01"), 3, "outlast"),
        (("member", "add", "sunrise", "ben", "--until", "1/2/3"), 5, NO_DATE),
        (("member", "remove", "sunrise", "ben"), 3, "not a member"),
        (("member", "remove", "sunrise", "\udcff"), 4, "no person"),
        # applications
        (("application", "submit", "sunrise", "nothing", "--as", "ann"), 4, "tre dataset list"),
        (("application", "submit", "sunrise", "trial", "--as", "ben"), 3, "not a member"),
        (("application", "submit", "sunrise", "trial", "--as", "ann"), 3, "asks for the same"),
        (("application", "submit", "sunrise", "trial", "--as", "ann", "--version", "two"), 5, "two"),
        (("application", "submit", "sunrise", "trial", "--as", "ann", "--version", "2"), 4, "the newest is 1"),
        (("application", "show", "9"), 4, "tre application list"),
        (("application", "show", "x"), 5, "int"),
        (VOTE, 5, "--as"),
        ((*VOTE, "--as", "erin", "--code", "no code"), 3, "not accepted"),
        (("application", "vote", "1", "maybe", "--reason", "r", "--as", "erin", "--code", "1"), 5, "approve"),
        (("application", "vote", "9", "approve", "--reason", "r", "--as", "erin", "--code", "1"), 4, "application 9"),
        (("application", "decide", "1", "--as", "erin", "--code", "1", "--until", "soon"), 5, NO_DATE),
        (("application", "withdraw", "1", "--as", "erin"), 3, "only ann"),
    ],
)
def test_a_fault_is_one_line_and_changes_nothing(kept, at_home, words, status, says):
    settings, records = kept
    before = entries(records)
    found, out, err = at_home(settings.home, *words)
    assert found == status
    assert says in err
    assert out == ""
    assert all(line.startswith("  - ") for line in err.splitlines()[1:])
    assert "Traceback" not in err
    assert entries(records) == before


def test_good_codes_do_not_help_where_the_committee_says_no(home, tre, code):
    for name, why in (("ann", "not on the committee"), ("grace", "not on the committee")):
        status, _, err = tre(*VOTE, "--as", name, "--code", code(name))
        assert (status, why in err) == (3, True)
    status, _, err = tre("application", "decide", "1", "--until", AHEAD, "--as", "erin", "--code", code("erin"))
    assert (status, "0 of 2 votes" in err) == (3, True)


def test_one_code_does_not_cast_two_votes(home, tre, code):
    shown = code("erin")
    assert tre(*VOTE, "--as", "erin", "--code", shown)[0] == 0
    assert tre("agreement", "sign", "--as", "erin", "--code", shown)[0] == 3


def test_a_fault_is_json_where_json_was_asked_for(home, tre):
    status, _, err = tre("person", "add", "zoe", "--role", "admin", "--role", "analyst", "--json")
    assert (status, json.loads(err)["rules"]) == (3, ["R29"])


def test_without_a_home_every_command_says_to_make_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRE_HOME", str(tmp_path / "nothing"))
    for words in (("person", "list"), ("project", "show", "sunrise"), ("application", "list")):
        assert run(build(), words) == 5
        assert "tre init" in capsys.readouterr().err
