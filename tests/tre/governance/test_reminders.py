"""People are told 30, 7 and 1 days before something lapses, once each; a house that slept tells the most urgent."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from policies.facts import Role
from tests.builders import HOST, a_person, an_approval, rules_only
from tre.governance import accounts, reminders, training
from tre.records.tables import MailRow, NoticeRow, PersonRow

DAY = timedelta(days=1)
END = timedelta(days=200)


@pytest.fixture
def small(records, settings, now):
    """One auditor, one course."""
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", Role.AUDITOR, settings=settings, now=now, trained=False)
        training.record(session, "ann", "gdpr", now + END, actor=HOST, now=now)
    return records


def send(records, at):
    with records.act("sentinel", "notice.tell", "people") as session:
        return reminders.send(session, at)


def keys(records):
    with records.read() as session:
        return [key.rpartition("/")[2] for key in session.scalars(select(NoticeRow.key).order_by(NoticeRow.id))]


def test_each_warning_comes_once_however_often_it_is_looked(small, now):
    end = now + END
    for days in (31, 30, 29.5, 8, 7, 6.9, 3, 1, 0.9, 0.01, -1, -30):
        for _ in range(2):
            send(small, end - days * DAY)
    assert keys(small) == ["30", "7", "1"]


@rules_only
@pytest.mark.parametrize(("left", "stage"), [(31, []), (20, ["30"]), (5, ["7"]), (0.5, ["1"]), (-0.1, [])])
def test_a_house_that_was_down_tells_the_most_urgent_one_only(small, now, left, stage):
    send(small, now + END - left * DAY)
    assert keys(small) == stage


@rules_only
def test_a_warning_says_what_ends_when_and_what_to_do_on_the_page_and_by_mail(small, now):
    send(small, now + END - 7 * DAY)
    with small.read() as session:
        (told,) = session.scalars(select(NoticeRow))
        (mail,) = session.scalars(select(MailRow))
    assert told.text.startswith("Your course gdpr lapses on 2027-05-21 09:00 UTC (in 7 days). Take the training")
    assert mail.subject.startswith("Your course gdpr lapses")
    assert told.text in mail.body


@rules_only
def test_a_renewal_is_warned_of_anew(small, now):
    send(small, now + END - 7 * DAY)
    with small.act(HOST, "test.build", "home") as session:
        training.record(session, "ann", "gdpr", now + 2 * END, actor=HOST, now=now)
    send(small, now + END - 6 * DAY)
    assert keys(small) == ["7"]
    send(small, now + 2 * END - 6 * DAY)
    assert keys(small) == ["7", "7"]


@rules_only
def test_a_suspended_person_is_not_written_to(small, now):
    with small.act(HOST, "test.build", "home") as session:
        accounts.suspend(session, "ann", why="a test", actor=HOST, now=now)
    assert send(small, now + END - DAY) == 0


@rules_only
def test_every_member_hears_what_ends_for_the_project(sunrise, settings, now):
    with sunrise.act(HOST, "test.build", "home") as session:
        an_approval(session, "sunrise", "trial", settings=settings, until=now + END, now=now)
        for person in session.scalars(select(PersonRow)):
            training.record(session, person.name, "gdpr", now + 9 * END, actor=HOST, now=now)
    send(sunrise, now + END - DAY)
    with sunrise.read() as session:
        told = {(row.person, row.key) for row in session.scalars(select(NoticeRow).where(NoticeRow.at > now))}
    assert told == {("ann", f"approval/sunrise/trial/{now + END:%Y-%m-%d}/1")}
