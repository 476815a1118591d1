"""Mails that acts have queued are sent here: by SMTP, or into a folder of the home where no server is named.

A mail is noted as sent after it was: a crash between the two sends it again, and never forgets it. One that cannot be
sent is tried again, ever more rarely; after `TRIES` it is given up, which the log says. What it tells of stands on the
person's page all the while.
"""

import logging
import os
import re
import secrets
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Protocol

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from tre.records import audit
from tre.records.db import Records
from tre.records.tables import MailRow, PersonRow
from tre.settings import Settings

SECONDS = 10
AT_ONCE = 50
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=6)
TRIES = 20
NEVER_AGAIN = timedelta(days=36500)
PLACE = re.compile(r"^/(?=(hub|services)/)", re.MULTILINE)
"""A line that is the path of one of our pages."""
log = logging.getLogger("postman")


class Send(Protocol):
    """Hands one mail over, or raises."""

    def __call__(self, mail: EmailMessage, /) -> None:
        """Send it."""


def send_waiting(records: Records, settings: Settings, *, now: datetime) -> int:
    """Send every mail whose time has come; return how many were sent."""
    waiting = _waiting(records, now)
    if not waiting:
        return 0
    try:
        with _door(settings) as send:
            return sum(_one(records, settings, send, row, address, now=now) for row, address in waiting)
    except (OSError, ValueError, smtplib.SMTPException) as error:  # the server as a whole
        for row, _ in waiting:
            _failed(records, row, _why(settings, error), now=now)
        return 0


def written(settings: Settings, row: MailRow, address: str) -> EmailMessage:
    """Return a mail as it is sent; the paths of our pages become addresses."""
    mail = EmailMessage()
    mail["From"] = f"hortus@{settings.domain}"
    mail["To"] = address
    mail["Subject"] = row.subject
    mail["Date"] = format_datetime(row.queued_at)
    mail["Message-ID"] = make_msgid(f"{row.id}", settings.domain)
    mail["Auto-Submitted"] = "auto-generated"
    origins = {"hub": settings.hub_origin, "services": settings.airlock_origin}
    mail.set_content(PLACE.sub(lambda found: f"{origins[found[1]]}/", row.body))
    return mail


def _waiting(records: Records, now: datetime) -> tuple[tuple[MailRow, str], ...]:
    due = (
        select(MailRow, PersonRow.email)
        .join(PersonRow, PersonRow.name == MailRow.person)
        .where(MailRow.sent_at.is_(None), or_(MailRow.retry_at.is_(None), MailRow.retry_at <= now))
    )
    with records.read() as session:
        return tuple((row, address) for row, address in session.execute(due.order_by(MailRow.id).limit(AT_ONCE)))


@contextmanager
def _door(settings: Settings) -> Iterator[Send]:
    """Give what hands mails over; one connection serves all that wait."""
    if not settings.mail:
        yield lambda mail: _put(settings, mail)
        return
    host, _, port = settings.mail.partition(":")
    with smtplib.SMTP(host, int(port or 25), timeout=SECONDS) as server:

        def send(mail: EmailMessage, /) -> None:
            server.send_message(mail)

        yield send


def _put(settings: Settings, mail: EmailMessage) -> None:
    settings.mails.mkdir(mode=0o700, exist_ok=True)
    place = settings.mails / f"{secrets.token_hex(8)}.eml"
    part = place.with_suffix(".part")
    part.write_bytes(bytes(mail))
    os.chmod(part, 0o600)  # noqa: PTH101 -- the folder is 0700 already
    part.replace(place)


def _one(records: Records, settings: Settings, send: Send, row: MailRow, address: str, *, now: datetime) -> bool:
    try:
        send(written(settings, row, address))
    except smtplib.SMTPServerDisconnected:
        raise  # the others would not get through either
    except (ValueError, smtplib.SMTPException) as error:  # this mail alone
        _failed(records, row, _why(settings, error), now=now)
        return False
    with records.act("sentinel", "mail.send", f"mail/{row.id}") as session:
        session.execute(update(MailRow).where(MailRow.id == row.id).values(sent_at=now, tries=row.tries + 1))
        _said(session, "mail.send", row, now, tries=row.tries + 1)
    return True


def _failed(records: Records, row: MailRow, why: str, *, now: datetime) -> None:
    """Say when it is tried again, and that it failed: each try is further from the last."""
    tries = row.tries + 1
    last = tries >= TRIES
    log.warning("mail %s to %s was not sent: %s", row.id, row.person, why)
    act = "mail.give_up" if last else "mail.wait"
    pause = NEVER_AGAIN if last else min(FIRST_PAUSE * 2 ** min(row.tries, 20), LONGEST_PAUSE)
    with records.act("sentinel", act, f"mail/{row.id}") as session:
        session.execute(
            update(MailRow)
            .where(MailRow.id == row.id, MailRow.sent_at.is_(None))
            .values(tries=tries, retry_at=now + pause)
        )
        _said(session, act, row, now, tries=tries, why=why)


def _said(session: Session, act: str, row: MailRow, now: datetime, **facts: audit.Fact) -> None:
    audit.append(session, act, actor="sentinel", subject=f"mail/{row.id}", at=now, person=row.person, **facts)


def _why(settings: Settings, error: Exception) -> str:
    """Say what went wrong, without what the server said: it may repeat what was in the mail."""
    return f"the mail server {settings.mail or 'of the folder'} does not take it ({type(error).__name__})"
