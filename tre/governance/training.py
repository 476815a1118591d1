"""A person is trained until a date, course by course, and has signed the agreement as it reads today."""

import difflib
import re
from datetime import datetime
from hashlib import sha256
from importlib.resources import files

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tre.errors import NotFound, StepRefused, Unreadable
from tre.governance import text
from tre.governance.accounts import person as known
from tre.records import audit
from tre.records.tables import AgreementRow, AgreementTextRow, TrainingRow

LONGEST = 60
LONGEST_AGREEMENT = 200_000
COURSE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def record(
    session: Session,
    person: str,
    course: str,
    until: datetime,
    *,
    actor: str,
    now: datetime,
    source: str = "",
    evidence: str = "",
) -> None:
    """Note that a person passed a course, who vouches for it, on what evidence, and when that lapses."""
    known(session, person)
    text.ahead(until, f"course {checked_course(course)}", now=now)
    told = {
        "source": text.line(source, "source", longest=200) if source else "",
        "evidence": text.line(evidence, "evidence") if evidence else "",
    }
    session.add(TrainingRow(person=person, course=course, until=until, recorded_at=now, **told))
    facts = {"course": course, "until": audit.stamp(until), **told}
    audit.append(session, "training.record", actor=actor, subject=f"person/{person}", at=now, **facts)


def checked_course(course: str) -> str:
    """Return the name of a course, or say what it may be."""
    if not COURSE.fullmatch(course) or len(course) > LONGEST:
        raise Unreadable(f"course {course[:60]!r}: use 1-60 characters a-z, 0-9 and single hyphens")
    return course


def courses(session: Session, person: str) -> dict[str, datetime]:
    """When each course of a person lapses; a renewal counts from when it is recorded."""
    latest = select(TrainingRow.course, func.max(TrainingRow.until)).where(TrainingRow.person == person)
    return dict(session.execute(latest.group_by(TrainingRow.course)).all())


# --- the agreement ----------------------------------------------------------------------------------------------------
def agreement(session: Session, now: datetime) -> AgreementTextRow:
    """Return the user agreement in force: of those that have begun, the newest."""
    begun = select(AgreementTextRow).where(AgreementTextRow.since <= now)
    newest = begun.order_by(AgreementTextRow.since.desc(), AgreementTextRow.number.desc()).limit(1)
    row = session.scalars(newest).one_or_none()
    if row is None:
        raise NotFound("there is no user agreement in force: `tre agreement publish FILE --since DATE`")
    return row


def agreement_sha256(session: Session, now: datetime) -> str:
    """SHA-256 (hex) of the agreement in force: a changed comma must be signed again."""
    return agreement(session, now).sha256


def standing(session: Session, person: str, now: datetime) -> str:
    """Say in words whether a person signed the agreement in force."""
    last = signed(session, person)
    if not last:
        return "not signed"
    return "signed" if last == agreement_sha256(session, now) else "an older one"


def signatures(session: Session) -> dict[str, int]:
    """How many people have each text as the one that they signed last."""
    last = select(func.max(AgreementRow.id)).group_by(AgreementRow.person)
    count = select(AgreementRow.text_sha256, func.count()).where(AgreementRow.id.in_(last))
    return dict(session.execute(count.group_by(AgreementRow.text_sha256)).all())


def sha(words: str) -> str:
    """Return the SHA-256 (hex) by which a text is signed."""
    return sha256(words.encode()).hexdigest()


def packaged() -> str:
    """Text of the agreement that comes with this version; a new house begins with it."""
    return files("tre.governance").joinpath("agreement.md").read_text("utf-8")


def publish(session: Session, words: str, *, since: datetime, actor: str, now: datetime) -> int:
    """Make a text the user agreement from a moment on, when everybody must sign anew; return its number."""
    if not words.strip() or len(words) > LONGEST_AGREEMENT or "\x00" in words:
        raise Unreadable(f"agreement: write 1-{LONGEST_AGREEMENT} characters of text")
    if since < now:
        raise StepRefused(f"the agreement would begin on {since:%Y-%m-%d}, which is past: name a later date")
    digest = sha(words)
    same = session.scalars(select(AgreementTextRow.number).where(AgreementTextRow.sha256 == digest)).one_or_none()
    if same is not None:
        raise StepRefused(f"this text is agreement {same} already: nobody would sign it anew")
    number = (session.scalar(select(func.max(AgreementTextRow.number))) or 0) + 1
    session.add(AgreementTextRow(number=number, sha256=digest, text=words, since=since, actor=actor))
    facts = {"text_sha256": digest, "since": audit.stamp(since)}
    audit.append(session, "agreement.publish", actor=actor, subject=f"agreement/{number}", at=now, **facts)
    return number


def signed(session: Session, person: str) -> str:
    """SHA-256 of the agreement that a person signed last; empty if none."""
    last = select(AgreementRow.text_sha256).where(AgreementRow.person == person).order_by(AgreementRow.id.desc())
    return session.scalars(last.limit(1)).one_or_none() or ""


def changes(session: Session, person: str, now: datetime) -> tuple[str, ...]:
    """Lines that the agreement in force takes away (-) from and adds (+) to what a person signed; none if none."""
    before = session.scalars(select(AgreementTextRow).where(AgreementTextRow.sha256 == signed(session, person)))
    old, new = before.one_or_none(), agreement(session, now)
    if old is None or old.sha256 == new.sha256:
        return ()
    lines = difflib.unified_diff(old.text.splitlines(), new.text.splitlines(), lineterm="", n=0)
    return tuple(line for line in lines if not line.startswith(("---", "+++", "@@")))


def sign_agreement(session: Session, person: str, *, actor: str, now: datetime, seen: str = "") -> None:
    """Put a person's name under the agreement in force, which must be the one that they saw if `seen` is given."""
    known(session, person)
    digest = agreement_sha256(session, now)
    if seen and seen != digest:
        raise StepRefused("the agreement changed while you read it: read it again, then sign")
    if signed(session, person) == digest:
        raise StepRefused(f"{person} has signed this agreement already")
    session.add(AgreementRow(person=person, text_sha256=digest, signed_at=now))
    audit.append(session, "agreement.sign", actor=actor, subject=f"person/{person}", at=now, text_sha256=digest)
