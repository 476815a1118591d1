"""A Docker Engine of our own stands beside any other and needs no network, because a room has none.

Its socket, data and pids lie in `engine_home`. An existing engine is never touched: we only ask whether ours answers.
"""

import fcntl
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import docker
import docker.errors
import requests

from tre.errors import Unavailable
from tre.settings import Settings

Say = Callable[[str], None]
"""Tells the operator one line about a step."""

# A room has no network interface, so its engine makes no bridge and no firewall rule on the host.
NO_NETWORK: Final = (
    "--bridge=none",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-masq=false",
    "--ip-forward=false",
    "--userland-proxy=false",
)
LONGEST_SOCKET_PATH: Final = 107
START_SECONDS: Final = 90
STOP_SECONDS: Final = 60
SBIN: Final = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


def ensure(settings: Settings, say: Say) -> None:
    """Make an engine answer at `settings.docker_url`; one that answers already is used as it is."""
    if version := answers(settings):
        say(f"engine: Docker {version} answers at {settings.docker_url}")
        return
    if settings.docker:
        raise Unavailable(
            f"no Docker Engine answers at {settings.docker}: start it, or unset TRE_DOCKER to use our own"
        )
    if lacks := obstacles(settings):
        raise Unavailable(lacks[0])
    settings.engine_home.mkdir(mode=0o711, parents=True, exist_ok=True)
    with _alone(settings):
        if not answers(settings):
            say(f"engine: starting Docker Engine in {settings.engine_home}")
            _start(settings)
    say(f"engine: Docker {answers(settings)} answers at {settings.docker_url}")


def ensure_if_possible(settings: Settings, say: Say) -> bool:
    """Make an engine answer, unless rooms are built without one; tell whether one does, and say why not."""
    if settings.rooms == "bubblewrap":
        say("engine: none is wanted; bubblewrap builds the rooms")
        return False
    try:
        ensure(settings, say)
    except Unavailable as error:
        if settings.rooms == "docker" or settings.docker:
            raise
        say(f"engine: {error}; until then bubblewrap builds the rooms")
        return False
    return True


def answers(settings: Settings) -> str:
    """Return the version of the engine that answers, or nothing."""
    if not _listens(settings.docker_url):
        return ""
    try:
        client = docker.DockerClient(base_url=settings.docker_url, timeout=10)
    except docker.errors.DockerException:
        return ""
    try:
        return str(client.version()["Version"])
    except (docker.errors.DockerException, requests.RequestException):
        return ""
    finally:
        client.close()


def obstacles(settings: Settings) -> tuple[str, ...]:
    """Say what keeps our own engine from starting here, one line each with what to do."""
    if not sys.platform.startswith("linux"):
        return ("our Docker Engine runs on Linux only: use a Linux host, or set TRE_DOCKER to an engine",)
    lacks = []
    if os.geteuid() != 0:
        lacks.append(
            "our Docker Engine needs root: run the command with sudo, or set TRE_DOCKER to an engine you may use"
        )
    if program() is None:
        lacks.append("no dockerd on this host: apt-get install docker.io, or set TRE_DOCKER to an engine")
    if not _cgroups():
        lacks.append(
            "no control groups are mounted in /sys/fs/cgroup: apt-get install cgroupfs-mount, then cgroupfs-mount"
        )
    if "overlay" not in Path("/proc/filesystems").read_text("ascii"):
        lacks.append("the kernel has no overlay file system: run `modprobe overlay`")
    if (length := len(os.fsencode(settings.engine_home / "docker.sock"))) > LONGEST_SOCKET_PATH:
        lacks.append(f"TRE_ENGINE_HOME is too long: a socket's path has {LONGEST_SOCKET_PATH} bytes, this one {length}")
    return tuple(lacks)


def stop(settings: Settings) -> bool:
    """Stop our own engine and its rooms; return whether it was running. One named by TRE_DOCKER is left alone."""
    if settings.docker:
        return False
    pid = _running(settings.engine_home / "docker.pid", "dockerd", settings.engine_home)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    if not _within(STOP_SECONDS, lambda: not _alive(pid)):
        raise Unavailable(f"the Docker Engine (pid {pid}) does not stop: see {settings.engine_home / 'docker.log'}")
    return True


def program() -> str | None:
    """Find dockerd, also where a path of sudo or of a service lacks the system folders."""
    return shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:{SBIN}")


def _start(settings: Settings) -> None:
    home = settings.engine_home
    pid = _running(home / "docker.pid", "dockerd", home)
    if pid is None:
        # A pid file that outlived its process may name a stranger by now; dockerd would believe, or even kill, it.
        (home / "docker.pid").unlink(missing_ok=True)
        if _running(home / "exec" / "containerd" / "containerd.pid", "containerd", home) is None:
            (home / "exec" / "containerd" / "containerd.pid").unlink(missing_ok=True)
        pid = _spawn(settings)
    if not _within(START_SECONDS, lambda: bool(answers(settings)) or not _alive(pid)) or not answers(settings):
        log = home / "docker.log"
        raise Unavailable(f"the Docker Engine did not start: {_last_fault(log)} (whole log: {log})")


def _spawn(settings: Settings) -> int:
    """Start dockerd in a session of its own, so that it outlives us, our terminal and its Ctrl-C."""
    home = settings.engine_home
    log = os.open(home / "docker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    environment = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
    environment["PATH"] = SBIN
    try:
        return os.posix_spawn(
            program() or "dockerd",
            command(settings),
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(log)


def command(settings: Settings) -> tuple[str, ...]:
    """Return the command line of our engine."""
    home = settings.engine_home
    return (
        program() or "dockerd",
        f"--host=unix://{home / 'docker.sock'}",
        f"--pidfile={home / 'docker.pid'}",
        f"--data-root={home / 'data'}",
        f"--exec-root={home / 'exec'}",
        "--log-level=warn",
        *NO_NETWORK,
    )


def _listens(url: str) -> bool:
    """Ask the socket itself: Docker's client leaves one open for each refusal."""
    if not url.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(10)
        try:
            probe.connect(url.removeprefix("unix://"))
        except OSError:
            return False
    return True


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Let one process at a time start the engine."""
    with (settings.engine_home / "engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _running(pidfile: Path, name: str, home: Path) -> int | None:
    """Return the pid in the file if it is still that program, working in our folder."""
    try:
        pid = int(pidfile.read_text("ascii"))
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    ours = name.encode() in words.split(b"\0")[0] and os.fsencode(home) in words
    return pid if ours and _alive(pid) else None


def _alive(pid: int) -> bool:
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    except ChildProcessError:
        pass  # someone else's child, or none: the process table answers below
    return Path(f"/proc/{pid}").exists()


def _within(seconds: float, done: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if done():
            return True
        time.sleep(0.2)
    return False


def _cgroups() -> bool:
    root = Path("/sys/fs/cgroup")
    return (root / "cgroup.controllers").exists() or (root / "memory").is_dir()


def _last_fault(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines()
    faults = [line for line in lines if "failed" in line or "level=fatal" in line or "level=error" in line]
    return (faults or lines or ["it left no log"])[-1][:300]
