"""A file is there whole or not at all, with the mode it was meant to have from its first byte."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tre.errors import Unavailable

READ_ONLY = 0o400


def folder(path: Path, mode: int) -> None:
    """Make a folder, or give it back its mode."""
    with _disk(path):
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)


def create(path: Path, content: bytes, *, mode: int = READ_ONLY) -> None:
    """Write a file that was not there; one that is there stays as it is."""
    if path.exists():
        return
    with _disk(path):
        temporary = _written(path, content, mode)
        with suppress(FileExistsError):  # another process was first: its file is as good as ours
            path.hardlink_to(temporary)
        temporary.unlink()
        sync(path.parent)


def replace(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file, in one step, over what was there."""
    with _disk(path):
        _written(path, content, mode).replace(path)
        sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _written(path: Path, content: bytes, mode: int) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from error
