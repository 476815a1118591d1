from datetime import timedelta

import pytest
from sqlalchemy import select

from policies.facts import Role
from tests.builders import HOST, a_committee, a_person, a_project, rules_only
from tre.errors import Refused, StepRefused
from tre.governance import access, emergencies, projects
from tre.records.tables import EntryRow, MailRow, NoticeRow

pytestmark = rules_only
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def house(records, settings, now):
    """Ann's courses have lapsed; grace and heidi are admins, erin and frank the committee, olga an auditor."""
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now, trained=False)
        a_person(session, "zoe", settings=settings, now=now)
        for name in ("grace", "heidi"):
            a_person(session, name, Role.ADMIN, settings=settings, now=now)
        a_person(session, "olga", Role.AUDITOR, settings=settings, now=now)
        a_committee(session, settings=settings, now=now)
        a_project(session, "sunrise", ("ann",), now=now)
        projects.get(session, "sunrise").lead = "ann"
    return records


def act(records, verb, *given, **named):
    with records.act(named["actor"], "test.emergency", "home") as session:
        return getattr(emergencies, verb)(session, *given, **named).id


def asked(house, now, *, person="ann", hours=2, actor="grace", why="a patient must be found today"):
    return act(house, "ask", "sunrise", person, hours=hours, why=why, actor=actor, now=now)


def opens(house, now, person="ann"):
    with house.read() as session:
        return access.opening(session, "sunrise", person, now=now).decision


def test_two_people_open_what_was_closed_and_time_closes_it_again(house, now):
    assert opens(house, now).rules == ("R03",)
    number = asked(house, now)
    assert not opens(house, now).allowed
    act(house, "second", number, actor="erin", now=now)
    assert not opens(house, now + 2 * HOUR).allowed


def test_everyone_concerned_is_told_in_the_same_act(house, now):
    number = asked(house, now)
    act(house, "second", number, actor="erin", now=now)
    everyone = {"ann", "grace", "heidi", "olga", "erin", "frank"}
    with house.read() as session:
        assert set(session.scalars(select(NoticeRow.person))) == everyone
        assert set(session.scalars(select(MailRow.person))) == everyone
        entry = session.scalars(select(EntryRow).where(EntryRow.act == "emergency.open")).one()
    assert b"until" in entry.body


@pytest.mark.parametrize(
    ("asker", "other", "said"),
    [
        ("grace", "grace", "asked for"),
        ("grace", "heidi", "an admin and a member of the committee"),
        ("erin", "frank", "an admin and a member of the committee"),
        ("grace", "zoe", "cannot open a door"),
        ("grace", "olga", "cannot open a door"),
    ],
)
def test_one_person_or_two_of_one_kind_open_nothing(house, now, asker, other, said):
    number = asked(house, now, actor=asker)
    with pytest.raises(Refused, match=said) as told:
        act(house, "second", number, actor=other, now=now)
    assert told.value.rules == ("R30",)
    assert not opens(house, now).allowed


@pytest.mark.parametrize("hours", [0, -1, 5, 48])
def test_an_emergency_lasts_an_hour_to_four(house, now, hours):
    with pytest.raises(Refused, match="1 to 4 hours"):
        asked(house, now, hours=hours)


def test_nobody_opens_a_door_for_themselves(house, settings, now):
    with house.act(HOST, "test.change", "home") as session:
        a_person(session, "ina", Role.COMMITTEE, settings=settings, now=now)
        projects.add_member(session, "sunrise", "ina", actor=HOST, now=now)
    with pytest.raises(Refused, match="for themselves"):
        asked(house, now, person="ina", actor="ina")
    number = asked(house, now, person="ina", actor="grace")
    with pytest.raises(Refused, match="for themselves"):
        act(house, "second", number, actor="ina", now=now)


def test_a_stranger_to_the_project_stays_one(house, now):
    with pytest.raises(Refused, match="no member"):
        asked(house, now, person="zoe")


def test_who_agrees_hours_later_agrees_to_nothing(house, now):
    number = asked(house, now)
    with pytest.raises(StepRefused):
        act(house, "second", number, actor="erin", now=now + 5 * HOUR)


def test_it_ends_before_its_time_when_somebody_ends_it(house, now):
    number = asked(house, now)
    act(house, "second", number, actor="erin", now=now)
    act(house, "end", number, actor="frank", now=now + HOUR)
    with house.read() as session:
        assert emergencies.state(emergencies.get(session, number), now=now + HOUR) == "ended"
    assert not opens(house, now + HOUR).allowed


def test_an_emergency_that_nobody_reviewed_blocks_the_next(house, now):
    number = asked(house, now)
    act(house, "second", number, actor="erin", now=now)
    with pytest.raises(Refused, match="is not reviewed"):
        asked(house, now + 3 * HOUR)
    act(house, "review", number, actor="frank", said="it was right", now=now + 3 * HOUR)
    assert asked(house, now + 3 * HOUR) == number + 1


def test_a_late_review_blocks_every_project(house, settings, now):
    with house.act(HOST, "test.change", "home") as session:
        a_project(session, "harbour", ("zoe",), now=now)
    number = asked(house, now)
    act(house, "second", number, actor="erin", now=now)
    other = {"hours": 1, "why": "a test", "actor": "grace"}
    act(house, "ask", "harbour", "zoe", **other, now=now + DAY)
    with pytest.raises(Refused, match="is not reviewed"):
        act(house, "ask", "harbour", "zoe", **other, now=now + 4 * DAY)


@pytest.mark.parametrize("who", ["erin", "grace", "ann", "zoe"])
def test_who_had_a_part_in_it_or_does_not_judge_does_not_review(house, now, who):
    number = asked(house, now)
    act(house, "second", number, actor="erin", now=now)
    with pytest.raises(Refused):
        act(house, "review", number, actor=who, said="fine", now=now + 3 * HOUR)
