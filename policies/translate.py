"""An ask in the words of Cedar. What does not fit is refused here, before any rule is asked."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from policies import facts

MICROSECOND = timedelta(microseconds=1)
HOUSE = {"type": "House", "id": "tre"}

Uid = dict[str, str]


class Misfit(ValueError):
    """The ask does not bring what its verb needs, or brings something else."""


class Request(NamedTuple):
    """What Cedar is asked, and the things it is asked about."""

    question: dict[str, Uid | str]
    entities: str


def request(ask: facts.Ask, courses: Mapping[str, Sequence[str]]) -> Request:
    """Put an ask into Cedar's form; Misfit, TypeError, AttributeError or OverflowError if it is not one."""
    _check(ask)
    context: dict[str, object] = {
        "now": moment(ask.now),
        "agreement": ask.agreement,
        "courses": list(courses.get(ask.verb, ())),
    }
    entities = [_entity("Person", ask.person.name, _person(ask.person, ask.now))]
    resource = HOUSE
    if ask.project is not None:
        entities.append(_entity("Project", ask.project.name, _project(ask.project)))
        resource = context["project"] = {"type": "Project", "id": ask.project.name}
    if ask.dataset is not None:
        entities.append(_entity("Dataset", ask.dataset.name, _dataset(ask.dataset)))
        resource = {"type": "Dataset", "id": ask.dataset.name}
    if ask.export is not None:
        entities.append(_entity("Export", ask.export.request, _export(ask.export)))
        resource = {"type": "Export", "id": ask.export.request}
    question: dict[str, Uid | str] = {
        "principal": {"type": "Person", "id": ask.person.name},
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
    brought = {name for name in ("project", "dataset", "export") if getattr(ask, name) is not None}
    if brought != needed:
        raise Misfit(f"{ask.verb} needs {_words(needed)}, got {_words(brought)}")
    names = [ask.person.name, *(getattr(ask, name).name for name in needed - {"export"})]
    if ask.export is not None:
        names += [ask.export.request, ask.export.requester]
    if not all(names):
        raise Misfit("someone or something without a name")


def _words(names: frozenset[str] | set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _entity(kind: str, name: str, attributes: Mapping[str, object]) -> dict[str, object]:
    return {"uid": {"type": kind, "id": name}, "attrs": attributes, "parents": []}


def _person(person: facts.Person, now: datetime) -> dict[str, object]:
    return {
        "roles": sorted(_several(person.roles)),
        "suspended": person.suspended,
        "second_factor": person.second_factor,
        "courses": sorted(course for course, until in person.trainings.items() if moment(now) < moment(until)),
        "agreement": person.agreement,
    }


def _project(project: facts.Project) -> dict[str, object]:
    return {
        "suspended": project.suspended,
        "closed": project.closed,
        "approved_until": moment(project.approved_until),
        "retained_until": moment(project.retained_until),
        "member_until": moment(project.member_until),
        "was_member": project.was_member,
    }


def _dataset(dataset: facts.Dataset) -> dict[str, object]:
    return {
        "version": dataset.version,
        "approved_version": dataset.approved_version,
        "approved_until": moment(dataset.approved_until),
        "revoked": dataset.revoked,
        "withdrawn": dataset.withdrawn,
        "assessed": dataset.assessed,
    }


def _export(export: facts.Export) -> dict[str, object]:
    return {
        "requester": {"type": "Person", "id": export.requester},
        "manifest": export.manifest,
        "seen_manifest": export.seen_manifest,
        "kinds": sorted(_several(export.kinds)),
        "row_level": export.row_level,
        "blocked": export.blocked,
        "approvals": len(_several(export.approvals) - {export.requester}),
        "voted": [{"type": "Person", "id": name} for name in sorted(_several(export.voted))],
    }


def _several(names: frozenset[str]) -> frozenset[str]:
    """Take sets alone: a list could name one thing twice, and a string is a list of letters."""
    if not isinstance(names, (frozenset, set)):
        raise Misfit("roles, kinds and people are given as sets")
    return frozenset(names)
