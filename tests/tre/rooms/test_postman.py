"""Mails are sent by a real SMTP server, tried again when it is away, and never forgotten."""

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.builders import HOST, a_person
from tests.postbox import postbox
from tre.governance import notices
from tre.records.tables import EntryRow, MailRow
from tre.rooms import postman, sentinel
from tre.settings import load

TEXT = "Your course gdpr lapses on 2027-06-30. Zum Beispiel: übermorgen."


@pytest.fixture
def post():
    with postbox() as server:
        yield server


@pytest.fixture
def told(records, settings, now):
    with records.act(HOST, "test.build", "home") as session:
        for name in ("ann", "ben"):
            a_person(session, name, settings=settings, now=now)
            notices.tell(session, name, key="k", text=TEXT, url="/hub/home", now=now)
    return records


def served(settings, post):
    return load(settings.home, mail=post.address, database=settings.database)


def acts(records):
    with records.read() as session:
        rows = session.scalars(select(EntryRow.act).where(EntryRow.act.like("mail.%")).order_by(EntryRow.seq))
        return list(rows)


def waiting(records):
    with records.read() as session:
        return [row.person for row in session.scalars(select(MailRow).where(MailRow.sent_at.is_(None)))]


def test_a_notice_comes_by_mail_with_the_whole_address_of_its_page(told, settings, post, now):
    chosen = served(settings, post)
    assert postman.send_waiting(told, chosen, now=now) == 2
    first = post.mails[0]
    assert (first["To"], first["Subject"]) == ("ann@hortus.example", "Your course gdpr lapses on 2027-06-30")
    assert first.get_content().split() == [*TEXT.split(), f"{chosen.hub_origin}/hub/home"]
    assert acts(told) == ["mail.send", "mail.send"]


def test_a_mail_is_sent_once(told, settings, post, now):
    for _ in range(3):
        postman.send_waiting(told, served(settings, post), now=now)
    assert len(post.mails) == 2


def test_a_server_that_is_away_is_tried_again_ever_more_rarely(told, settings, post, now):
    chosen = served(settings, post)
    post.hangs_up = True
    assert postman.send_waiting(told, chosen, now=now) == 0
    assert acts(told) == ["mail.wait", "mail.wait"]
    post.hangs_up = False
    assert postman.send_waiting(told, chosen, now=now + timedelta(seconds=29)) == 0
    assert postman.send_waiting(told, chosen, now=now + timedelta(seconds=31)) == 2


def test_a_person_whose_mail_is_refused_keeps_nobody_elses(told, settings, post, now):
    post.refused.add("ann")
    assert postman.send_waiting(told, served(settings, post), now=now) == 1
    assert waiting(told) == ["ann"]


def test_what_is_refused_for_days_is_given_up_and_the_log_says_so(told, settings, post, now):
    post.refused.update({"ann", "ben"})
    for day in range(postman.TRIES + 5):
        postman.send_waiting(told, served(settings, post), now=now + timedelta(days=day))
    assert acts(told).count("mail.give_up") == 2
    assert len(acts(told)) == 2 * postman.TRIES


def test_no_server_at_all_stops_nothing(told, settings, now):
    chosen = load(settings.home, mail="127.0.0.1:9", database=settings.database)
    assert postman.send_waiting(told, chosen, now=now) == 0
    assert waiting(told) == ["ann", "ben"]


def test_without_a_named_server_mails_lie_in_a_folder_that_nobody_else_reads(told, settings, now):
    assert postman.send_waiting(told, settings, now=now) == 2
    found = sorted(settings.mails.iterdir())
    assert [path.suffix for path in found] == [".eml", ".eml"]
    assert {path.stat().st_mode & 0o777 for path in found} == {0o600}


def test_the_sentinels_process_sends_beside_its_watch(told, settings, post, monkeypatch):
    monkeypatch.setattr(sentinel, "POST_SECONDS", 0.05)
    stop = threading.Event()
    post_thread = threading.Thread(target=sentinel.send_mail, args=(served(settings, post), stop))
    post_thread.start()
    until = time.monotonic() + 20
    while len(post.mails) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    stop.set()
    post_thread.join(20)
    assert {mail["To"] for mail in post.mails} == {"ann@hortus.example", "ben@hortus.example"}
    assert waiting(told) == []


def test_what_the_server_says_is_not_written_down(told, settings, post, now):
    post.refused.add("ann")
    postman.send_waiting(told, served(settings, post), now=now)
    with told.read() as session:
        bodies = list(session.scalars(select(EntryRow.body).where(EntryRow.act == "mail.wait")))
    assert bodies
    assert not any(b"no such person" in body for body in bodies)
