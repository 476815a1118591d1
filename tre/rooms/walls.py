"""Whether an open room is what its specification says, seen from outside by what the kernel tells of its processes.

Docker and other builders may say what they like of a container: here it is the kernel that is asked, so that a network
that somebody gave a room by hand, a mount too many or a filter too few is found whoever made it.
"""

import os
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tre.errors import Unavailable
from tre.rooms.room import Room

PROC = Path("/proc")
SETTLE_SECONDS = 0.5
OF_THE_KERNEL = ("/proc", "/sys", "/dev")
OF_THE_BUILDER = frozenset({"/", "/tmp", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts"})  # noqa: S108 -- the room's
OF_THE_IMAGE = frozenset({"/boot", "/etc", "/home", "/media", "/mnt", "/opt", "/root", "/run", "/srv", "/usr", "/var"})
"""Folders of the image that bubblewrap mounts one by one, to be read."""
APART = ("net", "mnt", "pid", "ipc", "uts")
"""Namespaces that a room shares with nobody."""


class Breach(NamedTuple):
    """One wall that is not as it should be."""

    promise: str
    what: str


def processes() -> dict[str, list[int]]:
    """Return the processes of this machine by the namespace they are numbered in."""
    found: dict[str, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            found.setdefault(_space(int(entry.name), "pid"), []).append(int(entry.name))
    return found


def breaches(
    pid: int, room: Room, *, secrets: Collection[bytes] = (), among: Mapping[str, Sequence[int]] | None = None
) -> list[Breach]:
    """Compare every process of the room whose first is `pid` with what the room should be; [] if all is as it should.

    `secrets` are words that no process of a room may hold in its environment or on its command line; `among` is what
    `processes` returned just now. What is wrong is looked at twice, since a process that just starts is still the
    builder's own.
    """
    found = _found(pid, room, secrets, processes() if among is None else among)
    if found:
        time.sleep(SETTLE_SECONDS)
        found = _found(pid, room, secrets, processes())
    return found


def _found(pid: int, room: Room, secrets: Collection[bytes], among: Mapping[str, Sequence[int]]) -> list[Breach]:
    try:
        ours = among.get(_space(pid, "pid"), ())
        if pid not in ours:
            raise Unavailable(f"{room.subject} has no process {pid} any more: look again")
        found = [*_network(pid, ours), *_apart(pid), *_mounts(pid, room)]
        for one in ours:
            with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                found += [*_powers(one, room), *_words(one, room, secrets)]
    except OSError as error:
        raise Unavailable(f"{room.subject} cannot be looked at ({error.strerror}): look again") from error
    return list(dict.fromkeys(found))


def _network(pid: int, ours: Collection[int]) -> Iterator[Breach]:
    spaces = {_space(one, "net") for one in ours} - {""}
    if len(spaces) > 1:
        yield Breach("P1", "not all of its processes are in one network namespace")
    for one in {_space(each, "net"): each for each in (pid, *ours)}.values():
        names = [line.partition(":")[0].strip() for line in (PROC / f"{one}/net/dev").read_text().splitlines()[2:]]
        if names != ["lo"]:
            more = ", ".join(name for name in names if name != "lo")
            yield Breach("P1", f"it has a network: {more or 'no loopback'}")


def _apart(pid: int) -> Iterator[Breach]:
    for kind in APART:
        if _space(pid, kind) in {_space(os.getpid(), kind), ""}:
            yield Breach("P1", f"it is in the host's own {kind} namespace")


def _mounts(pid: int, room: Room) -> Iterator[Breach]:
    wanted = {bind.target: bind.writable for bind in room.binds}
    seen = set()
    for line in (PROC / f"{pid}/mountinfo").read_text().splitlines():
        words = line.split()
        place, options = words[4], words[5].split(",")
        if place == "/" and "ro" not in options:
            yield Breach("P5", "its root can be written")
        if place in wanted:
            seen.add(place)
            if not wanted[place] and "ro" not in options:
                yield Breach("P5", f"{place} can be written")
        elif place in OF_THE_IMAGE and words[3].endswith(place) and "ro" in options:
            continue
        elif place not in OF_THE_BUILDER and not place.startswith(OF_THE_KERNEL):
            yield Breach("P5", f"it has a folder that is not its own: {place}")
    for place in sorted(set(wanted) - seen):
        yield Breach("P5", f"{place} is not mounted")


def _powers(pid: int, room: Room) -> Iterator[Breach]:
    status = (PROC / f"{pid}/status").read_text()
    for name in ("Uid", "Gid"):
        if set(_field(status, name)) != {str(room.uid)}:
            yield Breach("P2", f"a process runs as {name.lower()} {' '.join(_field(status, name))}, not {room.uid}")
    if any(int(one, 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") for one in _field(status, name)):
        yield Breach("P2", "a process has a power of root")
    if _field(status, "NoNewPrivs") != ["1"]:
        yield Breach("P2", "a process may gain privileges")
    if _field(status, "Seccomp") != ["2"]:
        yield Breach("P2", "a process calls the kernel unfiltered")


def _words(pid: int, room: Room, secrets: Collection[bytes]) -> Iterator[Breach]:
    environment = (PROC / f"{pid}/environ").read_bytes()
    said = environment + (PROC / f"{pid}/cmdline").read_bytes()
    if any(word in said for word in secrets if word):
        yield Breach("P2", "a secret of the house stands in the environment or command line of a process")
    if pid_in_room(pid) == 1:  # what was given; what a program adds for its own is its own
        names = {word.partition(b"=")[0].decode("utf-8", "replace") for word in environment.split(b"\0") if word}
        if more := sorted(names - set(room.environment) - {"HOSTNAME", "PWD"}):
            yield Breach("P2", f"it was given variables that are not its own: {', '.join(more)[:100]}")


def pid_in_room(pid: int) -> int:
    """Return the number that a process has in the namespace it is in."""
    return int(_field((PROC / f"{pid}/status").read_text(), "NSpid")[-1])


def _space(pid: int, kind: str) -> str:
    try:
        return str((PROC / f"{pid}/ns/{kind}").readlink())
    except OSError:
        return ""


def _field(status: str, name: str) -> list[str]:
    found = re.search(rf"^{name}:\s*(.*)$", status, re.MULTILINE)
    return found[1].split() if found else []
