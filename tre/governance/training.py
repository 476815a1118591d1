"""A person is trained until a date, course by course, and has signed the agreement as it reads today."""

import re
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tre.errors import StepRefused, Unreadable
from tre.governance import text
from tre.governance.accounts import person as known
from tre.records import audit
from tre.records.tables import AgreementRow, TrainingRow

LONGEST = 60
COURSE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def record(
    session: Session, person: str, course: str, until: datetime, *, actor: str, now: datetime, evidence: str = ""
) -> None:
    """Note that a person passed a course, on what evidence, and when that lapses."""
    known(session, person)
    if not COURSE.fullmatch(course) or len(course) > LONGEST:
        raise Unreadable(f"course {course[:60]!r}: use 1-60 characters a-z, 0-9 and single hyphens")
    text.ahead(until, f"course {course}", now=now)
    session.add(TrainingRow(person=person, course=course, until=until, recorded_at=now))
    audit.append(
        session,
        "training.record",
        actor=actor,
        subject=f"person/{person}",
        at=now,
        course=course,
        until=audit.stamp(until),
        evidence=text.line(evidence, "evidence") if evidence else "",
    )


def courses(session: Session, person: str) -> dict[str, datetime]:
    """When each course of a person lapses; a renewal counts from when it is recorded."""
    latest = select(TrainingRow.course, func.max(TrainingRow.until)).where(TrainingRow.person == person)
    return dict(session.execute(latest.group_by(TrainingRow.course)).all())


@cache
def agreement() -> str:
    """Text of the user agreement in force."""
    return files("tre.governance").joinpath("agreement.md").read_text("utf-8")


@cache
def agreement_sha256() -> str:
    """SHA-256 (hex) of the agreement in force: a changed comma must be signed again."""
    return sha256(agreement().encode()).hexdigest()


def signed(session: Session, person: str) -> str:
    """SHA-256 of the agreement that a person signed last; empty if none."""
    last = select(AgreementRow.text_sha256).where(AgreementRow.person == person).order_by(AgreementRow.id.desc())
    return session.scalars(last.limit(1)).one_or_none() or ""


def sign_agreement(session: Session, person: str, *, actor: str, now: datetime) -> None:
    """Put a person's name under the agreement in force."""
    known(session, person)
    if signed(session, person) == agreement_sha256():
        raise StepRefused(f"{person} has signed this agreement already")
    session.add(AgreementRow(person=person, text_sha256=agreement_sha256(), signed_at=now))
    audit.append(
        session, "agreement.sign", actor=actor, subject=f"person/{person}", at=now, text_sha256=agreement_sha256()
    )
