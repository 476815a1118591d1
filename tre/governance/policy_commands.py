"""`tre policy` says whether a person may do a thing now, and why or why not; and tests the rules themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from cyclopts import App
from sqlalchemy.orm import Session

import policies
from policies import testing
from policies.engine import Decision
from policies.facts import MOMENTS, Ask, Export
from tre import settings, show
from tre.errors import Unreadable
from tre.governance import access, accounts, projects
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
    """Say rule by rule what holds and what lacks for a person to work in a project, and which data they would see.

    Parameters
    ----------
    person:
        who
    project:
        where
    second_factor:
        as if a second factor had been shown

    """
    now = datetime.now(UTC)
    with _reading() as session:
        accounts.person(session, person)
        projects.get(session, project)
        room = access.room_ask(session, project, person, now=now, second_factor=second_factor)
        found = access.opening(session, project, person, now=now, second_factor=second_factor)
    rules = _rules("open_session", access.decide(session, room))
    data = _datasets(found)
    if show.as_json.get():
        answer: Row = {"person": person, "project": project, "rules": rules, "datasets": data} | _said(found.decision)
        show.one(answer)
        return
    print(f"{person} {'can' if found.decision.allowed else 'cannot'} open a room in {project}.\n")
    show.rows(rules, none="no rule speaks of rooms")
    print()
    show.rows(data, none=f"{project} has no extract of any dataset: the room would be without data")


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
        export = _flawless(person if action != "vote_export" else "-")
        return access.export_ask(
            session, action, person=person, project=project, export=export, now=now, second_factor=second_factor
        )
    room = access.room_ask(session, project, person, now=now, second_factor=second_factor)
    if action == "mount":
        return replace(room, verb="mount", dataset=access.dataset_facts(session, project, dataset, person, now=now))
    return room


def _flawless(requester: str) -> Export:
    """Imagine an export with which nothing is wrong, so that the answer is about person and project alone."""
    return Export(
        request="-",
        requester=requester,
        manifest="-",
        seen_manifest="-",
        kinds=frozenset({"csv"}),
        row_level=False,
        blocked=False,
        approvals=frozenset({"- one", "- another"}),
    )


def _said(decision: Decision) -> Row:
    return {
        "allowed": decision.allowed,
        "reasons": list(decision.rules),
        "remedies": list(decision.remedies),
        "policy_hash": decision.policy_hash,
    }


def _rules(verb: str, decision: Decision) -> list[Row]:
    """Every rule of a moment with what it asks, and the remedy where that lacks."""
    rules = policies.rules()
    speaking = dict.fromkeys((*rules.at(verb), *decision.rules))
    return [
        {
            "rule": name,
            "state": "lacks" if name in decision.rules else "ok",
            "what_must_hold": rules.book[name].sentence,
            "remedy": rules.book[name].remedy if name in decision.rules else "",
        }
        for name in speaking
    ]


def _datasets(found: access.Opening) -> list[Row]:
    """Every dataset of the project, and whether the room would show it."""
    shown: list[Row] = [
        {"dataset": mount.dataset, "version": mount.version, "mounted": found.decision.allowed, "because": []}
        for mount in found.mounts
    ]
    left: list[Row] = [
        {"dataset": name, "version": None, "mounted": False, "because": list(said.rules)}
        for name, said in found.refused
    ]
    return sorted(shown + left, key=lambda row: str(row["dataset"]))
