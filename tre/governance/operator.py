"""A command is an act of whoever works at the host, unless a person confirms it with their code."""

import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from cyclopts import Parameter

from tre.errors import Unreadable
from tre.governance import accounts
from tre.records import db
from tre.records.db import Records
from tre.settings import Settings, load

As = Annotated[str, Parameter(name="--as", help="the person whose act this is")]
Code = Annotated[str, Parameter(help="that person's code from their authenticator app")]
Day = Annotated[str, Parameter(help="last day, e.g. 2027-06-30")]

LONGEST_ID = 1000


class House(NamedTuple):
    """What a command works with."""

    settings: Settings
    records: Records
    actor: str
    now: datetime

    def confirm(self, name: str, code: str, purpose: str) -> None:
        """Use up a person's code for one purpose."""
        accounts.check_code(self.records, self.settings, name, code, now=self.now, purpose=purpose)


@contextmanager
def house() -> Iterator[House]:
    """Open the records for one command, in the name of whoever runs it on the host."""
    settings = load()
    records = db.opened(settings)
    try:
        yield House(settings, records, _who(), datetime.now(UTC))
    finally:
        records.close()


def id_from_input() -> str:
    """Read one id from standard input: what stands on the command line, every process of the host can read."""
    if sys.stdin.isatty():
        print("the id, then Enter:", file=sys.stderr)
    value = sys.stdin.readline(LONGEST_ID).strip()
    if not value:
        raise Unreadable("no id on standard input: give it there, not on the command line")
    return value


def last_moment(day: str, option: str) -> datetime:
    """Return the end of a day, or say how to write one."""
    return first_moment(day, option).replace(hour=23, minute=59, second=59)


def first_moment(day: str, option: str) -> datetime:
    """Return the beginning of a day, or say how to write one."""
    try:
        # Not fromisoformat: it also takes 20270630 and 2027-W26-3.
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Unreadable(f"{option} {day[:20]!r} is not a date: write it as 2027-06-30") from None


def _who() -> str:
    try:
        return f"host/{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"host/{os.getuid()}"
