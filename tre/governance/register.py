"""Everybody may know which research is done here, by whom, with which data and until when (SATRE 1.7.02)."""

import json
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from policies import duo
from tre.governance.applications import papers
from tre.governance.applications.form import Form
from tre.records import audit
from tre.records.tables import ApplicationRow, ApprovalRow, DatasetRow, EntryRow, PersonRow, ProjectRow

RELEASED, SUBMITTED = "export.release", "export.submit"


@dataclass(frozen=True, kw_only=True)
class Project:
    """What is public of a project."""

    name: str
    title: str
    summary: str
    """For people outside the field."""
    institution: str
    """Of the lead, as a ROR id; empty if nobody vouched for it."""
    lead: str
    """Empty unless they agreed to be named."""
    datasets: tuple[str, ...]
    since: datetime
    until: datetime
    state: str
    """working, resting, ended or closed."""
    outputs: int
    """Times that results left."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What is public of a dataset."""

    name: str
    title: str
    use: tuple[str, ...]
    """What for it may be used, code by code; empty if nothing is stated."""
    projects: tuple[str, ...]
    """Projects that work with it, or did."""


@dataclass(frozen=True, kw_only=True)
class Register:
    """What anybody may know, as of a moment."""

    at: datetime
    projects: tuple[Project, ...]
    datasets: tuple[Dataset, ...]


def register(session: Session, *, now: datetime) -> Register:
    """Return the projects that were ever given data, and the data; nothing of what was only asked for."""
    approvals = tuple(session.scalars(select(ApprovalRow).order_by(ApprovalRow.id)))
    given: dict[str, list[ApprovalRow]] = defaultdict(list)
    for one in approvals:
        given[one.project].append(one)
    outputs = _outputs(session)
    rows = session.scalars(select(ProjectRow).where(ProjectRow.name.in_(given)).order_by(ProjectRow.name))
    projects = tuple(_project(session, row, given[row.name], outputs[row.name], now=now) for row in rows)
    datasets = session.scalars(select(DatasetRow).where(DatasetRow.withdrawn.is_(False)).order_by(DatasetRow.name))
    return Register(at=now, projects=projects, datasets=tuple(_dataset(row, approvals) for row in datasets))


def as_json(found: Register) -> dict[str, object]:
    """Return the register for machines."""
    said: dict[str, object] = json.loads(json.dumps(asdict(found), default=audit.stamp))
    return said


def _project(session: Session, row: ProjectRow, given: list[ApprovalRow], outputs: int, *, now: datetime) -> Project:
    application = session.get(ApplicationRow, row.application) if row.application else None
    form = papers.form_of(application) if application else Form()
    lead = session.get(PersonRow, row.lead) if row.lead else None
    return Project(
        name=row.name,
        title=row.title,
        summary=form.lay_summary,
        institution=lead.institution if lead else "",
        lead=lead.full_name if lead and form.show_lead else "",
        datasets=tuple(sorted({one.dataset for one in given})),
        since=min(one.since for one in given),
        until=row.approved_until,
        state=_state(row, given, now),
        outputs=outputs,
    )


def _state(row: ProjectRow, given: list[ApprovalRow], now: datetime) -> str:
    if row.closed_at:
        return "closed"
    if row.approved_until <= now or all(one.until <= now or one.revoked_at for one in given):
        return "ended"
    return "resting" if row.suspended else "working"


def _dataset(row: DatasetRow, approvals: tuple[ApprovalRow, ...]) -> Dataset:
    try:
        groups = duo.DataUse.from_json(row.data_use).groups
    except ValueError:
        groups = ()
    codes = dict.fromkeys(duo.told(code) for group in groups for code in group.codes)
    using = sorted({one.project for one in approvals if one.dataset == row.name})
    return Dataset(name=row.name, title=row.title, use=tuple(codes), projects=tuple(using))


def _outputs(session: Session) -> Counter[str]:
    """Count the releases in the log, which the airlock wrote, by project; a request was submitted for one."""
    released = Counter(session.scalars(select(EntryRow.subject).where(EntryRow.act == RELEASED)))
    asked = select(EntryRow.subject, EntryRow.body).where(EntryRow.act == SUBMITTED, EntryRow.subject.in_(released))
    projects = {subject: str(json.loads(body)["facts"].get("project", "")) for subject, body in session.execute(asked)}
    found: Counter[str] = Counter()
    for subject, times in released.items():
        found[projects.get(subject, "")] += times
    return found
