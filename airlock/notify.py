"""Whoever's turn it is hears of it by mail; a mail says where to look, never what is in a file."""

import os
import secrets
import smtplib
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from airlock import queries, states
from airlock.states import State
from airlock.tables import RequestRow
from policies.facts import Role
from tre.errors import Unavailable
from tre.records.tables import PersonRow, RoleRow
from tre.settings import Settings

SECONDS = 10


def mails(session: Session, settings: Settings, row: RequestRow, *, now: datetime) -> tuple[EmailMessage, ...]:
    """Write to those whose turn it is: approvers when there is something to decide, else the author."""
    people = _approvers(session, row, now) if row.state == State.IN_REVIEW else (row.requester,)
    said = f"Export request {row.id} of project {row.project} is {states.words(State(row.state))}."
    body = f"{said}\n{row.trouble or states.says(State(row.state))}\n\n{url(settings, row.id)}\n"
    return tuple(_mail(session, settings, person, subject=said, body=body, now=now) for person in people)


def alarm(session: Session, settings: Settings, row: RequestRow, *, now: datetime) -> tuple[EmailMessage, ...]:
    """Write to the admins that a request cannot go on by itself."""
    said = f"Export request {row.id} needs an admin."
    body = f"{said}\n{row.trouble}\n\n{url(settings, row.id)}\n"
    admins = session.scalars(select(RoleRow.person).where(RoleRow.role == Role.ADMIN).order_by(RoleRow.person))
    return tuple(_mail(session, settings, person, subject=said, body=body, now=now) for person in admins)


def url(settings: Settings, request: int) -> str:
    """Return where a request's page is."""
    return f"{settings.airlock_origin}/services/airlock/requests/{request}"


def send(settings: Settings, mail: EmailMessage) -> None:
    """Hand a mail to the SMTP server, or put it into the folder of mails when none is named."""
    if not settings.mail:
        settings.mails.mkdir(mode=0o700, exist_ok=True)
        place = settings.mails / f"{secrets.token_hex(8)}.eml"
        place.write_bytes(bytes(mail))
        os.chmod(place, 0o600)  # noqa: PTH101 -- the folder is 0700 already
        return
    host, _, port = settings.mail.partition(":")
    try:
        with smtplib.SMTP(host, int(port or 25), timeout=SECONDS) as server:
            server.send_message(mail)
    except (OSError, ValueError, smtplib.SMTPException) as error:
        raise Unavailable(f"the mail server {settings.mail} does not answer ({type(error).__name__})") from None


def _approvers(session: Session, row: RequestRow, now: datetime) -> tuple[str, ...]:
    people = session.scalars(select(RoleRow.person).where(RoleRow.role == Role.APPROVER).order_by(RoleRow.person))
    return tuple(person for person in people if row in queries.queue(session, person, now=now))


def _mail(session: Session, settings: Settings, person: str, *, subject: str, body: str, now: datetime) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = f"airlock@{settings.domain}"
    mail["To"] = session.get_one(PersonRow, person).email or f"{person}@{settings.domain}"
    mail["Subject"] = subject
    mail["Date"] = format_datetime(now)
    mail.set_content(body)
    return mail
