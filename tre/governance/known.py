"""All that is on record of people and projects and that a rule may look at, gathered for many of them at once.

What is not on record is given to the rules as what denies: no approval, no agreement, a date in the past. The number
of questions to the database does not grow with people, projects or data.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Row
from sqlalchemy.orm import Session

from policies import duo, facts
from policies.facts import ALWAYS, NEVER, Role
from tre.governance import identities, ontology, questions, uses
from tre.records import merkle
from tre.records.db import SETTINGS
from tre.records.tables import ApplicationRow, ApprovalRow, DatasetRow, MemberRow, ProjectRow

GRACE = timedelta(days=90)
"""How long after its approval a project's lead may still ask for exports (R27)."""
LONGEST_EMERGENCY = timedelta(hours=4)
CLOCK_SLACK = timedelta(minutes=5)
"""Clocks of one house may differ by so much."""


@dataclass(frozen=True)
class Mount:
    """One extract that a room sees as /data/<dataset>."""

    dataset: str
    version: int
    """Version of the dataset."""
    number: int
    """Number of the project's extract of it."""


@dataclass(frozen=True, kw_only=True)
class House:
    """What is true of the whole house at a moment."""

    agreement: str = ""
    log_stands: bool = False
    clock_sound: bool = False
    agreement_changes: datetime = ALWAYS
    """When another text of the agreement comes into force."""


class Extract(NamedTuple):
    """A project's copy of a dataset version, made or to be made, and what the dataset says of itself."""

    project: str
    dataset: str
    version: int
    number: int
    """0 for one that is to be made."""
    assessed: bool
    withdrawn: bool
    data_use: str
    groups: str = "[]"
    """JSON: consent groups whose persons are in it."""


@dataclass(frozen=True, kw_only=True)
class _Project:
    """What is known of a project, whoever asks."""

    row: ProjectRow
    alone: bool
    extracts: tuple[Extract, ...]
    """By dataset and number."""
    approvals: Mapping[tuple[str, int], ApprovalRow]
    """The newest of each dataset version, in force or revoked."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is on record of some people and some projects."""

    now: datetime
    house: House
    people: Mapping[str, facts.Person]
    askers: Mapping[str, uses.Asker]
    projects: Mapping[str, _Project]
    memberships: Mapping[tuple[str, str], tuple[MemberRow, ...]]
    emergencies: Mapping[tuple[str, str], datetime]
    applications: Mapping[int, ApplicationRow]
    rulings: Mapping[tuple[int, str], Mapping[str, bool]]
    country: str = ""
    """Where the house computes; empty if its settings do not say."""
    diseases: duo.Ancestors | None = None
    """What the house knows of which disease is a kind of which."""

    _uses: dict[tuple[str, Extract, str], uses.Use] = field(default_factory=dict)

    def person(self, name: str, *, second_factor: bool = False, network: str = "") -> facts.Person:
        """Return what is known of a person; of nobody, that they are suspended."""
        found = self.people.get(name)
        return replace(found, second_factor=second_factor, network=network) if found else facts.Person(name=name)

    def project(self, name: str, person: str) -> facts.Project:
        """Return what is known of a project, and of a person in it; of no project, that it is closed."""
        found = self.projects.get(name)
        if found is None:
            return facts.Project(name=name)
        row, held = found.row, self.memberships.get((name, person), ())
        current = [member.until for member in held if member.removed_at is None and member.since <= self.now]
        return facts.Project(
            name=name,
            suspended=row.suspended,
            closed=row.closed_at is not None,
            approved_until=row.approved_until,
            retained_until=row.retained_until,
            member_until=max(current, default=NEVER),
            was_member=bool(held),
            lead=row.lead is not None and row.lead == person,
            grace_until=row.approved_until + GRACE,
            emergency_until=self.emergencies.get((name, person), NEVER),
            combinable=uses.combinable({one.dataset: one.data_use for one in self._newest(name)}),
            alone=found.alone,
            ml_plan=row.ml_plan,
            moratorium_until=max((self.use(name, one, person).moratorium_until for one in self._newest(name)),
                                 default=NEVER),
        )  # fmt: skip

    def mounts(self, project: str, person: str) -> Iterator[tuple[Mount, facts.Dataset]]:
        """Give the newest extract of each dataset that a project has one of, by the name of the dataset."""
        for one in self._newest(project):
            yield Mount(one.dataset, one.version, one.number), self.of_extract(project, one, person)

    def dataset(self, project: str, dataset: str, person: str, *, number: int | None = None) -> facts.Dataset:
        """Return what is known of a project's extract, the newest unless numbered; of none, that nobody approved it."""
        found = self.extract(project, dataset, number=number)
        return self.of_extract(project, found, person) if found is not None else facts.Dataset(name=dataset)

    def extract(self, project: str, dataset: str, *, number: int | None = None) -> Extract | None:
        """Return an extract of a project, the newest unless numbered."""
        if project not in self.projects:
            return None
        rows = [one for one in self.projects[project].extracts if one.dataset == dataset]
        return next((one for one in reversed(rows) if number in {None, one.number}), None)

    def use(self, project: str, extract: Extract, person: str) -> uses.Use:
        """Match what a dataset allows with what the project is for, and who works in it; once for each."""
        key = project, extract, person
        if key not in self._uses:
            self._uses[key] = self._use(project, extract, person)
        return self._uses[key]

    def _use(self, project: str, extract: Extract, person: str) -> uses.Use:
        row = self.projects[project].row
        approval = self.projects[project].approvals.get((extract.dataset, extract.version))
        number = approval.application if approval else None
        return uses.of(
            extract.data_use,
            project=row,
            application=self.applications.get(row.application or 0) or self.applications.get(number or 0),
            asker=self.askers.get(person, uses.Asker()),
            given=uses.Given(
                since=approval.since if approval else None,
                groups=_names(approval.groups) if approval else (),
                stands=approval is not None and approval.revoked_at is None,
                rulings=self._rulings(row.application, number, extract.dataset),
            ),
            country=self.country,
            diseases=self.diseases,
            now=self.now,
        )

    def approvals(self, project: str) -> Mapping[tuple[str, int], ApprovalRow]:
        """Return the newest approval of each dataset version for a project."""
        return self.projects[project].approvals if project in self.projects else {}

    def in_force(self, project: str) -> bool:
        """Whether no data that the project ever had were withdrawn, or taken back from it by the committee's last word.

        A dataset of which there is an extract and no approval was never given.
        """
        if project not in self.projects:
            return False
        newest: dict[str, ApprovalRow] = {}
        for row in sorted(self.approvals(project).values(), key=lambda row: row.id):
            newest[row.dataset] = row
        return all(
            not one.withdrawn and one.dataset in newest and newest[one.dataset].revoked_at is None
            for one in self._newest(project)
        )

    def _rulings(self, whole: int | None, approved: int | None, dataset: str) -> Mapping[str, bool]:
        """Return what the committee ruled for a dataset: in the project's application, and later in the approval's."""
        return {**self.rulings.get((whole or 0, dataset), {}), **self.rulings.get((approved or 0, dataset), {})}

    def _newest(self, project: str) -> tuple[Extract, ...]:
        found = self.projects.get(project)
        return tuple({one.dataset: one for one in found.extracts}.values()) if found else ()

    def of_extract(self, project: str, extract: Extract, person: str) -> facts.Dataset:
        """Return what the rules may know of an extract."""
        use = self.use(project, extract, person)
        approval = self.projects[project].approvals.get((extract.dataset, extract.version))
        known = facts.Dataset(
            name=extract.dataset,
            version=extract.version,
            withdrawn=extract.withdrawn,
            assessed=extract.assessed and _agreed(extract, approval),
            embargo_until=use.embargo_until,
            duo=use.duo,
            ruled=use.ruled,
            refused=use.refused,
            networks=use.networks,
        )
        if approval is None or self.now < approval.since:
            return known
        return replace(
            known,
            approved_version=approval.version,
            approved_until=approval.until,
            revoked=approval.revoked_at is not None,
        )


def _agreed(extract: Extract, approval: ApprovalRow | None) -> bool:
    """Whether the persons of the extract are of the consent groups that are approved now, and of no others."""
    made, approved = set(_names(extract.groups)), set(_names(approval.groups) if approval else ())
    return extract.number == 0 or approval is None or (made <= approved and bool(made) == bool(approved))


@lru_cache(maxsize=512)
def _names(groups: str) -> tuple[str, ...]:
    """Read a list of consent groups once a process: it is as immutable as its text."""
    return tuple(json.loads(groups))


def gather(
    session: Session, people: Collection[str], projects: Collection[str], *, now: datetime, accounts: bool = False
) -> Known:
    """Ask the records once for all of these; `accounts` also asks whose other accounts they have."""
    asked = {"people": sorted(set(people)), "projects": sorted(set(projects)), "now": now}
    approvals = _approvals(session, asked)
    found = _projects(session, asked, approvals)
    applications = _applications(session, found.values())
    known, askers = _people(session, asked, accounts=accounts)
    return Known(
        now=now,
        house=house(session, now),
        people=known,
        askers=askers,
        projects=found,
        memberships=_memberships(session, asked),
        emergencies=_emergencies(session, asked),
        applications=applications,
        rulings=_rulings(session, applications),
        country=chosen.country if (chosen := session.info.get(SETTINGS)) else "",
        diseases=ontology.here(session),
    )


def to_be_made(session: Session, project: str, dataset: str, version: int) -> Extract | None:
    """Return the extract that a project would get of a dataset version; none of a dataset that is not there."""
    row = session.get(DatasetRow, dataset)
    if row is None:
        return None
    return Extract(project, dataset, version, 0, assessed=False, withdrawn=row.withdrawn, data_use=row.data_use)


def house(session: Session, now: datetime) -> House:
    """Look at the log, the clock and the agreement."""
    said = session.execute(questions.HOUSE, {"now": now}).one()
    return House(
        agreement=said.agreement or "",
        log_stands=_fits(said),
        clock_sound=said.size is not None and (said.signed is None or said.signed - CLOCK_SLACK <= now),
        agreement_changes=said.coming or ALWAYS,
    )


def _fits(log: Row[Any]) -> bool:  # Any: columns of three tables
    """Whether the log has a head, and it is that of its newest entry."""
    if log.size is None or log.seq is None:
        return bool(log.size == 0)
    return bool(log.size == log.seq + 1 and log.last == merkle.leaf_hash(log.body))


Asked = Mapping[str, Any]  # Any: names, numbers and times, as `questions` names them


# --- people -----------------------------------------------------------------------------------------------------------
def _people(session: Session, asked: Asked, *, accounts: bool) -> tuple[dict[str, facts.Person], dict[str, uses.Asker]]:
    rows = session.execute(questions.PERSONS, asked).all()
    roles, courses = _roles(session, asked), _courses(session, asked)
    people = {
        row.name: facts.Person(
            name=row.name,
            roles=frozenset(roles[row.name]),
            suspended=row.suspended,
            trainings=courses[row.name],
            agreement=row.signed or "",
            also=identities.also_accounts(session, row.name) if accounts else frozenset(),
        )
        for row in rows
    }
    askers = {
        row.name: uses.Asker(
            name=row.name, country=row.country, institution=row.institution, not_for_profit=row.not_for_profit
        )
        for row in rows
    }
    return people, askers


def _roles(session: Session, asked: Asked) -> dict[str, set[Role]]:
    found: defaultdict[str, set[Role]] = defaultdict(set)
    for person, role in session.execute(questions.ROLES, asked):
        found[person].add(Role(role))
    return found


def _courses(session: Session, asked: Asked) -> dict[str, dict[str, datetime]]:
    found: defaultdict[str, dict[str, datetime]] = defaultdict(dict)
    for person, course, until in session.execute(questions.COURSES, asked):
        found[person][course] = until
    return found


def _memberships(session: Session, asked: Asked) -> dict[tuple[str, str], tuple[MemberRow, ...]]:
    found: defaultdict[tuple[str, str], tuple[MemberRow, ...]] = defaultdict(tuple)
    for row in session.scalars(questions.MEMBERSHIPS, asked):
        found[row.project, row.person] += (row,)
    return dict(found)


def _emergencies(session: Session, asked: Asked) -> dict[tuple[str, str], datetime]:
    """Until when two people opened a project to a person; never for longer than the longest emergency."""
    found: dict[tuple[str, str], datetime] = {}
    for row in session.execute(questions.EMERGENCIES, asked):
        key = row.project, row.person
        found[key] = max(found.get(key, NEVER), min(row.until, row.since + LONGEST_EMERGENCY))
    return found


# --- projects ---------------------------------------------------------------------------------------------------------
Approvals = Mapping[tuple[str, int], ApprovalRow]


def _projects(session: Session, asked: Asked, approvals: Mapping[str, Approvals]) -> dict[str, _Project]:
    extracts: defaultdict[str, list[Extract]] = defaultdict(list)
    for found in session.execute(questions.EXTRACTS, asked):
        extracts[found.project].append(Extract(*found))
    strangers = _strangers(session)
    return {
        row.name: _Project(
            row=row,
            alone=not doubled and not _met(row.name, extracts[row.name], strangers),
            extracts=tuple(extracts[row.name]),
            approvals=approvals.get(row.name, {}),
        )
        for row, doubled in session.execute(questions.WORK, asked)
    }


def _met(name: str, extracts: Collection[Extract], strangers: Mapping[str, Collection[tuple[str, int]]]) -> bool:
    """Whether an open room of another project holds an extract of this one."""
    held = {each for other, strange in strangers.items() if other != name for each in strange}
    return any((one.dataset, one.number) in held for one in extracts)


def _strangers(session: Session) -> dict[str, set[tuple[str, int]]]:
    """Find what open rooms hold (dataset, number of the extract) that is no extract of their own project."""
    held: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
    for project, mounts in session.execute(questions.MOUNTED):
        held[project] |= {(mount["dataset"], mount["number"]) for mount in json.loads(mounts)}
    if held:
        for project, dataset, number in session.execute(questions.OWN, {"projects": list(held)}):
            held[project].discard((dataset, number))
    return held


def _approvals(session: Session, asked: Asked) -> dict[str, dict[tuple[str, int], ApprovalRow]]:
    """Find the newest approval, in force or revoked, of each dataset version for each project."""
    found: defaultdict[str, dict[tuple[str, int], ApprovalRow]] = defaultdict(dict)
    for row in session.scalars(questions.APPROVALS, asked):
        found[row.project][row.dataset, row.version] = row
    return found


def _applications(session: Session, projects: Collection[_Project]) -> dict[int, ApplicationRow]:
    numbers = {one.row.application for one in projects if one.row.application}
    numbers |= {approval.application for one in projects for approval in one.approvals.values()}
    if not numbers:
        return {}
    return {row.id: row for row in session.scalars(questions.APPLICATIONS, {"numbers": list(numbers)})}


def _rulings(session: Session, applications: Collection[int]) -> dict[tuple[int, str], dict[str, bool]]:
    found: defaultdict[tuple[int, str], dict[str, bool]] = defaultdict(dict)
    if applications:
        for number, dataset, code, allows in session.execute(questions.RULINGS, {"numbers": list(applications)}):
            found[number, dataset][code] = allows
    return found
