"""`tre policy` says whether a person may do a thing now, and why or why not; and tests the rules themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cyclopts import App
from sqlalchemy.orm import Session

import policies
from policies import testing
from policies.engine import Decision
from policies.facts import MOMENTS, Ask
from tre import settings, show
from tre.errors import Unreadable
from tre.governance import (
    access,
    accounts,
    explaining,
    policy_words,
    projects,
    proposals,
    rulebook,
    rules_commands,
    simulation,
)
from tre.governance.operator import Day, last_moment
from tre.records.db import opened

app = App(name="policy", help="What the rules say, and why.")

Row = dict[str, object]


@app.command
def check(
    action: str,
    /,
    *,
    person: str,
    project: str = "",
    dataset: str = "",
    second_factor: bool = True,
) -> None:
    """Say whether a person may do something now; refused (exit 3) with every reason if not.

    Parameters
    ----------
    action:
        sign_in, open_session, mount, submit_export, vote_export, release_export or administer; the exports as if
        nothing were wrong with the files
    person:
        who
    project:
        in which project; for all but sign_in and administer
    dataset:
        which dataset; for mount
    second_factor:
        as if a second factor had been shown

    """
    now = datetime.now(UTC)
    _fitting(action, project=project, dataset=dataset)
    with _reading() as session:
        accounts.person(session, person)
        if project:
            projects.get(session, project)
        ask = _ask(session, action, person, project, dataset, now=now, second_factor=second_factor)
        decision = access.require(session, ask)
    where = f" {'' if dataset else 'in '}{dataset or project}" if project else ""
    show.one(
        {"action": action, "person": person, "project": project or None, "dataset": dataset or None} | _said(decision),
        sentence=f"{person} may {access.SAYS[action]}{where} (rules {decision.policy_hash[:12]})",
    )


@app.command
def explain(person: str, project: str, /, *, second_factor: bool = True) -> None:
    """Say everything that holds and lacks for a person to work in a project: rules, data, exports, emergencies.

    Parameters
    ----------
    person:
        who
    project:
        where
    second_factor:
        as if a second factor had been shown

    """
    with _reading() as session:
        accounts.person(session, person)
        projects.get(session, project)
        found = explaining.explained(session, person, project, datetime.now(UTC), second_factor=second_factor)
    if show.as_json.get():
        show.one(policy_words.record(found))
    else:
        policy_words.tell(found)


@app.command
def simulate(
    *, rules: Path | None = None, number: int | None = None, date: Day = "", person: str = "", project: str = ""
) -> None:
    """Show what other rules, or another day, would change for current people, projects and exports; changes nothing.

    Parameters
    ----------
    rules:
        folder with rules that nobody proposed yet
    number:
        rules that somebody proposed
    date:
        judge on the last moment of this day
    person:
        only this person
    project:
        only this project

    """
    with _reading() as session:
        files = rulebook.files_of(proposals.get(session, number)) if number is not None else None
        files = proposals.read(rules) if rules is not None else files
        then = last_moment(date, "--date") if date else None
        found = simulation.simulated(
            session,
            now=datetime.now(UTC),
            then=then,
            rules=proposals.fitting(files) if files is not None else None,
            person=person,
            project=project,
        )
    show.rows(
        [policy_words.change(one) for one in found.differs],
        none=f"nothing changes: {found.judged} doors were judged twice",
    )


for verb in (rules_commands.propose, rules_commands.adopt, rules_commands.refuse, rules_commands.rules):
    app.command(verb)


@app.command
def test() -> int:
    """Try the rules on every scenario, and take each rule away once to see that a scenario misses it."""
    cases = testing.cases()
    parts = policies.rules().parts
    wrong = tuple(testing.faults(policies.rules(), cases))
    with show.progress("taking each rule away once", total=len(parts)) as ticks:
        missed = tuple(testing.survivors(cases, ticks))
    verdict = "failed" if wrong or missed else "passed"
    lines = [
        f"{verdict}: {len(cases)} situations, {len(parts)} times that a rule speaks; each was taken away once",
        *(f"  wrong: {line}" for line in wrong),
        *(f"  no scenario misses {part}" for part in missed),
    ]
    show.one(
        {
            "passed": not (wrong or missed),
            "situations": len(cases),
            "rules": len(parts),
            "wrong": wrong,
            "survivors": missed,
            "policy_hash": policies.rules().policy_hash,
        },
        sentence="\n".join(lines),
    )
    return 1 if wrong or missed else 0


@contextmanager
def _reading() -> Iterator[Session]:
    records = opened(settings.load())
    try:
        with records.read() as session:
            yield session
    finally:
        records.close()


def _fitting(action: str, *, project: str, dataset: str) -> None:
    """Say which words are missing, or too many."""
    if action not in MOMENTS:
        raise Unreadable(f"action {action[:40]!r}: there are {', '.join(MOMENTS)}")
    for name, given in (("project", project), ("dataset", dataset)):
        if name in MOMENTS[action] and not given:
            raise Unreadable(f"{action} is judged for a {name}: add --{name} NAME")
        if given and name not in MOMENTS[action]:
            raise Unreadable(f"{action} is judged without a {name}: leave out --{name}")


def _ask(
    session: Session, action: str, person: str, project: str, dataset: str, *, now: datetime, second_factor: bool
) -> Ask:
    if not MOMENTS[action]:
        return access.plain_ask(session, action, person, now=now, second_factor=second_factor)
    if "export" in MOMENTS[action]:
        export = explaining.flawless(person if action != "vote_export" else "-")
        return access.export_ask(
            session, action, person=person, project=project, export=export, now=now, second_factor=second_factor
        )
    room = access.room_ask(session, project, person, now=now, second_factor=second_factor)
    if action == "mount":
        return replace(room, verb="mount", dataset=access.dataset_facts(session, project, dataset, person, now=now))
    return room


def _said(decision: Decision) -> Row:
    return {
        "allowed": decision.allowed,
        "reasons": list(decision.rules),
        "remedies": list(decision.remedies),
        "policy_hash": decision.policy_hash,
    }
