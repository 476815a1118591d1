"""Whether a person may do a thing now: the facts are gathered in `known`, the adopted rules judge them.

Every door asks here, each time; nothing is remembered from one act to the next. Whoever works at the host acts as its
operator, `host/<name>`: they hold the admin's role and courses by being there, and data and project are judged as for
anybody.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from policies import facts
from policies.engine import Decision, Rules
from policies.facts import ALWAYS, Ask, Export, Role
from tre.errors import Refused
from tre.governance import known, rulebook
from tre.governance.known import Known, Mount
from tre.governance.rulebook import Unfit
from tre.records.tables import RoomRow

__all__ = ["Mount", "Opening", "Standing", "ask", "opening", "require", "require_open", "standing"]

# verb -> how a refusal begins to say it.
SAYS: Mapping[str, str] = {
    "sign_in": "sign in",
    "administer": "administer",
    "open_session": "open a room",
    "mount": "read",
    "prepare_extract": "prepare an extract",
    "submit_export": "ask for an export",
    "vote_export": "vote on an export",
    "release_export": "receive an export",
    "collect_export": "collect an export",
    "grant_exception": "make an exception",
    "recall_export": "call an export back",
    "submit_application": "submit an application",
    "vote_application": "vote on an application",
    "decide_application": "decide an application",
    "ask_import": "ask to bring a file",
    "vote_import": "vote on an import",
    "import_file": "bring a file",
    "ask_recontact": "ask for a re-contact",
    "vote_recontact": "vote on a re-contact",
    "view_log": "read the log",
    "view_project_log": "read the log",
    "change_rules": "change the rules",
    "change_role": "change a role",
    "break_glass": "open in an emergency",
}
INTO = frozenset({"ask_import", "import_file"})
"""Verbs of which a project is where to, not where."""
OF = frozenset({"view_project_log", "break_glass"})
"""Verbs whose project follows without a word between."""
ROOMS = frozenset({"open_session", "mount", "prepare_extract"})
"""Moments that do not look at a person's other accounts."""
OPERATOR = "host/"


@dataclass(frozen=True)
class Opening:
    """Whether a room opens, with what in it, and what was left out for which reasons."""

    decision: Decision
    mounts: tuple[Mount, ...] = ()
    refused: tuple[tuple[str, Decision], ...] = ()
    until: datetime | None = None
    """First known end of what the yes stands on: no longer open at it, whoever watches. None for a no."""


@dataclass(frozen=True)
class Standing:
    """Whether an open room may stay so: the rules' word on it, and on each thing that it has mounted."""

    decision: Decision
    gone: tuple[tuple[str, Decision], ...] = ()
    """What is mounted and may not be seen any more, and why."""
    until: datetime | None = None


def require(session: Session, ask: Ask) -> Decision:
    """Return the yes, or refuse with every reason; the act that asked records the refusal."""
    decision = rulebook.in_force(session).decide(ask)
    if not decision.allowed:
        raise refusal(ask, decision)
    return decision


def decide(session: Session, ask: Ask) -> Decision:
    """Return what the rules in force say, yes or no."""
    return rulebook.in_force(session).decide(ask)


def opening(
    session: Session, project: str, person: str, *, now: datetime, second_factor: bool = True, network: str = ""
) -> Opening:
    """Judge a room and each of its extracts, for a page, the sentinel or a new room; nothing is recorded.

    `second_factor` holds for whoever the Hub let in: it lets nobody in without one. `network` is the zone from which
    they came.
    """
    found = known.gather(session, (person,), (project,), now=now)
    asked = of_room(found, project, person, second_factor=second_factor, network=network)
    return judged(rulebook.in_force(session), asked, found.mounts(project, person), found)


def judged(rules: Rules | Unfit, room: Ask, extracts: Iterable[tuple[Mount, facts.Dataset]], found: Known) -> Opening:
    """Judge a room and each of these extracts by given rules; also by some that nobody adopted."""
    decision = rules.decide(room)
    mounts, seen, refused = [], [], []
    for mount, dataset in extracts:
        said = rules.decide(replace(room, verb="mount", dataset=dataset))
        if said.allowed:
            mounts.append(mount)
            seen.append(dataset)
        else:
            refused.append((mount.dataset, said))
    if decision.allowed and refused and not mounts:
        decision = _nothing_to_see(decision, refused)
    if not decision.allowed:
        return Opening(decision, (), tuple(refused))
    return Opening(decision, tuple(mounts), tuple(refused), _until(rules, room, mounts, seen, found))


def require_open(
    session: Session, project: str, person: str, *, now: datetime, second_factor: bool = True, network: str = ""
) -> Opening:
    """Return what a room opens with, or refuse with every reason."""
    found = opening(session, project, person, now=now, second_factor=second_factor, network=network)
    if not found.decision.allowed:
        asked = room_ask(session, project, person, now=now, second_factor=second_factor, network=network)
        raise refusal(asked, found.decision)
    return found


def standing(session: Session, rooms: Collection[RoomRow], *, now: datetime) -> dict[int, Standing]:
    """Judge all open rooms at once, each with what it has mounted, in as many questions as for one room.

    What is mounted need not be the newest extract, and is judged as what it is.
    """
    found = known.gather(session, {row.person for row in rooms}, {row.project for row in rooms}, now=now)
    rules = rulebook.in_force(session)
    return {row.id: _standing(rules, found, row) for row in rooms}


def lapsed(
    session: Session, project: str, person: str, mounts: Iterable[Mount], *, now: datetime, network: str = ""
) -> tuple[tuple[str, Decision], ...]:
    """Judge what an open room has mounted, which need not be the newest: what may not be seen any more, and why."""
    found = known.gather(session, (person,), (project,), now=now)
    room = of_room(found, project, person, network=network)
    return tuple(_gone(rulebook.in_force(session), found, room, mounts))


def _standing(rules: Rules | Unfit, found: Known, row: RoomRow) -> Standing:
    room = of_room(found, row.project, row.person, network=row.network)
    whole = judged(rules, room, found.mounts(row.project, row.person), found)
    mounts = tuple(Mount(**mount) for mount in json.loads(row.mounts))
    older = [mount for mount in mounts if mount not in whole.mounts]  # what is the newest was just judged
    gone = tuple(_gone(rules, found, room, older))
    if gone or not whole.decision.allowed:
        return Standing(whole.decision, gone)
    seen = [found.dataset(row.project, one.dataset, row.person, number=one.number) for one in mounts]
    return Standing(whole.decision, (), _until(rules, room, mounts, seen, found))


def _gone(rules: Rules | Unfit, found: Known, room: Ask, mounts: Iterable[Mount]) -> Iterator[tuple[str, Decision]]:
    assert room.project is not None  # noqa: S101 -- a room's ask has one
    for mount in mounts:
        dataset = found.dataset(room.project.name, mount.dataset, room.person.name, number=mount.number)
        said = rules.decide(replace(room, verb="mount", dataset=dataset))
        if not said.allowed:
            yield mount.dataset, said


# --- asks -------------------------------------------------------------------------------------------------------------
def ask(
    session: Session,
    verb: str,
    person: str,
    *,
    now: datetime,
    second_factor: bool,
    project: str = "",
    network: str = "",
    dataset: facts.Dataset | None = None,
    export: Export | None = None,
    application: facts.Application | None = None,
    arriving: facts.Import | None = None,
    recontact: facts.Recontact | None = None,
    change: facts.Change | None = None,
    emergency: facts.Emergency | None = None,
) -> Ask:
    """Put together what any moment needs: who asks and the house from the records, the rest from who calls."""
    found = known.gather(session, (person,), (project,) if project else (), now=now, accounts=verb not in ROOMS)
    return Ask(
        verb=verb,
        now=now,
        person=principal(session, found, verb, person, second_factor=second_factor, network=network),
        project=found.project(project, person) if project else None,
        dataset=dataset,
        export=export,
        application=application,
        arriving=arriving,
        recontact=recontact,
        change=change,
        emergency=emergency,
        agreement=found.house.agreement,
        log_stands=found.house.log_stands,
        clock_sound=found.house.clock_sound,
    )


def of_room(found: Known, project: str, person: str, *, second_factor: bool = True, network: str = "") -> Ask:
    """Ask whether a room may open, of facts that are gathered; each of its extracts is asked about by itself."""
    return Ask(
        verb="open_session",
        now=found.now,
        person=found.person(person, second_factor=second_factor, network=network),
        project=found.project(project, person),
        agreement=found.house.agreement,
        log_stands=found.house.log_stands,
        clock_sound=found.house.clock_sound,
    )


def room_ask(
    session: Session, project: str, person: str, *, now: datetime, second_factor: bool = True, network: str = ""
) -> Ask:
    """Ask whether a room may open; each of its extracts is asked about by itself."""
    found = known.gather(session, (person,), (project,), now=now)
    return of_room(found, project, person, second_factor=second_factor, network=network)


def prepare_ask(session: Session, dataset: str, version: int, project: str, actor: str, *, now: datetime) -> Ask:
    """Ask whether an admin, or the host's operator, may make a project's copy of a version; nothing is assessed yet."""
    found = known.gather(session, (actor,), (project,), now=now)
    made = known.to_be_made(session, project, dataset, version) if project in found.projects else None
    data = found.of_extract(project, made, actor) if made else facts.Dataset(name=dataset)
    return ask(session, "prepare_extract", actor, now=now, second_factor=True, project=project, dataset=data)


def export_ask(
    session: Session, verb: str, *, person: str, project: str, export: Export, now: datetime, second_factor: bool
) -> Ask:
    """Ask about an export: submit, vote, or release or collect (of the person who receives it)."""
    return ask(session, verb, person, now=now, second_factor=second_factor, project=project, export=export)


def plain_ask(session: Session, verb: str, person: str, *, now: datetime, second_factor: bool) -> Ask:
    """Ask about a moment that is of no project: sign_in, administer or view_log."""
    return ask(session, verb, person, now=now, second_factor=second_factor)


def sign_in_ask(session: Session, person: str, *, now: datetime, second_factor: bool) -> Ask:
    """Ask whether a person, whose password was right, may come in."""
    return ask(session, "sign_in", person, now=now, second_factor=second_factor)


def principal(
    session: Session, found: Known, verb: str, name: str, *, second_factor: bool, network: str = ""
) -> facts.Person:
    """Return who asks: a person of the records, or the host's operator."""
    if not name.startswith(OPERATOR):
        return found.person(name, second_factor=second_factor, network=network)
    rules = rulebook.in_force(session)
    courses = rules.courses.get(verb, ()) if isinstance(rules, Rules) else ()
    return facts.Person(
        name=name,
        roles=frozenset({Role.ADMIN}),
        suspended=False,
        second_factor=True,
        trainings=dict.fromkeys(courses, ALWAYS),
        agreement=found.house.agreement,
        network=network,
    )


# --- facts ------------------------------------------------------------------------------------------------------------
def person_facts(session: Session, name: str, *, second_factor: bool, now: datetime) -> facts.Person:
    """Gather what is known of a person; of nobody, that they are suspended."""
    return known.gather(session, (name,), (), now=now, accounts=True).person(name, second_factor=second_factor)


def project_facts(session: Session, project: str, person: str, *, now: datetime) -> facts.Project:
    """Gather what is known of a project, and of a person in it; of no project, that it is closed."""
    return known.gather(session, (person,), (project,), now=now).project(project, person)


def dataset_facts(session: Session, project: str, dataset: str, person: str, *, now: datetime) -> facts.Dataset:
    """Gather what is known of a project's newest extract of a dataset; of none, that nobody approved it."""
    return known.gather(session, (person,), (project,), now=now).dataset(project, dataset, person)


# --- ends -------------------------------------------------------------------------------------------------------------
def _until(
    rules: Rules | Unfit, room: Ask, mounts: Iterable[Mount], seen: Iterable[facts.Dataset], found: Known
) -> datetime:
    """Return the first known end of the facts that a yes stands on; what an emergency lifts ends with it."""
    person, project = room.person, room.project
    assert project is not None  # noqa: S101 -- a room's ask has one
    courses = rules.courses.get("open_session", ()) if isinstance(rules, Rules) else ()
    lifted = [person.trainings.get(course, room.now) for course in courses]
    lifted += [project.member_until, project.approved_until, found.house.agreement_changes]
    standing = [project.retained_until]
    standing += [dataset.approved_until for dataset in seen]
    for mount in mounts:
        extract = found.extract(project.name, mount.dataset, number=mount.number)
        if extract is not None:
            standing.append(found.use(project.name, extract, person.name).until)
    return min([*(max(end, project.emergency_until) for end in lifted), *standing])


# --- words ------------------------------------------------------------------------------------------------------------
def refusal(ask: Ask, decision: Decision) -> Refused:
    """Say no with every reason."""
    thing = ask.dataset or ask.project
    between = "" if ask.verb == "mount" or ask.verb in OF else "into " if ask.verb in INTO else "in "
    where = f" {between}{thing.name}" if thing else ""
    errors = f": {'; '.join(decision.errors)}" if decision.errors else ""
    said = f"{ask.person.name} cannot {SAYS.get(ask.verb, ask.verb)}{where} ({', '.join(decision.rules)}){errors}"
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
