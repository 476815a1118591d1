"""The log as an auditor reads it: the newest entries first, narrowed to a person, an act, a subject or a day."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session

from tre.errors import Unreadable
from tre.records.tables import CheckpointRow, EntryRow, HeadRow

PAGE = 50
LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What is looked for; empty means all."""

    actor: str = ""
    act: str = ""
    """An act, or a wing with its dot: `export.`"""
    subject: str = ""
    day: str = ""
    before: int | None = None
    """Only entries before this number: where the next page begins."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One entry."""

    seq: int
    at: datetime
    actor: str
    act: str
    subject: str
    facts: tuple[tuple[str, str], ...]
    refused: bool


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A page of the log."""

    lines: tuple[Line, ...]
    older: int | None
    """Where the next page begins; None if this is the last."""
    size: int
    checkpoint: str
    """The newest signed statement over the log; empty if none was signed."""
    signed: int
    signed_at: datetime | None


def page(session: Session, wanted: Filter, *, project: str = "") -> Shown:
    """Return entries, newest first; of one project where one is named, and what may not be told of others is not."""
    asked = _narrowed(select(EntryRow).order_by(EntryRow.seq.desc()), wanted)
    if project:
        asked = asked.where(_of_project(project))
    rows = tuple(session.scalars(asked.limit(PAGE + 1)))
    newest = session.scalars(select(CheckpointRow).order_by(CheckpointRow.size.desc()).limit(1)).one_or_none()
    head = session.scalars(select(HeadRow)).one_or_none()
    return Shown(
        lines=tuple(map(_line, rows[:PAGE])),
        older=rows[PAGE - 1].seq if len(rows) > PAGE else None,
        size=head.size if head else 0,
        checkpoint=newest.note if newest else "",
        signed=newest.size if newest else 0,
        signed_at=newest.at if newest else None,
    )


def _narrowed(asked: Select[EntryRow], wanted: Filter) -> Select[EntryRow]:
    if wanted.actor:
        asked = asked.where(EntryRow.actor == wanted.actor)
    if wanted.act:
        wing = wanted.act.endswith(".")
        asked = asked.where(
            EntryRow.act.startswith(wanted.act, autoescape=True) if wing else EntryRow.act == wanted.act
        )
    if wanted.subject:
        asked = asked.where(EntryRow.subject == wanted.subject)
    if wanted.day:
        since = _day(wanted.day)
        asked = asked.where(EntryRow.at >= since, EntryRow.at < since + timedelta(days=1))
    if wanted.before is not None:
        asked = asked.where(EntryRow.seq < wanted.before)
    return asked


def _of_project(project: str) -> ColumnElement[bool]:
    """Entries about the project, its rooms and its extracts. Votes and requests are the airlock's to tell."""
    about = EntryRow.subject.in_((f"project/{project}", f"log/{project}"))
    below = (f"room/{project}/", f"extract/{project}/")
    return or_(about, *(EntryRow.subject.startswith(each, autoescape=True) for each in below))


def _day(day: str) -> datetime:
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Unreadable("day: write it as 2027-06-30") from None


def _line(row: EntryRow) -> Line:
    return Line(
        seq=row.seq,
        at=row.at,
        actor=row.actor,
        act=row.act,
        subject=row.subject,
        facts=_facts(row.body),
        refused=row.act.endswith(".refused"),
    )


def _facts(body: bytes) -> tuple[tuple[str, str], ...]:
    """Return what an entry says besides; of one that is no entry, that it is none."""
    try:
        facts = json.loads(body).get("facts", {})
    except (ValueError, AttributeError):
        return (("damaged", "this entry cannot be read: run `tre audit verify`"),)
    return tuple((str(name), _text(value)) for name, value in sorted(facts.items()) if value not in ("", None, {}))


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
