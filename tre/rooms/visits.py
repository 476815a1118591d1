"""A room is opened by the rules of this moment, and its opening and closing are in the record.

`opened` asks and records in one transaction; `closed` is said once, however often a stop is asked. Each row has the
room's own end, `until`: from then on it is not open, whether or not anybody is left who would close it.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.orm import Session

from policies.facts import ALWAYS
from tre.errors import Refused, TREError, Unavailable
from tre.governance import access, endings, notices, projects
from tre.records import audit
from tre.records.db import Records
from tre.records.tables import ProjectRow, RoomRow
from tre.rooms.room import subject

LONGEST = timedelta(days=3)


class Visit(NamedTuple):
    """What was opened: the row, the project, what may be mounted."""

    row: int
    project: ProjectRow
    mounts: tuple[access.Mount, ...]
    until: datetime
    """First known end of what the room stands on."""


class Lapse(NamedTuple):
    """Why an open room may not be open any more."""

    because: str
    rules: tuple[str, ...] = ()


RESTS = "a condition is past its day, or the ethics vote ended: the project's lead sees to it, or asks the committee"
AGE = "it was open for as long as a room may be; open it again"
OVER = "the time for which it could be open is over, and nobody asked for longer"


def opened(
    records: Records,
    project: str,
    person: str,
    *,
    image: str,
    now: datetime,
    longest: timedelta = LONGEST,
    network: str = "",
) -> Visit:
    """Ask the rules, and record that the room opens, with what; or raise Refused, which is recorded too.

    It is open for `longest` at most, whatever else would let it be.
    """
    about = subject(project, person)
    with records.act(person, "session.open", about) as session:
        opening = access.require_open(session, project, person, now=now, network=network)
        _close(session, project, person, because="it was not there any more", now=now)
        until = min(opening.until or now, endings.rests(session, (project,), now).get(project, ALWAYS), now + longest)
        if until <= now:
            raise Refused(RESTS)
        mounts: list[audit.Fact] = [
            {"dataset": one.dataset, "version": one.version, "number": one.number} for one in opening.mounts
        ]
        row = RoomRow(
            project=project,
            person=person,
            mounts=json.dumps(mounts),
            network=network,
            until=until,
            opened_at=now,
            closed_at=None,
            closed_because="",
        )
        session.add(row)
        left_out = [{"dataset": name, "rules": list(decision.rules)} for name, decision in opening.refused]
        audit.append(
            session, "session.open", actor=person, subject=about, at=now, image=image, mounts=mounts, left_out=left_out
        )
        return Visit(row.id, projects.get(session, project), opening.mounts, until)


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


def row_of(records: Records, project: str, person: str) -> RoomRow | None:
    """Return the row of an open room."""
    return next((row for row in open_now(records) if (row.project, row.person) == (project, person)), None)


def stands(row: RoomRow | None, *, now: datetime) -> bool:
    """Tell whether the records hold a room for open: nobody said that it must close, or its end is still ahead."""
    return row is not None and (row.until > now if row.until is not None else not row.closed_because)


def judged(records: Records, row: RoomRow, *, now: datetime) -> Lapse | None:
    """Ask the rules about one open room; None if it may stay. What cannot be asked is a no."""
    try:
        with records.read() as session:
            return lapse_of(access.standing(session, (row,), now=now)[row.id])
    except Unavailable:
        raise
    except TREError as error:
        return Lapse(f"the rules could not be asked: {error}", ("E00",))


def lapse_of(standing: access.Standing) -> Lapse | None:
    """Say why a room may not be open; None if it may."""
    if not standing.decision.allowed:
        return Lapse("; ".join(standing.decision.remedies) or "the rules say no", standing.decision.rules)
    if standing.gone:
        rules = tuple(dict.fromkeys(rule for _, decision in standing.gone for rule in decision.rules))
        return Lapse(f"{', '.join(name for name, _ in standing.gone)} may not be mounted any more", rules)
    return None


def lapsed(records: Records, row: RoomRow, lapse: Lapse, *, until: datetime, actor: str, now: datetime) -> None:
    """Record that a room may not be open any more, and until when it may save what is open: the stop will say why.

    `until` becomes the room's own end, so it is stopped then even if nobody is left to do it.
    """
    about = subject(row.project, row.person)
    until = min(until, row.until) if row.until else until
    with records.act(actor, "session.lapse", about) as session:
        session.execute(update(RoomRow).where(RoomRow.id == row.id).values(closed_because=lapse.because, until=until))
        audit.append(
            session, "session.lapse", actor=actor, subject=about, at=now,
            why=lapse.because, rules=list(lapse.rules), until=audit.stamp(until),
        )  # fmt: skip
        text = f"Your room of {row.project} closes. {lapse.because}"
        notices.tell(session, row.person, key=f"room/{row.id}", text=text, url="/hub/home", now=now)
    row.closed_because, row.until = lapse.because, until


def moved(records: Records, ends: Mapping[int, datetime], *, now: datetime) -> None:
    """Record that the known ends of open rooms are others now, as the rules were just asked again."""
    with records.act("sentinel", "session.until", "rooms") as session:
        changed = update(RoomRow).where(RoomRow.id == bindparam("row"), RoomRow.closed_because == "")
        session.connection().execute(
            changed.values(until=bindparam("end")), [{"row": row, "end": end} for row, end in ends.items()]
        )
        said = {str(row): audit.stamp(end) for row, end in ends.items()}
        audit.append(session, "session.until", actor="sentinel", subject="rooms", at=now, until=said)


def _open() -> Select[RoomRow]:
    return select(RoomRow).where(RoomRow.closed_at.is_(None))
