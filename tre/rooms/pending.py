"""Applications and re-contacts that wait are asked about again, so that one whose facts lapsed does not rest silently.

Exports are the airlock's: its worker asks about them.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from policies.engine import Decision
from policies.facts import ALWAYS, Application, Recontact
from tre.governance import access, frozen
from tre.records.db import Records
from tre.records.tables import ApplicationRow, PanelRow, RecontactRow

APPLICATIONS = ("submitted", "in_review", "approved_pending")
RECONTACTS = ("in_review", "approved")
HOME = "/hub/home"


class Waits(NamedTuple):
    """Something that waits for a decision, and what the rules say of what it stands on."""

    kind: str
    subject: str
    people: tuple[str, ...]
    """Whoever asked, and whoever is asked."""
    said: Decision


def look(records: Records, *, now: datetime) -> int:
    """Ask about everything that waits; record what froze or thawed. Return how much of it did."""
    with records.read() as session:
        waiting = (*_applications(session, now), *_recontacts(session, now))
        moved = [one for one in waiting if bool(frozen.lapsed(one.said)) != _rests(session, one)]
    for one in moved:
        with records.act("sentinel", f"{one.kind}.frozen", one.subject) as session:
            if bool(frozen.lapsed(one.said)) != _rests(session, one):
                frozen.note(
                    session, one.kind, one.subject, one.said, people=one.people, url=HOME, actor="sentinel", now=now
                )
    return len(moved)


def _rests(session: Session, one: Waits) -> bool:
    return one.subject in frozen.frozen(session, one.kind, (one.subject,))


def _applications(session: Session, now: datetime) -> Iterator[Waits]:
    """Whether whoever applied may still do so; what the form says is for the panel."""
    for row in session.scalars(select(ApplicationRow).where(ApplicationRow.state.in_(APPLICATIONS))):
        form = Application(
            number=str(row.id), applicant=row.applicant, project=row.project, complete=True, until=ALWAYS, latest=ALWAYS
        )
        asked = access.ask(session, "submit_application", row.applicant, now=now, second_factor=True, application=form)
        panel = session.scalars(select(PanelRow.person).where(PanelRow.application == row.id))
        said = access.decide(session, asked)
        yield Waits("application", f"application/{row.id}", (row.applicant, *panel), said)


def _recontacts(session: Session, now: datetime) -> Iterator[Waits]:
    for row in session.scalars(select(RecontactRow).where(RecontactRow.state.in_(RECONTACTS))):
        wish = Recontact(request=str(row.id), requester=row.requester, contact=True)
        asked = access.ask(
            session, "ask_recontact", row.requester, now=now, second_factor=True, project=row.project, recontact=wish
        )
        yield Waits("recontact", f"recontact/{row.id}", (row.requester,), access.decide(session, asked))
