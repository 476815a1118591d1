"""One round is checked: every file of it against the data its project mounts and against what left before.

It runs in a process of its own (`python -m airlock.checking NUMBER`), which may hang, crash or be killed: what it did
not record did not happen, and the round is checked again from its start.
"""

import contextlib
import ctypes
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airlock import asks, clamd, incidents, ledger, notify, requests, staging
from airlock.checks import about, confined, graphs, run, thresholds
from airlock.checks.case import Case
from airlock.checks.file import File
from airlock.checks.finding import Exhibit, Finding, Severity
from airlock.checks.thresholds import Thresholds
from airlock.states import State
from airlock.tables import FileRow, RequestRow
from tre import volumes
from tre.data import evidence
from tre.errors import Refused, TREError, Unavailable, Unreadable
from tre.records.db import Records, opened
from tre.records.tables import DatasetVersionRow, ProjectRow
from tre.settings import Settings, load

AGAIN = 75
"""Exit code of a process that could not check now, and may be able to later (EX_TEMPFAIL)."""
_ALWAYS = frozenset({"row_level", "small_counts", "leaks"})
"""Checks that have run even where a file is of a kind they have no question about."""
_LOG = structlog.get_logger()
Said = tuple[Finding | Exhibit, ...]
"""What the checks say of one file."""


def check(records: Records, settings: Settings, request: int, *, now: datetime) -> None:
    """Check the round on the table of one request, and record what was found."""
    with records.read() as session:
        row = session.get_one(RequestRow, request)
        number, project = row.round, row.project
        files = asks.files_of(session, row.id, number)
        limits = _limits(session, settings, project)
    with volumes.working(settings, project):
        cases = _cases(records, settings, project, files, limits)
        said = _with_tables(cases, {at: _said(case) for at, case in cases.items()})
    leaves = {at: _kept(settings, case.look.leaves) for at, case in cases.items() if case.look.leaves is not None}
    with records.act("worker", "export.check", f"export/{request}") as session:
        row = requests.record_checks(
            session,
            request=request,
            number=number,
            findings={at: [one for one in each if isinstance(one, Finding)] for at, each in said.items()},
            exhibits={at: [one for one in each if isinstance(one, Exhibit)] for at, each in said.items()},
            leaves=leaves,
            checks=ran((file.kind for file in files), limits),
            now=now,
        )
        notify.turn(session, row, now=now)


def unfinished(records: Records, settings: Settings, request: int, number: int, *, now: datetime) -> None:
    """Send a round back whose checks gave no answer, if it still waits for one."""
    with records.read() as session:
        row = session.get_one(RequestRow, request)
        if row.state != State.CHECKING or row.round != number:
            return
        files = asks.files_of(session, row.id, row.round)
        limits = _limits(session, settings, row.project)
    findings = {file.position: [run.did_not_run(name) for name in run.of_kind(file.kind)] for file in files}
    checks = {**ran((), limits), "ran": []}
    with contextlib.suppress(Refused), records.act("worker", "export.check", f"export/{request}") as session:
        row = requests.record_checks(session, request=request, number=number, findings=findings, checks=checks, now=now)
        notify.turn(session, row, now=now)


def _limits(session: Session, settings: Settings, project: str) -> Thresholds:
    """Return the numbers that a project's exports are held to; what the house has wrong is not the author's fault."""
    try:
        return thresholds.strictest(asks.profiles(session, project, house=settings.thresholds))
    except Unreadable as error:
        raise Unavailable(f"the thresholds of project {project} cannot be read: {error}") from None


def ran(kinds: Iterable[str], limits: Thresholds) -> dict[str, object]:
    """Return what a round keeps of its checks: which ran, in which version, with which thresholds."""
    names = {name for kind in kinds for name in run.of_kind(kind)} | _ALWAYS
    return {"version": run.VERSION, "ran": sorted(names), "thresholds": asdict(limits)}


def fault(error: Exception) -> dict[str, str]:
    """Return what went wrong and where in our code; not its message, which may quote what was in a file."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return {"error": type(error).__name__, "at": " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames))}


# --- one file ---------------------------------------------------------------------------------------------------------
def _cases(
    records: Records, settings: Settings, project: str, files: Sequence[FileRow], limits: Thresholds
) -> dict[int, Case]:
    """Look into each file, and put together all that may be asked about it."""
    held = {file.position: File(file.name, file.kind, staging.kept(settings, file.sha256)) for file in files}
    looks = {at: confined.look(file, limits) for at, file in held.items()}
    bytes_of = [file.sha256 for file in files]
    with records.read() as session:
        known = evidence.of(session, settings, project)
        datasets = [each.dataset for each in known.datasets]
        told = ledger.told(session, project, datasets)
        facts = _facts(session, project, datasets, bytes_of, [look.leaves for look in looks.values()])
    facts = {**facts, "scanner": bool(settings.clamd_socket), "scanned": _scanned(settings, held.values())}
    alone = {
        file.position: Case(
            file=held[file.position],
            look=looks[file.position],
            limits=limits,
            evidence=known,
            about=about.load(file.about),
            told=told,
            project=project,
            facts=facts,
        )
        for file in files
    }
    return {
        at: replace(case, others=tuple(other for there, other in alone.items() if there != at))
        for at, case in alone.items()
    }


def _scanned(settings: Settings, files: Iterable[File]) -> Mapping[str, tuple[str, str]]:
    """Ask the house's scanner about each file as it was submitted: file -> verdict and detail."""
    scans = {file.name: clamd.scan(settings.clamd_socket, file.content) for file in files}
    return {name: (str(scan.verdict), scan.detail) for name, scan in scans.items()}


def _facts(
    session: Session, project: str, datasets: Sequence[str], hashes: Sequence[str], leaves: Sequence[bytes | None]
) -> Mapping[str, object]:
    newest = select(DatasetVersionRow.dataset, func.max(DatasetVersionRow.number)).group_by(DatasetVersionRow.dataset)
    versions = session.execute(newest.where(DatasetVersionRow.dataset.in_(datasets)))
    anew = [staging.named_by(content) for content in leaves if content is not None]
    return {
        "ml_plan": session.get_one(ProjectRow, project).ml_plan,
        "versions": {name: number for name, number in versions},  # noqa: C416 -- rows are no pairs to mypy
        "recalled": incidents.recalled(session, [*hashes, *anew]),
    }


def _said(case: Case) -> Said:
    said = run.run(case, guard=_guarded)
    return said if _blocks(said) or case.look.leaves is not None else (*said, run.did_not_run(confined.REWRITTEN))


def _with_tables(cases: Mapping[int, Case], said: Mapping[int, Said]) -> dict[int, Said]:
    """Hold back a picture all of whose tables are held back."""
    passed = {at for at, each in said.items() if not _blocks(each)}
    stands = {other.file.name: (other.about.supports, at in passed) for at, other in cases.items()}
    pictures = {at: tuple(graphs.alone(cases[at].file.name, stands)) for at in passed if _is_picture(cases[at])}
    return {at: (*each, *pictures.get(at, ())) for at, each in said.items()}


def _is_picture(case: Case) -> bool:
    return "graphs" in run.of_kind(case.file.kind)


def _blocks(said: Said) -> bool:
    return any(isinstance(one, Finding) and one.severity is Severity.BLOCK for one in said)


def _kept(settings: Settings, content: bytes) -> tuple[str, int]:
    return staging.keep(settings, content), len(content)


def _guarded(name: str, look: Callable[[], Iterable[Finding | Exhibit]]) -> tuple[Finding | Exhibit, ...]:
    try:
        return tuple(look())
    except Exception as error:  # noqa: BLE001 -- whatever went wrong, the answer is no
        _LOG.error("a check did not run", check=name, **fault(error))
        return (run.did_not_run(name),)


def _main() -> int:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: who asked for it is gone, and another will
    settings = load()
    records = opened(settings)
    try:
        check(records, settings, int(sys.argv[1]), now=datetime.now(UTC))
    except Refused:  # it was moved, or ended, meanwhile
        return 1
    except TREError as error:  # of what the house keeps: the author can do nothing about it
        _LOG.error("cannot check now", why=str(error))
        return AGAIN
    except Exception as error:  # noqa: BLE001 -- its own words may quote what is in a file
        _LOG.error("the checks broke off", **fault(error))
        return 1
    finally:
        records.close()
    return 0


if __name__ == "__main__":
    sys.exit(_main())
