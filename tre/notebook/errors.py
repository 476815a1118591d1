"""A no inside a room is a sentence and what to do about it; nobody is helped by a traceback."""

from collections.abc import Sequence


class RoomError(Exception):
    """What was asked cannot be done."""

    word = "error"

    def __init__(self, message: str, *, rules: Sequence[str] = (), remedies: Sequence[str] = ()) -> None:
        """Keep the ids of the rules that said no, and what to do about each."""
        super().__init__(message)
        self.rules = tuple(rules)
        self.remedies = tuple(remedies)

    def __str__(self) -> str:
        """Give the sentence, then the remedies, a line each."""
        return "\n".join([str(self.args[0]), *(f"  - {remedy}" for remedy in self.remedies)])

    def _render_traceback_(self) -> list[str]:
        """Show this in a notebook instead of a traceback; IPython looks for this name."""
        return f"{self.word}: {self}".splitlines()


class Refused(RoomError):
    """The house says no."""

    word = "refused"


class NoAnswer(RoomError):
    """The house does not answer; nothing was changed."""

    word = "unavailable"
