"""What is brought into a project: looked at, agreed to by one person of another project, read-only in its rooms then.

The files lie in the airlock's store from the moment somebody asks. Only when somebody agreed are they written below
`imports/<project>/<number>/`: into a folder beside it first, which is renamed when it is whole. So whoever stops the
house in between finds the import still to arrive, and `step` goes on.
"""

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import structlog
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from airlock import brought, clamd, moves, staging
from airlock.asks import profiles
from airlock.checks import arriving, thresholds
from airlock.checks.finding import Finding, Severity
from airlock.states import By, ImportState, Verdict, of_import
from airlock.tables import ImportRow
from tre import volumes
from tre.data import evidence
from tre.errors import Refused, StepRefused, TREError, Unreadable
from tre.governance import access
from tre.records import audit
from tre.records.db import Records
from tre.settings import Settings

MOST_FILES = staging.MOST_FILES
LARGEST = 32 * 1024 * 1024
"""Bytes of a call or form that brings files."""
DAY = timedelta(days=1)
MOST_A_DAY = 20
RETRY = timedelta(hours=1)
PATIENCE = 120.0
"""Seconds for all files of an import together; those that were not looked at by then did not pass."""
_LOG = structlog.get_logger()
_HARMLESS = frozenset({"code"})
"""Asked about before it is known what the files are."""


class Brought(NamedTuple):
    """A file as it lies in the store."""

    name: str
    sha256: str
    size: int
    kind: str


# --- asking -----------------------------------------------------------------------------------------------------------
def keep(settings: Settings, files: Iterable[tuple[str, bytes]]) -> tuple[Brought, ...]:
    """Put the files into the store; all of them have a name that can be written, and are not too large."""
    held = [(_named(name), content) for name, content in files]
    names = [name for name, _ in held]
    if not held or len(held) > MOST_FILES:
        raise Unreadable(f"{len(held)} files: bring 1 to {MOST_FILES} at a time")
    if len({name.casefold() for name in names}) < len(names):
        raise Unreadable("two files have the same name: name each once")
    if inside := next((a for a in names for b in names if b.startswith(f"{a}/")), None):
        raise Unreadable(f"{staging.shown(inside)} is a file and a folder: name one of them otherwise")
    for name, content in held:
        if not 0 < len(content) <= settings.largest_file:
            raise Unreadable(f"{staging.shown(name)} has {len(content)} bytes: bring 1 to {settings.largest_file}")
    if sum(len(content) for _, content in held) > staging.TIMES_LARGEST * settings.largest_file:
        raise Unreadable(f"together more than {staging.TIMES_LARGEST * settings.largest_file} bytes: bring fewer")
    return tuple(
        Brought(name, staging.keep(settings, content), len(content), arriving.kind_of(name, content))
        for name, content in held
    )


def may_ask(session: Session, project: str, person: str, *, now: datetime) -> None:
    """Refuse whoever may bring nothing into a project, before a byte of it is kept."""
    access.require(session, brought.ask(session, "ask_import", project, person, _HARMLESS, now=now))
    asked = select(func.count()).select_from(ImportRow).where(ImportRow.requester == person)
    if (today := session.scalar(asked.where(ImportRow.created_at > now - DAY)) or 0) >= MOST_A_DAY:
        raise Refused(f"{today} imports asked for within a day: the most is {MOST_A_DAY}; ask again tomorrow")


def submit(
    session: Session, *, project: str, person: str, files: Sequence[Brought], why: str, now: datetime
) -> ImportRow:
    """Ask for files of the store (`keep`) to come into a project."""
    may_ask(session, project, person, now=now)
    why = moves.text(why, "why")
    kinds = frozenset(file.kind for file in files)
    access.require(session, brought.ask(session, "ask_import", project, person, kinds, now=now))
    row = ImportRow(
        project=project, requester=person, state=ImportState.DRAFT, why=why, manifest="", manifest_sha256="",
        created_at=now, moved_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    _list(row, [file._asdict() for file in files])
    _move(row, "submit", By.AUTHOR, now)
    _record(session, row, "submit", person, now, project=project, files=len(files))
    return row


def withdraw(session: Session, *, number: int, person: str, now: datetime) -> ImportRow:
    """Take an import back that nobody decided."""
    row = brought.locked(session, number)
    if row.requester != person:
        raise brought.none(number)
    _move(row, "withdraw", By.AUTHOR, now)
    _record(session, row, "withdraw", person, now)
    return row


# --- looking through it -----------------------------------------------------------------------------------------------
def check(records: Records, settings: Settings, number: int, *, now: datetime) -> None:
    """Look through the files of one import, and record what was found and what would arrive."""
    with records.read() as session:
        row = session.get_one(ImportRow, number)
        limits = thresholds.strictest(profiles(session, row.project, house=settings.thresholds))
        known = evidence.of(session, settings, row.project)
    files, found, until = brought.listed(row), dict[int, tuple[Finding, ...]](), time.monotonic() + PATIENCE
    for at, file in enumerate(files):
        looked = _looked(settings, file, limits, known, until)
        found[at] = looked.findings
        if looked.arrives is not None:
            file |= {"arrives_sha256": staging.keep(settings, looked.arrives), "arrives_size": len(looked.arrives)}
    with records.act("worker", "import.check", brought.subject_of(number)) as session:
        row = brought.locked(session, number)
        blocked = any(one.severity is Severity.BLOCK for each in found.values() for one in each)
        _move(row, "fail_checks" if blocked else "pass_checks", By.SYSTEM, now)
        _list(row, files)
        row.checked_at, row.findings = now, json.dumps([[_said(one) for one in found[at]] for at in sorted(found)])
        _record(session, row, "check", "worker", now)
        brought.tell(session, row, now=now)


def _looked(
    settings: Settings, file: Mapping[str, object], limits: thresholds.Thresholds, known: arriving.Known, until: float
) -> arriving.Looked:
    if time.monotonic() > until:
        return _not_looked()
    try:
        content = staging.kept(settings, str(file["sha256"]))
        said = clamd.scan(settings.clamd_socket, content)
        return arriving.look(str(file["name"]), content, limits, known, scanned=(said.verdict, said.detail))
    except Exception as error:  # noqa: BLE001 -- whatever went wrong, the answer is no
        _LOG.error("an import was not looked through", error=type(error).__name__)
        return _not_looked()


def _not_looked() -> arriving.Looked:
    said = "the check did not run: mend the file, or ask an admin to look"
    return arriving.Looked((Finding("kind", Severity.BLOCK, "file", said),), None)


# --- deciding ---------------------------------------------------------------------------------------------------------
def vote(
    session: Session,
    *,
    number: int,
    person: str,
    verdict: Verdict,
    reason: str,
    seen: str,
    second_factor: bool,
    now: datetime,
) -> ImportRow:
    """Decide, as one approver of another project, on the files one saw; the worker brings them in then.

    `second_factor` is whether the caller has just checked a code of this person for this act.
    """
    row = brought.locked(session, number)
    of_import(verdict, ImportState(row.state), By.APPROVERS)
    access.require(session, access.ask(
        session, "vote_import", person, now=now, second_factor=second_factor, project=row.project,
        arriving=brought.facts(session, row, seen=seen),
    ))  # fmt: skip
    row.reason = moves.text(reason, "reason")
    row.decided_by, row.decided_at = person, now
    _move(row, verdict, By.APPROVERS, now)
    _record(session, row, "vote", person, now, verdict=verdict, reason=row.reason)
    brought.tell(session, row, now=now)
    return row


# --- arriving ---------------------------------------------------------------------------------------------------------
def arrive(records: Records, settings: Settings, number: int, *, now: datetime, actor: str = "worker") -> Path:
    """Write what was agreed to where the project's rooms see it; asked twice, it is there once."""
    with records.act(actor, "import.arrive", brought.subject_of(number)) as session:
        row = brought.locked(session, number)
        if row.state != ImportState.APPROVED or row.arrived_at is not None:
            raise StepRefused(f"import {number} is {row.state}: nothing of it is to arrive")
        found = json.loads(row.manifest)
        access.require(session, access.ask(
            session, "import_file", row.requester, now=now, second_factor=True, project=row.project,
            arriving=brought.facts(session, row, seen=audit.digest(found)),
        ))  # fmt: skip
        place = folder(settings, row)
        with volumes.working(settings, row.project):
            _write(settings, place, found["files"])
        row.arrived_at, row.trouble, row.moved_at = now, "", now
        _record(session, row, "arrive", actor, now)
        brought.tell(session, row, now=now)
    return place


def folder(settings: Settings, row: ImportRow) -> Path:
    """Return where an import lies once it arrived."""
    return settings.imports / row.project / str(row.id)


def _write(settings: Settings, place: Path, files: Sequence[Mapping[str, str]]) -> None:
    """Write all into a folder beside, make it read-only, and rename it; a folder that stands is made anew."""
    settings.imports.mkdir(mode=0o700, exist_ok=True)
    place.parent.mkdir(mode=0o755, exist_ok=True)
    place.parent.chmod(0o755)
    for left in place.parent.glob(f".{place.name}-*"):
        shutil.rmtree(left)
    part = place.parent / f".{place.name}-{secrets.token_hex(4)}"
    part.mkdir(mode=0o700)
    for file in files:
        at = part / file["name"]
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(staging.kept(settings, file["arrives_sha256"]))
        at.chmod(0o444)
        _synced(at)
    for inside in (part, *(one for one in part.rglob("*") if one.is_dir())):
        inside.chmod(0o555)
    if place.exists():  # written before the records could say so: the same bytes, or somebody's
        shutil.rmtree(place)
    part.rename(place)
    _synced(place.parent)


def _synced(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def step(records: Records, settings: Settings, *, now: datetime) -> int:
    """Do all the work there is on imports now; return how many were moved or tried."""
    waits = or_(ImportRow.trouble == "", ImportRow.moved_at <= now - RETRY)
    to_arrive = (ImportRow.state == ImportState.APPROVED) & ImportRow.arrived_at.is_(None) & waits
    query = select(ImportRow.id, ImportRow.state).where(or_(ImportRow.state == ImportState.CHECKING, to_arrive))
    with records.read() as session:
        work = [(number, state) for number, state in session.execute(query.order_by(ImportRow.id))]
    for number, state in work:
        try:
            if state == ImportState.CHECKING:
                check(records, settings, number, now=now)
            else:
                arrive(records, settings, number, now=now)
        except TREError as error:
            _trouble(records, number, error, now=now)
        except OSError as error:
            _trouble(records, number, Refused(f"cannot be written ({error.strerror})"), now=now)
    return len(work)


def _trouble(records: Records, number: int, error: TREError, *, now: datetime) -> None:
    """Say on the import's page why it does not arrive."""
    with records.act("worker", "import.wait", brought.subject_of(number)) as session:
        row = brought.locked(session, number)
        if row.state != ImportState.APPROVED or row.arrived_at is not None:  # withdrawn, or decided meanwhile
            return
        remedies = error.remedies if isinstance(error, Refused) else ()
        row.trouble, row.moved_at = " ".join([f"Not arrived: {error}.", *remedies]), now
        _record(session, row, "wait", "worker", now, why=str(error))


# --- words ------------------------------------------------------------------------------------------------------------
def _named(path: str) -> str:
    name = staging.named(path)
    if any(part.startswith(".") for part in name.split("/")):
        raise Unreadable(f"name {staging.shown(path)}: begins with a point, and would not be seen: rename it")
    return name


def _list(row: ImportRow, files: Sequence[Mapping[str, object]]) -> None:
    said = {
        "import": row.id, "project": row.project, "requester": row.requester, "why": row.why, "files": list(files),
    }  # fmt: skip
    row.manifest, row.manifest_sha256 = audit.canonical(said).decode(), audit.digest(said)


def _move(row: ImportRow, verb: str, by: By, now: datetime) -> None:
    row.state = of_import(verb, ImportState(row.state), by)
    row.moved_at, row.trouble = now, ""


def _record(session: Session, row: ImportRow, act: str, actor: str, now: datetime, **more: audit.Fact) -> None:
    about = brought.subject_of(row.id)
    audit.append(session, f"import.{act}", actor=actor, subject=about, at=now, manifest=row.manifest_sha256, **more)


def _said(found: Finding) -> dict[str, str]:
    return {
        "check": found.check, "severity": found.severity, "where": found.where, "message": found.message,
        "rule": found.rule, "fix": found.fix,
    }  # fmt: skip
