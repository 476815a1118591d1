"""What a person must know is told once: it stands on their page until they read it, and goes to them by mail."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tre.governance import accounts, mail
from tre.records import audit
from tre.records.tables import NoticeRow

LONGEST_KEY = 200


def tell(session: Session, person: str, *, key: str, text: str, url: str = "", now: datetime) -> bool:
    """Tell a person something, unless they were told under this key before; say whether it was new.

    `url` is a page of the house (`/hub/home`); a mail has its whole address.
    """
    accounts.person(session, person)
    key = key[:LONGEST_KEY]
    if session.scalars(select(NoticeRow.id).where(NoticeRow.person == person, NoticeRow.key == key)).first():
        return False
    session.add(NoticeRow(person=person, key=key, text=text, url=url, at=now))
    mailed = mail.queue(session, person, text.partition(". ")[0], "\n\n".join(filter(None, (text, url))) + "\n", now)
    audit.append(
        session, "notice.tell", actor="house", subject=f"person/{person}", at=now, key=key, text=text, mail=mailed
    )
    return True


def of(session: Session, person: str, *, unread: bool = True) -> tuple[NoticeRow, ...]:
    """Return what a person was told and did not read, newest first; with `unread=False` all of it."""
    rows = select(NoticeRow).where(NoticeRow.person == person)
    if unread:
        rows = rows.where(NoticeRow.read_at.is_(None))
    return tuple(session.scalars(rows.order_by(NoticeRow.id.desc())))


def read(session: Session, person: str, ids: Iterable[int], now: datetime) -> int:
    """Note that a person has read what they were told; another's notices are left alone. Return how many."""
    mine = select(NoticeRow.id).where(
        NoticeRow.person == person, NoticeRow.id.in_(tuple(ids)), NoticeRow.read_at.is_(None)
    )
    found = tuple(session.scalars(mine))
    if found:
        session.execute(update(NoticeRow).where(NoticeRow.id.in_(found)).values(read_at=now))
        audit.append(session, "notice.read", actor=person, subject=f"person/{person}", at=now, notices=list(found))
    return len(found)
