from datetime import timedelta

import pytest
from sqlalchemy import func, select

from policies import book
from policies.engine import Rules
from tests.builders import HOST, a_dataset, a_person, a_project, an_approval, rules_only
from tre.errors import Unreadable
from tre.governance import simulation
from tre.records import audit
from tre.records.tables import EntryRow, ExtractRow

pytestmark = rules_only
DAY = timedelta(days=1)


@pytest.fixture
def house(records, settings, now):
    """Ann in sunrise with data, zoe in harbour without; ann asks for an export."""
    from airlock.tables import RequestRow

    with records.act(HOST, "test.build", "home") as session:
        for name in ("ann", "zoe"):
            a_person(session, name, settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_project(session, "sunrise", ("ann",), now=now, days=100)
        a_project(session, "harbour", ("zoe",), now=now, days=200)
        an_approval(session, "sunrise", "trial", settings=settings, now=now, until=now + 50 * DAY)
        session.add(
            ExtractRow(
                project="sunrise", dataset="trial", version=1, number=1, manifest="{}", report="{}", assessed=True,
                prepared_at=now,
            )
        )  # fmt: skip
        session.add(
            RequestRow(
                project="sunrise", requester="ann", state="in_review", round=1, created_at=now, moved_at=now, trouble=""
            )
        )
        audit.append(session, "test.build", actor=HOST, subject="home", at=now)
    return records


def simulated(house, now, **asked):
    with house.read() as session:
        found = simulation.simulated(session, now=now, **asked)
    return {one.key[1:]: (one.before.rules, one.after.rules) for one in found.differs}


def stricter():
    """The package's rules, in which analysts need one more course."""
    files = book.bundle()
    files["trainings.toml"] = files["trainings.toml"].replace('"safe-researcher"]', '"safe-researcher", "new"]')
    return Rules.of(files)


def test_the_same_rules_on_the_same_day_change_nothing(house, now):
    assert simulated(house, now) == {}
    assert simulated(house, now, rules=Rules.load()) == {}


def test_a_stricter_rule_closes_doors_of_everyone_it_meets(house, now):
    closed = simulated(house, now, rules=stricter())
    assert closed["ann", "room"] == ((), ("R03",))
    assert closed["zoe", "room"] == ((), ("R03",))
    assert closed["ann", "mount trial"] == ((), ("R03",))


def test_a_rule_that_goes_opens_what_it_shut(house, now):
    later = now + 70 * DAY
    assert simulated(house, later, rules=Rules.load(["R09"]))["ann", "mount trial"] == (("R09",), ())


def test_a_day_that_comes_shows_what_will_have_lapsed(house, now):
    then = simulated(house, now, then=now + 60 * DAY)
    assert then["ann", "mount trial"] == ((), ("R09",))
    assert ("zoe", "room") not in then
    assert simulated(house, now, then=now + 150 * DAY)["ann", "room"][1][:2] == ("R05", "R07")


def test_open_exports_are_judged_too(house, now):
    assert "R05" in simulated(house, now, then=now + 150 * DAY)["ann", "export 1"][1]


def test_one_person_or_one_project_can_be_asked_about(house, now):
    then = now + 300 * DAY
    assert {key[0] for key in simulated(house, now, then=then, person="zoe")} == {"zoe"}
    assert {key[0] for key in simulated(house, now, then=then, project="sunrise")} == {"ann"}


def test_a_day_that_is_past_is_refused(house, now):
    with pytest.raises(Unreadable, match="is past"):
        simulated(house, now, then=now - DAY)


def test_nothing_is_written(house, now):
    def size():
        with house.read() as session:
            return session.scalar(select(func.count()).select_from(EntryRow))

    before = size()
    simulated(house, now, then=now + DAY, rules=Rules.load(["R09"]))
    assert size() == before
