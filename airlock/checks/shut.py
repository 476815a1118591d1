"""A process that takes a file apart is shut in first: nobody, alone, without a file to open or a network."""

import ctypes
import os
import resource
import signal
import struct

MEMORY = 1 << 30
SECONDS = 30
_NOBODY = 65534
_NEWNET = 0x40000000  # CLONE_NEWNET of unshare(2)
_DEATH, _DUMPABLE, _NO_NEW_RIGHTS = 1, 4, 38  # of prctl(2)
_CREATE, _RESTRICT = 444, 446  # landlock(7)
# What Landlock takes away, by the version that has it: all of the files, the network, signals and abstract sockets.
_FILES = ((1, 13), (2, 14), (3, 15), (5, 16))
_NETWORK, _SCOPES = 4, 6
_libc = ctypes.CDLL(None, use_errno=True)


def confine(*, answer: int) -> None:
    """Allow what a check needs: memory for one file, seconds of work, an answer of so many bytes."""
    _libc.prctl(_DEATH, signal.SIGKILL, 0, 0, 0)
    _libc.prctl(_NO_NEW_RIGHTS, 1, 0, 0, 0)
    if os.geteuid() == 0:
        _libc.unshare(_NEWNET)  # without it there is still no handle left for a socket
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
        _libc.prctl(_DEATH, signal.SIGKILL, 0, 0, 0)  # a change of user clears it
    _libc.prctl(_DUMPABLE, 0, 0, 0, 0)
    _touch_nothing()
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, answer),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(limit, (value, value))


def _touch_nothing() -> None:
    """Have Landlock refuse every file and folder: what needs no handle (remove, rename, truncate) as well."""
    known = _libc.syscall(_CREATE, None, 0, 1)
    rights = (1 << max((bits for since, bits in _FILES if known >= since), default=0)) - 1
    more = (0b11 if known >= _NETWORK else 0, 0b11 if known >= _SCOPES else 0)
    said = struct.pack("=3Q", rights, *more)[: 24 if known >= _SCOPES else 16 if known >= _NETWORK else 8]
    ruleset = _libc.syscall(_CREATE, said, len(said), 0)
    if ruleset < 0 or _libc.syscall(_RESTRICT, ruleset, 0):
        raise SystemExit("cannot be shut in: the kernel has no Landlock")
    os.close(ruleset)
