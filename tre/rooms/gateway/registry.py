"""Which rooms are open, and the token each has at the Hub; kept in a file so that a restart forgets nobody."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from tre.errors import Unreadable
from tre.rooms.room import prefix
from tre.settings import checked_name

FILE = "gateway.json"


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One open room, as the spawner told the gateway."""

    person: str
    project: str
    uid: int
    token: str
    client_id: str
    until: str = ""
    """RFC 3339: from then on nothing passes, whoever is left to close the room. Empty: no end is known."""
    why: str = ""
    """Why it closes at `until`; empty while it may go on."""

    @property
    def end(self) -> datetime | None:
        """When it is over."""
        return moment(self.until) if self.until else None

    @property
    def prefix(self) -> str:
        """Path under which the browser finds the room."""
        return prefix(self.project, self.person)

    @property
    def key(self) -> tuple[str, str]:
        """Person and project."""
        return self.person, self.project


def moment(text: str) -> datetime:
    """Read a time with its zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise Unreadable("registration: a time without a zone")
    return found


def read(value: object) -> Registration:
    """Check what came over the control socket or from the file."""
    if not isinstance(value, dict):
        raise Unreadable("a registration is an object")
    try:
        given = Registration(**value)
    except TypeError as error:
        raise Unreadable(f"registration: {error}") from None
    checked_name(given.person, "person")
    checked_name(given.project, "project")
    if not isinstance(given.uid, int) or given.uid <= 0 or not given.token or not given.client_id:
        raise Unreadable("registration: uid, token and client_id are needed")
    try:
        _ = given.end
    except (TypeError, ValueError):
        raise Unreadable("registration: until is no time") from None
    return given


class Registry:
    """All open rooms; every change is on the disk before it counts."""

    def __init__(self, folder: Path) -> None:
        """Read what the last process left."""
        self._file = folder / FILE
        self._rooms: dict[tuple[str, str], Registration] = {}
        if self._file.exists():
            for value in json.loads(self._file.read_text("utf-8")):
                room = read(value)
                self._rooms[room.key] = room

    def __iter__(self) -> Iterator[Registration]:
        """All open rooms."""
        return iter(tuple(self._rooms.values()))

    def get(self, person: str, project: str) -> Registration | None:
        """One room, if it is open."""
        return self._rooms.get((person, project))

    def put(self, room: Registration) -> None:
        """Open a room, or give it a new token."""
        self._save({**self._rooms, room.key: room})

    def drop(self, person: str, project: str) -> Registration | None:
        """Close a room; return it if it was open."""
        gone = self._rooms.get((person, project))
        if gone is not None:
            self._save({key: room for key, room in self._rooms.items() if key != gone.key})
        return gone

    def _save(self, rooms: dict[tuple[str, str], Registration]) -> None:
        aside = self._file.with_suffix(".new")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "w", encoding="utf-8") as out:  # noqa: PTH123 -- a descriptor, not a path
            json.dump([asdict(room) for room in rooms.values()], out)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(self._file)
        self._rooms = rooms
