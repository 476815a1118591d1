"""What builds a room: Docker, or bubblewrap where there is no engine. Both build what `tre.rooms.room` says, no more.

All of it may block. What does not answer or would not build raises Unavailable, in words for the person who waits.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from tre.rooms.room import Room


class State(NamedTuple):
    """A room that runs."""

    pid: int
    """Its first process, as the host numbers it."""
    image: str
    uid: int


class Builder(Protocol):
    """Builds rooms, and ends them, by their names."""

    kind: str
    """Word for the setting."""

    def answers(self) -> str:
        """Say what would build rooms, with its version."""

    def build(self, room: Room) -> None:
        """Build and start a room; whatever is left of one of the same name goes first."""

    def state(self, name: str) -> State | None:
        """Tell whether a room runs; None if it ended or never was."""

    def end(self, name: str, *, seconds: float) -> None:
        """End a room, kindly for so long and then not, and leave nothing of it; one that is not there is ended."""

    def names(self, house: str) -> frozenset[str]:
        """Return the rooms of a house that there are."""

    def run(self, room: Room, look: Callable[[int], None], *, seconds: float) -> bytes:
        """Run a room until it ends by itself, have it looked at from outside, and return what it said."""
