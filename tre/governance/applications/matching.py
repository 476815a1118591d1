"""What a dataset's use limitation says to the purpose of an application and to everybody it names; what was ruled."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from policies import duo
from policies.duo import GroupMatch, Match, Verdict
from tre.governance import ontology, projects
from tre.governance.applications import papers as on_file
from tre.governance.applications.form import Form
from tre.governance.applications.states import Kind
from tre.records import audit
from tre.records.db import SETTINGS
from tre.records.tables import ApplicationDatasetRow, ApplicationRow, DatasetRow, PersonRow, RulingRow

PERMIT, MANUAL, DENY = Verdict.PERMIT.value, Verdict.MANUAL.value, Verdict.DENY.value
BY_VOTE = frozenset({duo.PURPOSE, duo.UNSTATED})
"""Points that the votes rule on: whoever approves has read the words of purpose and dataset."""
NOT_READABLE = "what the dataset says of its use cannot be read: an admin registers its plan again"


class Point(NamedTuple):
    """One thing that a dataset's use limitation says to a purpose."""

    dataset: str
    version: int
    code: str
    verdict: str
    """permit, manual or deny."""
    reason: str
    group: str = ""
    """Consent group that says so, where the dataset has several."""
    ruled: bool | None = None
    """What the committee ruled; None if it did not, or need not."""
    ruled_by: str = ""
    ruled_why: str = ""


def match_all(session: Session, row: ApplicationRow, *, now: datetime) -> None:
    """Note what each dataset says to the purpose now; it is asked again at every door."""
    for wanted in on_file.datasets(session, row.id):
        found = _match(session, row, wanted, now=now)
        wanted.found = audit.canonical(_written(found)).decode()
    session.flush()


def verdict(wanted: ApplicationDatasetRow) -> str:
    """Return what was found of a dataset; what was not looked at is manual."""
    return str(json.loads(wanted.found).get("verdict", Verdict.MANUAL.value))


def points(session: Session, row: ApplicationRow) -> tuple[Point, ...]:
    """Return everything that the datasets say to the purpose, and what the committee ruled on it."""
    rulings = _rulings(session, row)
    return tuple(
        Point(wanted.dataset, wanted.version, one.code, one.verdict.value, one.reason, one.group,
              *_said(rulings.get((wanted.dataset, one.code))))
        for wanted in on_file.datasets(session, row.id)
        for one in found(wanted).points
    )  # fmt: skip


def prematch(session: Session, row: ApplicationRow, *, now: datetime) -> tuple[Point, ...]:
    """Return what the datasets would say to the form as it stands, if it were submitted now; nothing is noted."""
    wanted = (
        ApplicationDatasetRow(application=row.id, dataset=name, version=version or 0, found="{}")
        for name, version in on_file.form_of(row).wanted
        if session.get(DatasetRow, name)
    )
    return tuple(
        Point(one.dataset, one.version, point.code, point.verdict.value, point.reason, point.group)
        for one in wanted
        for point in _match(session, row, one, now=now).points
    )


def open_points(session: Session, row: ApplicationRow) -> tuple[Point, ...]:
    """Return what stands against approving: where no consent group of a dataset permits it, what says no, or asks."""
    refusing = {
        (wanted.dataset, code)
        for wanted in on_file.datasets(session, row.id)
        for code in _against(found(wanted), _allowed(session, row, wanted.dataset))
    }
    return tuple(
        one for one in points(session, row)
        if (one.dataset, one.code) in refusing and one.verdict != Verdict.PERMIT and not one.ruled
    )  # fmt: skip


def groups(session: Session, row: ApplicationRow, wanted: ApplicationDatasetRow) -> list[str]:
    """Return the consent groups whose persons may be in the extract; empty if the dataset has none."""
    return list(duo.admitted(found(wanted), _allowed(session, row, wanted.dataset)))


def duties(session: Session, wanted: ApplicationDatasetRow, groups: list[str]) -> tuple[duo.Duty, ...]:
    """Return what a project owes for a dataset."""
    dataset = session.get(DatasetRow, wanted.dataset)
    return duo.duties(duo.DataUse.from_json(dataset.data_use), groups or None) if dataset else ()


def found(wanted: ApplicationDatasetRow) -> Match:
    """Return what was found of a dataset when it was looked at last."""
    kept = json.loads(wanted.found)
    by_group = tuple(
        GroupMatch(
            group["name"],
            tuple(duo.Point(one["code"], Verdict(one["verdict"]), one["reason"], group["name"])
                  for one in group["points"]),
        )
        for group in kept.get("by_group", ())
    )  # fmt: skip
    if not by_group:
        by_group = (GroupMatch("", (duo.Point(duo.UNSTATED, Verdict.MANUAL, "nobody looked at it yet"),)),)
    return Match(Verdict(kept.get("verdict", Verdict.MANUAL)), tuple(kept.get("groups", ())), by_group)


def _match(session: Session, row: ApplicationRow, wanted: ApplicationDatasetRow, *, now: datetime) -> Match:
    dataset = session.get(DatasetRow, wanted.dataset)
    try:
        limits = duo.DataUse.from_json(dataset.data_use if dataset else "")
    except ValueError:
        unread = duo.Point(duo.UNSTATED, Verdict.DENY, NOT_READABLE)
        return Match(Verdict.DENY, (), (GroupMatch("", (unread,)),))
    form, people = on_file.form_of(row), _people(session, row, now=now)
    situation = _situation(session, row, form, people, now=now)
    return duo.match(limits, _purpose(form, people), situation, ontology.here(session))


def _purpose(form: Form, people: tuple[PersonRow, ...]) -> duo.Purpose:
    return duo.Purpose(
        text=form.purpose,
        terms=frozenset(form.terms),
        diseases=frozenset(form.diseases),
        commercial=form.commercial if form.use else None,
        not_for_profit=bool(people) and all(one.not_for_profit for one in people),
        clinical_care=form.clinical_care,
        sensitive=frozenset(form.sensitive),
    )


def _situation(
    session: Session, row: ApplicationRow, form: Form, people: tuple[PersonRow, ...], *, now: datetime
) -> duo.Situation:
    return duo.Situation(
        now=now,
        project=row.project,
        people=frozenset(one.name for one in people),
        countries=frozenset(one.country for one in people) | frozenset(form.countries),
        compute_country=getattr(session.info.get(SETTINGS), "country", ""),
        institutions=frozenset(one.institution for one in people),
        ethics_until=row.ethics_until or form.ethics_end,
        collaboration=form.collaboration,
    )


def _people(session: Session, row: ApplicationRow, *, now: datetime) -> tuple[PersonRow, ...]:
    """Return who would work with the data: whom the form names, or the members of a project that stands."""
    if row.kind == Kind.DATASETS:
        held = projects.members(session, row.project)
        names = {one.person for one in held if one.removed_at is None and one.until > now}
    else:
        names = set(on_file.form_of(row).named)
    return tuple(session.scalars(select(PersonRow).where(PersonRow.name.in_(names)).order_by(PersonRow.name)))


def _against(match: Match, rulings: Mapping[str, bool]) -> frozenset[str]:
    """Return the codes that keep every consent group out, said or not said."""
    allowed, refusing = duo.settled(match, rulings)
    if allowed:
        return frozenset()
    asks = {one.code for one in match.points if one.verdict is Verdict.MANUAL and not rulings.get(one.code)}
    return refusing | asks


def _allowed(session: Session, row: ApplicationRow, dataset: str) -> dict[str, bool]:
    """Return code -> what the committee says; whoever approves has read what is only words."""
    said = {code: one.allows for (name, code), one in _rulings(session, row).items() if name == dataset}
    return {**dict.fromkeys(BY_VOTE, True), **said}


def _rulings(session: Session, row: ApplicationRow) -> dict[tuple[str, str], RulingRow]:
    rows = session.scalars(select(RulingRow).where(RulingRow.application == row.id))
    return {(one.dataset, one.code): one for one in rows}


def _said(ruling: RulingRow | None) -> tuple[bool | None, str, str]:
    return (ruling.allows, ruling.person, ruling.reason) if ruling else (None, "", "")


def _written(match: Match) -> dict[str, object]:
    return {
        "verdict": match.verdict.value,
        "groups": list(match.groups),
        "by_group": [
            {
                "name": group.name,
                "points": [
                    {"code": one.code, "verdict": one.verdict.value, "reason": one.reason} for one in group.points
                ],
            }
            for group in match.by_group
        ],
    }
