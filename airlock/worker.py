"""The airlock's own work: it has checked what was submitted, releases what was approved, ends what nobody moves.

One worker works for a home: it holds a lock that the kernel frees when it dies. All it knows lies in the records, so
it may be killed at any moment: a round is checked again from its start, a release happened or did not. Checks run in
processes of their own, two at a time, so that one which hangs holds up nobody else.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import ParamSpec

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from airlock import asks, checking, imports, moves, notify, release, requests, staging, states
from airlock.checks import thresholds
from airlock.hands import Hands, waiting
from airlock.states import By, State
from airlock.tables import RequestRow
from policies.engine import Decision
from tre.errors import Refused, Tampered, TREError, Unavailable
from tre.governance import access, frozen
from tre.records import audit
from tre.records.db import Records, opened
from tre.settings import Settings

EVERY = 1.0
"""Seconds between two looks for work."""
LOOK_EVERY = timedelta(seconds=10)
"""How often it is asked again whether what waits still stands on anything."""
RETRY_REFUSED = timedelta(hours=1)
RETRY_UNAVAILABLE = timedelta(minutes=1)
REMINDS = timedelta(days=3)
"""So long before a request ends by itself its people are told."""
P = ParamSpec("P")
_LOG = structlog.get_logger()

_VOTED_OR_APPROVED = (State.IN_REVIEW, State.CONSOLIDATING, State.APPROVED)

check = checking.check


def work(settings: Settings, *, stop: Callable[[], bool] = lambda: False) -> None:
    """Work until told to stop."""
    thresholds.load(settings.thresholds)  # a profile that cannot be read is said now, not at the first request
    with _alone(settings):
        staging.swept(settings)
        records = opened(settings)
        looked, checks = datetime.now(UTC) - LOOK_EVERY, Hands(records, settings)
        try:
            while not stop():
                now = datetime.now(UTC)
                if now - looked >= LOOK_EVERY:
                    looked = now
                    _try(_expiries, records, now=now)
                    _try(look, records, now=now)
                _try(checks.turn, now=now)
                _try(_releases, records, settings, now=now)
                _try(imports.step, records, settings, now=now)
                time.sleep(EVERY)
        finally:
            checks.drop()
            records.close()


def _try(duty: Callable[P, object], *given: P.args, **named: P.kwargs) -> None:
    """Do one of the worker's duties; one that cannot be done now keeps no other from being done."""
    try:
        duty(*given, **named)
    except TREError as error:
        _LOG.error("the worker cannot go on, and tries again", why=str(error))
    except Exception as error:  # noqa: BLE001 -- the next look may find it mended
        _LOG.error("the worker stumbled, and tries again", **checking.fault(error))


def step(
    records: Records, settings: Settings, *, now: datetime, check: Callable[[Settings, int], None] | None = None
) -> int:
    """Do all the work there is now, to its end; return how many requests were moved or tried."""
    ended = _expiries(records, now=now)
    checks = waiting(records, State.CHECKING, now)
    if check:
        for request, number in checks:
            check(settings, request)
            checking.unfinished(records, settings, request, number, now=now)
    elif checks:
        _to_their_end(records, settings, now)
    return ended + len(checks) + _releases(records, settings, now=now)


def _to_their_end(records: Records, settings: Settings, now: datetime) -> None:
    at_work = Hands(records, settings)
    try:
        while at_work.turn(now=now):
            time.sleep(EVERY / 20)
    finally:
        at_work.drop()


def _releases(records: Records, settings: Settings, *, now: datetime) -> int:
    approved = waiting(records, State.APPROVED, now)
    for request, _ in approved:
        _release(records, settings, request, now=now)
    return len(approved)


def _expiries(records: Records, *, now: datetime) -> int:
    """End what nobody moved in time, and remind of what is about to end; return how many were ended."""
    query = select(RequestRow).where(RequestRow.expires_at <= now + REMINDS, RequestRow.state.not_in(states.OVER))
    with records.read() as session:
        rows = session.scalars(query.order_by(RequestRow.id)).all()
        over = [row.id for row in rows if row.expires_at and row.expires_at <= now]
        late = [row.id for row in rows if row.id not in over and not notify.reminded(session, row)]
    for request in over:
        with records.act("worker", "export.expire", f"export/{request}") as session:
            _expire(session, requests.locked(session, request), now)
    for request in late:
        with records.act("worker", "export.remind", f"export/{request}") as session:
            row = requests.locked(session, request)
            if row.expires_at and now < row.expires_at <= now + REMINDS:
                notify.reminder(session, row, now=now)
    return len(over)


def _expire(session: Session, row: RequestRow, now: datetime) -> None:
    if row.expires_at is None or row.expires_at > now:  # somebody moved it meanwhile
        return
    requests.move(session, row, "expire", By.SYSTEM, now)
    moves.close(session, row)
    audit.append(session, "export.expire", actor="worker", subject=requests.subject(row), at=now, round=row.round)
    notify.turn(session, row, now=now)


def look(records: Records, *, now: datetime) -> int:
    """Ask again about requests that wait; record what froze or thawed. Return how many did."""
    with records.read() as session:
        rows = session.scalars(select(RequestRow).where(RequestRow.state.in_(_VOTED_OR_APPROVED)))
        moved = [row.id for row in rows if _freezes(session, row, now) is not None]
    for request in moved:
        with records.act("worker", "export.frozen", f"export/{request}") as session:
            row = requests.locked(session, request)
            if (said := _freezes(session, row, now)) is not None:
                _freeze(session, row, said, now)
    return len(moved)


def _freezes(session: Session, row: RequestRow, now: datetime) -> Decision | None:
    """Return what the rules say of what a request stands on, if that is not what is written down."""
    kinds = frozenset(file.kind for file in asks.files_of(session, row.id, row.round))
    said = access.decide(session, asks.submit(session, row.project, row.requester, kinds=kinds, now=now))
    rests = bool(frozen.frozen(session, "export", (requests.subject(row),)))
    return said if bool(frozen.lapsed(said)) != rests else None


def _freeze(session: Session, row: RequestRow, said: Decision, now: datetime) -> None:
    about = requests.subject(row)
    approvers = (vote.approver for vote in asks.votes_of(session, row))
    frozen.note(
        session,
        "export",
        about,
        said,
        people=(row.requester, *approvers),
        url=notify.url(row.id),
        actor="worker",
        now=now,
    )
    remedies = dict(zip(said.rules, said.remedies, strict=True))
    if row.state != State.APPROVED:  # one that is approved says itself why it is not released
        row.trouble = (
            " ".join(["It rests.", *(remedies[rule] for rule in rules)]) if (rules := frozen.lapsed(said)) else ""
        )


def _release(records: Records, settings: Settings, request: int, *, now: datetime) -> None:
    try:
        with records.act("worker", "export.release", f"export/{request}") as session:
            release.release(session, settings, request=request, now=now)
            notify.turn(session, requests.locked(session, request), now=now)
    except Tampered as error:
        _trouble(records, request, "export.alarm", error, retry_at=now + timedelta(days=3650), now=now)
    except Refused as error:
        _trouble(records, request, "export.wait", error, retry_at=now + RETRY_REFUSED, now=now)
    except Unavailable as error:
        _trouble(records, request, "export.wait", error, retry_at=now + RETRY_UNAVAILABLE, now=now)
    except Exception as error:  # noqa: BLE001 -- nothing left, and it is said
        _LOG.error("a release failed", request=request, **checking.fault(error))
        wrong = Unavailable(f"the release failed ({type(error).__name__})")
        _trouble(records, request, "export.wait", wrong, retry_at=now + RETRY_UNAVAILABLE, now=now)


def _trouble(records: Records, request: int, act: str, error: TREError, *, retry_at: datetime, now: datetime) -> None:
    """Say on the request's page why it does not go on, and call the admins."""
    remedies = error.remedies if isinstance(error, Refused) else ()
    with records.act("worker", act, f"export/{request}") as session:
        row = requests.locked(session, request)
        if row.state != State.APPROVED:
            return
        row.trouble = " ".join([f"Not released: {error}.", *remedies])
        row.retry_at = retry_at
        audit.append(session, act, actor="worker", subject=requests.subject(row), at=now, why=str(error))
        notify.alarm(session, row, now=now)


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the worker's lock; a second worker of one home is refused."""
    place = settings.released / "worker.lock"
    with place.open("wb", buffering=0) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable("another worker is at work for this home: one is enough") from None
        with contextlib.suppress(OSError):  # on a full disk the lock holds too
            lock.write(json.dumps({"pid": os.getpid()}).encode())
        yield
