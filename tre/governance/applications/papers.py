"""What is on file of an application: its form with who saved it and who agreed, its datasets, and where it stands."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from policies.book import Numbers
from tre.errors import NotFound, StepRefused
from tre.governance import rulebook
from tre.governance.applications import form as forms
from tre.governance.applications import states
from tre.governance.applications.form import Form
from tre.governance.applications.states import By, Kind, State
from tre.records import audit
from tre.records.tables import (
    ApplicationDatasetRow,
    ApplicationRow,
    ApplicationVoteRow,
    ApprovalRow,
    ConditionRow,
    ProjectRow,
)

LARGEST = 2**31
FAR = datetime(9000, 1, 1, tzinfo=UTC)
"""Nothing begins later: something must be able to come after it."""


@dataclass(frozen=True, kw_only=True)
class Papers:
    """A form, and who touched it."""

    form: Form = field(default_factory=Form)
    accepted: Mapping[str, str] = field(default_factory=dict)
    """Name -> SHA-256 of what they agreed to."""
    saved_by: str = ""
    saved_at: str = ""

    def waiting(self, applicant: str) -> tuple[str, ...]:
        """Who is named and has not agreed to the form as it stands; the applicant agrees by applying."""
        now = forms.agreed(self.form)
        return tuple(name for name in self.form.named if name != applicant and self.accepted.get(name) != now)


def numbers(session: Session) -> Numbers:
    """Return the numbers that the committee works by: those of the rules in force."""
    return rulebook.in_force(session).committee


def get(session: Session, number: int) -> ApplicationRow:
    """Return an application, or say that there is none of that number."""
    row = session.get(ApplicationRow, number) if 0 < number < LARGEST else None
    if row is None:
        raise NotFound(f"there is no application {number}: see `tre application list`")
    return row


def listed(session: Session) -> tuple[ApplicationRow, ...]:
    """Every application there was, oldest first."""
    return tuple(session.scalars(select(ApplicationRow).order_by(ApplicationRow.id)))


def of(row: ApplicationRow) -> Papers:
    """Return what is on file; an application of before there were forms has its words alone."""
    kept = json.loads(row.form)
    if "fields" not in kept:
        return Papers(form=Form(project=row.project, title=row.title, purpose=row.purpose))
    return Papers(
        form=forms.read(kept["fields"]),
        accepted=kept.get("accepted", {}),
        saved_by=kept.get("saved_by", ""),
        saved_at=kept.get("saved_at", ""),
    )


def form_of(row: ApplicationRow) -> Form:
    """Return the form as it stands."""
    return of(row).form


def put(row: ApplicationRow, papers: Papers) -> None:
    """Keep the form, and what of it tables show."""
    kept = {
        "fields": asdict(papers.form),
        "accepted": dict(papers.accepted),
        "saved_by": papers.saved_by,
        "saved_at": papers.saved_at,
    }
    row.form = audit.canonical(kept).decode()
    row.project, row.title, row.purpose = papers.form.project[:30], papers.form.title[:200], papers.form.purpose


def move(row: ApplicationRow, verb: str, by: By, *, now: datetime, to: State | None = None) -> State:
    """Take a step, or refuse; the caller records it."""
    before = State(row.state)
    after = states.take(verb, before, by, to=to)
    if after is not before:
        row.state, row.moved_at = after.value, now
    return after


def datasets(session: Session, number: int) -> tuple[ApplicationDatasetRow, ...]:
    """Return what an application asks for, by the name of the dataset."""
    rows = select(ApplicationDatasetRow).where(ApplicationDatasetRow.application == number)
    return tuple(session.scalars(rows.order_by(ApplicationDatasetRow.dataset)))


def approvals(session: Session, number: int) -> tuple[ApprovalRow, ...]:
    """Return what an application was given, in force or not."""
    rows = select(ApprovalRow).where(ApprovalRow.application == number)
    return tuple(session.scalars(rows.order_by(ApprovalRow.dataset, ApprovalRow.id)))


def conditions(session: Session, number: int) -> tuple[ConditionRow, ...]:
    """Return what the committee asks for beside, in its order."""
    rows = select(ConditionRow).where(ConditionRow.application == number)
    return tuple(session.scalars(rows.order_by(ConditionRow.id)))


def cast(session: Session, number: int) -> tuple[ApplicationVoteRow, ...]:
    """Return all votes there are, in their order, for whoever may count them."""
    rows = select(ApplicationVoteRow).where(ApplicationVoteRow.application == number)
    return tuple(session.scalars(rows.order_by(ApplicationVoteRow.at, ApplicationVoteRow.person)))


def latest(session: Session, start: datetime) -> datetime:
    """Return the last end that may be asked for, or granted at once, from a start."""
    return min(start, FAR) + timedelta(days=numbers(session).longest_days)


def last_end(session: Session, row: ApplicationRow, *, now: datetime) -> datetime:
    """Return the last end that may be granted: no more than is granted at once, and within a standing project's own."""
    if row.kind == Kind.DATASETS:
        stands = project(session, row)
        return stands.approved_until if stands else now
    return latest(session, form_of(row).begin or now)


def project(session: Session, row: ApplicationRow) -> ProjectRow | None:
    """Return the project that an application is about, if it stands."""
    return session.get(ProjectRow, row.project) if row.project else None


def must_name(session: Session, name: str, person: str) -> None:
    """Refuse a member whom the committee did not read of, in a project that it approved with its people."""
    project = session.get(ProjectRow, name)
    row = session.get(ApplicationRow, project.application) if project and project.application else None
    if row is not None and person not in form_of(row).named:
        raise StepRefused(f"application {row.id} does not name {person[:40]}: ask for an amendment that does")


def subject(row: ApplicationRow) -> str:
    """Return what the log calls an application."""
    return f"application/{row.id}"
