"""Who withdraws is in no further extract, under whatever number they come back, and their name is kept nowhere.

What is kept are marks: keyed hashes of the subject, of those it was before, and of every id it had. The marks of ids
serve when a linkage is loaded again: whoever has one of them then is still the person who withdrew, and whatever else
names them there is marked too, for the next loading may know them by that alone.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.data.deid.pseudonyms import PatientId, withdrawal_marks
from tre.errors import StepRefused
from tre.governance import text
from tre.records import audit
from tre.records.tables import WithdrawalRow
from tre.settings import Settings

Thing = TypeVar("Thing")
Id = tuple[str, str, str]
"""Source system, type, value."""

SAID = "withdrawn: no further extract holds this person; `tre extract list` shows which must be prepared again"


@dataclass(frozen=True)
class Person:
    """Everything by which one person is known in a linkage, or in a dataset of its own."""

    linkage: str
    subject: PatientId
    before: tuple[PatientId, ...] = ()
    """Subjects that turned out to be this one."""
    ids: tuple[Id, ...] = ()


@dataclass(frozen=True)
class Withdrawn:
    """Marks of those who withdrew, read at one moment."""

    settings: Settings
    linkage: str
    marks: frozenset[str]

    def among(self, subjects: Iterable[PatientId]) -> frozenset[PatientId]:
        """Return those subjects who withdrew."""
        if not self.marks:
            return frozenset()
        mine = list(subjects)
        marked = withdrawal_marks(self.settings, self.linkage, map(_as_subject, mine))
        return frozenset(one for one, mark in zip(mine, marked, strict=True) if mark in self.marks)


def scope_of(dataset: str, linkage: str) -> str:
    """Return where a dataset's persons are known: in a linkage of the house, or in the dataset's own table."""
    return linkage or f"dataset/{dataset}"


def gather(session: Session, settings: Settings, linkage: str, dataset: str) -> Withdrawn:
    """Read the marks that count for one dataset."""
    wanted = select(WithdrawalRow.mark).where(
        WithdrawalRow.linkage == linkage, WithdrawalRow.dataset.in_(["", dataset])
    )
    return Withdrawn(settings, linkage, frozenset(session.scalars(wanted)))


def of(
    session: Session, settings: Settings, linkage: str, dataset: str, subjects: Iterable[PatientId]
) -> frozenset[PatientId]:
    """Return which of these subjects withdrew, from everything or from this dataset."""
    return gather(session, settings, linkage, dataset).among(subjects)


def withdraw(
    session: Session, settings: Settings, person: Person, *, dataset: str = "", reason: str, actor: str, now: datetime
) -> None:
    """Leave a person out of every further extract, or out of those of one dataset."""
    marks = tuple(dict.fromkeys(_marks(settings, person)))
    if marks[0] in gather(session, settings, person.linkage, dataset).marks:
        raise StepRefused("cannot withdraw this person, who withdrew already")
    reason = text.line(reason, "reason")
    _keep(session, person.linkage, marks, dataset=dataset, reason=reason, at=now)
    facts = {"dataset": dataset, "reason": reason}
    audit.append(session, "linkage.withdraw", actor=actor, subject=_subject(person.linkage), at=now, **facts)


def carried(
    session: Session, settings: Settings, linkage: str, merged: Iterable[tuple[PatientId, PatientId]],
    ids: Iterable[tuple[Id, PatientId]], *, subjects: Iterable[PatientId],
) -> dict[str, tuple[WithdrawalRow, PatientId]]:  # fmt: skip
    """Find who, in a linkage that is about to be loaded, has something of one who withdrew."""
    rows = session.scalars(select(WithdrawalRow).where(WithdrawalRow.linkage == linkage)).all()
    known: dict[str, list[WithdrawalRow]] = {}
    for row in rows:
        known.setdefault(row.mark, []).append(row)
    found: dict[str, tuple[WithdrawalRow, PatientId]] = {}
    if known:
        olds, ends = _apart(merged)
        things, whose = _apart(ids)
        mine = list(subjects)
        for named, who in (
            (map(_as_subject, olds), ends), (map(_as_id, things), whose), (map(_as_subject, mine), mine),
        ):  # fmt: skip
            for mark, subject in zip(withdrawal_marks(settings, linkage, named), who, strict=True):
                for row in known.get(mark, ()):
                    found[f"{row.dataset}|{subject}"] = row, subject
    return found


def carry_over(
    session: Session, settings: Settings, linkage: str, found: dict[str, tuple[WithdrawalRow, PatientId]],
    known_as: Callable[[PatientId], Person], *, now: datetime,
) -> int:  # fmt: skip
    """Mark those who were found, and all that names them now; return how many were not known to have withdrawn.

    Such a one may be in an extract of the days between, so that theirs counts from now on.
    """
    fresh = 0
    for row, subject in found.values():
        (mark, *others) = dict.fromkeys(_marks(settings, known_as(subject)))
        fresh += _keep(session, linkage, [mark], dataset=row.dataset, reason=row.reason, at=now)
        _keep(session, linkage, others, dataset=row.dataset, reason=row.reason, at=row.at)
    return fresh


def _subject(scope: str) -> str:
    return scope if "/" in scope else f"linkage/{scope}"


def _keep(session: Session, linkage: str, marks: Iterable[str], *, dataset: str, reason: str, at: datetime) -> int:
    """Keep each mark once; return how many are new."""
    kept = set(session.scalars(
        select(WithdrawalRow.mark).where(WithdrawalRow.linkage == linkage, WithdrawalRow.dataset == dataset)
    ))  # fmt: skip
    fresh = [mark for mark in marks if mark not in kept]
    session.add_all(WithdrawalRow(linkage=linkage, mark=m, dataset=dataset, reason=reason, at=at) for m in fresh)
    session.flush()
    return len(fresh)


def _marks(settings: Settings, person: Person) -> Iterable[str]:
    things = [*map(_as_subject, (person.subject, *person.before)), *map(_as_id, person.ids)]
    return withdrawal_marks(settings, person.linkage, things)


def _as_subject(subject: PatientId) -> str:
    return f"subject|{subject}"


def _as_id(one: Id) -> str:
    system, kind, value = one
    return f"id|{len(system)}|{system}|{len(kind)}|{kind}|{value}"


def _apart(pairs: Iterable[tuple[Thing, PatientId]]) -> tuple[list[Thing], list[PatientId]]:
    first: list[Thing] = []
    second: list[PatientId] = []
    for one, other in pairs:
        first.append(one)
        second.append(other)
    return first, second
