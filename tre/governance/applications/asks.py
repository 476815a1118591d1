"""What the rules may look at of an application, gathered from the records; and what its datasets say to its purpose."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from policies import facts
from policies.facts import MOMENTS, NEVER, Ask
from tre.governance import access
from tre.governance.applications import independence
from tre.governance.applications import papers as on_file
from tre.governance.applications.states import Kind
from tre.records import audit
from tre.records.tables import ApplicationDatasetRow, ApplicationRow, RulingRow

PERMIT, MANUAL, DENY = "permit", "manual", "deny"
PURPOSE, UNSTATED = "purpose", "unstated"
BY_VOTE = frozenset({PURPOSE, UNSTATED})
"""Points that the votes rule on: whoever approves has read the words of purpose and dataset."""


class Point(NamedTuple):
    """One thing that a dataset's use limitation says to a purpose."""

    dataset: str
    version: int
    code: str
    verdict: str
    """permit, manual or deny."""
    reason: str
    ruled: bool | None = None
    """What the committee ruled; None if it did not, or need not."""
    ruled_by: str = ""
    ruled_why: str = ""


class Duty(NamedTuple):
    """What a project owes for data."""

    code: str
    text: str
    due: datetime | None


@dataclass(frozen=True, kw_only=True)
class Deciding:
    """What somebody says when they vote or decide."""

    seen: str = ""
    until: datetime | None = None
    approving: bool = False


# --- what the data say ------------------------------------------------------------------------------------------------
def match_all(session: Session, row: ApplicationRow, *, now: datetime) -> None:
    """Note what each dataset says to the purpose as it is submitted; it is asked again at every door."""
    del now
    coded = bool(on_file.form_of(row).terms)
    for wanted in on_file.datasets(session, row.id):
        found = [] if coded else [{"code": PURPOSE, "verdict": MANUAL, "reason": "the purpose is not coded"}]
        found.append({"code": UNSTATED, "verdict": MANUAL, "reason": "the dataset states no use limitation"})
        wanted.found = audit.canonical({"verdict": MANUAL, "points": found}).decode()


def disease(session: Session) -> Callable[[str], bool] | None:
    """Return who knows whether there is a disease of an id; None if the house has no ontology."""
    del session
    return None


def verdict(wanted: ApplicationDatasetRow) -> str:
    """Return what was found of a dataset when the form was submitted; what was not looked at is manual."""
    return str(json.loads(wanted.found).get("verdict", MANUAL))


def groups(wanted: ApplicationDatasetRow) -> list[str]:
    """Return the consent groups whose persons may be in the extract; empty if the dataset has none."""
    return list(json.loads(wanted.found).get("groups", ()))


def duties(session: Session, wanted: ApplicationDatasetRow, *, since: datetime, until: datetime) -> tuple[Duty, ...]:
    """Return what a project owes for a dataset."""
    del session, wanted, since, until
    return ()


def points(session: Session, row: ApplicationRow) -> tuple[Point, ...]:
    """Return everything that the datasets say to the purpose, and what the committee ruled on it."""
    rows = session.scalars(select(RulingRow).where(RulingRow.application == row.id))
    ruled = {(one.dataset, one.code): one for one in rows}
    return tuple(
        Point(wanted.dataset, wanted.version, said["code"], said["verdict"], said["reason"], *_ruled(
            ruled.get((wanted.dataset, said["code"]))))
        for wanted in on_file.datasets(session, row.id)
        for said in json.loads(wanted.found).get("points", ())
    )  # fmt: skip


def open_points(session: Session, row: ApplicationRow) -> tuple[Point, ...]:
    """Return what stands against approving: a no of the data, and what nobody ruled on, or ruled against."""
    return tuple(
        one
        for one in points(session, row)
        if one.verdict == DENY or (one.verdict == MANUAL and one.code not in BY_VOTE and not one.ruled)
        or one.ruled is False
    )  # fmt: skip


def _ruled(ruling: RulingRow | None) -> tuple[bool | None, str, str]:
    return (ruling.allows, ruling.person, ruling.reason) if ruling else (None, "", "")


# --- what the rules see -----------------------------------------------------------------------------------------------
def require(
    session: Session, verb: str, row: ApplicationRow, person: str, *, now: datetime, deciding: Deciding | None = None
) -> None:
    """Ask the rules whether a person may do this to an application now; refuse with every reason."""
    if verb not in MOMENTS:
        return
    ask = access.plain_ask(session, "sign_in", person, now=now, second_factor=True)
    application = application_facts(session, row, person, now=now, deciding=deciding or Deciding())
    access.require(session, Ask(**{**vars(ask), "verb": verb, "application": application}))


def application_facts(
    session: Session, row: ApplicationRow, person: str, *, now: datetime, deciding: Deciding
) -> facts.Application:
    """Gather what is known of an application, as one person stands to it."""
    latest, end = on_file.last_end(session, row, now=now), on_file.form_of(row).end
    said = independence.panel(session, row.id)
    return facts.Application(
        number=str(row.id),
        applicant=row.applicant,
        project=row.project,
        named=independence.named(session, row),
        form=row.form_sha256,
        seen_form=deciding.seen,
        complete=_complete(row),
        until=deciding.until or end or (latest if row.kind == Kind.DATASETS else NEVER),
        latest=latest,
        panel=frozenset(one.person for one in said if one.declared_at and not one.conflict),
        conflicted=independence.why_not(session, row, person) is not None,
        voted=frozenset(one.person for one in on_file.cast(session, row.id) if one.form_sha256 == row.form_sha256),
        votes=independence.count(session, row).total(),
        quorum=on_file.numbers().quorum,
        chaired=independence.presides(session, row, person),
        unruled=deciding.approving and bool(open_points(session, row)),
    )


def _complete(row: ApplicationRow) -> bool:
    """Whether the purpose is coded and all have accepted; a standing project's wish for data is read in words."""
    papers = on_file.of(row)
    return row.kind == Kind.DATASETS or (bool(papers.form.terms) and not papers.waiting(row.applicant))
