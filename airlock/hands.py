"""Who is checked next, and by which process: two at a time, the longest waiting first, each for so long only."""

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import or_, select

from airlock import checking, moves, notify
from airlock.states import State
from airlock.tables import RequestRow
from tre.records import audit
from tre.records.db import Records
from tre.settings import Settings

AT_ONCE = 2
LONGEST = 300
"""Seconds until a check that does not end is ended, and its round sent back."""
MOST_TRIES = 3
"""A process that was killed says nothing about the file; so often it is begun again."""
RETRY = timedelta(minutes=1)
REST = 10.0
"""Seconds that a round is let alone after it could not be checked."""
_LOG = structlog.get_logger()


class Busy(NamedTuple):
    """A process at work on one round."""

    number: int
    process: subprocess.Popen[bytes]
    until: float


class Hands:
    """The processes that check for one worker."""

    def __init__(self, records: Records, settings: Settings) -> None:
        """Begin with empty hands."""
        self._records, self._settings = records, settings
        self._busy: dict[int, Busy] = {}
        self._tries: dict[tuple[int, int], int] = {}
        self._rests: dict[int, float] = {}

    def turn(self, *, now: datetime) -> int:
        """Put down what is done, take up what waits; return how much is still to do."""
        for request, busy in tuple(self._busy.items()):
            if busy.process.poll() is not None or time.monotonic() > busy.until:
                del self._busy[request]
                self._done(request, busy, now)
        left = [one for one in waiting(self._records, State.CHECKING, now) if self._free(one[0])]
        while left and len(self._busy) < AT_ONCE:
            request, number = left.pop(0)
            until = time.monotonic() + LONGEST
            self._busy[request] = Busy(number, _begun(self._settings, request), until)
        return len(self._busy) + len(left)

    def _free(self, request: int) -> bool:
        return request not in self._busy and self._rests.get(request, 0) <= time.monotonic()

    def drop(self) -> None:
        """Let go of everything: it is begun again by whoever works next."""
        for busy in self._busy.values():
            _end(busy.process)
        self._busy.clear()

    def _done(self, request: int, busy: Busy, now: datetime) -> None:
        code = busy.process.poll()
        tried = self._tries[request, busy.number] = self._tries.get((request, busy.number), 0) + 1
        if code is None:
            _end(busy.process)
            _LOG.error("the checks took too long", request=request, seconds=LONGEST)
        elif code == checking.AGAIN:
            self._rests[request] = time.monotonic() + REST  # should not even this be written down
            _later(self._records, request, busy.number, now)
            return
        elif code < 0 and tried < MOST_TRIES:
            _LOG.error("the checks were killed, and begin again", request=request, signal=-code)
            return
        checking.unfinished(self._records, self._settings, request, busy.number, now=now)
        self._tries.pop((request, busy.number))


def waiting(records: Records, state: State, now: datetime) -> tuple[tuple[int, int], ...]:
    """Return number and round of each request in this state that need not wait for a moment to come, oldest first."""
    query = select(RequestRow.id, RequestRow.round).where(
        RequestRow.state == state,
        or_(RequestRow.retry_at.is_(None), RequestRow.retry_at <= now),
        or_(RequestRow.expires_at.is_(None), RequestRow.expires_at > now),
    )
    with records.read() as session:
        return tuple((at, number) for at, number in session.execute(query.order_by(RequestRow.moved_at, RequestRow.id)))


def _begun(settings: Settings, request: int) -> subprocess.Popen[bytes]:
    chosen = {f"TRE_{name.upper()}": str(value) for name, value in settings.model_dump().items()}
    words = [sys.executable, "-m", "airlock.checking", str(request)]
    return subprocess.Popen(words, env={**os.environ, **chosen})  # noqa: S603 -- our own


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _later(records: Records, request: int, number: int, now: datetime) -> None:
    """Say on the request's page that it waits, and call the admins, once."""
    with records.act("worker", "export.wait", f"export/{request}") as session:
        row = moves.locked(session, request)
        if row.state != State.CHECKING or row.round != number:
            return
        told, row.retry_at = bool(row.trouble), now + RETRY
        row.trouble = (
            "Not checked yet: the airlock's store, records or thresholds cannot be used now, and the admins are told."
            " It is tried again in a minute."
        )
        if not told:
            audit.append(
                session, "export.wait", actor="worker", subject=moves.subject(row), at=now, why="not checked now"
            )
            notify.alarm(session, row, now=now)
