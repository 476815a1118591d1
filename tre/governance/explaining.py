"""What holds and what lacks for a person in a project, rule by rule and dataset by dataset, in their words."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from policies.engine import Decision, Rules
from policies.facts import ALWAYS, NEVER, Ask, Dataset, Export
from tre.governance import access, emergencies, known, rulebook
from tre.governance.known import Known
from tre.governance.rulebook import Unfit
from tre.governance.uses import Point

LIFTED = frozenset({"R03", "R04", "R05", "R07", "R19"})
"""Rules that an emergency lifts while it lasts."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """One rule at one door: whether it holds, since or until when, and if not what to do and whom to ask."""

    rule: str
    holds: bool
    what_must_hold: str
    remedy: str = ""
    ask: str = ""
    """Who owns the rule."""
    until: datetime | None = None
    """Until when it holds; or, where it does not, since when."""
    days: int | None = None
    """Whole days until then; below zero, since then."""
    lifted: bool = False
    """It holds by an emergency alone."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """One dataset of the project: whether the room shows it, and what its use limitation says to the purpose."""

    dataset: str
    version: int
    number: int
    """Of the project's extract."""
    shown: bool
    approved_until: datetime | None
    days: int | None
    use: str
    """permit, manual or deny."""
    points: tuple[Point, ...]
    lacks: tuple[Said, ...]


class Opened(NamedTuple):
    """An emergency by which this person's door is open, or was asked to be."""

    number: int
    state: str
    until: datetime | None
    by: tuple[str, ...]
    reason: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Everything that is known about a person's work in a project."""

    person: str
    project: str
    at: datetime
    allowed: bool
    decision: Decision
    until: datetime | None
    """First known end of the yes."""
    rules: tuple[Said, ...]
    datasets: tuple[Data, ...]
    exports: tuple[Said, ...]
    """What lacks to ask for an export of files with which nothing is wrong; empty if nothing does."""
    emergencies: tuple[Opened, ...]
    errors: tuple[str, ...] = ()


def explained(
    session: Session, person: str, project: str, now: datetime, *, second_factor: bool = True, network: str = ""
) -> Explanation:
    """Gather once, and say it all."""
    found = known.gather(session, (person,), (project,), now=now)
    rules = rulebook.in_force(session)
    room = access.of_room(found, project, person, second_factor=second_factor, network=network)
    opening = access.judged(rules, room, found.mounts(project, person), found)
    asking = rules.decide(replace(room, verb="submit_export", export=flawless(person, found, project)))
    return Explanation(
        person=person,
        project=project,
        at=now,
        allowed=opening.decision.allowed,
        decision=opening.decision,
        until=opening.until,
        rules=tuple(_said(rules, "open_session", room, rules.decide(room))),
        datasets=tuple(_data(rules, found, room)),
        exports=tuple(one for one in _said(rules, "submit_export", room, asking) if not one.holds),
        emergencies=tuple(_emergencies(session, person, project, now)),
        errors=opening.decision.errors,
    )


def flawless(requester: str, found: Known | None = None, project: str = "") -> Export:
    """Imagine an export with which nothing is wrong, so that the answer is about person, project and data alone."""
    return Export(
        request="-",
        requester=requester,
        manifest="-",
        seen_manifest="-",
        kinds=frozenset({"csv"}),
        row_level=False,
        blocked=False,
        approvals=frozenset({"- one", "- another"}),
        size=0,
        quota=1,
        approvals_until=ALWAYS,
        data_in_force=found.in_force(project) if found is not None else True,
        models_checked=True,
    )


# --- rules ------------------------------------------------------------------------------------------------------------
def _said(
    rules: Rules | Unfit, verb: str, ask: Ask, decision: Decision, dataset: Dataset | None = None
) -> Iterator[Said]:
    """Say each rule that speaks at a moment; and E00 or E01 where one of them is the answer."""
    speaking = rules.at(verb) if isinstance(rules, Rules) else ()
    remedies = dict(zip(decision.rules, decision.remedies, strict=True))
    ends = dict(_ends(rules, verb, ask, dataset))
    emergency = ask.project.emergency_until if ask.project else NEVER
    for name in dict.fromkeys((*speaking, *decision.rules)):
        row, holds = rules.book.get(name), name not in decision.rules
        until = ends.get(name)
        yield Said(
            rule=name,
            holds=holds,
            what_must_hold=row.sentence if row else name,
            remedy=remedies.get(name, ""),
            ask=row.owner if row else "",
            until=until,
            days=_days(until, ask.now),
            lifted=holds and name in LIFTED and until is not None and until <= ask.now < emergency,
        )


def _ends(rules: Rules | Unfit, verb: str, ask: Ask, dataset: Dataset | None) -> Iterator[tuple[str, datetime]]:
    """Give the end of the fact that a rule looks at, where there is one; what never was has none."""
    courses = rules.courses.get(verb, ()) if isinstance(rules, Rules) else ()
    known_courses = [ask.person.trainings[course] for course in courses if course in ask.person.trainings]
    ends = [("R03", min(known_courses, default=NEVER))]
    if ask.project is not None:
        ends += [
            ("R05", ask.project.member_until),
            ("R07", ask.project.approved_until),
            ("R08", ask.project.retained_until),
            ("R27", ask.project.grace_until),
            ("R30", ask.project.emergency_until),
        ]
    if dataset is not None:
        ends += [("R09", dataset.approved_until), ("R11", dataset.embargo_until)]
    yield from ((rule, end) for rule, end in ends if NEVER < end < ALWAYS)


def _days(until: datetime | None, now: datetime) -> int | None:
    return None if until is None else (until - now).days


# --- data -------------------------------------------------------------------------------------------------------------
def _data(rules: Rules | Unfit, found: Known, room: Ask) -> Iterator[Data]:
    assert room.project is not None  # noqa: S101 -- a room's ask has one
    name, person = room.project.name, room.person.name
    may_open = rules.decide(room).allowed
    for mount, dataset in found.mounts(name, person):
        said = rules.decide(replace(room, verb="mount", dataset=dataset))
        extract = found.extract(name, mount.dataset)
        known_end = dataset.approved_until if NEVER < dataset.approved_until < ALWAYS else None
        yield Data(
            dataset=mount.dataset,
            version=mount.version,
            number=mount.number,
            shown=said.allowed and may_open,
            approved_until=known_end,
            days=_days(known_end, room.now),
            use=dataset.duo,
            points=found.use(name, extract, person).points if extract else (),
            lacks=tuple(one for one in _said(rules, "mount", room, said, dataset) if not one.holds),
        )


def _emergencies(session: Session, person: str, project: str, now: datetime) -> Iterator[Opened]:
    for row in emergencies.listed(session):
        if (row.person, row.project) == (person, project):
            by = tuple(name for name in (row.asked_by, row.seconded_by) if name)
            yield Opened(row.id, emergencies.state(row, now=now), row.until, by, row.reason)
