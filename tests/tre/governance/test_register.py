"""The public register says what is done here, and nothing of what was only asked for."""

import json

import pytest

from tests.builders import HOST, a_project, an_application, an_approval
from tests.tre.governance.test_applications import FULL, begun, do, house, row, says, written  # noqa: F401 -- fixtures
from tre.governance import projects, register
from tre.records import audit


@pytest.fixture
def database():
    """One database is enough here."""
    return ""


@pytest.fixture
def looked(house, now):  # noqa: F811 -- the fixture
    def look():
        with house.read() as session:
            return register.register(session, now=now)

    return look


def test_a_project_stands_in_it_with_its_summary_and_no_name_that_was_not_given(looked, do, row, now, house):  # noqa: F811
    begun(do, row, now)
    (one,) = looked().projects
    assert (one.name, one.title, one.summary) == ("harbour", FULL["title"], FULL["lay_summary"])
    assert (one.datasets, one.state, one.outputs, one.lead) == (("trial",), "working", 0, "")


def test_a_lead_who_agreed_is_named(looked, do, row, now, house):  # noqa: F811
    begun(do, row, now, show_lead="yes")
    assert looked().projects[0].lead == "Ann Tester"


def test_what_was_only_asked_for_is_not_in_it(looked, do, row, house, now, settings):  # noqa: F811
    written(do, row)
    with house.act(HOST, "test.build", "home") as session:
        a_project(session, "sunrise", ("ann",), now=now)
        an_application(session, "sunrise", "trial", now=now)
    assert looked().projects == ()
    assert looked().datasets[0].projects == ()


def test_results_that_left_are_counted_and_states_are_told(looked, house, now, settings):  # noqa: F811
    with house.act(HOST, "test.build", "home") as session:
        a_project(session, "sunrise", ("ann",), now=now)
        an_approval(session, "sunrise", "trial", settings=settings, now=now)
        audit.append(session, "export.submit", actor="ann", subject="export/7", at=now, project="sunrise")
        audit.append(session, "export.release", actor="worker", subject="export/7", at=now)
        projects.suspend(session, "sunrise", why="w", actor=HOST, now=now)
    (one,) = looked().projects
    assert (one.outputs, one.state) == (1, "resting")


def test_a_dataset_says_what_for_it_may_be_used(looked, house):  # noqa: F811
    says(house, "trial", [("DS", ("MONDO:0005148",)), ("NPU", ())])
    assert [code.split(":")[0] for code in looked().datasets[0].use] == ["DS", "NPU"]


def test_it_is_read_by_machines(looked, do, row, now, house):  # noqa: F811
    begun(do, row, now)
    said = register.as_json(looked())
    assert json.loads(json.dumps(said))["projects"][0]["until"].endswith("Z")
    assert "ann" not in json.dumps(said)
