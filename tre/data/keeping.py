"""What is written appears whole or not at all: a folder is filled aside, seen onto the disk, then given its name."""

import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tre.errors import Unavailable
from tre.records import files

ASIDE = ".aside-"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """Let one process at a time work in a folder; clear away what a killed one left there."""
    with disk(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(f"{what} is being worked on by another process: wait for it") from None
        yield
    finally:
        os.close(lock)


@contextmanager
def aside(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside the others; whatever is still in it at the end is removed."""
    with disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{ASIDE}*"):
            shutil.rmtree(left)
        made = Path(tempfile.mkdtemp(prefix=ASIDE, dir=folder))
    try:
        with disk(folder):
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def disk(folder: Path, *, goes_on: bool = False) -> Iterator[None]:
    """Say in one line that the disk is full or does not let us."""
    kept = "nothing is half done, the same command goes on" if goes_on else "nothing was kept"
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise Unavailable(f"no space left in {folder}; {kept}, free some and run it again") from error
        raise Unavailable(f"cannot write in {folder} ({error.strerror}); {kept}") from error


def sync_all(folder: Path) -> None:
    """Wait until everything on a folder's disk is there: cheaper than file by file when there are many."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle):
            raise OSError(ctypes.get_errno(), "not written")
    finally:
        os.close(handle)


def settle(made: Path, place: Path) -> None:
    """Give a finished folder its name. What lies there already has no record, so it is a killed process's."""
    if place.exists():
        shutil.rmtree(place)
    files.sync(made)
    made.rename(place)
    files.sync(place.parent)
