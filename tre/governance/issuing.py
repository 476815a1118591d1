"""What this house vouches for: that its committee granted a person of a project the use of a dataset, for a while.

A visa cannot be called back by us, so that it lasts a day at most, and never longer than what it speaks of.
"""

import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.errors import Refused
from tre.governance import accounts, projects
from tre.records import audit, visa_key
from tre.records.tables import ApprovalRow, DatasetRow, IssuedVisaRow
from tre.settings import Settings

LASTS: Final = timedelta(days=1)
PAGE: Final = "/hub/visas/jwks.json"


class Issued(NamedTuple):
    """A visa, and what it says."""

    dataset: str
    version: int
    until: datetime
    jti: str
    token: str


class Shown(NamedTuple):
    """A visa that was issued, as its person sees it."""

    project: str
    dataset: str
    issued_at: datetime
    until: datetime


def issue(
    session: Session, settings: Settings, person: str, project: str, *, dataset: str = "", actor: str, now: datetime
) -> tuple[Issued, ...]:
    """Sign a visa for each dataset that a person may use in a project now, or for one of them; or refuse."""
    end = _works(session, person, project, now=now)
    granted = [one for one in _in_force(session, project, now=now) if dataset in {"", one.dataset}]
    if not granted:
        raise Refused(
            f"no approval of {dataset or 'any dataset'} for {project} is in force: nothing can be vouched for",
            rules=("R09",),
            remedies=("apply to the data access committee (`tre application submit`)",),
        )
    return tuple(_signed(session, settings, person, one, end=end, actor=actor, now=now) for one in granted)


def of(session: Session, person: str, *, now: datetime) -> tuple[Shown, ...]:
    """Return the visas issued to a person that have not ended, the newest first."""
    asked = (
        select(ApprovalRow.project, ApprovalRow.dataset, IssuedVisaRow.issued_at, IssuedVisaRow.expires_at)
        .join(IssuedVisaRow, IssuedVisaRow.approval == ApprovalRow.id)
        .where(IssuedVisaRow.person == person, IssuedVisaRow.expires_at > now)
        .order_by(IssuedVisaRow.issued_at.desc(), ApprovalRow.dataset)
    )
    return tuple(Shown(*row) for row in session.execute(asked))


def value(settings: Settings, approval: ApprovalRow) -> str:
    """Return the name of a dataset version outside this house."""
    return f"{settings.hub_origin}/hub/catalogue/{approval.dataset}#version-{approval.version}"


def _works(session: Session, person: str, project: str, *, now: datetime) -> datetime:
    """Return until when a person works in a project that is at work, or refuse."""
    accounts.person(session, person)
    row = projects.get(session, project)
    if not accounts.active(session, person):
        raise Refused(f"{person} is suspended: nobody vouches for them", rules=("R01",))
    ends = [
        one.until
        for one in projects.members(session, project)
        if one.person == person and one.removed_at is None and one.since <= now < one.until
    ]
    if not ends:
        raise Refused(f"{person} is no member of {project} now: nothing can be vouched for", rules=("R00",))
    if row.suspended or row.closed_at is not None or row.approved_until <= now:
        raise Refused(f"{project} is at rest or over: nothing can be vouched for", rules=("R06",))
    return min(max(ends), row.approved_until)


def _in_force(session: Session, project: str, *, now: datetime) -> Iterator[ApprovalRow]:
    """Yield of each dataset the newest approval of its newest approved version, if it holds now."""
    rows = session.scalars(
        select(ApprovalRow)
        .join(DatasetRow, DatasetRow.name == ApprovalRow.dataset)
        .where(ApprovalRow.project == project, DatasetRow.withdrawn.is_(False))
        .order_by(ApprovalRow.dataset, ApprovalRow.version, ApprovalRow.id)
    )
    newest = {(one.dataset, one.version): one for one in rows}
    held = {one.dataset: one for one in newest.values() if one.revoked_at is None and one.since <= now < one.until}
    yield from held.values()


def _signed(
    session: Session,
    settings: Settings,
    person: str,
    approval: ApprovalRow,
    *,
    end: datetime,
    actor: str,
    now: datetime,
) -> Issued:
    """Sign one visa, and keep that it was; the visa itself is given out and not kept."""
    jti, until = secrets.token_hex(16), min(now + LASTS, approval.until, end)
    said = {
        "type": "ControlledAccessGrants",
        "asserted": int(approval.since.timestamp()),
        "value": value(settings, approval),
        "source": settings.hub_origin,
        "by": "dac",
    }
    claims = {
        "iss": settings.hub_origin,
        "sub": visa_key.subject(settings, person),
        "iat": int(now.timestamp()),
        "exp": int(until.timestamp()),
        "jti": jti,
        "ga4gh_visa_v1": said,
    }
    token = visa_key.sign(settings, claims, jku=settings.hub_origin + PAGE)
    session.add(IssuedVisaRow(jti=jti, person=person, approval=approval.id, issued_at=now, expires_at=until))
    audit.append(
        session, "visa.issue", actor=actor, subject=f"person/{person}", at=now, jti=jti, project=approval.project,
        dataset=approval.dataset, approval=approval.id, until=audit.stamp(until),
    )  # fmt: skip
    return Issued(approval.dataset, approval.version, until, jti, token)
