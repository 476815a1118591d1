"""A room by bubblewrap, where there is no Docker Engine: the same image, the same folders, the same filter.

`launch.py` runs as root, in a mount namespace of its own: there it lays out what the room may see, joins the room's
control groups, becomes the room's user, and only then starts bubblewrap, which makes all other namespaces without any
right of root. So a hole in bubblewrap opens no more than the room's user has.

What a room is told goes by descriptor, not on a command line that every account could read. A room is known by a file
of the house, and ended by its control group, so that nothing of it stays.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tre.errors import TREError, Unavailable
from tre.host import image
from tre.records import files
from tre.rooms.builders import State, launch
from tre.rooms.builders.bpf import compiled
from tre.rooms.room import TMP_SIZE, Room
from tre.settings import Settings

GROUPS: Final = Path("/sys/fs/cgroup")
PARENT: Final = "hortus"
CONTROLLERS: Final = ("memory", "pids", "cpu")
CPU_PERIOD: Final = 100_000
START_SECONDS: Final = 30.0
GONE_SECONDS: Final = 10.0
FIRST: Final = "/usr/bin/tini"
LAUNCH: Final = Path(launch.__file__)
REFUSED: Final = "bubblewrap would not build this room; an admin can see why in the log hub.log"


class Bubblewrap:
    """Builds rooms on this host, without an engine."""

    kind = "bubblewrap"

    def __init__(self, settings: Settings) -> None:
        """Know where rooms of this house are noted."""
        self._settings = settings

    def answers(self) -> str:
        """Say which bubblewrap there is, if it can build rooms here."""
        program = shutil.which("bwrap")
        if program is None:
            raise Unavailable("neither Docker nor bubblewrap is there: run `make setup`")
        if os.geteuid() != 0:
            raise Unavailable("rooms of bubblewrap need root, to limit them: use sudo")
        missing = [name for name in CONTROLLERS if not _group(name).parent.is_dir()] if not _unified() else []
        if missing:
            raise Unavailable(f"no control groups for {', '.join(missing)}: apt-get install cgroupfs-mount")
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 -- ours
        return said.stdout.strip() or "bubblewrap"

    def build(self, room: Room) -> None:
        """Start a room, and wait until bubblewrap has shut it in."""
        self.end(room.name, seconds=0)
        pid = self._started(room, out=subprocess.DEVNULL)
        self._note(room, pid)

    def run(self, room: Room, look: Callable[[int], None], *, seconds: float) -> bytes:
        """Run a room until it ends, and return what it said."""
        self.end(room.name, seconds=0)
        read, write = os.pipe()
        try:
            try:
                pid = self._started(room, out=write)
            finally:
                os.close(write)
            self._note(room, pid)
            look(pid)
            return b"".join(_until(read, time.monotonic() + seconds))
        finally:
            os.close(read)
            self.end(room.name, seconds=0)

    def state(self, name: str) -> State | None:
        """Tell whether a room runs: whether its first process is the one that was started."""
        noted = self._noted(name)
        if noted is None or _born(noted["pid"]) != noted["born"]:
            return None
        return State(noted["pid"], noted["image"], noted["uid"])

    def end(self, name: str, *, seconds: float) -> None:
        """Ask the room's first process to end, then kill all that is in its control group."""
        noted = self._noted(name)
        if seconds and noted is not None and _born(noted["pid"]) == noted["born"]:
            with suppress(ProcessLookupError):
                os.kill(noted["pid"], signal.SIGTERM)
            _wait(lambda: not _members(name), seconds)
        until = time.monotonic() + GONE_SECONDS
        while members := _members(name):
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > until:
                raise Unavailable(f"{len(members)} processes of {name} do not end: see `tre doctor`")
            time.sleep(0.01)
        for group in _groups(name):
            _wait(lambda group=group: _removed(group), GONE_SECONDS)  # type: ignore[misc]  # the group of this round
        self._place(name).unlink(missing_ok=True)

    def names(self, house: str) -> frozenset[str]:
        """Return the rooms of this house that are noted, running or not."""
        return frozenset(path.stem for path in self._place("").parent.glob(f"tre-{house}-*.json"))

    # --- starting ----------------------------------------------------------------------------------------------------
    def _started(self, room: Room, *, out: int) -> int:
        """Start the launcher, detached from this process; return the room's first process as the host numbers it."""
        try:
            groups = _limited(room)
        except OSError as error:
            raise Unavailable(f"the limits of the room cannot be set ({error.strerror}): see `tre doctor`") from error
        spec = json.dumps(self._spec(room, groups)).encode()
        told, tell = os.pipe()
        heard, hear = os.pipe()
        try:
            try:
                launcher = subprocess.Popen(  # noqa: S603 -- our own program
                    [sys.executable, "-I", "-S", str(LAUNCH), str(told), str(hear)],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.DEVNULL,
                    pass_fds=(told, hear),
                    env={"PATH": "/usr/bin:/bin"},
                    cwd="/",
                    start_new_session=True,
                )
            finally:
                os.close(told)
                os.close(hear)
            with os.fdopen(tell, "wb") as to:
                to.write(spec)
            said = b"".join(_until(heard, time.monotonic() + START_SECONDS))
            launcher.wait(START_SECONDS)
            return _shut_in(int(json.loads(said)["child-pid"]))
        except (OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired) as error:
            with suppress(TREError):
                self.end(room.name, seconds=0)
            raise Unavailable(REFUSED) from error
        finally:
            os.close(heard)

    def _spec(self, room: Room, groups: tuple[Path, ...]) -> dict[str, Any]:
        root = image.current(self._settings).root
        return {
            "root": str(root),
            "stage": str(self._stage()),
            "binds": [[str(one.source), one.target, one.writable] for one in room.binds],
            "environment": dict(room.environment),
            "command": [FIRST, "-g", "--", *room.command],
            "uid": room.uid,
            "tmp": TMP_SIZE,
            "groups": [str(path / "cgroup.procs") for path in groups],
            "filter": compiled().hex(),
        }

    def _stage(self) -> Path:
        """Return an empty folder that every account can reach: each room lays out there what it sees, for itself."""
        place = self._settings.sockets / "stage"
        files.folder(place, 0o711)
        return place

    def _note(self, room: Room, pid: int) -> None:
        noted = {"pid": pid, "born": _born(pid), "image": room.image, "uid": room.uid}
        files.folder(self._place(room.name).parent, 0o700)
        files.replace(self._place(room.name), json.dumps(noted).encode())

    def _noted(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self._place(name).read_text("ascii"))
        except (OSError, ValueError):
            return None
        return found

    def _place(self, name: str) -> Path:
        return self._settings.sockets / "bubblewrap" / f"{name}.json"


# --- control groups ---------------------------------------------------------------------------------------------------
def _unified() -> bool:
    return (GROUPS / "cgroup.controllers").exists()


def _group(controller: str) -> Path:
    return GROUPS / PARENT if _unified() else GROUPS / controller / PARENT


def _groups(name: str) -> tuple[Path, ...]:
    """Return the control groups of a room: one of each controller, or one of all."""
    return tuple(dict.fromkeys(_group(controller) / name for controller in CONTROLLERS))


def _limited(room: Room) -> tuple[Path, ...]:
    """Make the control groups of a room, with its limits."""
    groups = _groups(room.name)
    for group in groups:
        group.mkdir(parents=True, exist_ok=True)
    quota = int(room.cpus * CPU_PERIOD)
    if _unified():
        for parent in (GROUPS, GROUPS / PARENT):
            (parent / "cgroup.subtree_control").write_text(" ".join(f"+{one}" for one in CONTROLLERS), "ascii")
        wanted = {
            "memory.max": room.memory,
            "memory.swap.max": 0,
            "pids.max": room.pids,
            "cpu.max": f"{quota} {CPU_PERIOD}",
        }
        _write(groups[0], wanted)
        return groups
    memory, pids, cpu = groups
    _write(memory, {"memory.limit_in_bytes": room.memory})
    with suppress(OSError):  # a kernel that does not count swap apart has none here
        _write(memory, {"memory.memsw.limit_in_bytes": room.memory})
    _write(pids, {"pids.max": room.pids})
    _write(cpu, {"cpu.cfs_period_us": CPU_PERIOD, "cpu.cfs_quota_us": quota})
    return groups


def _write(group: Path, wanted: Mapping[str, object]) -> None:
    for name, value in wanted.items():
        (group / name).write_text(str(value), "ascii")


def _members(name: str) -> list[int]:
    found: set[int] = set()
    for group in _groups(name):
        with suppress(OSError):
            found.update(map(int, (group / "cgroup.procs").read_text("ascii").split()))
    return sorted(found)


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # the kernel is not done with its last process
        return False
    return True


# --- small things -----------------------------------------------------------------------------------------------------
def _born(pid: int) -> int:
    """Return when a process began, so that a number that was given again is not taken for it; -1 if it ended."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if words[0] in {"Z", "X"} else int(words[19])


def _shut_in(pid: int) -> int:
    """Wait until bubblewrap has done its work, and what runs is the room's own first program."""
    place, until = Path(f"/proc/{pid}/cmdline"), time.monotonic() + START_SECONDS
    while not place.read_bytes().startswith(FIRST.encode() + b"\0"):
        if time.monotonic() > until:
            raise TimeoutError("bubblewrap does not shut the room in")
        time.sleep(0.01)
    return pid


def _wait(true: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.02)


def _until(descriptor: int, end: float) -> Iterator[bytes]:
    """Read until the other side closes, or until this moment."""
    while (left := end - time.monotonic()) > 0:
        ready, _, _ = select.select([descriptor], [], [], left)
        part = os.read(descriptor, 65_536) if ready else b""
        if not part:
            return
        yield part
