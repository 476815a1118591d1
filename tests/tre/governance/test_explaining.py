from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.builders import HOST, a_dataset, a_person, a_project, an_approval, rules_only
from tre.governance import committee, explaining
from tre.records import audit
from tre.records.tables import DatasetRow, EmergencyRow, ExtractRow

pytestmark = rules_only
DAY = timedelta(days=1)


@pytest.fixture
def house(records, settings, now):
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_project(session, "sunrise", ("ann",), now=now, days=100)
        an_approval(session, "sunrise", "trial", settings=settings, now=now, until=now + 50 * DAY)
        session.add(
            ExtractRow(
                project="sunrise", dataset="trial", version=1, number=1, manifest="{}", report="{}", assessed=True,
                prepared_at=now,
            )
        )  # fmt: skip
        audit.append(session, "extract.prepare", actor=HOST, subject="extract/sunrise/trial/1", at=now)
    return records


def explained(house, now):
    with house.read() as session:
        return explaining.explained(session, "ann", "sunrise", now)


def of(said, rule):
    return next(one for one in said if one.rule == rule)


def test_each_rule_says_until_when_it_holds_and_for_how_many_days(house, now):
    found = explained(house, now)
    project = of(found.rules, "R07")
    assert (project.holds, project.until, project.days) == (True, now + 100 * DAY, 100)
    assert (of(found.rules, "R03").days, of(found.rules, "R05").days) == (365, 100)
    assert found.until == now + 50 * DAY


def test_what_lacks_says_since_when_what_to_do_and_whom_to_ask(house, now):
    found = explained(house, now + 120 * DAY)
    project = of(found.rules, "R07")
    assert (project.holds, project.days) == (False, -20)
    assert project.remedy
    assert project.ask
    assert not found.allowed
    assert found.until is None


def test_a_dataset_says_what_its_use_limitation_says_and_who_ruled(house, now):
    (trial,) = explained(house, now).datasets
    assert (trial.shown, trial.use, trial.days) == (True, "manual", 50)
    assert {point.ruled for point in trial.points} == {"the committee allows it"}


def test_a_use_limitation_that_says_no_says_why(house, now):
    limits = '{"groups": [{"name": "", "codes": [["HMB", []], ["IRB", []]], "where": null}]}'
    with house.act(HOST, "test.change", "home") as session:
        session.execute(update(DatasetRow).values(data_use=limits))
        audit.append(session, "test.change", actor=HOST, subject="dataset/trial", at=now)
    (trial,) = explained(house, now).datasets
    said = {point.code: (point.says, point.reason) for point in trial.points}
    assert trial.use == "deny"
    assert said["IRB"] == ("deny", "approval of an ethics committee is needed, and none is shown")


def test_a_revoked_dataset_lacks_its_approval(house, now):
    with house.act(HOST, "test.change", "home") as session:
        committee.revoke(session, 1, why="test", actor="erin", now=now)
    (trial,) = explained(house, now).datasets
    assert not trial.shown
    assert "R09" in [one.rule for one in trial.lacks]


def test_exports_say_what_lacks_and_emergencies_who_opened_them(house, now):
    assert explained(house, now).exports == ()
    with house.act(HOST, "test.change", "home") as session:
        session.add(
            EmergencyRow(project="sunrise", person="ann", reason="a patient", asked_by="grace", asked_at=now, hours=2)
        )
        audit.append(session, "emergency.ask", actor="grace", subject="emergency/1", at=now)
    found = explained(house, now + 800 * DAY)
    assert "R08" in [one.rule for one in found.exports]
    assert [(one.state, one.by) for one in found.emergencies] == [("dropped", ("grace",))]


def test_nobody_and_nowhere_are_explained_too(house, now):
    with house.read() as session:
        found = explaining.explained(session, "mallory", "nowhere", now)
    assert not found.allowed
    assert found.datasets == ()
