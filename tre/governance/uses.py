"""What the use limitation of a dataset says to a project's purpose now, and what the committee said where it is silent.

The match is made anew each time it is asked for: a purpose that was amended, an ethics vote that ran out and a person
who moved to another country count at once.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from policies.facts import ALWAYS, ANY, NEVER
from tre.records.tables import ApplicationRow

PERMIT, MANUAL, DENY = "permit", "manual", "deny"
UNSTATED, PURPOSE = "unstated", "purpose"
READ = frozenset({UNSTATED, PURPOSE})
"""Points on which the committee rules by deciding: there is nothing but words to read, and the votes read them."""
NOTHING = "{}"


@dataclass(frozen=True, kw_only=True)
class Point:
    """One thing that a use limitation says to a purpose."""

    code: str
    says: str
    """permit, manual or deny."""
    reason: str
    ruled: str = ""
    """What the committee ruled, in a sentence; empty if it did not."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """All that a dataset says to one person's work in one project. Nobody having said anything denies."""

    duo: str = DENY
    ruled: bool = False
    refused: frozenset[str] = frozenset()
    embargo_until: datetime = ALWAYS
    moratorium_until: datetime = ALWAYS
    networks: frozenset[str] = frozenset()
    until: datetime = NEVER
    """Known end of what it stands on, e.g. of the ethics vote; ALWAYS if there is none."""
    points: tuple[Point, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Who works with the data, as far as a use limitation may ask."""

    name: str = ""
    country: str = ""
    institution: str = ""
    not_for_profit: bool = False


def of(
    data_use: str,
    *,
    project: str,
    application: ApplicationRow | None,
    asker: Asker,
    rulings: Mapping[str, bool],
    approved: bool,
    since: datetime,
    now: datetime,
) -> Use:
    """Match a dataset's use limitation (JSON) with the purpose of a project; `rulings` are code -> allowed.

    `approved` says that the committee's approval of this dataset stands: with it, it read what is only words.
    """
    del project, application, asker, since, now  # nothing that a machine reads was stated
    if data_use.strip() not in {"", NOTHING}:
        return Use()
    points = (
        Point(code=PURPOSE, says=MANUAL, reason="the purpose is not coded: a person must read it"),
        Point(code=UNSTATED, says=MANUAL, reason="the dataset states no use limitation: a person must judge"),
    )
    return _ruled(
        Use(duo=MANUAL, embargo_until=NEVER, moratorium_until=NEVER, networks=frozenset({ANY}), until=ALWAYS),
        points,
        rulings,
        approved=approved,
    )


def combinable(data_uses: Collection[str]) -> bool:
    """Whether each of these datasets may be used together with each other; what states nothing does not forbid it."""
    return all(one.strip() in {"", NOTHING} for one in data_uses) or len(data_uses) <= 1


def _ruled(use: Use, points: Collection[Point], rulings: Mapping[str, bool], *, approved: bool) -> Use:
    """Add what the committee ruled to what the machine found."""
    read = {point.code: _ruling(point, rulings, approved=approved) for point in points}
    said = tuple(replace(point, ruled=_SAYS[read[point.code]]) for point in points)
    manual = [point for point in points if point.says == MANUAL]
    against = {point.code for point in manual if read[point.code] is False}
    denied = {point.code for point in points if point.says == DENY}
    return replace(
        use,
        ruled=bool(manual) and all(read[point.code] for point in manual),
        refused=frozenset(against | denied),
        points=said,
    )


def _ruling(point: Point, rulings: Mapping[str, bool], *, approved: bool) -> bool | None:
    """Return what the committee says of a point; None if it did not."""
    if point.says != MANUAL:
        return None
    if point.code in rulings:
        return rulings[point.code]
    return True if approved and point.code in READ else None


_SAYS = {None: "", True: "the committee allows it", False: "the committee does not allow it"}
