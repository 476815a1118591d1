"""What will lapse when, and the first of it that a room stands on."""

from datetime import timedelta

import pytest

from policies.facts import NEVER
from tests.builders import HOST, an_approval
from tre.governance import access, committee, endings, projects, training
from tre.governance.endings import Standing
from tre.records.tables import AgreementTextRow, ApplicationRow, ConditionRow, EmergencyRow

YEAR = timedelta(days=365)
DAY = timedelta(days=1)
MOUNTS = (access.Mount("trial", 1, 1),)


@pytest.fixture
def approved(sunrise, settings, now):
    with sunrise.act(HOST, "test.build", "home") as session:
        return an_approval(session, "sunrise", "trial", settings=settings, now=now)


def look(records, now, mounts=MOUNTS):
    with records.read() as session:
        return endings.first(session, "sunrise", "ann", mounts, now)


def test_everything_that_a_person_and_a_project_have_stands_with_its_end_and_rule(sunrise, approved, now):
    with sunrise.read() as session:
        mine = {(e.kind, e.what): (e.until, e.rule) for e in endings.of_person(session, "ann", now)}
        ours = {(e.kind, e.what): (e.until, e.rule) for e in endings.of_project(session, "sunrise", now)}
    assert mine == {
        ("course", "gdpr"): (now + YEAR, "R03"),
        ("course", "safe-researcher"): (now + YEAR, "R03"),
        ("membership", "sunrise"): (now + YEAR, "R05"),
    }
    assert ours == {
        ("project", "sunrise"): (now + YEAR, "R07"),
        ("retention", "sunrise"): (now + YEAR + YEAR, "R08"),
        ("approval", "trial"): (now + YEAR, "R09"),
    }


def test_each_rule_brings_its_remedy(sunrise, approved, now):
    with sunrise.read() as session:
        assert all(
            e.remedy for e in (*endings.of_person(session, "ann", now), *endings.of_project(session, "sunrise", now))
        )


def test_what_has_lapsed_is_no_ending_any_more(sunrise, approved, now):
    with sunrise.read() as session:
        assert endings.of_person(session, "ann", now + YEAR) == ()


def test_a_course_that_no_role_of_theirs_demands_is_nobodys_concern(sunrise, now):
    with sunrise.act(HOST, "test.build", "home") as session:
        training.record(session, "ann", "juggling", now + DAY, actor=HOST, now=now)
    with sunrise.read() as session:
        assert "juggling" not in {e.what for e in endings.of_person(session, "ann", now)}


# what happened -> the first end of the room
def shorter_course(session, now):
    from sqlalchemy import update

    from tre.records.tables import TrainingRow

    session.execute(update(TrainingRow).where(TrainingRow.course == "gdpr").values(until=now + DAY))


def shorter_approval(session, now):
    from sqlalchemy import update

    from tre.records.tables import ApprovalRow

    session.execute(update(ApprovalRow).values(until=now + 2 * DAY))


def shorter_membership(session, now):
    projects.remove_member(session, "sunrise", "ann", actor=HOST, now=now)
    projects.add_member(session, "sunrise", "ann", until=now + 3 * DAY, actor=HOST, now=now)


def shorter_project(session, now):
    projects.get(session, "sunrise").approved_until = now + 4 * DAY


def a_newer_agreement(session, now):
    session.add(AgreementTextRow(number=9, sha256="9" * 64, text="new", since=now + 5 * DAY, actor=HOST))


def shorter_retention(session, now):
    projects.get(session, "sunrise").retained_until = now + 6 * DAY


@pytest.mark.parametrize(
    ("change", "days"),
    [
        (shorter_course, 1),
        (shorter_approval, 2),
        (shorter_membership, 3),
        (shorter_project, 4),
        (a_newer_agreement, 5),
        (shorter_retention, 6),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_room_ends_with_the_first_fact_it_stands_on(sunrise, approved, now, change, days):
    assert look(sunrise, now) == now + YEAR
    with sunrise.act(HOST, "test.change", "home") as session:
        change(session, now)
        projects.rotate(session, "sunrise", why="something was recorded", actor=HOST, now=now)
    assert look(sunrise, now) == now + days * DAY


def test_a_room_without_an_approval_for_what_it_mounts_has_ended(sunrise, now):
    assert look(sunrise, now, mounts=()) == now + YEAR
    assert look(sunrise, now) == NEVER


def test_a_revoked_approval_has_no_end_ahead(sunrise, approved, now):
    with sunrise.act(HOST, "test.change", "home") as session:
        committee.revoke(session, approved, why="a test", actor="erin", now=now)
    assert look(sunrise, now) == NEVER
    with sunrise.read() as session:
        assert "approval" not in {e.kind for e in endings.of_project(session, "sunrise", now)}


def an_emergency(session, now):
    hours = timedelta(hours=2)
    session.add(
        EmergencyRow(
            project="sunrise", person="ann", reason="a test", asked_by="grace", asked_at=now, hours=2, until=now + hours
        )
    )
    projects.rotate(session, "sunrise", why="something was recorded", actor=HOST, now=now)
    return now + hours


def test_an_emergency_carries_what_it_lifts_until_it_ends(sunrise, approved, now):
    with sunrise.act(HOST, "test.change", "home") as session:
        shorter_course(session, now - 2 * DAY)
        ends = an_emergency(session, now)
    assert look(sunrise, now) == ends


def test_an_emergency_lifts_no_missing_approval(sunrise, now):
    with sunrise.act(HOST, "test.change", "home") as session:
        an_emergency(session, now)
    assert look(sunrise, now) == NEVER


def test_a_condition_that_is_due_and_an_ethics_vote_bring_a_project_to_rest_by_their_dates(sunrise, approved, now):
    with sunrise.act(HOST, "test.change", "home") as session:
        row = session.get_one(ApplicationRow, approved)
        row.ethics_until = now + 9 * DAY
        session.add(ConditionRow(application=approved, text="a data protection officer", due=now + 4 * DAY))
        session.add(ConditionRow(application=approved, text="met", due=now + DAY, accepted_at=now))
        projects.rotate(session, "sunrise", why="something was recorded", actor=HOST, now=now)
    with sunrise.read() as session:
        assert endings.rests(session, ("sunrise", "other"), now) == {"sunrise": now + 4 * DAY}
        found = {(e.kind, e.until, e.rule) for e in endings.of_project(session, "sunrise", now)}
    assert {("condition", now + 4 * DAY, "R06"), ("ethics", now + 9 * DAY, "R16")} <= found


def test_many_rooms_are_looked_at_in_as_many_questions_as_one(sunrise, approved, settings, now):
    from sqlalchemy import event

    asked = []
    event.listen(sunrise.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))

    def questions(rooms):
        asked.clear()
        with sunrise.read() as session:
            endings.firsts(session, rooms, now)
        return len(asked)

    one = [Standing("sunrise", "ann", MOUNTS)]
    assert questions(one + [Standing("sunrise", f"p{n}", MOUNTS) for n in range(50)]) == questions(one)
