"""All that is on record of people and projects and that a rule may look at, gathered for many of them at once.

What is not on record is given to the rules as what denies: no approval, no agreement, a date in the past. The number
of questions to the database does not grow with people, projects or data.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from policies import duo, facts
from policies.facts import ALWAYS, NEVER, Role
from tre.errors import NotFound
from tre.governance import identities, ontology, training, uses
from tre.records import merkle
from tre.records.db import SETTINGS
from tre.records.tables import (
    AgreementRow,
    AgreementTextRow,
    ApplicationRow,
    ApprovalRow,
    CheckpointRow,
    DatasetRow,
    EmergencyRow,
    EntryRow,
    ExtractRow,
    HeadRow,
    MemberRow,
    PersonRow,
    ProjectRow,
    RoleRow,
    RoomRow,
    RulingRow,
    TrainingRow,
)

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
                groups=tuple(json.loads(approval.groups)) if approval else (),
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
    made, approved = set(json.loads(extract.groups)), set(json.loads(approval.groups) if approval else ())
    return extract.number == 0 or approval is None or (made <= approved and bool(made) == bool(approved))


def gather(
    session: Session, people: Collection[str], projects: Collection[str], *, now: datetime, accounts: bool = False
) -> Known:
    """Ask the records once for all of these; `accounts` also asks whose other accounts they have."""
    names, wanted = sorted(set(people)), sorted(set(projects))
    rows = {row.name: row for row in session.scalars(select(ProjectRow).where(ProjectRow.name.in_(wanted)))}
    approvals = _approvals(session, wanted)
    applications = _applications(session, rows.values(), approvals)
    known, askers = _people(session, names, accounts=accounts)
    return Known(
        now=now,
        house=house(session, now),
        people=known,
        askers=askers,
        projects=_projects(session, rows, approvals),
        memberships=_memberships(session, names, wanted),
        emergencies=_emergencies(session, names, wanted, now),
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
    newest = select(EntryRow).order_by(EntryRow.seq.desc()).limit(1)
    asked = select(
        HeadRow.size,
        HeadRow.last,
        newest.with_only_columns(EntryRow.seq).scalar_subquery().label("seq"),
        newest.with_only_columns(EntryRow.body).scalar_subquery().label("body"),
        select(CheckpointRow.at).order_by(CheckpointRow.size.desc()).limit(1).scalar_subquery().label("signed"),
    ).where(HeadRow.id == 1)
    log = session.execute(asked).one_or_none()
    try:
        agreement = training.agreement_sha256(session, now)
    except NotFound:
        agreement = ""
    coming = select(func.min(AgreementTextRow.since)).where(AgreementTextRow.since > now)
    return House(
        agreement=agreement,
        log_stands=log is not None and _fits(log),
        clock_sound=log is not None and (log.signed is None or log.signed - CLOCK_SLACK <= now),
        agreement_changes=session.scalar(coming) or ALWAYS,
    )


def _fits(log: Row[Any]) -> bool:  # Any: columns of three tables
    """Whether the head of the log is that of its newest entry."""
    if log.seq is None:
        return bool(log.size == 0)
    return bool(log.size == log.seq + 1 and log.last == merkle.leaf_hash(log.body))


# --- people -----------------------------------------------------------------------------------------------------------
def _people(
    session: Session, names: Collection[str], *, accounts: bool
) -> tuple[dict[str, facts.Person], dict[str, uses.Asker]]:
    rows = session.execute(
        select(
            PersonRow.name, PersonRow.suspended, PersonRow.country, PersonRow.institution, PersonRow.not_for_profit
        ).where(PersonRow.name.in_(names))
    ).all()
    roles, courses, signed = _roles(session, names), _courses(session, names), _signed(session, names)
    people = {
        row.name: facts.Person(
            name=row.name,
            roles=frozenset(roles[row.name]),
            suspended=row.suspended,
            trainings=courses[row.name],
            agreement=signed.get(row.name, ""),
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


def _roles(session: Session, names: Collection[str]) -> dict[str, set[Role]]:
    found: defaultdict[str, set[Role]] = defaultdict(set)
    for person, role in session.execute(select(RoleRow.person, RoleRow.role).where(RoleRow.person.in_(names))):
        found[person].add(Role(role))
    return found


def _courses(session: Session, names: Collection[str]) -> dict[str, dict[str, datetime]]:
    """When each course of each person lapses; a renewal counts from when it is recorded."""
    latest = select(TrainingRow.person, TrainingRow.course, func.max(TrainingRow.until))
    grouped = latest.where(TrainingRow.person.in_(names)).group_by(TrainingRow.person, TrainingRow.course)
    found: defaultdict[str, dict[str, datetime]] = defaultdict(dict)
    for person, course, until in session.execute(grouped):
        found[person][course] = until
    return found


def _signed(session: Session, names: Collection[str]) -> dict[str, str]:
    """SHA-256 of the agreement that each person signed last."""
    last = select(func.max(AgreementRow.id)).where(AgreementRow.person.in_(names)).group_by(AgreementRow.person)
    rows = session.execute(select(AgreementRow.person, AgreementRow.text_sha256).where(AgreementRow.id.in_(last)))
    return {person: sha256 for person, sha256 in rows}  # noqa: C416 -- rows are no pairs to the type checker


def _memberships(
    session: Session, names: Collection[str], projects: Collection[str]
) -> dict[tuple[str, str], tuple[MemberRow, ...]]:
    rows = select(MemberRow).where(MemberRow.project.in_(projects), MemberRow.person.in_(names))
    found: defaultdict[tuple[str, str], tuple[MemberRow, ...]] = defaultdict(tuple)
    for row in session.scalars(rows.order_by(MemberRow.id)):
        found[row.project, row.person] += (row,)
    return dict(found)


def _emergencies(
    session: Session, names: Collection[str], projects: Collection[str], now: datetime
) -> dict[tuple[str, str], datetime]:
    """Until when two people opened a project to a person; never for longer than the longest emergency."""
    rows = select(EmergencyRow).where(
        EmergencyRow.project.in_(projects),
        EmergencyRow.person.in_(names),
        EmergencyRow.seconded_by.is_not(None),
        EmergencyRow.ended_at.is_(None),
        EmergencyRow.since <= now,
        EmergencyRow.until > now,
    )
    found: dict[tuple[str, str], datetime] = {}
    for row in session.scalars(rows):
        assert row.until is not None  # noqa: S101 -- asked for
        assert row.since is not None  # noqa: S101 -- asked for
        key = row.project, row.person
        found[key] = max(found.get(key, NEVER), min(row.until, row.since + LONGEST_EMERGENCY))
    return found


# --- projects ---------------------------------------------------------------------------------------------------------
def _projects(
    session: Session, rows: Mapping[str, ProjectRow], approvals: Mapping[str, Mapping[tuple[str, int], ApprovalRow]]
) -> dict[str, _Project]:
    extracts: defaultdict[str, list[Extract]] = defaultdict(list)
    columns = select(ExtractRow.project, ExtractRow.dataset, ExtractRow.version, ExtractRow.number, ExtractRow.assessed,
                     DatasetRow.withdrawn, DatasetRow.data_use, ExtractRow.groups)  # fmt: skip
    asked = columns.join(DatasetRow, DatasetRow.name == ExtractRow.dataset).where(ExtractRow.project.in_(rows))
    for found in session.execute(asked.order_by(ExtractRow.dataset, ExtractRow.number)):
        extracts[found.project].append(Extract(*found))
    shared = _shared(session, rows, extracts)
    return {
        name: _Project(
            row=row,
            alone=name not in shared,
            extracts=tuple(extracts[name]),
            approvals=approvals.get(name, {}),
        )
        for name, row in rows.items()
    }


def _shared(
    session: Session, rows: Mapping[str, ProjectRow], extracts: Mapping[str, Collection[Extract]]
) -> frozenset[str]:
    """Projects whose numeric user is another's too, or whose extracts an open room of another project holds."""
    uids = {row.uid for row in rows.values()}
    twice = select(ProjectRow.uid).where(ProjectRow.uid.in_(uids)).group_by(ProjectRow.uid).having(func.count() > 1)
    doubled = frozenset(session.scalars(twice))
    strangers = _strangers(session)
    return frozenset(
        name
        for name, row in rows.items()
        if row.uid in doubled
        or any((one.dataset, one.number) in strange for one in extracts.get(name, ())
               for other, strange in strangers.items() if other != name)
    )  # fmt: skip


def _strangers(session: Session) -> dict[str, frozenset[tuple[str, int]]]:
    """Find what open rooms hold (dataset, number of the extract) that is no extract of their own project."""
    held: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
    asked = select(RoomRow.project, RoomRow.mounts).where(RoomRow.closed_at.is_(None), RoomRow.mounts != "[]")
    for project, mounts in session.execute(asked.distinct()):
        held[project] |= {(mount["dataset"], mount["number"]) for mount in json.loads(mounts)}
    if not held:
        return {}
    own = select(ExtractRow.project, ExtractRow.dataset, ExtractRow.number).where(ExtractRow.project.in_(held))
    for project, dataset, number in session.execute(own):
        held[project].discard((dataset, number))
    return {project: frozenset(strange) for project, strange in held.items() if strange}


def _approvals(session: Session, projects: Collection[str]) -> dict[str, dict[tuple[str, int], ApprovalRow]]:
    """Find the newest approval, in force or revoked, of each dataset version for each project."""
    found: defaultdict[str, dict[tuple[str, int], ApprovalRow]] = defaultdict(dict)
    for row in session.scalars(select(ApprovalRow).where(ApprovalRow.project.in_(projects)).order_by(ApprovalRow.id)):
        found[row.project][row.dataset, row.version] = row
    return found


def _applications(
    session: Session,
    projects: Collection[ProjectRow],
    approvals: Mapping[str, Mapping[tuple[str, int], ApprovalRow]],
) -> dict[int, ApplicationRow]:
    numbers = {row.application for row in projects if row.application}
    numbers |= {row.application for each in approvals.values() for row in each.values()}
    if not numbers:
        return {}
    return {row.id: row for row in session.scalars(select(ApplicationRow).where(ApplicationRow.id.in_(numbers)))}


def _rulings(session: Session, numbers: Collection[int]) -> dict[tuple[int, str], dict[str, bool]]:
    found: defaultdict[tuple[int, str], dict[str, bool]] = defaultdict(dict)
    if numbers:
        for row in session.scalars(select(RulingRow).where(RulingRow.application.in_(numbers))):
            found[row.application, row.dataset][row.code] = row.allows
    return found
