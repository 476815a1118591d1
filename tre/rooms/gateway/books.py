"""The gateway's view of the records: limits, counts, suspended people, refusals. Every call is made in a thread."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

from tre.records import audit
from tre.records.db import Records
from tre.records.tables import PersonRow, RoomRow
from tre.rooms.gateway.meter import Key, Limits, add, hours_of, limits_of
from tre.rooms.room import subject
from tre.settings import Settings
from sqlalchemy import select

ACTOR = "gateway"


class Books:
    """Reads and writes the records for the gateway."""

    def __init__(self, records: Records, settings: Settings) -> None:
        """Use the records of this house."""
        self._records = records
        self._settings = settings

    def suspended(self, person: str) -> bool:
        """Tell whether our own table says this person may not work now; an unknown person may not."""
        with self._records.read() as session:
            row = session.get(PersonRow, person)
            return row is None or row.suspended

    def spent(self, key: Key, *, now: datetime) -> tuple[Limits, dict[datetime, int]]:
        """Limits and today's hours of one person in one project."""
        with self._records.read() as session:
            return limits_of(session, self._settings, key.project), hours_of(session, key, now=now)

    def keep(self, sizes: Mapping[tuple[Key, datetime], int]) -> None:
        """Add counts to their hours."""
        if sizes:
            with self._records.act(ACTOR, "meter.count", "meter") as session:
                add(session, sizes.items())

    def cut(self, key: Key, cause: str, facts: Mapping[str, int]) -> None:
        """Record that a person's view of a project ended for now."""
        about = subject(key.project, key.person)
        with self._records.act(ACTOR, "meter.cut", about) as session:
            audit.append(session, "meter.cut", actor=ACTOR, subject=about, why=cause, spent=dict(facts))

    def refused(self, refusals: Counter[tuple[Key, str]]) -> None:
        """Record what rooms' browsers were refused since the last time, one entry a reason, with its count."""
        if not refusals:
            return
        with self._records.act(ACTOR, "room.refuse", "gateway") as session:
            for (key, why), times in refusals.items():
                about = subject(key.project, key.person)
                audit.append(session, "room.refuse", actor=key.person, subject=about, why=why, times=times)

    def mounts(self, key: Key) -> str:
        """JSON of what the open room of a person in a project has mounted."""
        with self._records.read() as session:
            row = session.scalars(
                select(RoomRow)
                .where(RoomRow.person == key.person, RoomRow.project == key.project, RoomRow.closed_at.is_(None))
                .order_by(RoomRow.id.desc())
            ).first()
            return row.mounts if row else "[]"


def utc() -> datetime:
    """Return the time now."""
    return datetime.now(UTC)
