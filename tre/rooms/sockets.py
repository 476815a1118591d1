"""A Unix socket is a door with a name; we open only doors that are doors, and that belong to whom we think.

A room may put anything in the place of its own socket: a link to Docker's socket, a FIFO, a folder. So the place is
opened without following links, looked at, and only then connected to by its descriptor. Folders are named by
descriptor as well, so the path of a home may be longer than the 107 bytes an address holds.
"""

import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BACKLOG = 128
CONNECT_SECONDS = 5.0
_PEER = struct.Struct("3i")


class NotADoor(OSError):
    """What lies in the place of a socket is no socket, or another's."""


def connect(folder: Path, name: str, *, uid: int, seconds: float = CONNECT_SECONDS) -> socket.socket:
    """Connect to a socket of this user in this folder, following no link. Blocks, unless `seconds` is 0."""
    with _place(folder, name) as at:
        found = os.fstat(at)
        if not stat.S_ISSOCK(found.st_mode):
            raise NotADoor(f"{name} is not a socket")
        if found.st_uid != uid:
            raise NotADoor(f"{name} belongs to another user")
        return _connected(f"/proc/self/fd/{at}", name, uid, seconds)


def _connected(address: str, name: str, uid: int, seconds: float) -> socket.socket:
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        door.settimeout(seconds)
        door.connect(address)
        _check_peer(door, name, uid)
        door.setblocking(False)
    except BaseException:
        door.close()
        raise
    return door


def _check_peer(door: socket.socket, name: str, uid: int) -> None:
    if peer_uid(door) != uid:
        raise NotADoor(f"{name} is served by another user")


@contextmanager
def _place(folder: Path, name: str) -> Iterator[int]:
    parent = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        at = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    finally:
        os.close(parent)
    try:
        yield at
    finally:
        os.close(at)


def listen(folder: Path, name: str, *, uid: int, mode: int = 0o600) -> socket.socket:
    """Serve a socket in a folder of ours, for one user."""
    parent = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)
        before = os.umask(0o177)  # nobody connects between bind and chown
        try:
            door.bind(f"/proc/self/fd/{parent}/{name}")
        finally:
            os.umask(before)
        os.chown(name, uid, uid, dir_fd=parent, follow_symlinks=False)
        Path(f"/proc/self/fd/{parent}/{name}").chmod(mode)
        door.listen(BACKLOG)
    except BaseException:
        door.close()
        raise
    finally:
        os.close(parent)
    return door


def peer_uid(door: socket.socket) -> int:
    """Return the user at the other end, as the kernel knows them."""
    _pid, uid, _gid = _PEER.unpack(door.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return int(uid)
