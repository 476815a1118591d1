"""An application as those see it whose application it is: where it stands, whose turn it is, what they can do."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from policies.duo import Verdict, told
from policies.limitation import DataUse, DataUseUnfit
from tre.errors import NotFound
from tre.governance.applications import drafts, matching, papers, turns
from tre.governance.applications import form as forms
from tre.governance.applications.form import Change, Fault, Form
from tre.governance.applications.matching import Point
from tre.governance.applications.states import By, Kind, State, says, verbs, words
from tre.governance.applications.turns import Turn
from tre.records.tables import (
    ApplicationDatasetRow,
    ApplicationRow,
    ApprovalRow,
    ConditionRow,
    DatasetRow,
    DatasetVersionRow,
    DutyRow,
    EntryRow,
)

# The way of an application that nothing holds up; what happens otherwise is said beside it.
WAY = (State.DRAFT, State.SUBMITTED, State.IN_REVIEW, State.APPROVED_PENDING, State.ACTIVE)
# where an application that left the way would be on it
BESIDE: Mapping[State, State] = {
    State.RETURNED: State.DRAFT,
    State.SUSPENDED: State.ACTIVE,
    State.EXPIRED: State.ACTIVE,
    State.REVOKED: State.ACTIVE,
    State.CLOSED: State.ACTIVE,
    State.REJECTED: State.IN_REVIEW,
    State.WITHDRAWN: State.DRAFT,
}
STOPPED = frozenset({State.SUSPENDED, State.EXPIRED, State.REVOKED, State.REJECTED, State.WITHDRAWN, State.RETURNED})
# act in the log -> what people read, and which of its facts the applicant may know
TOLD: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "application.create": ("began it", ()),
    "application.accept": ("accepted it", ()),
    "committee.apply": ("submitted it", ("datasets",)),
    "committee.triage": ("named the panel", ()),
    "committee.return": ("returned it", ("why",)),
    "committee.decide": ("decided", ("state", "until", "conditions")),
    "committee.withdraw": ("withdrew it", ()),
    "committee.suspend": ("suspended it", ("why",)),
    "committee.resume": ("let it go on", ("why",)),
    "committee.revoke": ("revoked it", ("why",)),
    "committee.evidence": ("showed that a condition is met", ("evidence",)),
    "committee.accept": ("accepted the evidence", ()),
    "committee.begin": ("began the project", ("until",)),
    "duty.show": ("showed that a duty is done", ("code", "dataset", "evidence")),
    "duty.accept": ("accepted that a duty is done", ("code", "dataset")),
    "committee.expire": ("recorded that its end came", ()),
    "committee.close": ("closed it", ("why",)),
}
STAMP = re.compile(r"(\d{4}-\d{2}-\d{2})T[0-9:.]+Z")


class Stop(NamedTuple):
    """One state on the way."""

    label: str
    how: str
    """done, here or ahead."""
    stopped: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """An application in a list."""

    number: int
    title: str
    project: str
    kind: str
    state: State
    applicant: str
    turn: Turn
    mine: bool
    """It waits for the person who looks."""
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A dataset that is asked for, and what its use limitation says."""

    dataset: str
    version: int
    verdict: str
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to an application."""

    at: datetime
    actor: str
    what: str
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Seen:
    """An application, as one person sees it."""

    row: ApplicationRow
    form: Form
    state: State
    says: str
    way: tuple[Stop, ...]
    turn: Turn
    may: frozenset[str]
    """Verbs that this person can take now."""
    waiting: tuple[str, ...]
    agreed: str
    """What a named person accepts: hash of what the form says."""
    to_accept: bool
    faults: tuple[Fault, ...]
    changes: tuple[Change, ...]
    asked: tuple[Asked, ...]
    conditions: tuple[ConditionRow, ...]
    duties: tuple[DutyRow, ...]
    history: tuple[Event, ...]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A dataset of the catalogue that can be asked for."""

    name: str
    title: str
    version: int
    codes: tuple[str, ...]


# --- lists ------------------------------------------------------------------------------------------------------------
def mine(session: Session, person: str, *, now: datetime) -> tuple[Line, ...]:
    """Return what a person applied for or is named in, what waits for them first, then the newest."""
    rows = [row for row in papers.listed(session) if person in drafts.writers(row)]
    found = [line(session, row, person, now=now) for row in rows]
    return tuple(sorted(found, key=lambda one: (not one.mine, -one.number)))


def line(session: Session, row: ApplicationRow, person: str, *, now: datetime) -> Line:
    """Return an application as it stands in a list."""
    turn = turns.turn(session, row, now=now)
    return Line(
        number=row.id,
        title=row.title or "without a title yet",
        project=row.project,
        kind=row.kind,
        state=State(row.state),
        applicant=row.applicant,
        turn=turn,
        mine=person in turn.whose,
        until=row.approved_until,
    )


def choices(session: Session) -> tuple[Choice, ...]:
    """Return the datasets that can be asked for, by name; not those that were withdrawn or have no data."""
    newest: dict[str, DatasetVersionRow] = {}
    for version in session.scalars(select(DatasetVersionRow).order_by(DatasetVersionRow.number)):
        newest[version.dataset] = version
    rows = session.scalars(select(DatasetRow).where(DatasetRow.withdrawn.is_(False)).order_by(DatasetRow.name))
    return tuple(_choice(row, newest[row.name]) for row in rows if row.name in newest)


def _choice(row: DatasetRow, version: DatasetVersionRow) -> Choice:
    return Choice(name=row.name, title=row.title or row.name, version=version.number, codes=_codes(row.data_use))


def _codes(data_use: str) -> tuple[str, ...]:
    """Say what a use limitation holds, each code once; of several consent groups, all of theirs."""
    try:
        groups = DataUse.from_json(data_use).groups
    except DataUseUnfit:
        return ("what the dataset says of its use cannot be read",)
    return tuple(dict.fromkeys(told(use) for group in groups for use in group.codes))


# --- one --------------------------------------------------------------------------------------------------------------
def seen(session: Session, number: int, person: str, *, now: datetime) -> Seen:
    """Return an application for whoever applied or is named in it; to everybody else there is none."""
    row = papers.get(session, number)
    if person not in drafts.writers(row):
        raise NotFound(f"there is no application {number}, or it is not yours to know of")
    return gathered(session, row, person, now=now)


def gathered(session: Session, row: ApplicationRow, person: str, *, now: datetime) -> Seen:
    """Gather what an application's page shows."""
    form, state = papers.form_of(row), State(row.state)
    editable = state in {State.DRAFT, State.RETURNED}
    waiting = drafts.waiting(row)
    return Seen(
        row=row,
        form=form,
        state=state,
        says=says(state),
        way=way(state),
        turn=turns.turn(session, row, now=now),
        may=_may(row, person, state),
        waiting=waiting,
        agreed=forms.agreed(form),
        to_accept=editable and person in waiting,
        faults=drafts.faults(session, row, now=now) if editable else (),
        changes=drafts.changes(session, row),
        asked=asked(session, row, now=now),
        conditions=papers.conditions(session, row.id),
        duties=duties(session, row.id),
        history=history(session, row, TOLD),
    )


def way(state: State) -> tuple[Stop, ...]:
    """Return the states on the way, with the present one marked."""
    here = WAY.index(BESIDE.get(state, state))
    return tuple(
        Stop(
            words(state if at == here else one),
            "done" if at < here else "here" if at == here else "ahead",
            stopped=at == here and state in STOPPED,
        )
        for at, one in enumerate(WAY)
    )


def asked(session: Session, row: ApplicationRow, *, now: datetime) -> tuple[Asked, ...]:
    """Return the datasets, each with what its use limitation says; of a draft, as it would be found now."""
    points = _points(session, row, now=now)
    versions = {one.dataset: one.version or 0 for one in papers.form_of(row).wanted}
    versions |= {
        one.dataset: one.version
        for one in session.scalars(select(ApplicationDatasetRow).where(ApplicationDatasetRow.application == row.id))
        if one.dataset in versions
    }
    return tuple(
        Asked(
            dataset=name,
            version=version,
            verdict=_worst(tuple(one for one in points if one.dataset == name)),
            points=tuple(one for one in points if one.dataset == name),
        )
        for name, version in versions.items()
    )


def _points(session: Session, row: ApplicationRow, *, now: datetime) -> tuple[Point, ...]:
    if State(row.state) in {State.DRAFT, State.RETURNED}:
        return matching.prematch(session, row, now=now)
    return matching.points(session, row)


def _worst(points: tuple[Point, ...]) -> str:
    """Return what holds of several: a no beats a question, a question beats a yes; nothing said is a question."""
    verdicts = {_settled(one) for one in points}
    return next((one.value for one in (Verdict.DENY, Verdict.MANUAL, Verdict.PERMIT) if one in verdicts), "manual")


def _settled(point: Point) -> str:
    if point.ruled is None or point.verdict == Verdict.DENY:
        return point.verdict
    return Verdict.PERMIT if point.ruled else Verdict.DENY


def duties(session: Session, number: int) -> tuple[DutyRow, ...]:
    """Return what the project owes for its data, the next date first."""
    rows = session.scalars(
        select(DutyRow)
        .join(ApprovalRow, DutyRow.approval == ApprovalRow.id)
        .where(ApprovalRow.application == number)
        .order_by(DutyRow.due, DutyRow.id)
    )
    return tuple(rows)


def history(
    session: Session, row: ApplicationRow, told: Mapping[str, tuple[str, tuple[str, ...]]]
) -> tuple[Event, ...]:
    """Return what the log has of an application, newest first: the acts and facts that may be told, and no other."""
    rows = session.scalars(
        select(EntryRow)
        .where(EntryRow.subject == papers.subject(row), EntryRow.act.in_(sorted(told)))
        .order_by(EntryRow.seq.desc())
    )
    return tuple(_event(entry, *told[entry.act]) for entry in rows)


def _event(entry: EntryRow, what: str, names: tuple[str, ...]) -> Event:
    facts = json.loads(entry.body).get("facts", {})
    said = tuple((name, _text(facts[name])) for name in names if facts.get(name) not in (None, "", [], [""], "none"))
    return Event(at=entry.at, actor=entry.actor, what=what, facts=said)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value if one)
    return words(STAMP.sub(r"\1", str(value)))


def _may(row: ApplicationRow, person: str, state: State) -> frozenset[str]:
    """Return what this person can do; the verbs ask again."""
    theirs = verbs(state, By.APPLICANT)
    if person != row.applicant:
        theirs -= {"submit", "withdraw"}
    if row.kind == Kind.DATASETS:
        theirs -= {"amend", "renew"}
    return theirs
