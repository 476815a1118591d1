"""What the use limitation of a dataset says to a project's purpose now, and what the committee said where it is silent.

The match is made anew each time it is asked for: a purpose that was amended, an ethics vote that ran out and a person
who moved to another country count at once.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from policies import duo
from policies.consent import later
from policies.facts import ALWAYS, NEVER
from tre.records.tables import ApplicationRow, ProjectRow

DENY, MANUAL = "deny", "manual"
READ = frozenset({duo.PURPOSE, duo.UNSTATED})
"""Points on which the committee rules by deciding: there is nothing but words to read, and the votes read them."""
NOT_READABLE = "what the dataset says of its use cannot be read: an admin registers its plan again"
RULED = {None: "", True: "the committee allows it", False: "the committee does not allow it"}


@dataclass(frozen=True, kw_only=True)
class Point:
    """One thing that a use limitation says to a purpose."""

    code: str
    says: str
    """permit, manual or deny."""
    reason: str
    group: str = ""
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
    """First known end of what it stands on, e.g. of the ethics vote; ALWAYS if there is none."""
    points: tuple[Point, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Who works with the data, as far as a use limitation may ask."""

    name: str = ""
    country: str = ""
    institution: str = ""
    not_for_profit: bool = False


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the committee gave a project of a dataset."""

    since: datetime | None = None
    """None: nothing yet."""
    groups: tuple[str, ...] = ()
    """Consent groups whose persons are in the extract."""
    stands: bool = False
    """The approval was not revoked: with it, the committee read what is only words."""
    rulings: Mapping[str, bool]
    """Code -> allowed."""


def of(
    data_use: str,
    *,
    project: ProjectRow,
    application: ApplicationRow | None,
    asker: Asker,
    given: Given,
    country: str,
    diseases: duo.Ancestors | None,
    now: datetime,
) -> Use:
    """Match a dataset's use limitation (JSON) with what a project is for, and who works in it where."""
    try:
        limits = limitation(data_use)
    except duo.DataUseUnfit:
        return Use(points=(Point(code=duo.UNSTATED, says=DENY, reason=NOT_READABLE),))
    situation = _situation(project, application, asker, given, country=country, now=now)
    held = given.groups if given.stands else None
    found = duo.match(limits, purpose_of(project, application, asker), situation, diseases, only=held)
    rulings = {**dict.fromkeys(READ, given.stands), **given.rulings} if given.stands else dict(given.rulings)
    ruled, refused = duo.settled(found, rulings)
    return Use(
        duo=found.verdict.value,
        ruled=ruled and found.verdict is duo.Verdict.MANUAL,
        refused=refused,
        embargo_until=limits.embargo_until or NEVER,
        moratorium_until=duo.moratorium(limits, given.groups or None) or NEVER,
        networks=limits.zones,
        until=_until(limits, given, situation),
        points=_points(found, rulings),
    )


def combinable(data_uses: Mapping[str, str]) -> bool:
    """Whether each of these datasets (name -> use limitation) may be used together with each other."""
    try:
        said = {name: limitation(text) for name, text in data_uses.items()}
    except duo.DataUseUnfit:
        return False
    return all(use.goes_with(other) for name, use in said.items() for other in said if other != name)


def purpose_of(project: ProjectRow, application: ApplicationRow | None, asker: Asker) -> duo.Purpose:
    """Return what a project is for, coded where its application coded it; else its words."""
    form = _form(application)
    use = form.get("use")
    return duo.Purpose(
        text=str(form.get("purpose") or (application.purpose if application else "") or project.purpose),
        terms=_set(form, "terms"),
        diseases=_set(form, "diseases"),
        commercial=None if not use else use != "not_for_profit",
        not_for_profit=asker.not_for_profit,
        clinical_care=form.get("clinical_care") is True,
        sensitive=_set(form, "sensitive"),
    )


@lru_cache(maxsize=512)
def limitation(text: str) -> duo.DataUse:
    """Read a use limitation once a process: it is as immutable as its text."""
    return duo.DataUse.from_json(text or "{}")


def _situation(
    project: ProjectRow, application: ApplicationRow | None, asker: Asker, given: Given, *, country: str, now: datetime
) -> duo.Situation:
    return duo.Situation(
        now=now,
        project=project.name,
        people=frozenset({asker.name}),
        countries=frozenset({asker.country}),
        compute_country=country,
        institutions=frozenset({asker.institution}) - {""},
        approved_since=given.since,
        ethics_until=application.ethics_until if application else None,
        collaboration=str(_form(application).get("collaboration") or ""),
    )


def _until(limits: duo.DataUse, given: Given, situation: duo.Situation) -> datetime:
    """Return the first end that is written down of what the groups stand on: ethics (IRB), time (TS)."""
    ends = [ALWAYS]
    for group in limits.groups:
        for one in group.codes if not given.groups or group.name in given.groups else ():
            if one.code == "IRB":
                ends.append(situation.ethics_until or NEVER)
            if one.code == "TS" and given.since and one.values and one.values[0].isdecimal():
                ends.append(later(given.since, int(one.values[0])))
    return min(ends)


def _points(found: duo.Match, rulings: Mapping[str, bool]) -> tuple[Point, ...]:
    return tuple(
        Point(
            code=one.code,
            says=one.verdict.value,
            reason=one.reason,
            group=one.group,
            ruled=RULED[rulings.get(one.code)] if one.verdict is duo.Verdict.MANUAL else "",
        )
        for one in found.points
    )


def _form(application: ApplicationRow | None) -> Mapping[str, object]:
    """Return the form of an application; the empty one of what was never filled in."""
    kept = json.loads(application.form) if application else {}
    found = kept.get("fields", kept) if isinstance(kept, dict) else {}
    return found if isinstance(found, dict) else {}


def _set(form: Mapping[str, object], name: str) -> frozenset[str]:
    found = form.get(name)
    return frozenset(map(str, found)) if isinstance(found, Collection) and not isinstance(found, str) else frozenset()
