"""The gateway's view of the records: limits, counts, suspended people, refusals. Every call is made in a thread."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from tre.governance import notices, superseded
from tre.records import audit
from tre.records.db import Records
from tre.records.tables import PersonRow
from tre.rooms.gateway.meter import Key, Limits, add, hours_of, limits_of
from tre.rooms.room import subject
from tre.settings import Settings

ACTOR = "gateway"
TOLD = 5
"""So many notices are shown in a room at once; the home page has all."""


@dataclass(frozen=True, kw_only=True)
class News:
    """What happened at the gateway since it was last written down."""

    sizes: Mapping[tuple[Key, datetime], int] = field(default_factory=dict)
    cuts: tuple[tuple[Key, str, Mapping[str, int]], ...] = ()
    refusals: Mapping[tuple[Key, str, str], int] = field(default_factory=dict)
    """Whose room, who asked, why not -> how often."""

    def __bool__(self) -> bool:
        """Tell whether there is anything to write."""
        return bool(self.sizes or self.cuts or self.refusals)


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

    def keep(self, news: News) -> None:
        """Write down what was counted, cut and refused since the last time, each with its entry."""
        with self._records.act(ACTOR, "meter.count", "meter") as session:
            if news.sizes:
                add(session, news.sizes.items())
                counted: Counter[str] = Counter()
                for (key, _hour), size in news.sizes.items():
                    counted[f"{key.project}/{key.person}"] += size
                audit.append(session, "meter.count", actor=ACTOR, subject="meter", bytes=dict(counted))
            for key, why, spent in news.cuts:
                about = subject(key.project, key.person)
                audit.append(session, "meter.cut", actor=ACTOR, subject=about, why=why, spent=dict(spent))
            for (key, who, why), times in news.refusals.items():
                about = subject(key.project, key.person)
                audit.append(session, "room.refuse", actor=who, subject=about, why=why, times=times)

    def mounts(self, key: Key) -> str:
        """JSON of what the open room of a person in a project has mounted."""
        with self._records.read() as session:
            return superseded.mounted(session, key.project, key.person)

    def notices(self, key: Key) -> tuple[str, ...]:
        """Return what somebody in a room must know of the data in it."""
        with self._records.read() as session:
            mounts = superseded.mounted(session, key.project, key.person)
            return tuple(superseded.notices(session, key.project, mounts))

    def told(self, key: Key) -> list[dict[str, str]]:
        """Return what a person was told and did not read, and what is said of the data in their room."""
        with self._records.read() as session:
            mine = notices.of(session, key.person)[:TOLD]
            mounts = superseded.mounted(session, key.project, key.person)
            of_data = superseded.notices(session, key.project, mounts)
            said = [{"id": f"n{row.id}", "text": row.text, "url": row.url} for row in mine]
            return said + [
                {"id": f"d{sha256(text.encode()).hexdigest()[:12]}", "text": text, "url": ""} for text in of_data
            ]


def utc() -> datetime:
    """Return the time now."""
    return datetime.now(UTC)
