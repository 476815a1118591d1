"""What people see of themselves, of a project and of the house, gathered from the records."""

from datetime import timedelta

import pytest

from policies.facts import Role
from tests.builders import HOST, YEAR, a_person, an_approval
from tre.errors import NotFound, Refused
from tre.governance import accounts, projects, training
from tre.governance.desk import acts, admin, log, person, project
from tre.records import audit
from tre.records.tables import MeterRow, RoomRow


@pytest.fixture
def changed(sunrise, now):
    """Change something behind everybody's back."""

    def change(*rows):
        with sunrise.act(HOST, "test.build", "home") as session:
            session.add_all(rows)
            audit.append(session, "test.build", actor=HOST, subject="home", at=now)

    return change


def seen(records, reader, now):
    with records.read() as session:
        return project.of(session, "sunrise", reader, now=now)


def a_room(opened, closed, **given):
    return RoomRow(project="sunrise", person="ann", mounts="[]", opened_at=opened, closed_at=closed, **given)


def test_what_ends_for_a_person_is_told_the_soonest_first_and_each_once(sunrise, settings, now):
    with sunrise.act(HOST, "test.build", "home") as session:
        an_approval(session, "sunrise", "trial", settings=settings, now=now, until=now + timedelta(days=20))
    with sunrise.read() as session:
        due = person.of(session, "ann", now=now).due
    assert due[0].what == "trial in project sunrise"
    assert (due[0].soon, due[0].share) == (True, 5)
    assert [each.until for each in due] == sorted(each.until for each in due)
    assert len({each.what for each in due}) == len(due)


def test_a_course_that_was_never_taken_is_shown_as_lacking(sunrise, settings, now):
    with sunrise.act(HOST, "test.build", "home") as session:
        a_person(session, "new", settings=settings, now=now, trained=False, signed=False)
    with sunrise.read() as session:
        mine = person.of(session, "new", now=now)
    assert [(each.name, each.until, each.lapsed) for each in mine.courses] == [
        ("gdpr", None, True),
        ("safe-researcher", None, True),
    ]
    assert not mine.agreement.stands


def test_a_renewed_course_counts_until_its_last_day(sunrise, now):
    with sunrise.act(HOST, "test.build", "home") as session:
        training.record(session, "ann", "gdpr", now + 2 * YEAR, actor=HOST, now=now)
    with sunrise.read() as session:
        found = {each.name: each for each in person.courses(session, "ann", now=now)}
    assert (found["gdpr"].until, found["gdpr"].share, found["gdpr"].lapsed) == (now + 2 * YEAR, 100, False)


@pytest.mark.parametrize(
    ("reader", "parts"),
    [
        ("ann", {"people", "data", "duties", "rooms", "exports", "costs", "doors"}),
        ("ben", set()),
        ("dave", {"people", "data"}),
        ("grace", {"people", "data", "duties", "rooms", "costs", "acts"}),
        ("erin", {"people", "data", "duties"}),
        ("nobody", set()),
    ],
)
def test_each_may_see_their_parts(sunrise, now, reader, parts):
    with sunrise.read() as session:
        assert project.seen_by(session, "sunrise", reader, now=now) == parts


def test_who_was_removed_or_suspended_sees_nothing_more(sunrise, now):
    with sunrise.act(HOST, "test.build", "home") as session:
        projects.remove_member(session, "sunrise", "ann", actor=HOST, now=now)
        accounts.suspend(session, "grace", why="a test", actor=HOST, now=now)
    for reader in ("ann", "grace"):
        with pytest.raises(NotFound):
            seen(sunrise, reader, now)


def test_a_room_counts_in_each_month_in_which_it_was_open(sunrise, changed, now):
    end = now.replace(month=11, day=1, hour=0)
    changed(a_room(end - timedelta(hours=3), end + timedelta(hours=2)), a_room(now - timedelta(hours=1), None))
    changed(MeterRow(person="ann", project="sunrise", hour=end, bytes=5))
    months = {each.name: each for each in seen(sunrise, "ann", now).months}
    assert len(months) == 6
    assert (months["2026-10"].hours, months["2026-11"].hours) == (3.0, 3.0)
    assert (months["2026-10"].seen, months["2026-11"].seen) == (0, 5)


def test_open_rooms_and_the_last_closed_with_their_reason_are_shown(sunrise, changed, now):
    changed(a_room(now, None), *(a_room(now, now, closed_because=f"reason {number}") for number in range(25)))
    found = seen(sunrise, "ann", now)
    assert len(found.rooms) == 1
    assert [each.because for each in found.past] == [f"reason {number}" for number in range(24, 4, -1)]


def test_courses_that_lapse_within_thirty_days_are_on_the_admins_list(sunrise, now):
    def listed(then):
        with sunrise.read() as session:
            return {each.person for each in admin.lapses(session, ("ann", "dave"), now=then)}

    assert listed(now) == set()
    assert listed(now + YEAR - timedelta(days=29)) == {"ann", "dave"}


@pytest.mark.parametrize("actor", ["ann", "dave", "erin", "nobody"])
def test_nobody_administers_but_an_admin(sunrise, now, actor):
    with pytest.raises(Refused), sunrise.act(actor, "member.add", "project/sunrise") as session:
        acts.add_member(session, "sunrise", "ben", until=None, actor=actor, now=now)
    with sunrise.read() as session:
        assert not projects.ever_member(session, "sunrise", "ben")


def test_the_log_of_a_project_holds_nothing_of_others(sunrise, now):
    with sunrise.act(HOST, "test.build", "home") as session:
        a_project_beside(session, now)
    with sunrise.read() as session:
        lines = log.page(session, log.Filter(), project="sunrise").lines
    assert {each.subject for each in lines} == {"project/sunrise"}
    assert [each.seq for each in lines] == sorted((each.seq for each in lines), reverse=True)


def a_project_beside(session, now):
    projects.create(
        session, "sunrise-two", title="Two", purpose="beside", approved_until=now + YEAR, retained_until=now + YEAR,
        actor=HOST, now=now,
    )  # fmt: skip


def test_a_suspended_admin_administers_no_more(sunrise, settings, now):
    with sunrise.act(HOST, "test.build", "home") as session:
        a_person(session, "gus", Role.ADMIN, settings=settings, now=now, suspended=True)
    with pytest.raises(Refused), sunrise.act("gus", "project.close", "project/sunrise") as session:
        acts.close_project(session, "sunrise", why="x", actor="gus", now=now)
