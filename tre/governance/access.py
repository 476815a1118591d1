"""Whether a person may do a thing now: the facts are gathered here, the policies judge them.

What is not on record is given to the rules as what denies: no approval, no agreement, a date in the past.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

import policies
from policies import facts
from policies.engine import Decision
from policies.facts import NEVER, Ask, Export
from tre.errors import Refused
from tre.governance import accounts, training
from tre.records.tables import ApprovalRow, DatasetRow, ExtractRow, MemberRow, PersonRow, ProjectRow

# verb -> how a refusal begins to say it.
SAYS: Mapping[str, str] = {
    "sign_in": "sign in",
    "open_session": "open a room",
    "mount": "read",
    "submit_export": "ask for an export",
    "vote_export": "vote on an export",
    "release_export": "receive an export",
    "administer": "administer",
}


@dataclass(frozen=True)
class Mount:
    """One extract that a room sees as /data/<dataset>."""

    dataset: str
    version: int
    """Version of the dataset."""
    number: int
    """Number of the project's extract of it."""


@dataclass(frozen=True)
class Opening:
    """Whether a room opens, with what in it, and what was left out for which reasons."""

    decision: Decision
    mounts: tuple[Mount, ...] = ()
    refused: tuple[tuple[str, Decision], ...] = ()


def require(session: Session, ask: Ask) -> Decision:
    """Return the yes, or refuse with every reason; the act that asked records the refusal."""
    del session  # an ask is complete; taken so that whoever requires stands inside an act
    decision = policies.decide(ask)
    if not decision.allowed:
        raise _refusal(ask, decision)
    return decision


def opening(session: Session, project: str, person: str, *, now: datetime, second_factor: bool = True) -> Opening:
    """Judge a room and each of its extracts, for a page, the sentinel or a new room; nothing is recorded.

    `second_factor` holds for whoever the Hub let in: it lets nobody in without one.
    """
    ask = room_ask(session, project, person, now=now, second_factor=second_factor)
    decision = policies.decide(ask)
    mounts, refused = [], []
    for mount, dataset in _extracts(session, project):
        said = policies.decide(replace(ask, verb="mount", dataset=dataset))
        if said.allowed:
            mounts.append(mount)
        else:
            refused.append((mount.dataset, said))
    if decision.allowed and refused and not mounts:
        decision = _nothing_to_see(decision, refused)
    if not decision.allowed:
        mounts = []
    return Opening(decision, tuple(mounts), tuple(refused))


def require_open(session: Session, project: str, person: str, *, now: datetime, second_factor: bool = True) -> Opening:
    """Return what a room opens with, or refuse with every reason."""
    found = opening(session, project, person, now=now, second_factor=second_factor)
    if not found.decision.allowed:
        ask = room_ask(session, project, person, now=now, second_factor=second_factor)
        raise _refusal(ask, found.decision)
    return found


def lapsed(
    session: Session, project: str, person: str, mounts: Iterable[Mount], *, now: datetime
) -> tuple[tuple[str, Decision], ...]:
    """Judge what an open room has mounted, which need not be the newest: what may not be seen any more, and why."""
    ask = room_ask(session, project, person, now=now)
    said = [
        (mount.dataset, policies.decide(replace(ask, verb="mount", dataset=_mounted(session, project, mount))))
        for mount in mounts
    ]
    return tuple((name, decision) for name, decision in said if not decision.allowed)


# --- asks -------------------------------------------------------------------------------------------------------------
def export_ask(
    session: Session, verb: str, *, person: str, project: str, export: Export, now: datetime, second_factor: bool
) -> Ask:
    """Ask about an export: submit_export, vote_export or release_export (to the person who receives it)."""
    return Ask(
        verb=verb,
        now=now,
        person=person_facts(session, person, second_factor=second_factor, now=now),
        project=project_facts(session, project, person, now=now),
        export=export,
        agreement=training.agreement_sha256(session, now),
    )


def plain_ask(session: Session, verb: str, person: str, *, now: datetime, second_factor: bool) -> Ask:
    """Ask about a moment that is of no project: sign_in or administer."""
    return Ask(
        verb=verb,
        now=now,
        person=person_facts(session, person, second_factor=second_factor, now=now),
        agreement=training.agreement_sha256(session, now),
    )


def sign_in_ask(session: Session, person: str, *, now: datetime, second_factor: bool) -> Ask:
    """Ask whether a person, whose password was right, may come in."""
    return plain_ask(session, "sign_in", person, now=now, second_factor=second_factor)


def room_ask(session: Session, project: str, person: str, *, now: datetime, second_factor: bool = True) -> Ask:
    """Ask whether a room may open; each of its extracts is asked about by itself."""
    return Ask(
        verb="open_session",
        now=now,
        person=person_facts(session, person, second_factor=second_factor, now=now),
        project=project_facts(session, project, person, now=now),
        agreement=training.agreement_sha256(session, now),
    )


# --- facts ------------------------------------------------------------------------------------------------------------
def person_facts(session: Session, name: str, *, second_factor: bool, now: datetime) -> facts.Person:
    """Gather what is known of a person; of nobody, that they are suspended."""
    del now  # what has lapsed is for the rules to see
    row = session.get(PersonRow, name)
    if row is None:
        return facts.Person(name=name)
    return facts.Person(
        name=name,
        roles=accounts.roles_of(session, name),
        suspended=row.suspended,
        second_factor=second_factor,
        trainings=training.courses(session, name),
        agreement=training.signed(session, name),
    )


def project_facts(session: Session, project: str, person: str, *, now: datetime) -> facts.Project:
    """Gather what is known of a project, and of a person in it; of no project, that it is closed."""
    row = session.get(ProjectRow, project)
    if row is None:
        return facts.Project(name=project)
    held = select(MemberRow).where(MemberRow.project == project, MemberRow.person == person)
    memberships = tuple(session.scalars(held))
    current = [member.until for member in memberships if member.removed_at is None and member.since <= now]
    return facts.Project(
        name=project,
        suspended=row.suspended,
        closed=row.closed_at is not None,
        approved_until=row.approved_until,
        retained_until=row.retained_until,
        member_until=max(current, default=NEVER),
        was_member=bool(memberships),
    )


def dataset_facts(session: Session, project: str, dataset: str) -> facts.Dataset:
    """Gather what is known of a project's newest extract of a dataset; of none, that nobody approved it."""
    found = (known for mount, known in _extracts(session, project) if mount.dataset == dataset)
    return next(found, facts.Dataset(name=dataset))


def _extracts(session: Session, project: str) -> tuple[tuple[Mount, facts.Dataset], ...]:
    """Find the newest extract of each dataset that a project has one of, by the name of the dataset."""
    query = (
        select(ExtractRow, DatasetRow)
        .join(DatasetRow, DatasetRow.name == ExtractRow.dataset)
        .where(ExtractRow.project == project)
        .order_by(ExtractRow.dataset, ExtractRow.number)
    )
    newest = {extract.dataset: (extract, dataset) for extract, dataset in session.execute(query)}
    granted = _granted(session, project)
    return tuple(
        (
            Mount(extract.dataset, extract.version, extract.number),
            _dataset(extract, dataset, granted.get((extract.dataset, extract.version))),
        )
        for extract, dataset in newest.values()
    )


def _mounted(session: Session, project: str, mount: Mount) -> facts.Dataset:
    """Gather the facts of exactly this extract; of none, that nobody approved it."""
    query = select(ExtractRow).where(
        ExtractRow.project == project, ExtractRow.dataset == mount.dataset, ExtractRow.number == mount.number
    )
    extract, dataset = session.scalars(query).one_or_none(), session.get(DatasetRow, mount.dataset)
    if extract is None or dataset is None:
        return facts.Dataset(name=mount.dataset)
    return _dataset(extract, dataset, _granted(session, project).get((extract.dataset, extract.version)))


def _granted(session: Session, project: str) -> dict[tuple[str, int], ApprovalRow]:
    """Find the newest approval, in force or revoked, of each dataset version for a project."""
    query = select(ApprovalRow).where(ApprovalRow.project == project).order_by(ApprovalRow.id)
    return {(row.dataset, row.version): row for row in session.scalars(query)}


def _dataset(extract: ExtractRow, dataset: DatasetRow, approval: ApprovalRow | None) -> facts.Dataset:
    known = facts.Dataset(
        name=extract.dataset, version=extract.version, withdrawn=dataset.withdrawn, assessed=extract.assessed
    )
    if approval is None:
        return known
    return replace(
        known,
        approved_version=approval.version,
        approved_until=approval.until,
        revoked=approval.revoked_at is not None,
    )


# --- words ------------------------------------------------------------------------------------------------------------
def _refusal(ask: Ask, decision: Decision) -> Refused:
    thing = ask.dataset or ask.project
    where = f" {'' if ask.verb == 'mount' else 'in '}{thing.name}" if thing else ""
    said = f"{ask.person.name} cannot {SAYS.get(ask.verb, ask.verb)}{where} ({', '.join(decision.rules)})"
    return Refused(said, rules=decision.rules, remedies=decision.remedies)


def _nothing_to_see(decision: Decision, refused: list[tuple[str, Decision]]) -> Decision:
    """Close a room that has data and may show none of it, for the reasons of all of them."""
    reasons = {rule: remedy for _, said in refused for rule, remedy in zip(said.rules, said.remedies, strict=True)}
    return replace(
        decision,
        allowed=False,
        rules=tuple(sorted(reasons)),
        remedies=tuple(reasons[rule] for rule in sorted(reasons)),
        errors=tuple(error for _, said in refused for error in said.errors),
    )
