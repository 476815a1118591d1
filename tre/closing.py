"""A project that is over leaves nothing of its data behind, and a signed statement says what was deleted and when."""

import base64
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from cyclopts import Parameter
from sqlalchemy import select
from sqlalchemy.orm import Session

from tre import show, volumes
from tre.errors import StepRefused, Tampered, Unavailable, Unreadable
from tre.governance import projects
from tre.governance.applications import active
from tre.governance.commands import project
from tre.governance.operator import house
from tre.records import audit, checkpoint
from tre.records.db import Records
from tre.records.tables import ExtractRow, RoomRow
from tre.settings import Settings

__all__ = ["close", "delete", "project", "verify"]

FORMAT: Final = "hortus-deletion/1"
CONTEXT: Final = "deletion"


class Held(NamedTuple):
    """What a folder holds."""

    files: int
    bytes: int


@project.command(name="close")
def close(
    name: str, /, *, why: str, delete_data: Annotated[bool, Parameter(name="--delete", negative="")] = False
) -> None:
    """End a project for good; with `--delete` its extracts, workspace and homes go, and that is signed."""
    with house() as at:
        with at.records.read() as session:
            closed = projects.get(session, name).closed_at is not None
        if not (closed and delete_data):
            with at.records.act(at.actor, "project.close", f"project/{name[:30]}") as session:
                active.close(session, name, why=why, actor=at.actor, now=at.now)
        proof = delete(at.records, at.settings, name, why=why, actor=at.actor, now=at.now) if delete_data else ""
    record = {"name": name, "state": "closed"} | ({"deletion": json.loads(proof)} if proof else {})
    show.one(record, sentence=f"project {name} is closed" + ("; its data are deleted, signed" if proof else ""))


def delete(records: Records, settings: Settings, name: str, *, why: str, actor: str, now: datetime) -> str:
    """Delete what the house holds of a closed project, look whether anything is left, and keep the signed proof."""
    folders = _folders(settings, name)
    if volumes.kept(settings, name):
        volumes.opened(settings, name)  # so that what goes is counted
    with records.act(actor, "project.delete", f"project/{name[:30]}") as session:
        said = _to_go(session, name, folders, now=now)
        audit.append(session, "project.deleting", actor=actor, subject=f"project/{name}", at=now, why=why, **said)
    destroyed = volumes.shredded(settings, name) if volumes.kept(settings, name) else None
    for folder in folders.values():
        _gone(folder)
    said |= {"volume": dict(destroyed)} if destroyed else {}
    proof = _signed(settings, {"format": FORMAT, "project": name, "deleted_at": audit.stamp(now), "why": why, **said})
    with records.act(actor, "project.delete", f"project/{name[:30]}") as session:
        active.deleted(session, name, active.Deletion(statement=proof), actor=actor, now=now)
    return proof


def verify(proof: str, public_key: str) -> dict[str, object]:
    """Check the signature of a proof; return what it states."""
    try:
        whole = json.loads(proof)
        statement, signature = dict(whole["statement"]), base64.b64decode(whole["signature"], validate=True)
    except (ValueError, KeyError, TypeError):
        raise Unreadable("not a proof of deletion: take the one that `tre project show --json` prints") from None
    checkpoint.verify_bytes(public_key, audit.canonical(statement), signature, CONTEXT)
    return statement


def _folders(settings: Settings, name: str) -> Mapping[str, Path]:
    """Return every folder in which the house keeps data of one project."""
    return {
        "extracts": settings.extracts / name,
        "imports": settings.imports / name,
        "workspace_homes_outboxes": settings.workspace(name).parent,
    }


def _to_go(session: Session, name: str, folders: Mapping[str, Path], *, now: datetime) -> dict[str, audit.Fact]:
    row = projects.get(session, name)
    if row.closed_at is None:
        raise StepRefused(f"project {name} is not closed: close it before its data are deleted")
    if row.deleted_at is not None:
        raise StepRefused(f"the data of project {name} were deleted on {row.deleted_at:%Y-%m-%d}")
    open_rooms = select(RoomRow.person).where(RoomRow.project == name, RoomRow.closed_at.is_(None))
    if people := sorted(set(session.scalars(open_rooms))):
        raise Unavailable(f"rooms of project {name} are still open ({', '.join(people)}): try again in a minute")
    extracts = select(ExtractRow).where(ExtractRow.project == name).order_by(ExtractRow.dataset, ExtractRow.number)
    return {
        "closed_at": audit.stamp(row.closed_at),
        "seen_at": audit.stamp(now),
        "extracts": [
            {"dataset": one.dataset, "version": one.version, "number": one.number,
             "manifest_sha256": audit.digest(one.manifest)} for one in session.scalars(extracts)
        ],
        "folders": {what: _held(folder)._asdict() for what, folder in folders.items()},
    }  # fmt: skip


def _held(folder: Path) -> Held:
    """Count files below a folder, following no link that a room may have left there."""
    sizes = [entry.stat(follow_symlinks=False).st_size for entry in _files(folder)]
    return Held(len(sizes), sum(sizes))


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    if not folder.is_dir() or folder.is_symlink():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path))
            else:
                yield entry


def _gone(folder: Path) -> None:
    """Delete a folder and look whether it is gone; `rmtree` follows no link on Linux."""
    if folder.is_symlink():
        raise Tampered(f"{folder} is a link, and no folder of ours: look where it leads, and remove it by hand")
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Unavailable(
            f"{folder} cannot be deleted ({error.strerror}): run as the user the house runs as"
        ) from error
    if os.path.lexists(folder):
        raise Unavailable(f"{folder} is still there: something writes to it; stop that and try again")


def _signed(settings: Settings, statement: Mapping[str, object]) -> str:
    signature = checkpoint.sign_bytes(settings, audit.canonical(statement), CONTEXT)
    return audit.canonical({"statement": statement, "signature": base64.b64encode(signature).decode()}).decode()
