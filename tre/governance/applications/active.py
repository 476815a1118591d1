"""An approved application becomes a project with its people and data; it rests, ends, is taken back and is closed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.errors import NotFound, Refused, StepRefused, Unreadable
from tre.governance import projects, text
from tre.governance.applications import form as forms
from tre.governance.applications import independence, matching, rest, review, told
from tre.governance.applications import papers as on_file
from tre.governance.applications.review import Asked, Condition
from tre.governance.applications.states import GRANTED, By, Kind, State, take
from tre.records import audit
from tre.records.tables import ApplicationRow, ApprovalRow, ConditionRow, DutyRow, MemberRow, ProjectRow

SYSTEM: Final = "sentinel"


# --- conditions -------------------------------------------------------------------------------------------------------
def evidence(session: Session, condition: int, person: str, words: str, *, now: datetime) -> None:
    """Say how a condition is met; somebody of the committee looks at it."""
    one, row = _condition(session, condition)
    if person not in {row.applicant, *on_file.form_of(row).named}:
        raise StepRefused(f"only {row.applicant} and those the application names show how its conditions are met")
    if one.accepted_at:
        raise StepRefused(f"condition {condition} is met and accepted already")
    one.evidence, one.evidence_by, one.evidence_at = text.line(words, "evidence", longest=2000), person, now
    _record(session, row, "evidence", person, now=now, condition=condition, evidence=one.evidence)
    told.shown(session, row, one, now=now)


def accept(session: Session, condition: int, person: str, *, seen: str = "", now: datetime) -> State:
    """Agree that a condition is met; with the last one that was asked for before the start, the work begins.

    `seen` is `shown` of the condition as it was read, where somebody read it before.
    """
    one, row = _condition(session, condition)
    review.sits(session, row, person, "accept a condition of")
    if seen and seen != shown(one):
        raise StepRefused(f"the evidence of condition {condition} was changed since {person} read it: read it again")
    if not one.evidence:
        raise StepRefused(f"nobody showed yet how condition {condition} is met: it waits for {row.applicant}")
    if one.accepted_at:
        raise StepRefused(f"condition {condition} is met and accepted already")
    one.accepted_by, one.accepted_at = person, now
    session.flush()
    _record(session, row, "accept", person, now=now, condition=condition)
    return begin(session, row, actor=person, now=now)


def condition_words(session: Session, condition: int) -> list[str]:
    """Return what somebody accepts of a condition: its words, and the evidence."""
    one, _ = _condition(session, condition)
    return [one.text, one.evidence]


def shown(one: ConditionRow) -> str:
    """SHA-256 (hex) of what somebody accepts of a condition."""
    return audit.digest([one.text, one.evidence])


def outstanding(session: Session, row: ApplicationRow, *, now: datetime) -> tuple[str, ...]:
    """Return what must come before the work begins."""
    wait = [one.text for one in on_file.conditions(session, row.id) if one.due is None and not one.accepted_at]
    begin = on_file.form_of(row).begin
    if begin is not None and begin > now:
        wait.append(f"it begins on {begin:%Y-%m-%d}")
    return tuple(wait)


# --- the beginning ----------------------------------------------------------------------------------------------------
def decide(
    session: Session,
    number: int,
    person: str,
    *,
    now: datetime,
    until: datetime | None = None,
    conditions: Sequence[Condition] = (),
    remark: str = "",
    smallest_k: int | None = None,
    asked: Asked = Asked.NONE,
    why: str = "",
) -> State:
    """Settle an application by its votes, and begin what was approved and waits for nothing."""
    review.decide(
        session, number, person, until=until, conditions=conditions, remark=remark, smallest_k=smallest_k,
        asked=asked, why=why, now=now,
    )  # fmt: skip
    row = on_file.get(session, number)
    state = begin(session, row, actor=person, now=now)
    told.decided(session, row, now=now)
    return state


def begin(session: Session, row: ApplicationRow, *, actor: str, now: datetime) -> State:
    """Begin what was approved, unless something must come first."""
    if row.state != State.APPROVED_PENDING or outstanding(session, row, now=now):
        return State(row.state)
    return fulfil(session, row.id, actor=actor, now=now)


def fulfil(session: Session, number: int, *, actor: str, now: datetime) -> State:
    """Begin: the project stands, its people are members, its data are approved, what it owes is written down."""
    row = on_file.get(session, number)
    take("fulfil", State(row.state), By.SYSTEM)
    if wait := outstanding(session, row, now=now):
        raise StepRefused(f"application {number} cannot begin yet: {'; '.join(wait)}")
    if row.approved_until is None or row.approved_until <= now:
        raise StepRefused(f"application {number} cannot begin: its end has come")
    if row.kind == Kind.DATASETS:
        _working(projects.get(session, row.project), row)
    else:
        _provision(session, row, actor=actor, now=now)
        _follow(session, row, now=now)
    on_file.move(row, "fulfil", By.SYSTEM, now=now)
    _grant(session, row, now=now)
    _record(session, row, "begin", actor, now=now, project=row.project, until=audit.stamp(row.approved_until))
    return State.ACTIVE


def _provision(session: Session, row: ApplicationRow, *, actor: str, now: datetime) -> None:
    """Open the project, or let the one that stands follow the new form."""
    form, end = on_file.form_of(row), _end(row)
    retained = end + timedelta(days=on_file.numbers(session).retained_days)
    if row.kind == Kind.NEW:
        project = projects.create(
            session, row.project, title=form.title, purpose=form.purpose, approved_until=end,
            retained_until=retained, actor=actor, now=now,
        )  # fmt: skip
    else:
        project = projects.get(session, row.project)
        _working(project, row, resting=True)
        project.title, project.purpose = (
            text.line(form.title, "title"),
            text.line(form.purpose, "purpose", longest=2000),
        )
        project.approved_until, project.retained_until = end, max(retained, project.retained_until)
    project.lead, project.ml_plan, project.application = form.lead or None, bool(form.ml_plan), row.id
    session.flush()
    _people(session, row, actor=actor, now=now)


def _people(session: Session, row: ApplicationRow, *, actor: str, now: datetime) -> None:
    """Let exactly the people whom the form names be members, until the end."""
    named, end = on_file.form_of(row).named, _end(row)
    held: dict[str, list[MemberRow]] = {}
    for member in projects.members(session, row.project):
        if member.removed_at is None:
            held.setdefault(member.person, []).append(member)
    for person in sorted(set(held) - set(named)):
        projects.remove_member(session, row.project, person, actor=actor, now=now)
    for person in named:
        if all(member.until < end for member in held.get(person, ())):
            projects.add_member(session, row.project, person, until=end, actor=actor, now=now)


def _follow(session: Session, row: ApplicationRow, *, now: datetime) -> None:
    """Take the place of the application that this one changes: what is not asked for any more is over.

    Data that came to the project later stay with it, unless its purpose changes: for another they were never asked.
    What the committee asked for by a day, and did not get yet, is owed as before.
    """
    if row.parent is None:
        return
    parent = on_file.get(session, row.parent)
    kept = {(one.dataset, one.version) for one in on_file.datasets(session, row.id)}
    _owe(session, row, on_file.conditions(session, parent.id))
    for approval in _given(session, row, parent):
        if approval.revoked_at is None and (approval.dataset, approval.version) not in kept:
            approval.revoked_at, approval.revoked_why = now, f"application {row.id} does not ask for it any more"
        elif approval.revoked_at is None:
            approval.until = min(approval.until, now)
    parent.why = f"application {row.id} took its place"
    on_file.move(parent, "close", By.SYSTEM, now=now)
    rest.let_work(session, parent, now=now)
    _record(session, parent, "close", SYSTEM, now=now, why=parent.why)


def _given(session: Session, row: ApplicationRow, parent: ApplicationRow) -> tuple[ApprovalRow, ...]:
    """Return the approvals that an application takes the place of."""
    changed = forms.difference(on_file.form_of(parent), on_file.form_of(row))
    if not any(one.purpose for one in changed):
        return on_file.approvals(session, parent.id)
    held = select(ApprovalRow).where(ApprovalRow.project == row.project)
    return tuple(session.scalars(held.order_by(ApprovalRow.id)))


def _owe(session: Session, row: ApplicationRow, conditions: Sequence[ConditionRow]) -> None:
    for one in conditions:
        if one.accepted_at is None:
            session.add(
                ConditionRow(
                    application=row.id,
                    text=one.text,
                    due=one.due,
                    evidence=one.evidence,
                    evidence_by=one.evidence_by,
                    evidence_at=one.evidence_at,
                )
            )
    session.flush()


def _grant(session: Session, row: ApplicationRow, *, now: datetime) -> None:
    for wanted in on_file.datasets(session, row.id):
        groups = matching.groups(session, row, wanted)
        approval = ApprovalRow(
            application=row.id, project=row.project, dataset=wanted.dataset, version=wanted.version, since=now,
            until=_end(row), groups=json.dumps(groups), smallest_k=row.smallest_k, asked=row.asked,
        )  # fmt: skip
        session.add(approval)
        session.flush()
        for duty in matching.duties(session, wanted, groups):
            session.add(DutyRow(approval=approval.id, code=duty.code, text=duty.text, due=duty.due))
    session.flush()


# --- rest and ends ----------------------------------------------------------------------------------------------------
def suspend(session: Session, number: int, person: str, *, why: str, now: datetime) -> None:
    """Let all work of a project rest; for the chair, or for the house when a fact has lapsed (`sentinel`)."""
    row = on_file.get(session, number)
    by = _chair_or_system(session, row, person, "suspend")
    rest.suspend(session, row, by, actor=person, why=text.line(why, "reason"), now=now)
    told.changed(session, row, now=now)


def resume(session: Session, number: int, person: str, *, why: str, now: datetime) -> None:
    """Let a project go on that the committee suspended; not one whose end has come."""
    row = on_file.get(session, number)
    by = _chair_or_system(session, row, person, "resume")
    if row.approved_until is not None and row.approved_until <= now:
        raise StepRefused(f"application {number} ended on {row.approved_until:%Y-%m-%d}: it can be renewed")
    rest.resume(session, row, by, actor=person, why=text.line(why, "reason"), now=now)
    told.changed(session, row, now=now)


def revoke(session: Session, number: int, person: str, *, why: str, now: datetime) -> None:
    """Take an approval back.

    One member of the committee, without a second and without the chair, is enough to close what several opened:
    closing harms no patient, and waiting for a second might. It opens again by a new application only.
    """
    row = on_file.get(session, number)
    take("revoke", State(row.state), By.COMMITTEE)
    review.sits(session, row, person, "revoke")
    on_file.move(row, "revoke", By.COMMITTEE, now=now)
    row.why = text.line(why, "reason")
    for approval in on_file.approvals(session, number):
        if approval.revoked_at is None:
            approval.revoked_at, approval.revoked_why = now, row.why
    project = on_file.project(session, row)
    if project is not None and project.application == row.id:
        rest.stop_work(session, row, now=now)
    _record(session, row, "revoke", person, now=now, why=row.why)
    told.changed(session, row, now=now)


def look_round(session: Session, *, now: datetime) -> tuple[int, ...]:
    """Record what time has done: ends that came, lapsed ethics votes, conditions past their day, starts that are due.

    Nothing waits for this to say no: the rules look at the dates. Returns the applications that moved.
    """
    waiting = select(ApplicationRow).where(
        ApplicationRow.state.in_([State.APPROVED_PENDING.value, *(state.value for state in GRANTED)])
    )
    rows = tuple(session.scalars(waiting.order_by(ApplicationRow.id)))
    return tuple(row.id for row in rows if _moved_alone(session, row, now=now))


def _moved_alone(session: Session, row: ApplicationRow, *, now: datetime) -> bool:
    """Move one application, or write down why it cannot: it holds up no other."""
    try:
        with session.begin_nested():
            return _moved(session, row, now=now)
    except (NotFound, Refused, StepRefused, Unreadable) as no:
        session.refresh(row)
        if row.why != str(no):
            row.why = str(no)
            _record(session, row, "wait", SYSTEM, now=now, why=row.why)
        return False


def _moved(session: Session, row: ApplicationRow, *, now: datetime) -> bool:
    if row.approved_until is not None and row.approved_until <= now:
        on_file.move(row, "expire", By.SYSTEM, now=now)
        _record(session, row, "expire", SYSTEM, now=now)
        told.changed(session, row, now=now)
    elif row.state == State.APPROVED_PENDING and not outstanding(session, row, now=now):
        fulfil(session, row.id, actor=SYSTEM, now=now)
        told.decided(session, row, now=now)
    elif row.state == State.ACTIVE and (why := lapsed(session, row, now=now)):
        suspend(session, row.id, SYSTEM, why=why, now=now)
    else:
        return False
    return True


def lapsed(session: Session, row: ApplicationRow, *, now: datetime) -> str:
    """Return why an application may not go on that is not at its end; empty if it may."""
    if row.ethics_until is not None and row.ethics_until <= now:
        return f"the ethics vote ended on {row.ethics_until:%Y-%m-%d}; ask for an amendment with a new one"
    late = [one for one in on_file.conditions(session, row.id) if one.due and one.due <= now and not one.accepted_at]
    return f"a condition was due on {late[0].due:%Y-%m-%d}: {late[0].text}" if late else ""


# --- the very end -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Deletion:
    """What was deleted of a project, as a signed statement."""

    statement: str


def close(session: Session, project: str, *, actor: str, why: str, now: datetime) -> None:
    """Close a project and its applications for good; what was granted ends, what was asked for falls."""
    projects.close(session, project, why=why, actor=actor, now=now)
    mine = select(ApplicationRow).where(ApplicationRow.project == project).order_by(ApplicationRow.id)
    for row in session.scalars(mine):
        if (row.state, By.ADMIN) in CLOSABLE:
            row.why = text.line(why, "reason")
            on_file.move(row, "close", By.ADMIN, now=now)
            _record(session, row, "close", actor, now=now, why=row.why)
            told.changed(session, row, now=now)


def deleted(session: Session, project: str, deletion: Deletion, *, actor: str, now: datetime) -> None:
    """Keep the proof that the data of a closed project are gone."""
    row = projects.get(session, project)
    if row.closed_at is None:
        raise StepRefused(f"project {project} is not closed: close it before its data are deleted")
    if row.deleted_at is not None:
        raise StepRefused(f"the data of project {project} were deleted on {row.deleted_at:%Y-%m-%d}")
    row.deleted_at, row.deletion = now, deletion.statement
    digest = audit.digest(deletion.statement)
    audit.append(session, "project.delete", actor=actor, subject=f"project/{project}", at=now, proof_sha256=digest)


CLOSABLE = frozenset((state.value, By.ADMIN) for state in (State.ACTIVE, State.SUSPENDED, State.EXPIRED, State.REVOKED))


def _condition(session: Session, number: int) -> tuple[ConditionRow, ApplicationRow]:
    one = session.get(ConditionRow, number) if 0 < number < on_file.LARGEST else None
    if one is None:
        raise NotFound(f"there is no condition {number}: see `tre application show`")
    row = on_file.get(session, one.application)
    if row.state not in {State.APPROVED_PENDING.value, *(state.value for state in GRANTED)}:
        raise StepRefused(f"application {row.id} is {row.state}: its conditions do not matter any more")
    return one, row


def _chair_or_system(session: Session, row: ApplicationRow, person: str, verb: str) -> By:
    if person == SYSTEM:
        return By.SYSTEM
    take(verb, State(row.state), By.CHAIR)
    review.sits(session, row, person, verb)
    if not independence.presides(session, row, person):
        chairs = ", ".join(independence.chairs(session, row)) or "the panel"
        raise StepRefused(f"{person} cannot {verb} application {row.id}: that is for {chairs}")
    return By.CHAIR


def _working(project: ProjectRow, row: ApplicationRow, *, resting: bool = False) -> None:
    if project.closed_at:
        raise StepRefused(f"application {row.id} cannot begin: project {project.name} is closed")
    if project.suspended and not resting:
        raise StepRefused(f"application {row.id} cannot begin: project {project.name} is suspended")


def _end(row: ApplicationRow) -> datetime:
    if row.approved_until is None:
        raise StepRefused(f"application {row.id} has no end, so it does not begin")
    return row.approved_until


def _record(
    session: Session, row: ApplicationRow, verb: str, actor: str, *, now: datetime, **facts: audit.Fact
) -> None:
    audit.append(session, f"committee.{verb}", actor=actor, subject=on_file.subject(row), at=now, **facts)
