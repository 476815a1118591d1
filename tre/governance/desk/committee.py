"""What the committee has before it: whose turn it is, for how long, and all that a decision needs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from policies.facts import Role
from tre.errors import NotFound
from tre.governance import accounts, rulebook, training, visas
from tre.governance.applications import independence, papers, review, turns
from tre.governance.applications.states import GRANTED, State, Vote
from tre.governance.desk import application as desk
from tre.governance.desk.application import Line, Seen
from tre.records.tables import (
    ApplicationRow,
    ApplicationVoteRow,
    ConditionRow,
    PanelRow,
    PersonRow,
    ProjectRow,
    RulingRow,
)
from tre.settings import Settings

SITTING = frozenset({Role.COMMITTEE, Role.CHAIR})
SOON = timedelta(days=60)
LAST = 20
# act in the log -> what people read, and which facts; how somebody voted is told by the votes alone, when they are open
TOLD: Mapping[str, tuple[str, tuple[str, ...]]] = {
    **desk.TOLD,
    "committee.triage": ("named the panel", ("panel",)),
    "committee.declare": ("declared whether they have an interest", ("conflict",)),
    "committee.vote": ("voted", ()),
    "committee.rule": ("ruled", ("dataset", "code", "allows", "reason")),
    "committee.decide": ("decided", ("state", "approve", "reject", "until", "conditions", "smallest_k", "asked")),
    "committee.vote.refused": ("was refused a vote", ("why",)),
    "committee.decide.refused": ("was refused to decide", ("why",)),
}


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What is before the committee, as one of them sees it."""

    mine: tuple[Line, ...]
    """Their turn, longest waiting first."""
    others: tuple[Line, ...]
    ending: tuple[Line, ...]
    """Granted, and over soon."""
    settled: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Named:
    """Somebody whom an application names."""

    name: str
    full_name: str
    lead: bool
    applicant: bool
    accepted: bool
    institution: str
    country: str
    trainings: tuple[tuple[str, datetime | None], ...]
    """Course that a room needs -> when it lapses; None if it was never recorded."""
    vouched: tuple[str, ...] = ()
    """What others vouch for, by visas: evidence, and no approval."""


@dataclass(frozen=True, kw_only=True)
class Sits:
    """Somebody of the panel."""

    name: str
    declared: bool
    conflict: str
    """What keeps them from voting; empty if nothing does."""
    voted: bool


@dataclass(frozen=True, kw_only=True)
class Before:
    """An application before the committee, as one of them sees it."""

    seen: Seen
    people: tuple[Named, ...]
    panel: tuple[Sits, ...]
    free: tuple[str, ...]
    """Who could be named to decide."""
    mine: PanelRow | None
    barred: str
    """What keeps this person from having a say; empty if nothing does."""
    votes: tuple[ApplicationVoteRow, ...]
    votes_in: int
    quorum: int
    my_vote: ApplicationVoteRow | None
    outcome: str
    """What the votes say, to whoever decides and may know it; else empty."""
    presides: bool
    last_end: datetime
    rulings: tuple[RulingRow, ...]
    project: ProjectRow | None
    waiting: tuple[ConditionRow, ...]
    """Conditions whose evidence nobody has looked at yet."""


def queue(session: Session, person: str, *, now: datetime) -> Queue:
    """Return what is before the committee; to whoever is not on it there is nothing."""
    _sits(session, person)
    waiting = [desk.line(session, row, person, now=now) for row, _ in turns.queue(session, now=now)]
    return Queue(
        mine=tuple(one for one in waiting if one.mine),
        others=tuple(one for one in waiting if not one.mine),
        ending=tuple(desk.line(session, row, person, now=now) for row in _ending(session, now)),
        settled=tuple(desk.line(session, row, person, now=now) for row in _settled(session, now)),
    )


def before(session: Session, settings: Settings, number: int, person: str, *, now: datetime) -> Before:
    """Return an application to somebody of the committee, once it was submitted; to others there is none."""
    _sits(session, person)
    row = papers.get(session, number)
    if row.submitted_at is None:
        raise NotFound(f"there is no application {number}, or it is not yours to know of")
    held = {one.person: one for one in independence.panel(session, number)}
    cast = {one.person for one in papers.cast(session, number) if one.form_sha256 == row.form_sha256}
    votes = review.votes(session, number, person)
    presides = independence.presides(session, row, person)
    return Before(
        seen=_gathered(session, row, person, now=now),
        people=tuple(_people(session, settings, row, now=now)),
        panel=tuple(_on_panel(session, row, one, voted=one.person in cast) for one in held.values()),
        free=independence.free(session, row),
        mine=held.get(person),
        barred=independence.why_not(session, row, person) or "",
        votes=votes,
        votes_in=len(cast),
        quorum=papers.numbers(session).quorum,
        my_vote=next((one for one in votes if one.person == person and one.form_sha256 == row.form_sha256), None),
        outcome=_outcome(session, row) if presides and (person in cast or cast >= held.keys()) else "",
        presides=presides,
        last_end=papers.last_end(session, row, now=now),
        rulings=tuple(session.scalars(select(RulingRow).where(RulingRow.application == number))),
        project=papers.project(session, row),
        waiting=tuple(one for one in papers.conditions(session, number) if one.evidence and not one.accepted_at),
    )


def _sits(session: Session, person: str) -> None:
    if not SITTING & accounts.roles_of(session, person):
        raise NotFound("there is no such page for you: it is the committee's")


def _gathered(session: Session, row: ApplicationRow, person: str, *, now: datetime) -> Seen:
    seen = desk.gathered(session, row, person, now=now)
    told = {name: what for name, what in TOLD.items() if row.state != State.IN_REVIEW or name != "committee.rule"}
    return Seen(**{**vars(seen), "may": frozenset[str](), "history": desk.history(session, row, told)})


def _ending(session: Session, now: datetime) -> tuple[ApplicationRow, ...]:
    rows = select(ApplicationRow).where(
        ApplicationRow.state.in_([state.value for state in GRANTED]), ApplicationRow.approved_until <= now + SOON
    )
    return tuple(session.scalars(rows.order_by(ApplicationRow.approved_until)))


def _settled(session: Session, now: datetime) -> tuple[ApplicationRow, ...]:
    """Return what was decided last and does not end soon."""
    rows = select(ApplicationRow).where(ApplicationRow.decided_at.is_not(None)).order_by(ApplicationRow.decided_at)
    granted = [state.value for state in GRANTED]
    found = [
        row
        for row in session.scalars(rows)
        if row.state != State.APPROVED_PENDING
        and not (row.state in granted and row.approved_until is not None and row.approved_until <= now + SOON)
    ]
    return tuple(reversed(found[-LAST:]))


def _people(session: Session, settings: Settings, row: ApplicationRow, *, now: datetime) -> Iterator[Named]:
    papers_, courses = papers.of(row), rulebook.in_force(session).courses.get("open_session", ())
    waiting = papers_.waiting(row.applicant)
    for name in dict.fromkeys((row.applicant, *papers_.form.named)):
        person = session.get(PersonRow, name)
        held = training.courses(session, name)
        yield Named(
            name=name,
            full_name=person.full_name if person else "",
            lead=name == papers_.form.lead,
            applicant=name == row.applicant,
            accepted=name not in waiting,
            institution=person.institution if person else "",
            country=person.country if person else "",
            trainings=tuple((course, held.get(course)) for course in courses),
            vouched=visas.evidence(session, settings, name, now=now) if person else (),
        )


def _on_panel(session: Session, row: ApplicationRow, one: PanelRow, *, voted: bool) -> Sits:
    why = one.conflict or independence.why_not(session, row, one.person) or ""
    return Sits(name=one.person, declared=one.declared_at is not None, conflict=why, voted=voted)


def _outcome(session: Session, row: ApplicationRow) -> str:
    counted = independence.count(session, row)
    if row.state != State.IN_REVIEW or counted.total() < papers.numbers(session).quorum:
        return ""
    return "approved" if counted[Vote.APPROVE] * 2 > counted.total() else "rejected"
