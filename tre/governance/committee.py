"""The data access committee decides together who may use which version of a dataset, for what and until when.

Nobody who is, or ever was, in the project votes or decides; no member sees another's vote before the decision.
"""

from collections import Counter
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from policies.facts import Role
from tre.errors import NotFound, StepRefused, Unreadable
from tre.governance import accounts, projects, text
from tre.records import audit
from tre.records.tables import (
    ApplicationDatasetRow,
    ApplicationRow,
    ApplicationVoteRow,
    ApprovalRow,
    DatasetRow,
    DatasetVersionRow,
    ProjectRow,
)
from tre.settings import NAME

QUORUM = 2


class State(StrEnum):
    """Where an application stands."""

    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"


class Vote(StrEnum):
    """What a member of the committee says to an application."""

    APPROVE = "approve"
    REJECT = "reject"


class Asked(StrEnum):
    """What a committee may ask of an extract beside k; numbers and sources are in `tre/data/risk.toml`."""

    NONE = "none"
    DIVERSE = "diverse"
    CLOSE = "close"
    PUBLIC = "public"
    PARTNERS = "partners"


# verb -> the state an application must be in
FROM = {"vote on": State.SUBMITTED, "decide": State.SUBMITTED, "withdraw": State.SUBMITTED, "revoke": State.APPROVED}


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
    _working(projects.get(session, project), "apply for")
    accounts.person(session, applicant)
    if not projects.is_member(session, project, applicant, now=now):
        raise StepRefused(f"{applicant} cannot apply for project {project}: not a member")
    version = _version(session, dataset, version)
    same = (
        select(ApplicationRow.id)
        .join(ApplicationDatasetRow, ApplicationDatasetRow.application == ApplicationRow.id)
        .where(
            ApplicationRow.project == project,
            ApplicationDatasetRow.dataset == dataset,
            ApplicationDatasetRow.version == version,
            ApplicationRow.state == State.SUBMITTED,
        )
    )
    if earlier := session.scalars(same).first():
        raise StepRefused(
            f"application {earlier} asks for the same and is not decided yet: wait for it, or withdraw it"
        )
    row = ApplicationRow(
        kind="datasets",
        project=project,
        applicant=applicant,
        purpose=text.line(purpose, "purpose", longest=2000),
        state=State.SUBMITTED.value,
        created_at=now,
        submitted_at=now,
    )
    session.add(row)
    session.flush()
    session.add(ApplicationDatasetRow(application=row.id, dataset=dataset, version=version))
    facts: dict[str, audit.Fact] = {
        "project": project,
        "dataset": dataset,
        "version": version,
        "applicant": applicant,
        "purpose": row.purpose,
    }
    audit.append(session, "committee.apply", actor=actor or applicant, subject=_subject(row), at=now, **facts)
    return row.id


def vote(session: Session, application: int, person: str, choice: str, *, reason: str, now: datetime) -> None:
    """Cast one committee member's vote: one each, and it stays."""
    row = _take(session, application, "vote on")
    _sits(session, row, person, "vote on")
    try:
        said = Vote(choice)
    except ValueError:
        raise Unreadable(f"a vote is {' or '.join(Vote)}, not {choice[:20]!r}") from None
    if session.get(ApplicationVoteRow, (row.id, person)):
        raise StepRefused(f"{person} has voted on application {row.id} already")
    reason = text.line(reason, "reason", longest=2000)
    session.add(ApplicationVoteRow(application=row.id, person=person, vote=said.value, reason=reason, at=now))
    facts = {"vote": said.value, "reason": reason}
    audit.append(session, "committee.vote", actor=person, subject=_subject(row), at=now, **facts)


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
    """Settle an application by its votes: approved by more than half of them, and then until a date; else rejected.

    `smallest_k` and `asked` are what its extracts must keep; fewer than the project's own k is never enough.
    """
    row = _take(session, application, "decide")
    _sits(session, row, actor, "decide")
    counted = Counter(v.vote for v in _votes(session, row) if _why_not(session, row, v.person) is None)
    if counted.total() < QUORUM:
        raise StepRefused(f"cannot decide application {row.id}: {counted.total()} of {QUORUM} votes are in")
    row.state = (State.APPROVED if counted[Vote.APPROVE] * 2 > counted.total() else State.REJECTED).value
    row.decided_at = now
    if row.state == State.APPROVED:
        row.approved_until = _end(session, row, until, now=now)
        row.smallest_k, row.asked = _at_least(smallest_k), asked.value
        row.conditions = text.line(conditions, "conditions", longest=2000) if conditions else ""
        _grant(session, row, now=now)
    wanted = datasets(session, row.id)
    facts: dict[str, audit.Fact] = {
        "state": row.state,
        "approve": counted[Vote.APPROVE],
        "reject": counted[Vote.REJECT],
        "until": audit.stamp(row.approved_until) if row.approved_until else None,
        "conditions": row.conditions or "",
        "smallest_k": row.smallest_k,
        "asked": asked.value,
        "dataset": wanted[0].dataset,
        "version": wanted[0].version,
    }
    audit.append(session, "committee.decide", actor=actor, subject=_subject(row), at=now, **facts)
    return State(row.state)


def revoke(session: Session, application: int, *, why: str, actor: str, now: datetime) -> None:
    """Take an approval back; one member of the committee is enough to close what two opened."""
    row = _take(session, application, "revoke")
    _sits(session, row, actor, "revoke")
    row.state = State.REVOKED.value
    why = text.line(why, "reason")
    for approval in session.scalars(select(ApprovalRow).where(ApprovalRow.application == row.id)):
        approval.revoked_at, approval.revoked_why = now, why
    audit.append(session, "committee.revoke", actor=actor, subject=_subject(row), at=now, why=why)


def withdraw(session: Session, application: int, *, person: str, now: datetime, actor: str = "") -> None:
    """Take an application back before it is decided; its applicant alone may."""
    row = _take(session, application, "withdraw")
    if person != row.applicant:
        raise StepRefused(f"only {row.applicant}, who applied, can withdraw application {row.id}")
    row.state, row.decided_at = State.WITHDRAWN.value, now
    audit.append(session, "committee.withdraw", actor=actor or person, subject=_subject(row), at=now)


def get(session: Session, application: int) -> ApplicationRow:
    """Return an application, or say that there is none of that number."""
    row = session.get(ApplicationRow, application) if 0 < application < 2**31 else None
    if row is None:
        raise NotFound(f"there is no application {application}: see `tre application list`")
    return row


def listed(session: Session) -> tuple[ApplicationRow, ...]:
    """Every application there was, oldest first."""
    return tuple(session.scalars(select(ApplicationRow).order_by(ApplicationRow.id)))


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


def datasets(session: Session, application: int) -> tuple[ApplicationDatasetRow, ...]:
    """Return what an application asks for, by the name of the dataset."""
    rows = select(ApplicationDatasetRow).where(ApplicationDatasetRow.application == application)
    return tuple(session.scalars(rows.order_by(ApplicationDatasetRow.dataset)))


def votes(session: Session, application: int) -> tuple[ApplicationVoteRow, ...]:
    """Votes on an application; none are shown before it is decided, so that nobody votes after another."""
    row = get(session, application)
    return () if row.state == State.SUBMITTED else _votes(session, row)


def votes_in(session: Session, application: int) -> int:
    """How many have voted, which tells nobody how."""
    return len(_votes(session, get(session, application)))


def _grant(session: Session, row: ApplicationRow, *, now: datetime) -> None:
    assert row.approved_until is not None  # noqa: S101 -- `_end` has just given it
    session.add_all(
        ApprovalRow(
            application=row.id,
            project=row.project,
            dataset=wanted.dataset,
            version=wanted.version,
            since=now,
            until=row.approved_until,
            smallest_k=row.smallest_k,
            asked=row.asked,
        )
        for wanted in datasets(session, row.id)
    )


def _take(session: Session, application: int, verb: str) -> ApplicationRow:
    """Return an application for one step, or refuse the step from where it stands."""
    row = get(session, application)
    if row.state != FROM[verb]:
        raise StepRefused(f"cannot {verb} application {row.id}, which is {row.state}")
    if verb in {"vote on", "decide"}:
        _working(projects.get(session, row.project), f"{verb} an application of")
    return row


def _sits(session: Session, row: ApplicationRow, person: str, verb: str) -> None:
    accounts.person(session, person)
    why = _why_not(session, row, person)
    if why:
        raise StepRefused(f"{person} cannot {verb} application {row.id}: {why}")


def _why_not(session: Session, row: ApplicationRow, person: str) -> str | None:
    if Role.COMMITTEE not in accounts.roles_of(session, person):
        return "not on the committee"
    if not accounts.active(session, person):
        return "suspended"
    if projects.ever_member(session, row.project, person):
        return f"is or was a member of {row.project}"
    return None


def _working(project: ProjectRow, verb: str) -> None:
    if project.closed_at:
        raise StepRefused(f"cannot {verb} project {project.name}, which is closed")
    if project.suspended:
        raise StepRefused(f"cannot {verb} project {project.name}, which is suspended")


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


def _at_least(smallest_k: int | None) -> int | None:
    if smallest_k is not None and smallest_k < 1:
        raise StepRefused("the smallest group cannot be below 1 person")
    return smallest_k


def _end(session: Session, row: ApplicationRow, until: datetime | None, *, now: datetime) -> datetime:
    if until is None:
        raise StepRefused(f"cannot approve application {row.id} without an end: give the date until which it counts")
    last = projects.get(session, row.project).approved_until
    if text.ahead(until, "approval", now=now) > last:
        raise StepRefused(f"approval {row.id} would outlast the project's own ({last:%Y-%m-%d}): name an earlier date")
    return until


def _votes(session: Session, row: ApplicationRow) -> tuple[ApplicationVoteRow, ...]:
    rows = select(ApplicationVoteRow).where(ApplicationVoteRow.application == row.id)
    return tuple(session.scalars(rows.order_by(ApplicationVoteRow.at, ApplicationVoteRow.person)))


def _subject(row: ApplicationRow) -> str:
    return f"application/{row.id}"
