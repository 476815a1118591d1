"""What can go wrong, named for what a person must do about it.

    TREError
    +-- Refused          the rules say no; carries rules, reasons, remedies    403, exit 3
    |   +-- StepRefused  wrong state, or not yours to do                       409, exit 3
    +-- NotFound         no such thing, or not yours to know of                404, exit 4
    +-- Unreadable       a file or a form is not what it should be; says where 422, exit 5
    +-- Tampered         a hash or a seal does not match                       500, exit 6
    +-- Unavailable      Docker, Hub, disk; try again                          503, exit 7

A message is one line: what cannot be done, where, what to do. It never quotes a value of a person.
"""

from collections.abc import Mapping, Sequence


class TREError(Exception):
    """Anything a person can cause or must answer; printed as one line, never as a traceback."""

    exit_code = 1
    status = 500


class Refused(TREError):
    """The rules say no."""

    exit_code = 3
    status = 403

    def __init__(self, message: str, *, rules: Sequence[str] = (), remedies: Sequence[str] = ()) -> None:
        """Keep the ids of the rules that said no, and what to do about each."""
        super().__init__(message)
        self.rules = tuple(rules)
        self.remedies = tuple(remedies)
        self.words: Mapping[str, tuple[str, str]] = {}
        """Rule -> what it wants, and who answers for it; whoever tells a person fills it in."""


class StepRefused(Refused):
    """The step is not one that can be taken from here, or not by this person."""

    status = 409


class NotFound(TREError):
    """There is no such thing, or none that this person may know of."""

    exit_code = 4
    status = 404


class Unreadable(TREError):
    """The input is not what it claims to be."""

    exit_code = 5
    status = 422


class Tampered(TREError):
    """Stored bytes are not the bytes that were stored."""

    exit_code = 6
    status = 500


class Unavailable(TREError):
    """Something the house stands on does not answer; nothing was changed."""

    exit_code = 7
    status = 503
