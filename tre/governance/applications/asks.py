"""What the rules may look at of an application, gathered from the records."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from policies import facts
from policies.facts import NEVER, Ask
from tre.governance import access
from tre.governance.applications import independence
from tre.governance.applications import papers as on_file
from tre.governance.applications.matching import DENY, MANUAL, PERMIT, Point, open_points, points
from tre.governance.applications.states import Kind
from tre.records.tables import ApplicationRow

__all__ = ["DENY", "MANUAL", "PERMIT", "Deciding", "Point", "application_facts", "open_points", "points", "require"]


@dataclass(frozen=True, kw_only=True)
class Deciding:
    """What somebody says when they vote or decide."""

    seen: str = ""
    until: datetime | None = None
    approving: bool = False


# --- what the rules see -----------------------------------------------------------------------------------------------
def require(
    session: Session, verb: str, row: ApplicationRow, person: str, *, now: datetime, deciding: Deciding | None = None
) -> None:
    """Ask the rules whether a person may do this to an application now; refuse with every reason."""
    ask = access.plain_ask(session, "sign_in", person, now=now, second_factor=True)
    application = application_facts(session, row, person, now=now, deciding=deciding or Deciding())
    access.require(session, Ask(**{**vars(ask), "verb": verb, "application": application}))


def application_facts(
    session: Session, row: ApplicationRow, person: str, *, now: datetime, deciding: Deciding
) -> facts.Application:
    """Gather what is known of an application, as one person stands to it."""
    latest, end = on_file.last_end(session, row, now=now), on_file.form_of(row).end
    said = independence.panel(session, row.id)
    return facts.Application(
        number=str(row.id),
        applicant=row.applicant,
        project=row.project,
        named=independence.named(session, row),
        form=row.form_sha256,
        seen_form=deciding.seen,
        complete=_complete(row),
        until=deciding.until or end or (latest if row.kind == Kind.DATASETS else NEVER),
        latest=latest,
        panel=frozenset(one.person for one in said if one.declared_at and not one.conflict),
        conflicted=independence.why_not(session, row, person) is not None,
        voted=frozenset(one.person for one in on_file.cast(session, row.id) if one.form_sha256 == row.form_sha256),
        votes=independence.count(session, row).total(),
        quorum=on_file.numbers(session).quorum,
        chaired=independence.presides(session, row, person),
        unruled=deciding.approving and bool(open_points(session, row)),
    )


def _complete(row: ApplicationRow) -> bool:
    """Whether the purpose is coded and all have accepted; a standing project's wish for data is read in words."""
    papers = on_file.of(row)
    return row.kind == Kind.DATASETS or (bool(papers.form.terms) and not papers.waiting(row.applicant))
