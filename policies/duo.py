"""Whether data may be used for a purpose: what those whose data they are agreed to, against what somebody wants to do.

    match(use, purpose, situation, diseases) -> Match: permit, deny, or manual where a person must read it

One no outweighs everything, one open question outweighs every yes. What nobody wrote down is a question, not a yes.
Each consent group is judged by itself; persons of a group that does not match are left out of the extract.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from policies.consent import (
    CHECKS,
    SENSITIVE,
    TERMS,
    WEIGHT,
    Ancestors,
    Case,
    NoOntology,
    Purpose,
    Situation,
    Verdict,
    of_purpose,
    unknown,
    worst,
)
from policies.limitation import (
    BY_ID,
    CODES,
    Code,
    DataUse,
    DataUseUnfit,
    Group,
    Use,
    Where,
    checked,
    day,
    moratorium,
    parse,
    said,
    told,
)

__all__ = [
    "BY_ID",
    "CODES",
    "SENSITIVE",
    "TERMS",
    "Ancestors",
    "Code",
    "DataUse",
    "DataUseUnfit",
    "Duty",
    "Group",
    "GroupMatch",
    "Match",
    "NoOntology",
    "Point",
    "Purpose",
    "Situation",
    "Use",
    "Verdict",
    "Where",
    "admitted",
    "checked",
    "duties",
    "match",
    "moratorium",
    "parse",
    "said",
    "settled",
    "told",
]

PURPOSE = "purpose"
"""Code of a point about the purpose itself: it is not coded, or sensitive."""
UNSTATED = "unstated"
"""Code of a point about data of which nobody wrote what for they may be used."""


@dataclass(frozen=True)
class Point:
    """What one code says, and why."""

    code: str
    verdict: Verdict
    reason: str
    group: str = ""


@dataclass(frozen=True)
class GroupMatch:
    """What one consent group says."""

    name: str
    points: tuple[Point, ...]

    @property
    def verdict(self) -> Verdict:
        """Deny before manual before permit."""
        return worst(point.verdict for point in self.points)


@dataclass(frozen=True)
class Match:
    """What a use limitation says to a purpose."""

    verdict: Verdict
    groups: tuple[str, ...]
    """Names of the consent groups that permit it as it stands."""
    by_group: tuple[GroupMatch, ...]
    together: bool = False
    """These groups stand or fall together: they are in one extract already."""

    @property
    def points(self) -> tuple[Point, ...]:
        """Every point of every group, in order."""
        return tuple(point for group in self.by_group for point in group.points)

    @property
    def why(self) -> tuple[Point, ...]:
        """The points that make it what it is: those that say no, or ask."""
        return tuple(point for point in self.points if point.verdict is self.verdict)

    @property
    def to_rule(self) -> tuple[Point, ...]:
        """The questions that the committee answers, each code once; none where a no stands anyway."""
        if self.verdict is Verdict.DENY:
            return ()
        open_groups = [group for group in self.by_group if group.verdict is Verdict.MANUAL]
        asked = {p.code: p for group in reversed(open_groups) for p in reversed(group.points)
                 if p.verdict is Verdict.MANUAL}  # fmt: skip
        return tuple(reversed(asked.values()))


@dataclass(frozen=True)
class Duty:
    """What a project owes for data."""

    code: str
    text: str
    due: datetime | None = None
    """None: before the project closes."""


def match(
    use: DataUse,
    purpose: Purpose,
    situation: Situation,
    diseases: Ancestors | None = None,
    *,
    only: Collection[str] | None = None,
) -> Match:
    """Judge each consent group.

    For a committee any group that permits is enough, and the extract holds its persons alone. At a door `only` names
    the groups that were approved: their persons are in the extract, so each of them must permit. If it names none,
    everybody is in the extract.
    """
    known = diseases or NoOntology()
    groups = use.groups or (Group(),)
    missing = sorted(set(only or ()) - {group.name for group in groups})
    wanted = [group for group in groups if not only or group.name in only]
    found = [GroupMatch(group.name, tuple(_points(group, purpose, situation, known))) for group in wanted]
    found += [GroupMatch(name, (_gone(name),)) for name in missing]
    verdicts = [group.verdict for group in found]
    verdict = min(verdicts, key=WEIGHT.__getitem__) if only is None else worst(verdicts)
    permitting = tuple(group.name for group in found if group.verdict is Verdict.PERMIT and group.name)
    return Match(verdict, permitting, tuple(found), together=only is not None)


def admitted(found: Match, rulings: Mapping[str, bool] | None = None) -> tuple[str, ...]:
    """Return the names of the groups whose persons may be in an extract, after the committee's rulings."""
    return tuple(group.name for group in found.by_group if group.name and _allows(group, rulings or {}))


def settled(found: Match, rulings: Mapping[str, bool]) -> tuple[bool, frozenset[str]]:
    """Apply the committee's rulings (code -> allows): whether every open point is ruled and allowed, what refuses.

    A no of the limitation stands, whatever is ruled.
    """
    allowing = [group for group in found.by_group if _allows(group, rulings)]
    if allowing and (not found.together or len(allowing) == len(found.by_group)):
        return True, frozenset()
    refusing = frozenset(
        point.code
        for point in found.points
        if point.verdict is Verdict.DENY or (point.verdict is Verdict.MANUAL and rulings.get(point.code) is False)
    )
    return False, refusing


def duties(use: DataUse, groups: Collection[str] | None = None) -> tuple[Duty, ...]:
    """Return what a project owes for these data, each duty once."""
    found: dict[tuple[str, datetime | None], Duty] = {}
    for group in use.groups:
        if groups and group.name not in groups:
            continue
        for one in group.codes:
            if one.row and one.row.duty:
                due = day(one.values[0]) if one.code == "MOR" and one.values else None
                more = f" ({', '.join(one.values)})" if one.values else ""
                found[one.code, due] = Duty(one.code, one.row.duty.removesuffix(".") + more + ".", due)
    return tuple(found.values())


def _allows(group: GroupMatch, rulings: Mapping[str, bool]) -> bool:
    """Whether nothing says no, and everything that asks was answered with yes."""
    return all(
        point.verdict is Verdict.PERMIT or (point.verdict is Verdict.MANUAL and rulings.get(point.code) is True)
        for point in group.points
    )


def _gone(name: str) -> Point:
    return Point(UNSTATED, Verdict.DENY, f"the dataset has no consent group {name} any more", name)


def _points(group: Group, purpose: Purpose, situation: Situation, diseases: Ancestors) -> Iterator[Point]:
    for verdict, reason in of_purpose(purpose):
        yield Point(PURPOSE, verdict, reason, group.name)
    if group.permission is None:
        yield Point(UNSTATED, Verdict.MANUAL, "nobody wrote down what for these data may be used", group.name)
    for use in group.codes:
        check = CHECKS.get(use.code)
        case = Case(use, group, purpose, situation, diseases)
        verdict, reason = check(case) if check else unknown(case)
        yield Point(use.code, verdict, reason, group.name)
