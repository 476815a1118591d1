"""A room is opened by the rules of this moment, and its opening and closing are in the record.

`opened` asks and records in one transaction; `closed` is said once, however often a stop is asked.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from tre.governance import access, projects
from tre.records import audit
from tre.records.db import Records
from tre.records.tables import ProjectRow, RoomRow
from tre.rooms.room import subject


class Visit(NamedTuple):
    """What was opened: the row, the project, what may be mounted."""

    row: int
    project: ProjectRow
    mounts: tuple[access.Mount, ...]


def opened(records: Records, project: str, person: str, *, image: str, now: datetime) -> Visit:
    """Ask the rules, and record that the room opens, with what; or raise Refused, which is recorded too."""
    about = subject(project, person)
    with records.act(person, "session.open", about) as session:
        opening = access.require_open(session, project, person, now=now)
        _close(session, project, person, because="it was not there any more", now=now)
        mounts = [asdict(mount) for mount in opening.mounts]
        row = RoomRow(
            project=project, person=person, mounts=json.dumps(mounts), opened_at=now, closed_at=None, closed_because=""
        )
        session.add(row)
        left_out = [{"dataset": name, "rules": list(decision.rules)} for name, decision in opening.refused]
        audit.append(
            session, "session.open", actor=person, subject=about, at=now, image=image, mounts=mounts, left_out=left_out
        )
        return Visit(row.id, projects.get(session, project), opening.mounts)


def closed(records: Records, project: str, person: str, *, actor: str, because: str, now: datetime) -> None:
    """Record that the room is closed; nothing if it was recorded before."""
    if not any(row.project == project and row.person == person for row in open_now(records)):
        return
    with records.act(actor, "session.close", subject(project, person)) as session:
        _close(session, project, person, because=because, now=now, actor=actor)


def _close(session: Session, project: str, person: str, *, because: str, now: datetime, actor: str = "hub") -> None:
    for row in session.scalars(_open().where(RoomRow.project == project, RoomRow.person == person)):
        row.closed_at = now
        row.closed_because = row.closed_because or because
        about = subject(project, person)
        audit.append(session, "session.close", actor=actor, subject=about, at=now, why=row.closed_because)


def open_now(records: Records) -> tuple[RoomRow, ...]:
    """Return the rooms that the records say are open."""
    with records.read() as session:
        rows = tuple(session.scalars(_open().order_by(RoomRow.id)))
        session.expunge_all()
        return rows


def stands(records: Records, project: str, person: str) -> bool:
    """Tell whether the records hold this room for open, and nobody has said that it must close."""
    return any((row.project, row.person, row.closed_because) == (project, person, "") for row in open_now(records))


def lapsed(records: Records, row: RoomRow, *, because: str, rules: Iterable[str], now: datetime) -> None:
    """Record that an open room may not be open any more, before it is stopped: the stop will say why."""
    about = subject(row.project, row.person)
    with records.act("sentinel", "session.lapse", about) as session:
        session.execute(update(RoomRow).where(RoomRow.id == row.id).values(closed_because=because))
        audit.append(session, "session.lapse", actor="sentinel", subject=about, at=now, why=because, rules=list(rules))


def _open() -> Select[RoomRow]:
    return select(RoomRow).where(RoomRow.closed_at.is_(None))
