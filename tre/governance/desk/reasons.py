"""A no in words: which rule, what it wants, what opens the door, and who answers for the rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from policies.engine import Decision
from tre.governance import known, rulebook
from tre.governance.uses import DENY, MANUAL, RULED, Point


@dataclass(frozen=True, kw_only=True)
class Why:
    """A rule that says no to something, in words."""

    rule: str
    sentence: str
    remedy: str
    ask: str
    """Who answers for the rule."""


def why(session: Session, decision: Decision) -> tuple[Why, ...]:
    """Say it of each rule that said no, in the words of the rules in force."""
    known = rulebook.in_force(session).book
    return tuple(
        Why(
            rule=rule,
            sentence=known[rule].sentence if rule in known else rule,
            remedy=remedy,
            ask=known[rule].owner if rule in known else "an admin",
        )
        for rule, remedy in zip(decision.rules, decision.remedies, strict=False)
    )


def points(session: Session, project: str, person: str, *, now: datetime) -> Mapping[str, tuple[Point, ...]]:
    """Return for each dataset of a project what its use limitation says to this person's work in it."""
    found = known.gather(session, (person,), (project,), now=now)
    said: dict[str, tuple[Point, ...]] = {}
    for dataset, version in found.approvals(project):
        one = found.extract(project, dataset) or known.to_be_made(session, project, dataset, version)
        if one is not None:
            said[dataset] = found.use(project, one, person).points
    return said


def against(said: tuple[Point, ...]) -> tuple[Point, ...]:
    """Return the points that say no, and those on which a human must rule and nobody allowed it."""
    return tuple(each for each in said if each.says == DENY or (each.says == MANUAL and each.ruled != RULED[True]))
