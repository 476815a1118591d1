"""What an analyst asks to take out is copied, once, by bytes: what is checked, read and released is that copy.

The outbox belongs to people we do not trust while we read it. Nothing in it is followed (links, `..`, other file
systems), nothing but plain files is read, and a file that changes under our eyes is refused.
"""

import ctypes
import errno
import os
import secrets
import stat
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from airlock.checks import confined, thresholds
from airlock.checks import kinds as sniffing
from airlock.checks.file import File
from tre import volumes
from tre.errors import NotFound, Refused, Tampered, Unavailable, Unreadable
from tre.settings import Settings

MOST_FILES = 20
LONGEST_NAME = 255
TIMES_LARGEST = 4
"""All files of a round together may be this many times the largest one."""

_OPENAT2 = 437
_RESOLVE = 0x01 | 0x02 | 0x04 | 0x08  # NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS, BENEATH of openat2(2)
_REFUSALS = {
    errno.ELOOP: "is or passes through a link: copy the file itself into the outbox",
    errno.EXDEV: "leads out of the outbox: name a path below /outbox",
    errno.ENOTDIR: "passes through something that is not a folder: name a path below /outbox",
    errno.ENXIO: "is not a plain file: write the result into a file of its own",
    errno.EACCES: "cannot be read: give it read permission",
    errno.ENAMETOOLONG: "has too long a name: use at most 255 bytes",
}
_syscall = ctypes.CDLL(None, use_errno=True).syscall


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@dataclass(frozen=True)
class Staged:
    """A file as it was copied."""

    name: str
    sha256: str
    size: int
    kind: str
    why: str = ""
    """What it is and what to do instead, if it is of no kind that may leave."""


def stage(settings: Settings, project: str, person: str, paths: Sequence[str]) -> tuple[Staged, ...]:
    """Copy files of a person's outbox into the store; all of them, or none is asked for."""
    names = tuple(named(path) for path in paths)
    if not names:
        raise Unreadable("no file named: name at least one file below /outbox")
    if len(names) > MOST_FILES:
        raise Unreadable(f"{len(names)} files named: ask for at most {MOST_FILES} at a time")
    if len(set(names)) < len(names):
        raise Unreadable("a file is named twice: name each once")
    together = left = TIMES_LARGEST * settings.largest_file
    staged = []
    with volumes.working(settings, project), _folder(settings.outbox(project, person)) as outbox:
        for name in names:
            copy = read(outbox, name, largest=settings.largest_file)
            left -= len(copy)
            if left < 0:
                raise Unreadable(f"the files have more than {together} bytes together: ask for fewer")
            kind = sniffing.sniff(name, copy)
            why = _why(settings, File(name, kind, copy)) if kind in {"raw", "unknown"} else ""
            staged.append(Staged(name, keep(settings, copy), len(copy), kind, why))
    return tuple(staged)


def _why(settings: Settings, file: File) -> str:
    """Have a file that may not leave looked into, where that harms nobody, and say what it is."""
    look = confined.look(file, thresholds.load(settings.thresholds))
    said = dict.fromkeys(f"{found.message}; {found.fix}" for found in look.findings if found.check != "rewrite")
    return " ".join(said) or "; ".join(sniffing.why_not(file.name, file.content))


def explained(refused: Refused, staged: Sequence[Staged]) -> Refused:
    """Add to what the rules say what each file is that they do not let out."""
    whys = [f"{shown(file.name)}: {file.why}." for file in staged if file.why]
    more = Refused(str(refused), rules=refused.rules, remedies=(*refused.remedies, *whys))
    more.words = refused.words
    return more


def kinds(staged: Sequence[Staged]) -> frozenset[str]:
    """Kinds of the staged files."""
    return frozenset(file.kind for file in staged)


def read(outbox: int, name: str, *, largest: int) -> bytes:
    """Read one plain file below the folder that `outbox` is open on, or say why not."""
    fd = _open(outbox, name)
    try:
        before = os.fstat(fd)
        _plain(name, before, largest)
        copy = _all(fd, before.st_size + 1)  # one more tells that it grew
        after = os.fstat(fd)
    finally:
        os.close(fd)
    if len(copy) != before.st_size or _face(before) != _face(after):
        raise Refused(f"{shown(name)} changed while it was read: ask again when nothing writes to it")
    return copy


def keep(settings: Settings, content: bytes) -> str:
    """Put bytes into the store under their hash, durably and read-only; return the hash."""
    name = named_by(content)
    place = _place(settings, name)
    if place.exists():
        return name
    try:
        _store(place, content)
    except OSError as error:
        raise Unavailable(f"the airlock's store cannot take a file ({error.strerror}): call an admin") from None
    return name


def swept(settings: Settings, *, older: float = 3600.0) -> int:
    """Take away what writers that were killed left half written in the store, some time ago; return how much."""
    gone = 0
    for part in (settings.released / "cas").glob("??/.*"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > older:
                part.unlink()
                gone += 1
    return gone


def named_by(content: bytes) -> str:
    """Return under which name bytes lie in the store."""
    return sha256(content).hexdigest()


def _store(place: Path, content: bytes) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = place.with_name(f".{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.rename(place)
    finally:
        part.unlink(missing_ok=True)
    _sync(place.parent)


def kept(settings: Settings, name: str) -> bytes:
    """Return stored bytes, hashed again; they are what was stored, or nothing is returned."""
    try:
        content = _place(settings, name).read_bytes()
    except FileNotFoundError:
        raise Tampered(f"stored file {name[:12]} is gone: restore the airlock's store from its backup") from None
    if sha256(content).hexdigest() != name:
        raise Tampered(f"stored file {name[:12]} is not what was stored: stop releases and call the operator")
    return content


def shown(name: str) -> str:
    """Return a name that nobody checked yet in a form that can be printed."""
    return ascii(name[:80])


def named(path: str) -> str:
    """Return the path below the outbox, or say what a name may be."""
    name = path.removeprefix("/outbox/").removeprefix("./")
    if unicodedata.normalize("NFC", name) != name:
        raise Unreadable(f"name {shown(path)}: not in Unicode's composed form (NFC): rename the file")
    if any(unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for sign in name):
        raise Unreadable(f"name {shown(path)}: has signs that cannot be seen: rename the file")
    if not name or name.startswith("/") or any(part in {"", ".", ".."} for part in name.split("/")):
        raise Refused(f"name {shown(path)}: name a path below /outbox, without `..`")
    if len(name.encode()) > LONGEST_NAME or "\\" in name:
        raise Unreadable(f"name {shown(path)}: use at most {LONGEST_NAME} bytes, and no backslash")
    return name


@contextmanager
def _folder(place: Path) -> Iterator[int]:
    try:
        fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound("no outbox yet: open the project's room once") from None
    try:
        yield fd
    finally:
        os.close(fd)


def _open(folder: int, name: str) -> int:
    how = _How(os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0, _RESOLVE)
    path = os.fsencode(name)
    fd: int = _syscall(_OPENAT2, folder, ctypes.c_char_p(path), ctypes.byref(how), ctypes.sizeof(how))
    if fd >= 0:
        return fd
    code = ctypes.get_errno()
    if code == errno.ENOENT:
        raise NotFound(f"no file {shown(name)} in the outbox")
    raise Refused(f"{shown(name)} {_REFUSALS.get(code, f'cannot be opened ({errno.errorcode.get(code, code)})')}")


def _plain(name: str, seen: os.stat_result, largest: int) -> None:
    if not stat.S_ISREG(seen.st_mode):
        raise Refused(f"{shown(name)} is not a plain file: name each file, not a folder, pipe or device")
    if seen.st_nlink != 1:
        raise Refused(f"{shown(name)} has other names (hard links): copy it into the outbox as a file of its own")
    if seen.st_size > largest:
        raise Unreadable(f"{shown(name)} has {seen.st_size} bytes; the largest that may leave has {largest}")
    if seen.st_size == 0:
        raise Unreadable(f"{shown(name)} is empty: leave it out")
    if seen.st_blocks * 512 < seen.st_size:
        raise Refused(f"{shown(name)} has holes (sparse): copy it so that every byte is written")


def _all(fd: int, most: int) -> bytes:
    parts, left = [], most
    while left and (part := os.read(fd, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _face(seen: os.stat_result) -> tuple[int, ...]:
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_nlink


def _place(settings: Settings, name: str) -> Path:
    return settings.released / "cas" / name[:2] / name


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
