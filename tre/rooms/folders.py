"""The folders of a room belong to its project alone, and nothing a room left there leads the host astray.

A room writes into its home, workspace, outbox and socket folder, and may leave links there. So the host never
follows a link below them: it opens each folder by its own descriptor and makes what is new with O_EXCL|O_NOFOLLOW.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tre import volumes
from tre.errors import Tampered, Unavailable
from tre.rooms.room import Room
from tre.settings import Settings

# What a person finds in their home at the first start: shown as folders in JupyterLab's file list.
SHORTCUTS = {"data": "/data", "imports": "/imports", "workspace": "/workspace", "outbox": "/outbox"}

FULL = "the disk of the house is nearly full: tell an admin, who makes room, and open it again"


def full(settings: Settings) -> bool:
    """Tell whether so little of the home's disk is free that rooms might take it from the records."""
    return shutil.disk_usage(settings.home).free < settings.disk_floor


def make(settings: Settings, room: Room, *, notebooks: Iterable[Path] = ()) -> None:
    """Make or check every folder that the room mounts; give the person a home that is not bare."""
    if full(settings):
        raise Unavailable(FULL)
    volumes.opened(settings, room.project)
    for bind in room.binds:
        if bind.target.startswith("/data/") and not bind.source.is_dir():
            raise Unavailable(f"the extract at {bind.source} is not there: prepare it again (`tre extract prepare`)")
    for parent in _parents(settings, room):
        _own(parent, 0, 0o711)
    _own(settings.imports, 0, 0o700)
    _own(settings.imports / room.project, 0, 0o755)
    for folder in (settings.workspace(room.project), settings.outbox(room.project, room.person)):
        _own(folder, room.uid, 0o700)
    home = settings.person_home(room.project, room.person)
    fresh = not home.exists()
    _own(home, room.uid, 0o700)
    if fresh:
        _furnish(home, room.uid, notebooks)
    _sockets(settings.room_sockets(room.project, room.person), room.uid)


def _parents(settings: Settings, room: Room) -> tuple[Path, ...]:
    people = settings.person_home(room.project, room.person).parent.parent
    return (
        settings.workspace(room.project).parent.parent,
        settings.workspace(room.project).parent,
        people,
        settings.person_home(room.project, room.person).parent,
        settings.sockets,
        settings.sockets / "rooms",
        settings.room_sockets(room.project, room.person),
    )


def _own(folder: Path, uid: int, mode: int) -> None:
    """Make a folder with this owner and mode; refuse what is there and is not a folder of ours."""
    folder.mkdir(exist_ok=True, mode=0o700)
    with _opened(folder) as at:
        os.fchown(at, uid, uid)
        os.fchmod(at, mode)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    try:
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise Tampered(f"{folder} is not a folder ({error.strerror}): remove it and start the room again") from error
    try:
        yield at
    finally:
        os.close(at)


def _sockets(folder: Path, uid: int) -> None:
    """Give each start an empty folder for the room's socket; keep ours, in which the gateway may be listening."""
    incoming = folder / "in"
    if incoming.is_symlink() or incoming.exists():
        shutil.rmtree(incoming)
    _own(incoming, uid, 0o700)
    _own(folder / "api", 0, 0o755)


def _furnish(home: Path, uid: int, notebooks: Iterable[Path]) -> None:
    with _opened(home) as at:
        for name, target in SHORTCUTS.items():
            with suppress(FileExistsError):
                os.symlink(target, name, dir_fd=at)
                os.chown(name, uid, uid, dir_fd=at, follow_symlinks=False)
        for notebook in notebooks:
            _place(at, notebook.name, notebook.read_bytes(), uid)


def _place(at: int, name: str, content: bytes, uid: int) -> None:
    with suppress(FileExistsError):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=at)
        with open(file, "wb") as out:  # noqa: PTH123 -- a descriptor, not a path
            out.write(content)
            os.fchown(out.fileno(), uid, uid)
