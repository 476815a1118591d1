"""Every byte a room sends to a browser is counted, by person, project and hour; at the project's limit it ends.

Counts are kept here and added to the records every few seconds, so a crash forgets seconds, not hours. While they
cannot be added for a minute, nothing passes: what is not counted does not leave.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tre.records.tables import MeterRow, ProjectRow
from tre.settings import Settings

UNSAVED_SECONDS = 60
LABELS = 40
SAVE_BYTES = 1_000_000
"""So many bytes are written down at once; fewer wait for their minute. A crash of the gateway forgets no more."""


class Key(NamedTuple):
    """Whose browser, which project's data."""

    person: str
    project: str


class Limits(NamedTuple):
    """Bytes in an hour and in a day (UTC)."""

    hour: int
    day: int


class Cut(Exception):
    """The limit is reached; says until when."""


def hour_of(now: datetime) -> datetime:
    """Start of the hour."""
    return now.replace(minute=0, second=0, microsecond=0)


@dataclass
class Count:
    """What one person saw of one project today."""

    limits: Limits
    hours: Counter[datetime] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    unsaved: Counter[datetime] = field(default_factory=Counter)
    cut_hour: datetime | None = None

    def hour(self, now: datetime) -> int:
        """Bytes in the hour of `now`."""
        return self.hours[hour_of(now)]

    def day(self, now: datetime) -> int:
        """Bytes in the day of `now`, UTC."""
        return sum(count for hour, count in self.hours.items() if hour.date() == now.date())


class Meter:
    """The counters of all rooms, in one process."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Begin with nothing known; `know` brings what the records hold."""
        self._clock = clock
        self._counts: dict[Key, Count] = {}
        self._failing_since: datetime | None = None
        self._cuts: list[tuple[Key, str, Mapping[str, int]]] = []

    def know(self, key: Key, limits: Limits, hours: Mapping[datetime, int]) -> None:
        """Take limits and stored hours; keep what was counted since."""
        count = self._counts.setdefault(key, Count(limits))
        count.limits = limits
        count.hours = Counter(hours) + count.unsaved

    def known(self) -> tuple[Key, ...]:
        """Everybody counted since this process began."""
        return tuple(self._counts)

    def of(self, key: Key) -> Count:
        """Return the counts of one person in one project."""
        return self._counts[key]

    def spend(self, key: Key, size: int, *, label: str = "http") -> None:
        """Count bytes that are about to leave; refuse them if they pass the limit."""
        self.check(key, more=size, label=label)
        now = self._clock()
        count = self._counts[key]
        count.hours[hour_of(now)] += size
        count.unsaved[hour_of(now)] += size
        if label in count.labels or len(count.labels) < LABELS:
            count.labels[label] += size

    def check(self, key: Key, *, more: int = 0, label: str = "http") -> None:
        """Refuse if `more` bytes would pass a limit, or if counts cannot be kept."""
        now, count = self._clock(), self._counts.get(key)
        if count is None:
            raise Cut("this room's bytes are not counted yet; try again in a moment")
        if self._failing_since is not None and now - self._failing_since > timedelta(seconds=UNSAVED_SECONDS):
            raise Cut("the records do not answer, so nothing can be counted; try again later")
        if cause := _over(count, now, more):
            if count.cut_hour != hour_of(now):  # recorded once an hour, not for each request that meets it
                count.cut_hour = hour_of(now)
                self._cuts.append((key, cause, _spent(count, now) | {f"wanted {label}": more}))
            raise Cut(cause)

    # --- keeping ---------------------------------------------------------------------------------------------------
    def take_unsaved(self) -> dict[tuple[Key, datetime], int]:
        """Return what the records do not hold yet, and forget it here."""
        taken = {(key, hour): size for key, count in self._counts.items() for hour, size in count.unsaved.items()}
        for count in self._counts.values():
            count.unsaved.clear()
        return taken

    def take_cuts(self) -> tuple[tuple[Key, str, Mapping[str, int]], ...]:
        """Return the cuts that nobody has recorded yet, and forget them: whose, why, and what it was spent on."""
        taken, self._cuts = tuple(self._cuts), []
        return taken

    def due(self) -> bool:
        """Tell whether there is enough to write down, or something that must not wait."""
        unsaved = sum(sum(count.unsaved.values()) for count in self._counts.values())
        return bool(self._cuts) or self._failing_since is not None or unsaved >= SAVE_BYTES

    def saved(self) -> None:
        """Note that the records took the counts."""
        self._failing_since = None

    def failed(
        self, taken: Mapping[tuple[Key, datetime], int], cuts: Iterable[tuple[Key, str, Mapping[str, int]]]
    ) -> None:
        """Take back what could not be kept."""
        self._cuts[:0] = cuts
        for (key, hour), size in taken.items():
            self._counts[key].unsaved[hour] += size
        self._failing_since = self._failing_since or self._clock()


def _spent(count: Count, now: datetime) -> dict[str, int]:
    return {"hour": count.hour(now), "day": count.day(now), **dict(count.labels.most_common(5))}


def _over(count: Count, now: datetime, more: int) -> str:
    """Say which limit `more` bytes would pass, or nothing. At the limit, even an empty answer stops."""
    more, again = max(more, 1), hour_of(now) + timedelta(hours=1)
    if count.day(now) + more > count.limits.day:
        return f"today's {count.limits.day:,} bytes of this project are spent: the room shows again after midnight UTC"
    if count.hour(now) + more > count.limits.hour:
        return f"this hour's {count.limits.hour:,} bytes of this project are spent: wait until {again:%H:%M} UTC"
    return ""


# --- the records ----------------------------------------------------------------------------------------------------
def limits_of(session: Session, settings: Settings, project: str) -> Limits:
    """Limits of a project: its own, or the house's."""
    row = session.get(ProjectRow, project)
    hour, day = (row.meter_hour, row.meter_day) if row else (None, None)
    return Limits(settings.meter_hour if hour is None else hour, settings.meter_day if day is None else day)


def hours_of(session: Session, key: Key, *, now: datetime) -> dict[datetime, int]:
    """Return the stored hours of one day."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = session.scalars(
        select(MeterRow).where(
            MeterRow.person == key.person, MeterRow.project == key.project, MeterRow.hour >= midnight
        )
    )
    return {row.hour: row.bytes for row in rows}


def add(session: Session, sizes: Iterable[tuple[tuple[Key, datetime], int]]) -> None:
    """Add bytes to their hours."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    for (key, hour), size in sizes:
        row = dialect.insert(MeterRow).values(person=key.person, project=key.project, hour=hour, bytes=size)
        session.execute(
            row.on_conflict_do_update(
                index_elements=["person", "project", "hour"], set_={"bytes": MeterRow.bytes + row.excluded.bytes}
            )
        )
