"""What lies in an outbox and could be asked for: names and sizes, looked at without opening or following anything."""

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from tre.settings import Settings

MOST = 500
DEEPEST = 6


class Lying(NamedTuple):
    """A plain file in an outbox."""

    name: str
    size: int


def listing(settings: Settings, project: str, person: str) -> tuple[Lying, ...]:
    """List the plain files of a person's outbox in this project; none if there is no outbox yet."""
    place = settings.outbox(project, person)
    try:
        fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    try:
        return tuple(sorted(_first(_below(fd, "", 0))))
    finally:
        os.close(fd)


def _first(found: Iterator[Lying]) -> Iterator[Lying]:
    for count, file in enumerate(found):
        if count == MOST:
            return
        yield file


def _below(folder: int, above: str, depth: int) -> Iterator[Lying]:
    """Walk by open folders, so that a folder that turns into a link leads nowhere."""
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                seen = os.stat(entry.name, dir_fd=folder, follow_symlinks=False)
                (above + entry.name).encode()
            except (FileNotFoundError, UnicodeEncodeError):
                continue
            if stat.S_ISREG(seen.st_mode):
                yield Lying(above + entry.name, seen.st_size)
            elif stat.S_ISDIR(seen.st_mode) and depth < DEEPEST:
                yield from _inside(folder, entry.name, above, depth)


def _inside(folder: int, name: str, above: str, depth: int) -> Iterator[Lying]:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:  # it went away, became a link, or may not be read: it is not listed
        return
    try:
        yield from _below(fd, f"{above}{name}/", depth + 1)
    finally:
        os.close(fd)
