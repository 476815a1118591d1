"""The command line about people: accounts, invitations, roles, courses, the agreement."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from policies.facts import Role
from tests.builders import HOST, a_person
from tre import show
from tre.cli import build, run
from tre.governance import accounts, training
from tre.records.db import opened

AHEAD = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}"


@pytest.fixture
def home(settings):
    """Records of a house with two admins."""
    records, now = opened(settings), datetime.now(UTC)
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now)
        for name in ("grace", "hal"):
            a_person(session, name, Role.ADMIN, settings=settings, now=now)
    yield records
    records.close()


@pytest.fixture
def tre(settings, monkeypatch, capsys):
    def call(home, *words):
        monkeypatch.setenv("TRE_HOME", str(home))
        token = show.as_json.set(False)
        try:
            code = run(build(), words)
        finally:
            show.as_json.reset(token)
        return code, *capsys.readouterr()

    return partial(call, settings.home)


@pytest.fixture
def code(home, settings):
    def current(name):
        with home.read() as session:
            return accounts.code_now(session, settings, name, datetime.now(UTC))

    return current


def held(home, name):
    with home.read() as session:
        return accounts.roles_of(session, name)


def test_the_founding_operator_grants_at_once(settings, tre):
    status, out, _ = tre("person", "add", "ada", "--role", "admin", "--json")
    assert (status, "roles_wait" in json.loads(out)) == (0, False)
    records = opened(settings)
    assert held(records, "ada") == {Role.ADMIN}
    records.close()


def test_in_a_house_with_two_admins_the_operators_roles_wait_for_both(home, tre, code):
    status, out, _ = tre("person", "add", "zoe", "--role", "analyst", "--json")
    assert status == 0
    assert json.loads(out)["roles_wait"] == ["analyst: two admins run `tre role second 1 --as ADMIN --code CODE`"]
    assert held(home, "zoe") == frozenset()
    assert "taken over" in tre("role", "second", "1", "--as", "grace", "--code", code("grace"))[1]
    assert held(home, "zoe") == frozenset()
    assert "is made" in tre("role", "second", "1", "--as", "hal", "--code", code("hal"))[1]
    assert held(home, "zoe") == {Role.ANALYST}


def test_a_role_is_granted_by_two_and_one_cannot_do_both(home, tre, code):
    words = ("role", "grant", "ann", "approver", "--why", "she was trained", "--as", "grace", "--code", code("grace"))
    status, out, fault = tre(*words)
    assert (status, "proposed as 1" in out) == (0, True), fault
    listed = json.loads(tre("role", "list", "--json")[1])
    assert listed[0] == {"number": 1, "person": "ann", "role": "approver", "change": "grant", "by": "grace",
                         "state": "proposed"}  # fmt: skip
    assert tre("role", "second", "1", "--as", "hal", "--code", "000000")[0] == 3
    assert tre("role", "second", "1", "--as", "hal", "--code", code("hal"), "--refuse")[0] == 0
    assert held(home, "ann") == {Role.ANALYST}


def test_an_invitation_is_a_link_for_seven_days(home, tre):
    told = json.loads(tre("person", "invite", "ann", "--json")[1])
    assert told["link"].startswith("http://localhost:8000/hub/enrol/")
    status, out, _ = tre("person", "invite", "zoe", "--role", "analyst", "--email", "zoe@hortus.example", "--json")
    assert (status, bool(json.loads(out)["roles_wait"])) == (0, True)
    listed = {row["name"]: row["enrolled"] for row in json.loads(tre("person", "list", "--json")[1])}
    assert (listed["ann"], listed["zoe"]) == (True, False)
    assert tre("person", "invite", "nobody")[0] == 4


def test_an_address_that_somebody_has_is_one_clear_line(home, tre):
    status, _, fault = tre("person", "add", "annie", "--role", "analyst", "--email", "Ann+2@hortus.example")
    assert (status, fault) == (3, "refused: this e-mail address is ann's already: one person has one account\n")
    assert tre("person", "show", "annie")[0] == 4


def test_an_orcid_is_one_persons(home, tre):
    assert tre("person", "link", "ann", "--orcid", "0000-0002-1825-0097")[0] == 0
    assert tre("person", "link", "grace", "--orcid", "0000-0002-1825-0097")[0] == 3
    assert tre("person", "link", "grace", "--orcid", "0000-0002-1825-0098")[0] == 5


def test_a_third_partys_list_is_taken_whole_or_not(home, tre, tmp_path):
    file = tmp_path / "list.csv"
    file.write_text(f"person,course,until,certificate\nann,first-aid,{AHEAD},C 7\nnobody,first-aid,{AHEAD},\n")
    status, _, fault = tre("training", "import", str(file), "--source", "an academy")
    assert (status, "row 3: person: nobody of that name" in fault) == (5, True)
    file.write_text(f"person,course,until,certificate\nann,first-aid,{AHEAD},C 7\n")
    assert tre("training", "import", str(file), "--source", "an academy")[0] == 0
    assert tre("training", "record", "ann", "gdpr-2", "--until", AHEAD, "--source", "s", "--evidence", "e")[0] == 0
    rows = json.loads(tre("training", "list", "ann", "--json")[1])
    assert {(row["course"], row["source"], row["evidence"]) for row in rows} >= {
        ("first-aid", "an academy", "C 7"),
        ("gdpr-2", "s", "e"),
    }


def test_an_admin_publishes_an_agreement_and_people_sign_it_anew(home, tre, code, tmp_path):
    file = tmp_path / "agreement.md"
    file.write_text("A better text.\n")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    words = ("agreement", "publish", str(file), "--since", today, "--as")
    assert tre(*words, "ann", "--code", code("ann"))[0] == 3
    status, out, fault = tre(*words, "grace", "--code", code("grace"))
    assert (status, "agreement 2 is in force" in out) == (0, True), fault
    listed = json.loads(tre("agreement", "list", "--json")[1])
    assert [(row["number"], row["in_force"], row["signed_by"]) for row in listed] == [(1, False, 3), (2, True, 0)]
    assert json.loads(tre("agreement", "show", "--json")[1])["text"] == "A better text.\n"
    assert tre("agreement", "sign", "--as", "hal", "--code", code("hal"))[0] == 0
    with home.read() as session:
        assert training.standing(session, "hal", datetime.now(UTC)) == "signed"
    assert tre("agreement", "publish", str(tmp_path), "--since", today, "--as", "hal", "--code", "000000")[0] == 5


def test_who_is_suspended_is_told_of_as_out_now(home, tre):
    status, out, _ = tre("person", "suspend", "ann", "--why", "a lost laptop")
    assert (status, out) == (0, "ann is suspended; sessions and rooms end now\n")
