"""One command runs the house: proxy, Hub, gateway, airlock, worker and sentinel, each in a process of its own.

A child that dies is started again; all end with this process. Rooms do not: they are containers, and go on while the
house is restarted around them.
"""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import FrameType
from typing import IO

from tre import settings as configuration
from tre import show
from tre.errors import Refused, Unavailable
from tre.host import proxy
from tre.records.db import opened
from tre.rooms import control, providers
from tre.rooms.builders import choice
from tre.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
HEALTHY_SECONDS = 90.0
STOP_SECONDS = 15.0
TICK_SECONDS = 0.2
LONGEST_PAUSE = 30.0
CALM_SECONDS = 60.0
"""A child that ran this long starts its pauses anew."""
THRIFTY = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "131072"}
"""What a large answer took goes back to the host: the gateway serves all rooms, for months."""
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process of the house, and how one sees that it answers."""

    name: str
    words: tuple[str, ...]
    environment: Mapping[str, str]
    healthy: Callable[[], bool]


@dataclass(kw_only=True)
class Child:
    """A part that runs, or waits to be started again."""

    part: Part
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    pause: float = 1.0
    due: float = 0.0
    stopped: bool = field(default=False)


def parts(settings: Settings) -> tuple[Part, ...]:
    """List the processes of the house in the order in which they start."""
    python = sys.executable
    own = {**os.environ, "TRE_HOME": str(settings.home), "PYTHONUNBUFFERED": "1", "PATH": _path()}
    proxy_words, proxy_environment = proxy.command(settings)
    airlock = str(Path(sys.executable).with_name("airlock"))
    hub = (python, "-m", "jupyterhub", "-f", str(ROOT / "jupyterhub_config.py"))

    def says(port: int, path: str) -> Callable[[], bool]:
        return lambda: _answers(port, path)

    return (
        Part(
            name="proxy",
            words=tuple(proxy_words),
            environment=dict(proxy_environment),
            healthy=says(settings.proxy_api_port, ""),
        ),
        Part(
            name="gateway",
            words=(python, "-m", "tre.rooms.gateway"),
            environment={**own, **THRIFTY},
            healthy=lambda: control.alive(settings),
        ),
        Part(
            name="airlock",
            words=(airlock, "serve"),
            environment=own,
            healthy=says(settings.airlock_port, ""),
        ),
        Part(name="worker", words=(airlock, "work"), environment=own, healthy=lambda: True),
        Part(name="hub", words=hub, environment=own, healthy=says(settings.hub_port, "/hub/health")),
        Part(name="sentinel", words=(python, "-m", "tre.rooms.sentinel"), environment=own, healthy=lambda: True),
    )


def up(settings: Settings, ready: Callable[[], None] | None = None) -> None:
    """Run the house until SIGTERM or SIGINT; call `ready` once everything answers."""
    opened(settings).close()  # says in one line if there is no home
    providers.load(settings)  # or if its openid.toml cannot be read
    with _alone(settings), _stopping() as asked:
        builder = choice.settle(settings)
        _say(f"rooms are built by {builder.answers()}")  # or says in one line what lacks
        house = House(settings, parts(settings))
        try:
            house.start(asked)
            if ready is not None and not asked():
                ready()
            house.keep(asked)
        finally:
            house.stop()


class House:
    """The supervisor of one home."""

    def __init__(self, settings: Settings, listed: tuple[Part, ...]) -> None:
        """Know the parts; start nothing yet."""
        self._settings = settings
        self._children = [Child(part=part) for part in listed]

    def start(self, asked: Callable[[], bool]) -> None:
        """Start all parts and wait until each answers, showing how far it is."""
        for child in self._children:
            self._spawn(child)
        with show.progress("starting the house", len(self._children)) as ticks:
            for child in self._children:
                self._wait(child, asked)
                ticks(1)

    def _wait(self, child: Child, asked: Callable[[], bool]) -> None:
        until = time.monotonic() + HEALTHY_SECONDS
        while not asked() and not (_runs(child) and child.part.healthy()):
            if time.monotonic() > until:
                raise Unavailable(f"{child.part.name} does not answer: see {self._log(child.part)}")
            self._tend()
            time.sleep(TICK_SECONDS)

    def keep(self, asked: Callable[[], bool]) -> None:
        """Start again what dies, until asked to stop."""
        while not asked():
            self._tend()
            time.sleep(TICK_SECONDS)

    def _tend(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.process is None and now >= child.due:
                self._spawn(child)
            elif child.process is not None and child.process.poll() is not None:
                self._fell(child, now)

    def _fell(self, child: Child, now: float) -> None:
        """Say that a part ended, and when it is started again."""
        assert child.process is not None  # noqa: S101 -- the caller looked
        if now - child.began > CALM_SECONDS:
            child.pause = 1.0
        code = child.process.returncode
        _say(f"{child.part.name} ended ({code}); again in {child.pause:.0f} s; see {self._log(child.part)}")
        child.process, child.due = None, now + child.pause
        child.pause = min(2 * child.pause, LONGEST_PAUSE)

    def _spawn(self, child: Child) -> None:
        with _appending(self._log(child.part)) as log:
            child.process = subprocess.Popen(  # noqa: S603 -- our own parts
                child.part.words,
                env=child.part.environment,
                cwd=self._settings.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 -- one call of prctl; this process has one thread
            )
        child.began = time.monotonic()

    def stop(self) -> None:
        """End all parts, last started first: kindly, then not."""
        running = [child.process for child in reversed(self._children) if child.process is not None]
        for process in running:
            _signal(process, signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                process.wait()

    def _log(self, part: Part) -> Path:
        return self._settings.logs / f"{part.name}.log"


def up_command(*, quiet: bool = False) -> None:
    """Run the house until interrupted.

    Parameters
    ----------
    quiet
        Say nothing when the house is ready.

    """
    settings = configuration.load()

    def ready() -> None:
        if not quiet:
            show.one(
                {"url": settings.hub_origin}, sentence=f"The house is open: {settings.hub_origin}  (Ctrl-C ends it)"
            )
        sys.stdout.flush()

    up(settings, ready)


# --- small things ---------------------------------------------------------------------------------------------------
@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the home; a second `tre up` on it is refused."""
    settings.sockets.mkdir(mode=0o711, parents=True, exist_ok=True)
    with (settings.sockets / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"a `tre up` already runs in {settings.home}: stop it first, or use another --home") from None
        yield


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Turn SIGTERM and SIGINT into a wish that is asked for; put the old answers back after."""
    wished: list[int] = []

    def wish(number: int, _frame: FrameType | None) -> None:
        wished.append(number)

    before = {number: signal.signal(number, wish) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(wished)
    finally:
        for number, answer in before.items():
            signal.signal(number, answer)


@contextmanager
def _appending(log: Path) -> Iterator[IO[bytes]]:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "ab") as out:
        yield out


def _die_with_parent() -> None:
    """Ask the kernel to end this child when the supervisor ends, however it ends."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a child and what it started."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _runs(child: Child) -> bool:
    return child.process is not None and child.process.poll() is None


def _answers(port: int, path: str) -> bool:
    """Tell whether something answers HTTP on a loopback port; any answer will do if no path is given."""
    door = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        door.request("GET", path or "/")
        status = door.getresponse().status
    except (OSError, HTTPException):
        return False
    finally:
        door.close()
    return not path or status == 200  # noqa: PLR2004 -- HTTP's own number


def _path() -> str:
    return f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
