"""A project has an end, and people who belong to it for a while; that they did is never forgotten."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from tests.builders import HOST, YEAR, a_project, at_once, rules_only
from tre.errors import NotFound, Refused, StepRefused, TREError, Unreadable
from tre.governance import projects
from tre.records.tables import ProjectRow

DAY = timedelta(days=1)


def change(records, verb, *args, now, **kwargs):
    with records.act(HOST, "test.change", "project/sunrise") as session:
        return verb(session, *args, actor=HOST, now=now, **kwargs)


def create(records, name, now, **given):
    given = {"title": "A title", "purpose": "p", "approved_until": now + YEAR, "retained_until": now + YEAR} | given
    return change(records, projects.create, name, now=now, **given)


# --- projects ---------------------------------------------------------------------------------------------------------
def test_each_project_has_a_user_of_its_own_above_all_people(sunrise, now):
    create(sunrise, "harbour", now)
    with sunrise.read() as session:
        uids = [projects.get(session, name).uid for name in ("sunrise", "harbour")]
    assert uids == [projects.FIRST_UID, projects.FIRST_UID + 1]


def test_a_closed_projects_user_is_not_given_again(sunrise, now):
    change(sunrise, projects.close, "sunrise", why="done", now=now)
    assert create(sunrise, "harbour", now).uid == projects.FIRST_UID + 1


def test_projects_created_at_once_share_no_user(records, now):
    outcomes = at_once(4, lambda number: create(records, f"project-{number}", now))
    made = sum(not isinstance(outcome, TREError) for outcome in outcomes)
    with records.read() as session:
        assert session.scalar(select(func.count(ProjectRow.uid.distinct()))) == made >= 1


@rules_only
@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"name": "Sunrise"}, Unreadable),
        ({"name": "sunrise"}, StepRefused),
        ({"title": ""}, Unreadable),
        ({"purpose": " \n "}, Unreadable),
        ({"approved_until": timedelta(0)}, StepRefused),
        ({"retained_until": YEAR - DAY}, StepRefused),
    ],
    ids=repr,
)
def test_what_cannot_be_a_project_is_not_created(sunrise, now, given, error):
    given = {key: now + value if isinstance(value, timedelta) else value for key, value in given.items()}
    with pytest.raises(error) as fault:
        create(sunrise, given.pop("name", "harbour"), now, **given)
    assert len(str(fault.value).splitlines()) == 1
    with sunrise.read() as session:
        assert session.scalars(select(ProjectRow.name)).all() == ["sunrise"]


@rules_only
@pytest.mark.parametrize(
    "verb",
    [
        lambda s, now: projects.suspend(s, "sunrise", why="w", actor=HOST, now=now),
        lambda s, now: projects.resume(s, "sunrise", actor=HOST, now=now),
        lambda s, now: projects.close(s, "sunrise", why="w", actor=HOST, now=now),
        lambda s, now: projects.add_member(s, "sunrise", "ben", actor=HOST, now=now),
    ],
    ids=["suspend", "resume", "close", "add_member"],
)
def test_a_closed_project_refuses_every_verb(sunrise, now, verb, said):
    change(sunrise, projects.close, "sunrise", why="done", now=now)
    with pytest.raises(StepRefused, match="closed"), sunrise.act(HOST, "project.try", "project/sunrise") as session:
        verb(session, now)
    assert "closed" in said("project.try.refused")[0]["facts"]["why"]


def test_a_member_leaves_a_closed_project(sunrise, now):
    change(sunrise, projects.close, "sunrise", why="done", now=now)
    change(sunrise, projects.remove_member, "sunrise", "ann", now=now)


def test_a_project_is_suspended_once_and_resumed_once(sunrise, now):
    with pytest.raises(StepRefused):
        change(sunrise, projects.resume, "sunrise", now=now)
    change(sunrise, projects.suspend, "sunrise", why="w", now=now)
    with pytest.raises(StepRefused):
        change(sunrise, projects.suspend, "sunrise", why="w", now=now)
    change(sunrise, projects.resume, "sunrise", now=now)


def test_a_project_that_is_not_there_is_not_found(records):
    with records.read() as session:
        for name in ("nothing", "\x00", ""):
            with pytest.raises(NotFound):
                projects.get(session, name)


# --- members ----------------------------------------------------------------------------------------------------------
def test_a_removed_member_is_no_member_and_always_was_one(sunrise, now):
    change(sunrise, projects.remove_member, "sunrise", "ann", now=now + DAY)
    with sunrise.read() as session:
        assert not projects.is_member(session, "sunrise", "ann", now=now + DAY)
        assert projects.ever_member(session, "sunrise", "ann")
        assert projects.of_person(session, "ann", now=now + DAY, lapsed=True) == ()
        assert not projects.ever_member(session, "sunrise", "ben")


def test_history_survives_removal_closing_and_coming_back(sunrise, now):
    change(sunrise, projects.remove_member, "sunrise", "ann", now=now + DAY)
    change(sunrise, projects.add_member, "sunrise", "ann", now=now + 2 * DAY)
    change(sunrise, projects.remove_member, "sunrise", "ann", now=now + 3 * DAY)
    change(sunrise, projects.close, "sunrise", why="done", now=now + 4 * DAY)
    with sunrise.read() as session:
        assert projects.ever_member(session, "sunrise", "ann")
        ended = [row.removed_at for row in projects.members(session, "sunrise")]
    assert ended == [now + DAY, now + 3 * DAY]


def test_a_membership_ends_by_itself(sunrise, now):
    change(sunrise, projects.add_member, "sunrise", "ben", until=now + DAY, now=now)
    with sunrise.read() as session:
        assert projects.is_member(session, "sunrise", "ben", now=now)
        assert not projects.is_member(session, "sunrise", "ben", now=now + DAY)
        assert projects.of_person(session, "ben", now=now + DAY) == ()
        assert [p.name for p in projects.of_person(session, "ben", now=now + DAY, lapsed=True)] == ["sunrise"]
        assert projects.ever_member(session, "sunrise", "ben")


def test_a_membership_can_be_made_longer_and_then_ends_at_once(sunrise, now):
    change(sunrise, projects.add_member, "sunrise", "ben", until=now + DAY, now=now)
    change(sunrise, projects.add_member, "sunrise", "ben", until=now + 3 * DAY, now=now)
    with sunrise.read() as session:
        assert projects.is_member(session, "sunrise", "ben", now=now + 2 * DAY)
    change(sunrise, projects.remove_member, "sunrise", "ben", now=now)
    with sunrise.read() as session:
        assert not projects.is_member(session, "sunrise", "ben", now=now)


def test_an_admin_is_no_member(sunrise, now):
    with pytest.raises(Refused) as refusal:
        change(sunrise, projects.add_member, "sunrise", "grace", now=now)
    assert refusal.value.rules == ("R29",)


@rules_only
@pytest.mark.parametrize(
    ("project", "person", "days", "error"),
    [
        ("sunrise", "ann", 365, StepRefused),
        ("sunrise", "ben", 0, StepRefused),
        ("sunrise", "ben", 366, StepRefused),
        ("sunrise", "nobody", 1, NotFound),
        ("nothing", "ben", 1, NotFound),
    ],
)
def test_who_cannot_be_a_member_is_not_added(sunrise, now, project, person, days, error):
    with pytest.raises(error):
        change(sunrise, projects.add_member, project, person, until=now + days * DAY, now=now)


def test_who_is_no_member_cannot_be_removed(sunrise, now):
    with pytest.raises(StepRefused, match="not a member"):
        change(sunrise, projects.remove_member, "sunrise", "ben", now=now)


def test_a_person_sees_their_open_projects_alone(sunrise, now):
    with sunrise.act(HOST, "test.build", "home") as session:
        a_project(session, "harbour", ("ann", "ben"), now=now)
        a_project(session, "meadow", ("ann",), now=now)
    change(sunrise, projects.close, "meadow", why="done", now=now)
    with sunrise.read() as session:
        assert [p.name for p in projects.of_person(session, "ann", now=now)] == ["harbour", "sunrise"]
        assert [p.name for p in projects.of_person(session, "ben", now=now)] == ["harbour"]
