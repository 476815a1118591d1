"""An ask in the words of Cedar. What does not fit is refused here, before any rule is asked."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from policies import facts

MICROSECOND = timedelta(microseconds=1)
HOUSE = {"type": "House", "id": "tre"}

Uid = dict[str, str]
Attributes = dict[str, object]


class Misfit(ValueError):
    """The ask does not bring what its verb needs, or brings something else."""


class Request(NamedTuple):
    """What Cedar is asked, and the things it is asked about."""

    question: dict[str, Uid | str]
    entities: str


class Thing(NamedTuple):
    """A part of an ask: what Cedar calls it, the fact that is its name, and how the others are said."""

    kind: str
    name: str
    attributes: Callable[[Any, facts.Ask], Attributes]  # each takes its own class of facts
    people: tuple[str, ...] = ()
    """Facts that name one person, who must have a name."""


def request(ask: facts.Ask, courses: Mapping[str, Sequence[str]]) -> Request:
    """Put an ask into Cedar's form; Misfit, TypeError, AttributeError or OverflowError if it is not one."""
    _check(ask)
    context: Attributes = {
        "now": moment(ask.now),
        "agreement": ask.agreement,
        "courses": list(courses.get(ask.verb, ())),
        "log_stands": ask.log_stands,
        "clock_sound": ask.clock_sound,
    }
    entities = [_entity("Person", ask.person.name, _person(ask.person, ask.now))]
    resource = HOUSE
    for part, thing in THINGS.items():  # the last that is brought is what it is about
        brought = getattr(ask, part)
        if brought is None:
            continue
        resource = {"type": thing.kind, "id": getattr(brought, thing.name)}
        entities.append(_entity(**resource, attributes=thing.attributes(brought, ask)))
        if part == "project":
            context["project"] = resource
    question: dict[str, Uid | str] = {
        "principal": _someone(ask.person.name),
        "action": {"type": "Action", "id": ask.verb},
        "resource": resource,
        "context": json.dumps(context),
    }
    return Request(question, json.dumps(entities))


def moment(at: datetime) -> int:
    """Microseconds since 1970; a time without a zone is no time."""
    if at.tzinfo is None:
        raise Misfit("a time without a zone")
    return (at - facts.NEVER) // MICROSECOND


def _check(ask: facts.Ask) -> None:
    needed = facts.MOMENTS.get(ask.verb)
    if needed is None:
        raise Misfit("no such moment")
    brought = {part for part in THINGS if getattr(ask, part) is not None}
    if brought != needed:
        raise Misfit(f"{ask.verb} needs {_words(needed)}, got {_words(brought)}")
    names = [ask.person.name]
    for part in needed:
        thing = THINGS[part]
        names += [getattr(getattr(ask, part), fact) for fact in (thing.name, *thing.people)]
    if not all(names):
        raise Misfit("someone or something without a name")
    if ask.change is not None and bool(ask.change.beneficiary) is not (ask.verb == "change_role"):
        raise Misfit("a role is somebody's, and rules are nobody's")


def _words(names: frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _entity(type: str, id: str, attributes: Attributes) -> dict[str, object]:  # noqa: A002 -- Cedar's words
    return {"uid": {"type": type, "id": id}, "attrs": attributes, "parents": []}


# --- what each thing says of itself -----------------------------------------------------------------------------------
def _person(person: facts.Person, now: datetime) -> Attributes:
    return {
        "roles": sorted(_several(person.roles)),
        "suspended": person.suspended,
        "second_factor": person.second_factor,
        "courses": sorted(course for course, until in person.trainings.items() if moment(now) < moment(until)),
        "agreement": person.agreement,
        "also": _people(person.also),
        "network": person.network,
    }


def _project(project: facts.Project, _: facts.Ask) -> Attributes:
    return _plain(project, without=("name",))


def _dataset(dataset: facts.Dataset, _: facts.Ask) -> Attributes:
    return _plain(dataset, without=("name",))


def _export(export: facts.Export, ask: facts.Ask) -> Attributes:
    return _plain(export, without=("request",)) | {
        "requester": _someone(export.requester),
        "approvals": len(_others(export.approvals, export.requester, ask.person)),
        "voted": _people(_several(export.voted) | _several(export.approvals)),
        "size": _amount(export.size),
        "spent": _amount(export.spent),
        "quota": _amount(export.quota),
    }


def _application(application: facts.Application, _: facts.Ask) -> Attributes:
    return _plain(application, without=("number", "applicant", "project", "named")) | {
        "concerned": _people(_several(application.named) | {application.applicant}),
        "panel": _people(application.panel),
        "voted": _people(application.voted),
        "votes": _amount(application.votes),
        "quorum": _amount(application.quorum),
    }


def _import(arriving: facts.Import, ask: facts.Ask) -> Attributes:
    return _plain(arriving, without=("request",)) | {
        "requester": _someone(arriving.requester),
        "approvals": len(_others(arriving.approvals, arriving.requester, ask.person)),
        "voted": _people(_several(arriving.voted) | _several(arriving.approvals)),
    }


def _recontact(recontact: facts.Recontact, _: facts.Ask) -> Attributes:
    return {
        "requester": _someone(recontact.requester),
        "contact": recontact.contact,
        "voted": _people(_several(recontact.voted) | _several(recontact.approvals)),
    }


def _change(change: facts.Change, _: facts.Ask) -> Attributes:
    return _plain(change, without=("what", "beneficiary")) | {
        "proposer": _someone(change.proposer),
        "concerned": _people(frozenset({change.beneficiary} - {""})),
    }


def _emergency(emergency: facts.Emergency, _: facts.Ask) -> Attributes:
    return _plain(emergency, without=("number",)) | {
        "proposer": _someone(emergency.proposer),
        "beneficiary": _someone(emergency.beneficiary),
    }


# part of an ask -> how it is said. What it is all about stands below what it is in.
THINGS: Mapping[str, Thing] = {
    "project": Thing("Project", "name", _project),
    "dataset": Thing("Dataset", "name", _dataset),
    "export": Thing("Export", "request", _export, ("requester",)),
    "application": Thing("Application", "number", _application, ("applicant", "project")),
    "arriving": Thing("Import", "request", _import, ("requester",)),
    "recontact": Thing("Recontact", "request", _recontact, ("requester",)),
    "change": Thing("Change", "what", _change, ("proposer",)),
    "emergency": Thing("Emergency", "number", _emergency, ("proposer", "beneficiary")),
}


# --- words ------------------------------------------------------------------------------------------------------------
def _plain(thing: Any, *, without: tuple[str, ...]) -> Attributes:  # noqa: ANN401 -- any dataclass of facts
    """Say each fact as it is; the schema refuses one of another type. Moments are numbers, sets are lists."""
    return {field.name: _word(getattr(thing, field.name)) for field in fields(thing) if field.name not in without}


def _word(value: object) -> object:
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, (frozenset, set)):
        return sorted(value)
    if isinstance(value, (list, tuple, dict)):
        raise Misfit("roles, kinds and people are given as sets")
    return value


def _someone(name: str) -> Uid:
    return {"type": "Person", "id": name}


def _people(names: frozenset[str]) -> list[Uid]:
    return [_someone(name) for name in sorted(_several(names))]


def _others(approvals: frozenset[str], requester: str, person: facts.Person) -> frozenset[str]:
    """Leave out an approval of one's own wish, under whatever account."""
    return _several(approvals) - {requester, person.name} - _several(person.also)


def _several(names: frozenset[str]) -> frozenset[str]:
    """Take sets alone: a list could name one thing twice, and a string is a list of letters."""
    if not isinstance(names, (frozenset, set)):
        raise Misfit("roles, kinds and people are given as sets")
    return frozenset(names)


def _amount(number: int) -> int:
    """Take whole numbers from zero on: a negative one would make room where there is none."""
    if type(number) is not int or number < 0:
        raise Misfit("an amount is a whole number, not below zero")
    return number
