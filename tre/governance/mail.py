"""A mail is written down in the act that it tells of, so that nothing acknowledged goes untold; it is sent later."""

from datetime import datetime

from sqlalchemy.orm import Session

from tre.records.tables import MailRow, PersonRow

LONGEST_SUBJECT = 150


def queue(session: Session, person: str, subject: str, body: str, now: datetime) -> bool:
    """Have a mail sent to a person; False if they have no address, and so get none."""
    row = session.get(PersonRow, person)
    if row is None or not row.email:
        return False
    line = " ".join(subject.split())[:LONGEST_SUBJECT]
    session.add(MailRow(person=person, subject=line, body=body, queued_at=now))
    return True
