"""What lies in an outbox and could be asked for: names, sizes, and what `tre.notebook` wrote down about them."""

import json
import os
import stat
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from airlock import staging
from airlock.checks import about
from tre.errors import TREError
from tre.settings import Settings

MOST = 500
LOOKED_AT = 20_000
"""So many entries are looked at; an outbox with more is listed in part."""
DEEPEST = 6
BESIDE = ".about.json"
"""What is said of `table.csv` lies beside it as `table.csv.about.json`."""
LARGEST_ABOUT = 64 * 1024


class Lying(NamedTuple):
    """A plain file in an outbox, and what is said about it (as `airlock.checks.about.read` takes it)."""

    name: str
    size: int
    about: Mapping[str, object] = {}


def listing(settings: Settings, project: str, person: str) -> tuple[Lying, ...]:
    """List the plain files of a person's outbox in this project; none if there is no outbox yet."""
    place = settings.outbox(project, person)
    try:
        fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    try:
        found = sorted(_first(_below(fd, "", 0)))
        names = {file.name for file in found}
        beside = {file.name for file in found if file.name.removesuffix(BESIDE) in names - {file.name}}
        return tuple(
            file._replace(about=_said(fd, file.name + BESIDE) if file.name + BESIDE in beside else {})
            for file in found
            if file.name not in beside
        )
    finally:
        os.close(fd)


def about_of(settings: Settings, project: str, person: str, name: str) -> Mapping[str, object]:
    """Return what lies beside one file about it; nothing if it cannot be read as that."""
    try:
        fd = os.open(settings.outbox(project, person), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    try:
        return _said(fd, name + BESIDE)
    finally:
        os.close(fd)


def _said(outbox: int, name: str) -> Mapping[str, object]:
    """Read a description: the author's word, as if typed into a form; what is none counts as none."""
    try:
        said = json.loads(staging.read(outbox, name, largest=LARGEST_ABOUT))
        if isinstance(said, Mapping):
            about.read(said)
            return dict(said)
    except (TREError, ValueError, RecursionError):
        pass
    return {}


def _first(seen: Iterator[Lying | None]) -> Iterator[Lying]:
    return islice((file for file in islice(seen, LOOKED_AT) if file), MOST)


def _below(folder: int, above: str, depth: int) -> Iterator[Lying | None]:
    """Walk by open folders, so that a folder that turns into a link leads nowhere; None for what is no plain file."""
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                seen = os.stat(entry.name, dir_fd=folder, follow_symlinks=False)
                (above + entry.name).encode()
            except (FileNotFoundError, UnicodeEncodeError):
                yield None
                continue
            yield Lying(above + entry.name, seen.st_size) if stat.S_ISREG(seen.st_mode) else None
            if stat.S_ISDIR(seen.st_mode) and depth < DEEPEST:
                yield from _inside(folder, entry.name, above, depth)


def _inside(folder: int, name: str, above: str, depth: int) -> Iterator[Lying | None]:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:  # it went away, became a link, or may not be read: it is not listed
        return
    try:
        yield from _below(fd, f"{above}{name}/", depth + 1)
    finally:
        os.close(fd)
