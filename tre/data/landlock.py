"""A process shuts itself in with Landlock: what it may read, and where it may write, for good."""

import ctypes
import os
import struct
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION = 1  # flag of the first
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FILES = (
    (1, (1 << 13) - 1),  # from version 1 on: run, read, write, remove, make anything
    (2, 1 << 13),  # rename into another folder
    (3, 1 << 14),  # truncate
)
_NETWORK = (4, 0b11)  # listen and connect
_SCOPES = (6, 0b11)  # signals and abstract sockets
_MACHINE = (
    "/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/etc/timezone",
    "/etc/passwd", "/etc/nsswitch.conf", "/etc/ssl/openssl.cnf", "/dev/urandom", "/dev/random", "/dev/zero",
    "/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/sys/vm", "/proc/sys/kernel/osrelease",
    "/sys/devices/system", "/sys/fs/cgroup", "/sys/kernel/mm",
)  # fmt: skip
_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Return the version of Landlock that the kernel has; below 1 there is none, and no process is begun."""
    return int(_libc.syscall(_LANDLOCK_CREATE, None, 0, _LANDLOCK_VERSION))


def confine(*folders: Path, reads: Sequence[Path] = ()) -> None:
    """Let nothing be written but below some folders (Landlock); the last is for scratch.

    Nothing is read but these, `reads`, the machine's libraries and our own program.
    """
    tempfile.tempdir = str(folders[-1])
    known = version()
    if known < 1:
        raise SystemExit("cannot be confined")
    rights = sum(right for since, right in _FILES if known >= since)
    more = [right if known >= since else 0 for since, right in (_NETWORK, _SCOPES)]
    said = struct.pack("=3Q", rights, *more)[: 24 if known >= _SCOPES[0] else 16 if known >= _NETWORK[0] else 8]
    ruleset = _libc.syscall(_LANDLOCK_CREATE, said, len(said), 0)
    looked = [*_MACHINE, *sys.path, sys.prefix, sys.base_prefix, Path(__file__).parents[1], *reads]
    try:
        for seen in dict.fromkeys(os.path.realpath(str(one)) for one in looked if one):
            _allow(ruleset, Path(seen), _EXECUTE | _READ_FILE | _READ_DIR)
        _allow(ruleset, Path("/dev/null"), _READ_FILE | _WRITE_FILE)
        for place in folders:
            _allow(ruleset, place, rights & ~_EXECUTE)
        if ruleset < 0 or _libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0):
            raise SystemExit("cannot be confined")
    finally:
        os.close(ruleset)


def _allow(ruleset: int, place: Path, rights: int) -> None:
    """Allow something below a folder, or with a file; what is not there needs no leave."""
    with suppress(FileNotFoundError, PermissionError):
        handle = os.open(place, os.O_PATH)
        try:
            may = rights if place.is_dir() else rights & (_EXECUTE | _READ_FILE | _WRITE_FILE)
            _libc.syscall(_LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", may, handle), 0)
        finally:
            os.close(handle)
