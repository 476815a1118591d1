"""What other rules, or another day, would change for people, projects and exports; nothing is written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from policies.engine import Decision, Rules
from tre.errors import Unreadable
from tre.governance import access, known, rulebook
from tre.governance.explaining import flawless
from tre.governance.known import Known
from tre.governance.rulebook import Unfit
from tre.records import schema
from tre.records.tables import MemberRow, ProjectRow

OPEN = ("checking", "in_review", "approved")
"""States of an export request that wait for somebody else than its author."""


class Waiting(NamedTuple):
    """An export request that waits."""

    number: int
    project: str
    requester: str


class Key(NamedTuple):
    """Who, where, and which door: a room, the mount of a dataset, an export."""

    project: str
    person: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Differs:
    """A door that would be judged otherwise."""

    key: Key
    before: Decision
    after: Decision

    @property
    def closes(self) -> bool:
        """Whether what is open now would be shut."""
        return self.before.allowed and not self.after.allowed


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What was judged twice, and what came out otherwise."""

    judged: int
    differs: tuple[Differs, ...]


def simulated(
    session: Session,
    *,
    now: datetime,
    then: datetime | None = None,
    rules: Rules | None = None,
    person: str = "",
    project: str = "",
) -> Simulated:
    """Judge every member of every project that is not closed, and every open export, now and by what is proposed."""
    then = then or now
    if then < now:
        raise Unreadable(f"--date {then:%Y-%m-%d} is past: name a day that comes")
    pairs = _pairs(session, person, project)
    exports = tuple(_exports(session, person, project))
    in_force = rulebook.in_force(session)
    before = _world(session, pairs, exports, now, in_force)
    after = _world(session, pairs, exports, then, rules or in_force)
    differs = (
        Differs(key=key, before=before[key], after=after[key])
        for key in sorted(before)
        if (before[key].allowed, before[key].rules) != (after[key].allowed, after[key].rules)
    )
    return Simulated(judged=len(before), differs=tuple(differs))


def _world(
    session: Session,
    pairs: tuple[tuple[str, str], ...],
    exports: tuple[Waiting, ...],
    at: datetime,
    rules: Rules | Unfit,
) -> Mapping[Key, Decision]:
    """Judge every door at a moment by some rules."""
    people = {person for _, person in pairs} | {row.requester for row in exports}
    projects = {project for project, _ in pairs} | {row.project for row in exports}
    found = known.gather(session, people, projects, now=at)
    doors = dict(_doors(rules, found, pairs))
    for row in exports:
        doors[Key(row.project, row.requester, f"export {row.number}")] = _export(rules, found, row)
    return doors


def _doors(rules: Rules | Unfit, found: Known, pairs: tuple[tuple[str, str], ...]) -> Iterator[tuple[Key, Decision]]:
    for project, person in pairs:
        room = access.of_room(found, project, person)
        yield Key(project, person, "room"), rules.decide(room)
        for mount, dataset in found.mounts(project, person):
            yield (
                Key(project, person, f"mount {mount.dataset}"),
                rules.decide(replace(room, verb="mount", dataset=dataset)),
            )


def _export(rules: Rules | Unfit, found: Known, row: Waiting) -> Decision:
    """Judge whether it could still go on, as if nothing were wrong with its files."""
    room = access.of_room(found, row.project, row.requester)
    export = flawless(row.requester, found, row.project)
    return rules.decide(replace(room, verb="release_export", export=export))


def _pairs(session: Session, person: str, project: str) -> tuple[tuple[str, str], ...]:
    """Return (project, person) of every membership that was not taken away, lapsed ones too."""
    asked = (
        select(MemberRow.project, MemberRow.person)
        .join(ProjectRow, ProjectRow.name == MemberRow.project)
        .where(MemberRow.removed_at.is_(None), ProjectRow.closed_at.is_(None))
        .distinct()
    )
    if person:
        asked = asked.where(MemberRow.person == person)
    if project:
        asked = asked.where(MemberRow.project == project)
    return tuple(sorted((row.project, row.person) for row in session.execute(asked)))


def _exports(session: Session, person: str, project: str) -> Iterator[Waiting]:
    """Give the open requests of the airlock, whose table is known by its name alone."""
    table = schema.metadata().tables.get("export_request")
    if table is None:
        return
    asked = select(table.c.id, table.c.project, table.c.requester).where(table.c.state.in_(OPEN)).order_by(table.c.id)
    if person:
        asked = asked.where(table.c.requester == person)
    if project:
        asked = asked.where(table.c.project == project)
    for row in session.execute(asked):
        yield Waiting(row.id, row.project, row.requester)
