"""The airlock's own work: it checks what was submitted and releases what was approved.

One worker works for a home: it holds a lock that the kernel frees when it dies. All it knows lies in the records, so
it may be killed at any moment: a round is checked again from its start, a release happened or did not. The checks of
a round run in a process of their own, and a round whose checks do not come to an end goes back to its author.
"""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from airlock import asks, imports, notify, release, requests, staging
from airlock.checks import confined, run, thresholds
from airlock.checks.case import Case
from airlock.checks.file import File
from airlock.checks.finding import Exhibit, Finding
from airlock.states import State
from airlock.tables import RequestRow
from policies.engine import Decision
from tre.data import evidence
from tre.errors import Refused, Tampered, TREError, Unavailable
from tre.governance import access, frozen
from tre.records import audit
from tre.records.db import Records, opened
from tre.settings import Settings, load

EVERY = 1.0
"""Seconds between two looks for work."""
LOOK_EVERY = timedelta(seconds=10)
"""How often it is asked again whether what waits still stands on anything."""
LONGEST_CHECK = 300
RETRY_REFUSED = timedelta(hours=1)
RETRY_UNAVAILABLE = timedelta(minutes=1)
_LOG = structlog.get_logger()


def work(settings: Settings, *, stop: Callable[[], bool] = lambda: False) -> None:
    """Work until told to stop."""
    thresholds.load(settings.thresholds)  # a profile that cannot be read is said now, not at the first request
    with _alone(settings):
        records = opened(settings)
        looked = datetime.now(UTC) - LOOK_EVERY
        try:
            while not stop():
                try:
                    now = datetime.now(UTC)
                    step(records, settings, now=now)
                    imports.step(records, settings, now=now)
                    if now - looked >= LOOK_EVERY:
                        look(records, now=now)
                        looked = now
                except TREError as error:
                    _LOG.error("the worker cannot go on, and tries again", why=str(error))
                except Exception as error:  # noqa: BLE001 -- the next look may find it mended
                    _LOG.error("the worker stumbled, and tries again", **_fault(error))
                time.sleep(EVERY)
        finally:
            records.close()


def step(
    records: Records, settings: Settings, *, now: datetime, check: Callable[[Settings, int], None] | None = None
) -> int:
    """Do all the work there is now; return how many requests were moved or tried."""
    waiting = _waiting(records, now)
    for request, state, number in waiting:
        if state is State.CHECKING:
            (check or _check_apart)(settings, request)
            _return_unfinished(records, settings, request, number, now=now)
        else:
            _release(records, settings, request, now=now)
    return len(waiting)


def look(records: Records, *, now: datetime) -> int:
    """Ask again about requests that wait; record what froze or thawed. Return how many did."""
    with records.read() as session:
        rows = session.scalars(select(RequestRow).where(RequestRow.state.in_((State.IN_REVIEW, State.APPROVED))))
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
    if row.state == State.IN_REVIEW:  # one that is approved says itself why it is not released
        row.trouble = (
            " ".join(["It rests.", *(remedies[rule] for rule in rules)]) if (rules := frozen.lapsed(said)) else ""
        )


def check(records: Records, settings: Settings, request: int, *, now: datetime) -> None:
    """Check the round on the table of one request, and record what was found."""
    limits = thresholds.load(settings.thresholds)
    with records.read() as session:
        row = session.get_one(RequestRow, request)
        number, files = row.round, asks.files_of(session, row.id, row.round)
        known = evidence.of(session, settings, row.project)
    held = {file.position: File(file.name, file.kind, staging.kept(settings, file.sha256)) for file in files}
    cases = {
        at: Case(file=file, look=confined.look(file, limits), limits=limits, evidence=known)
        for at, file in held.items()
    }
    said = {at: run.run(case, guard=_guarded) for at, case in cases.items()}
    findings = {at: [one for one in each if isinstance(one, Finding)] for at, each in said.items()}
    ran = {name for file in files for name in run.of_kind(file.kind)} | {"row_level", "small_counts", "leaks"}
    checks = {"version": run.VERSION, "ran": sorted(ran), "thresholds": asdict(limits)}
    with records.act("worker", "export.check", f"export/{request}") as session:
        row = requests.record_checks(session, request=request, number=number, findings=findings, checks=checks, now=now)
        notify.turn(session, row, now=now)


def _guarded(name: str, look: Callable[[], Iterable[Finding | Exhibit]]) -> tuple[Finding | Exhibit, ...]:
    try:
        return tuple(look())
    except Exception as error:  # noqa: BLE001 -- whatever went wrong, the answer is no
        _LOG.error("a check did not run", check=name, **_fault(error))
        return (run.did_not_run(name),)


def _fault(error: Exception) -> dict[str, str]:
    """Return what went wrong and where in our code; not its message, which may quote what was in a file."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return {"error": type(error).__name__, "at": " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames))}


def _waiting(records: Records, now: datetime) -> tuple[tuple[int, State, int], ...]:
    query = select(RequestRow).where(
        RequestRow.state.in_((State.CHECKING, State.APPROVED)),
        or_(RequestRow.retry_at.is_(None), RequestRow.retry_at <= now),
    )
    with records.read() as session:
        return tuple((row.id, State(row.state), row.round) for row in session.scalars(query.order_by(RequestRow.id)))


def _check_apart(settings: Settings, request: int) -> None:
    """Check in a process that may hang, crash or eat its memory without hurting the worker."""
    chosen = {f"TRE_{name.upper()}": str(value) for name, value in settings.model_dump().items()}
    environment = {**os.environ, **chosen}
    try:
        words = [sys.executable, "-m", "airlock.worker", str(request)]
        subprocess.run(words, env=environment, timeout=LONGEST_CHECK, check=False)  # noqa: S603 -- our own
    except subprocess.TimeoutExpired:
        _LOG.error("the checks took too long", request=request, seconds=LONGEST_CHECK)


def _return_unfinished(records: Records, settings: Settings, request: int, number: int, *, now: datetime) -> None:
    """Send a round back whose checks gave no answer."""
    with records.read() as session:
        row = session.get_one(RequestRow, request)
        if row.state != State.CHECKING or row.round != number:
            return
        files = asks.files_of(session, row.id, row.round)
    findings = {file.position: [run.did_not_run(name) for name in run.of_kind(file.kind)] for file in files}
    said = {"version": run.VERSION, "ran": [], "thresholds": asdict(thresholds.load(settings.thresholds))}
    with contextlib.suppress(Refused), records.act("worker", "export.check", f"export/{request}") as session:
        row = requests.record_checks(session, request=request, number=number, findings=findings, checks=said, now=now)
        notify.turn(session, row, now=now)


def _release(records: Records, settings: Settings, request: int, *, now: datetime) -> None:
    try:
        with records.act("worker", "export.release", f"export/{request}") as session:
            release.release(session, settings, request=request, now=now)
            notify.turn(session, requests.locked(session, request), now=now)
    except Tampered as error:
        _trouble(records, request, "export.alarm", error, retry_at=now + timedelta(days=3650), now=now)
    except Refused as error:
        _trouble(records, request, "export.wait", error, retry_at=now + RETRY_REFUSED, now=now)
    except Exception as error:  # noqa: BLE001 -- nothing left, and it is said
        _LOG.error("a release failed", request=request, **_fault(error))
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
    with place.open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable("another worker is at work for this home: one is enough") from None
        json.dump({"pid": os.getpid()}, lock)
        lock.flush()
        yield


def _main() -> None:
    settings = load()
    records = opened(settings)
    try:
        check(records, settings, int(sys.argv[1]), now=datetime.now(UTC))
    finally:
        records.close()


if __name__ == "__main__":
    _main()
