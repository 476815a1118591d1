"""What a person must know is told once, on the page and by mail."""

import pytest
from sqlalchemy import select

from tests.builders import HOST
from tre.errors import NotFound
from tre.governance import notices
from tre.records.tables import MailRow, PersonRow

TEXT = "Your course gdpr lapses on 2027-06-30. Take it again."


def tell(records, person, key, now, text=TEXT):
    with records.act(HOST, "test.tell", "home") as session:
        new = notices.tell(session, person, key=key, text=text, url="/hub/home", now=now)
        if not new:
            from tre.records import audit

            audit.append(session, "test.tell", actor=HOST, subject="home", at=now)
    return new


def mails(records):
    with records.read() as session:
        return [(row.person, row.subject, row.body) for row in session.scalars(select(MailRow))]


def test_a_person_is_told_once_on_the_page_and_by_mail(sunrise, said, now):
    assert tell(sunrise, "ann", "course/gdpr/2027-06-30/7", now)
    assert not tell(sunrise, "ann", "course/gdpr/2027-06-30/7", now)
    with sunrise.read() as session:
        assert [row.text for row in notices.of(session, "ann")] == [TEXT]
    assert mails(sunrise) == [("ann", "Your course gdpr lapses on 2027-06-30", f"{TEXT}\n\n/hub/home\n")]
    assert [entry["facts"]["key"] for entry in said("notice.tell")] == ["course/gdpr/2027-06-30/7"]


def test_two_people_are_told_the_same(sunrise, now):
    assert tell(sunrise, "ann", "k", now)
    assert tell(sunrise, "ben", "k", now)


def test_a_person_without_an_address_reads_it_on_the_page(sunrise, said, now):
    with sunrise.act(HOST, "test.build", "home") as session:
        session.get_one(PersonRow, "ann").email = ""
        notices.tell(session, "ann", key="k", text=TEXT, now=now)
    assert mails(sunrise) == []
    assert said("notice.tell")[0]["facts"]["mail"] is False


def test_nobody_is_told_under_a_name_that_is_nobodys(sunrise, now):
    with pytest.raises(NotFound):
        tell(sunrise, "nobody", "k", now)


def test_what_was_read_is_gone_from_the_page_and_nobody_reads_for_another(sunrise, now):
    tell(sunrise, "ann", "k", now)
    with sunrise.read() as session:
        (row,) = notices.of(session, "ann")
    with sunrise.act("ben", "notice.read", "person/ben") as session:
        assert notices.read(session, "ben", [row.id], now) == 0
    with sunrise.act("ann", "notice.read", "person/ann") as session:
        assert notices.read(session, "ann", [row.id], now) == 1
    with sunrise.read() as session:
        assert notices.of(session, "ann") == ()
        assert len(notices.of(session, "ann", unread=False)) == 1
