"""The short way for a project that stands: more data in one line, each step of the committee in one command.

Whoever votes on the command line declares by it that they have no interest in the application, and joins its panel.
"""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tre.errors import NotFound, StepRefused
from tre.governance import accounts, projects, text
from tre.governance.applications import active, asks, drafts, independence, review, told
from tre.governance.applications import form as forms
from tre.governance.applications import papers as on_file
from tre.governance.applications.form import Form
from tre.governance.applications.papers import Papers, datasets, get, listed
from tre.governance.applications.review import Asked, votes, votes_in
from tre.governance.applications.states import Kind, State, Vote
from tre.records import audit
from tre.records.tables import (
    ApplicationDatasetRow,
    ApplicationRow,
    ApprovalRow,
    DatasetRow,
    DatasetVersionRow,
    PanelRow,
    ProjectRow,
)
from tre.settings import NAME

__all__ = [
    "Asked", "State", "Vote", "apply", "datasets", "decide", "get", "joins", "listed", "revoke", "using", "vote",
    "votes", "votes_in", "withdraw",
]  # fmt: skip


def apply(
    session: Session,
    project: str,
    dataset: str,
    *,
    applicant: str,
    purpose: str,
    now: datetime,
    version: int | None = None,
    actor: str = "",
) -> int:
    """Ask for one version of a dataset (the newest unless named); return the application's number.

    `actor` is whoever enters it, if that is not the applicant.
    """
    stands = projects.get(session, project)
    _working(stands)
    accounts.person(session, applicant)
    if not projects.is_member(session, project, applicant, now=now):
        raise StepRefused(f"{applicant} cannot apply for project {project}: not a member")
    version = _version(session, dataset, version)
    _not_twice(session, project, dataset, version)
    form = replace(
        _of_project(session, stands),
        project=project,
        title=stands.title,
        purpose=text.line(purpose, "purpose", longest=2000),
        datasets=(f"{dataset}@{version}",),
        lead=applicant,
        members=(),
        start="",
        until="",
    )
    row = ApplicationRow(
        kind=Kind.DATASETS.value,
        project=project,
        applicant=applicant,
        purpose=form.purpose,
        state=State.IN_REVIEW.value,
        form_sha256=forms.digest(form),
        created_at=now,
        submitted_at=now,
        moved_at=now,
    )
    on_file.put(row, Papers(form=form, saved_by=applicant, saved_at=audit.stamp(now)))
    session.add(row)
    session.flush()
    drafts.ask_for(session, row, form, now=now)
    asks.require(session, "submit_application", row, applicant, now=now)
    panel = independence.free(session, row)
    session.add_all(PanelRow(application=row.id, person=name, named_at=now) for name in panel)
    session.flush()
    facts: dict[str, audit.Fact] = {
        "project": project,
        "dataset": dataset,
        "version": version,
        "applicant": applicant,
        "purpose": row.purpose,
        "form": row.form_sha256,
    }
    audit.append(session, "committee.apply", actor=actor or applicant, subject=on_file.subject(row), at=now, **facts)
    told.named(session, row, panel, now=now)
    return row.id


def vote(session: Session, application: int, person: str, choice: str, *, reason: str, now: datetime) -> None:
    """Cast one committee member's vote on the form as it stands: one each, and it stays."""
    row = get(session, application)
    joins(session, row, person, now=now)
    review.vote(session, application, person, choice, reason=reason, seen=row.form_sha256, now=now)


def decide(
    session: Session,
    application: int,
    *,
    actor: str,
    now: datetime,
    until: datetime | None = None,
    conditions: str = "",
    smallest_k: int | None = None,
    asked: Asked = Asked.NONE,
) -> State:
    """Settle an application by its votes; what was approved without a condition begins at once."""
    row = get(session, application)
    joins(session, row, actor, now=now)
    return active.decide(
        session, application, actor, until=until, remark=conditions, smallest_k=smallest_k, asked=asked, now=now
    )


def revoke(session: Session, application: int, *, why: str, actor: str, now: datetime) -> None:
    """Take an approval back; one member of the committee is enough to close what two opened."""
    active.revoke(session, application, actor, why=why, now=now)


def withdraw(session: Session, application: int, *, person: str, now: datetime, actor: str = "") -> None:
    """Take an application back before it is decided; its applicant alone may."""
    drafts.withdraw(session, application, person, now=now, actor=actor)


def using(session: Session, dataset: str, *, now: datetime) -> tuple[str, ...]:
    """Return the projects that may work with a dataset now: approved, and not closed."""
    wanted = (
        select(ApprovalRow.project)
        .join(ProjectRow)
        .where(
            ApprovalRow.dataset == dataset,
            ApprovalRow.revoked_at.is_(None),
            ApprovalRow.until > now,
            ProjectRow.closed_at.is_(None),
        )
    )
    return tuple(sorted(set(session.scalars(wanted))))


def joins(session: Session, row: ApplicationRow, person: str, *, now: datetime) -> None:
    """Put a person without an interest on the panel, and note that they declared none."""
    if row.kind != Kind.DATASETS or row.state != State.IN_REVIEW:
        return
    review.sits(session, row, person, "vote on or decide")
    said = session.get(PanelRow, (row.id, person))
    if said is None:
        said = PanelRow(application=row.id, person=person, named_at=now)
        session.add(said)
        session.flush()
    if said.declared_at is None:
        review.declare(session, row.id, person, now=now)


def _of_project(session: Session, project: ProjectRow) -> Form:
    """Return the form that a project stands on; an admin opened those that have none."""
    row = session.get(ApplicationRow, project.application) if project.application else None
    return on_file.form_of(row) if row else Form()


def _not_twice(session: Session, project: str, dataset: str, version: int) -> None:
    same = (
        select(ApplicationRow.id)
        .join(ApplicationDatasetRow, ApplicationDatasetRow.application == ApplicationRow.id)
        .where(
            ApplicationRow.project == project,
            ApplicationDatasetRow.dataset == dataset,
            ApplicationDatasetRow.version == version,
            ApplicationRow.state == State.IN_REVIEW.value,
        )
    )
    if earlier := session.scalars(same).first():
        raise StepRefused(
            f"application {earlier} asks for the same and is not decided yet: wait for it, or withdraw it"
        )


def _working(project: ProjectRow) -> None:
    if project.closed_at or project.suspended:
        state = "closed" if project.closed_at else "suspended"
        raise StepRefused(f"cannot apply for project {project.name}, which is {state}")


def _version(session: Session, dataset: str, version: int | None) -> int:
    found = session.get(DatasetRow, dataset) if NAME.fullmatch(dataset) else None
    if found is None:
        raise NotFound(f"there is no dataset {dataset[:40]!r}: see `tre dataset list`")
    if found.withdrawn:
        raise StepRefused(f"cannot apply for dataset {dataset}, which is withdrawn")
    newest = session.scalar(select(func.max(DatasetVersionRow.number)).where(DatasetVersionRow.dataset == dataset))
    if newest is None:
        raise StepRefused(f"dataset {dataset} has no data yet: run `tre dataset ingest {dataset} PATH...`")
    version = newest if version is None else version
    if not 0 < version <= newest or session.get(DatasetVersionRow, (dataset, version)) is None:
        raise NotFound(f"dataset {dataset} has no version {version}: the newest is {newest}")
    return version
