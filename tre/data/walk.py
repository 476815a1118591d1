"""What lies below the paths one names, in one order, with nothing followed and nothing opened that is no plain file.

A folder is read again and again for its next names in order, so that a million of them need no more memory than
`PORTION`. Every step goes through the folder that is open, never through a path that somebody may have changed.
"""

import heapq
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tre.errors import Unreadable

PORTION = 20_000
DEEPEST = 64
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_SPECIAL = (
    (stat.S_ISLNK, "a symbolic link: bring what it points to"),
    (stat.S_ISFIFO, "a pipe, not a file"),
    (stat.S_ISSOCK, "a socket, not a file"),
    (stat.S_ISCHR, "a device, not a file"),
    (stat.S_ISBLK, "a device, not a file"),
)


@dataclass(frozen=True)
class Seen:
    """What tells that a file is still the one it was."""

    size: int
    mtime: int
    """Nanoseconds."""
    inode: int
    device: int
    ctime: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Seen":
        """Take what matters."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev, status.st_ctime_ns)


@dataclass(frozen=True)
class Found:
    """One entry: a plain file, or why it is none."""

    path: str
    """Below what was named, its name first; bytes that are no UTF-8 as `os.fsdecode` has them."""
    seen: Seen | None
    refused: str = ""
    _folder: int = -1
    _name: str = ""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Open the file that was seen, for as long as the walk stands here."""
        handle = _open(self._name, self._folder)
        try:
            if Seen.of(os.fstat(handle)) != self.seen:
                raise Unreadable("changed while it was read: bring it again when nobody writes to it")
            yield handle
        finally:
            os.close(handle)


def walk(paths: Sequence[Path]) -> Iterator[Found]:
    """Yield every entry below the paths, in the order of the paths and then of the names."""
    for path in paths:
        try:
            above = os.open(path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Unreadable(f"{path}: no such file ({error.strerror})") from None
        try:
            yield from _entry(above, path.absolute().name, "", 0)
        finally:
            os.close(above)


def _entry(folder: int, name: str, above: str, depth: int) -> Iterator[Found]:
    path = f"{above}/{name}" if above else name
    try:
        status = os.stat(name or ".", dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if not depth:
            raise Unreadable(f"{name}: no such file ({error.strerror})") from None
        yield Found(path, None, f"cannot be read ({error.strerror})")
        return
    if stat.S_ISDIR(status.st_mode):
        yield from _below(folder, name, path, depth)
    elif stat.S_ISREG(status.st_mode):
        yield Found(path, Seen.of(status), _folder=folder, _name=name)
    else:
        yield Found(path, None, next((what for test, what in _SPECIAL if test(status.st_mode)), "not a file"))


def _below(above: int, name: str, path: str, depth: int) -> Iterator[Found]:
    if depth == DEEPEST:
        yield Found(path, None, f"more than {DEEPEST} folders deep")
        return
    try:
        folder = os.open(name or ".", _FOLDER, dir_fd=above)
    except OSError as error:
        yield Found(path, None, f"a folder that cannot be read ({error.strerror})")
        return
    try:
        for entry in _names(folder):
            yield from _entry(folder, entry, path, depth + 1)
    finally:
        os.close(folder)


def _names(folder: int) -> Iterator[str]:
    """Yield a folder's names in the order of their bytes, a portion in memory at a time."""
    last = b""
    while True:
        with os.scandir(folder) as entries:
            names = (os.fsencode(entry.name) for entry in entries)
            portion = heapq.nsmallest(PORTION, (name for name in names if name > last))
        yield from map(os.fsdecode, portion)
        if len(portion) < PORTION:
            return
        last = portion[-1]


def _open(name: str, folder: int) -> int:
    """Open a plain file without waiting for anybody and without following anything."""
    try:
        handle = os.open(name, _FILE, dir_fd=folder)
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from None
    with suppress(OSError):
        os.set_blocking(handle, True)
    return handle
