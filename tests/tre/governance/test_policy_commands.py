import json
from datetime import UTC, datetime

import pytest

from policies import book, engine
from policies.facts import Role
from tests.builders import HOST, a_dataset, a_person, a_project
from tre import cli, show
from tre.governance import access, accounts, policy_commands
from tre.records import audit
from tre.records.db import opened
from tre.records.tables import ExtractRow


@pytest.fixture
def home(settings, monkeypatch):
    """A home in which ann may work in sunrise; without data."""
    monkeypatch.setenv("TRE_HOME", str(settings.home))
    now = datetime.now(UTC)
    records = opened(settings)
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now)
        a_person(session, "bob", settings=settings, now=now, signed=False)
        a_project(session, "sunrise", ("ann",), now=now)
        a_dataset(session, "trial", now=now)
    yield records
    records.close()


@pytest.fixture
def tre():
    def run(*words):
        token = show.as_json.set(False)
        try:
            return cli.run(cli.build(), ["policy", *words])
        finally:
            show.as_json.reset(token)

    return run


def test_a_yes_is_said_in_one_line(home, tre, capsys):
    assert tre("check", "open_session", "--person", "ann", "--project", "sunrise") == 0
    assert capsys.readouterr().out.startswith("ann may open a room in sunrise (rules ")


def test_a_no_exits_3_with_a_remedy_for_each_reason(home, tre, capsys):
    assert tre("check", "open_session", "--person", "bob", "--project", "sunrise", "--no-second-factor") == 3
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "refused: bob cannot open a room in sunrise (R00, R02, R04)"
    assert len(lines) == 4


def test_a_no_is_json_for_machines(home, tre, capsys):
    assert tre("check", "mount", "--person", "ann", "--project", "sunrise", "--dataset", "trial", "--json") == 3
    said = json.loads(capsys.readouterr().err)
    assert said["rules"] == ["R09", "R10", "R11", "R12", "R19", "R36"]
    assert len(said["remedies"]) == 6


def test_an_export_is_judged_as_if_its_files_were_flawless(home, tre, capsys):
    assert tre("check", "submit_export", "--person", "ann", "--project", "sunrise") == 0
    assert tre("check", "release_export", "--person", "ann", "--project", "sunrise") == 0
    assert tre("check", "vote_export", "--person", "ann", "--project", "sunrise") == 3
    assert "(R03, R22)" in capsys.readouterr().err


def test_moments_without_a_project_are_judged_without_one(home, tre):
    assert tre("check", "sign_in", "--person", "ann") == 0
    assert tre("check", "administer", "--person", "ann") == 3


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("check", "fly", "--person", "ann"), 5, "there are sign_in, open_session"),
        (("check", "open_session", "--person", "ann"), 5, "add --project NAME"),
        (("check", "sign_in", "--person", "ann", "--project", "sunrise"), 5, "leave out --project"),
        (("check", "mount", "--person", "ann", "--project", "sunrise"), 5, "add --dataset NAME"),
        (("check", "sign_in", "--person", "nobody"), 4, "no person 'nobody'"),
        (("check", "open_session", "--person", "ann", "--project", "other"), 4, "no project 'other'"),
        (("check", "sign_in"), 5, "--person"),
        (("explain", "ann", "other"), 4, "no project 'other'"),
        (("explain", "../x", "sunrise"), 4, "no person"),
    ],
)
@pytest.mark.usefixtures("home")
def test_what_cannot_be_asked_is_one_line(tre, capsys, words, code, said):
    assert tre(*words) == code
    shown = capsys.readouterr().err
    assert said in shown
    assert len(shown.splitlines()) == 1


def test_explain_says_of_every_rule_whether_it_holds_and_what_to_do_where_it_lacks(home, tre, capsys):
    assert tre("explain", "bob", "sunrise", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    states = {row["rule"]: row["state"] for row in said["rules"]}
    assert [rule for rule, state in states.items() if state == "lacks"] == ["R00", "R04"]
    assert set(states) == set(engine.rules().at("open_session"))
    assert all(bool(row["remedy"]) is (row["state"] == "lacks") for row in said["rules"])
    assert said["allowed"] is False


def test_explain_says_which_datasets_would_be_mounted_and_why_others_not(home, tre, capsys):
    with home.act(HOST, "test.build", "home") as session:
        session.add(
            ExtractRow(
                project="sunrise", dataset="trial", version=1, number=1, manifest="{}", report="{}", assessed=True,
                prepared_at=engine.facts.NEVER,
            )
        )  # fmt: skip
        audit.append(session, "extract.prepare", actor=HOST, subject="extract/sunrise/trial/1")
    assert tre("explain", "ann", "sunrise", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    trial = said["datasets"][0]
    assert (trial["dataset"], trial["version"], trial["mounted"]) == ("trial", 1, False)
    assert "R09" in trial["because"]
    assert [point["code"] for point in trial["points"]] == ["purpose", "unstated"]
    assert (said["allowed"], said["reasons"]) == (False, trial["because"])


def test_explain_speaks_to_people(home, tre, capsys):
    assert tre("explain", "ann", "sunrise") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("ann can open a room in sunrise.")
    assert "sunrise has no extract of any dataset" in shown


def test_the_rules_pass_their_own_test(tre, capsys):
    assert tre("test") == 0
    assert capsys.readouterr().out.startswith("passed: ")


def test_a_rule_that_decides_otherwise_fails_the_test(tre, capsys, monkeypatch):
    weaker = engine.Rules.load(without=("R01",))
    monkeypatch.setattr(policy_commands.policies, "rules", lambda: weaker)
    assert tre("test") == 1
    assert "a suspended person may do nothing: expected R01, got allowed" in capsys.readouterr().out


def test_every_moment_can_be_said_in_a_sentence():
    assert set(access.SAYS) >= set(engine.facts.MOMENTS)


# --- other rules ------------------------------------------------------------------------------------------------------
@pytest.fixture
def admins(home, settings):
    """Two admins, and the codes that their phones show."""
    now = datetime.now(UTC)
    with home.act(HOST, "test.build", "home") as session:
        for name in ("grace", "heidi"):
            a_person(session, name, Role.ADMIN, settings=settings, now=now)

    def code(name):
        with home.read() as session:
            return accounts.code_now(session, settings, name, datetime.now(UTC))

    return code


@pytest.fixture
def stricter(tmp_path):
    """A folder with the package's rules, in which analysts need a course that nobody has."""
    for name, text in book.bundle().items():
        (tmp_path / "rules" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "rules" / name).write_text(text.replace('"safe-researcher"]', '"safe-researcher", "new"]'), "utf-8")
    return tmp_path / "rules"


def test_a_change_is_simulated_proposed_adopted_and_in_force(home, admins, stricter, tre, capsys):
    assert tre("simulate", "--rules", str(stricter), "--json") == 0
    room = {"project": "sunrise", "person": "ann", "what": "room", "before": "yes", "after": "no (R03)"}
    assert json.loads(capsys.readouterr().out) == [room]
    why = ("--why", "a new course")
    assert tre("propose", str(stricter), *why, "--as", "grace", "--code", admins("grace")) == 0
    assert "rules 2 wait for another admin" in capsys.readouterr().out
    assert tre("simulate", "--number", "2", "--person", "bob") == 0
    assert "nothing changes" in capsys.readouterr().out
    assert tre("rules", "2") == 0
    assert '"safe-researcher", "new"' in capsys.readouterr().out
    assert tre("check", "open_session", "--person", "ann", "--project", "sunrise") == 0
    assert tre("adopt", "2", "--as", "heidi", "--code", admins("heidi")) == 0
    assert tre("check", "open_session", "--person", "ann", "--project", "sunrise") == 3
    assert tre("rules") == 0


def test_the_proposer_cannot_adopt_from_the_command_line(home, admins, stricter, tre, capsys):
    assert tre("propose", str(stricter), "--why", "a course", "--as", "grace", "--code", admins("grace")) == 0
    assert tre("adopt", "2", "--as", "grace", "--code", "000000") == 3
    assert tre("refuse", "2", "--as", "heidi", "--code", admins("heidi")) == 0
    assert tre("propose", "--why", "nothing", "--as", "grace", "--code", "1") == 5
    assert tre("simulate", "--date", "2020-01-01") == 5
