"""Bytes from outside are taken apart in a process that can do little: no key, no new file, bounded memory and time.

`Child` is a long-lived process that is given one open file after another and answers in frames; one that crashes or
does not end is killed, and the next file gets a new one. `run` calls one function in such a process with nothing but
one folder to write in, for work that needs keys. Neither reads a file of the house that it was not given, nor reaches
its ports or its processes: Landlock forbids it, and without Landlock nothing is begun. The parent believes a child
nothing: frames are bounded, their text is read as data, and an unpickled answer is made of values and of the classes
that were named.

    frame = kind(1) || length(4) || payload
"""

import ctypes
import importlib
import io
import json
import os
import pickle
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from tre import errors
from tre.data import landlock
from tre.errors import TREError, Unavailable, Unreadable

MEMORY = 2 << 30
SECONDS = 60
RATE = 2_000_000
"""Bytes a second that a look must come to, beyond its first `SECONDS`."""
SLOWER = 4
"""Times as long as its work a look may take by the clock: the machine has others to serve."""
PATIENCE = 120
"""Seconds until a process must be ready."""
FILES = 64
LARGEST = 256 * 1024 * 1024
"""Of one frame."""
LINE = 300
PROGRAM = (sys.executable, "-I", "-m", "tre.data.confined")
TICK, DATA, SAID, FAULT, BROKE, DONE = b"tdsfbz"
_HEAD = struct.Struct(">BI")
_NOBODY = 65534
SHARED = Path("/dev/shm")  # noqa: S108 -- memory; a folder of our own is made in it
T = TypeVar("T")
Say = Callable[[int, bytes], None]


class Died(Unreadable):
    """The process that looked at a file did not come to its end."""


# --- the parent, one file after another ------------------------------------------------------------------------------
class Child:
    """A process that is shown files; `serve` (module:function) is what it does with each."""

    def __init__(
        self, serve: str, setup: Mapping[str, object], *, memory: int = MEMORY, seconds: int = SECONDS
    ) -> None:
        """Say what the process will be; it is started when it is first needed."""
        self._start = {"serve": serve, "setup": setup, "memory": memory}
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._scratch: Path | None = None

    def ask(self, job: Mapping[str, object], handle: int, *, size: int) -> Generator[tuple[int, bytes], None, None]:
        """Show it one file; yield its frames. What it finds unreadable, and its own death, is an `Unreadable`."""
        seconds = self._seconds + size // RATE
        deadline = time.monotonic() + PATIENCE
        ended = False
        try:
            link = self._begun(deadline)
            deadline = time.monotonic() + SLOWER * seconds
            _send(link, {**job, "seconds": seconds, "size": size}, handle)
            for kind, payload in _frames(link, deadline):
                if kind in {FAULT, BROKE, DONE}:
                    ended = True
                    _raise(kind, payload)
                    return
                yield kind, payload
            raise self._death(deadline)
        except OSError:
            raise self._death(deadline) from None
        finally:
            if not ended:
                self.close()

    def close(self) -> None:
        """End the process."""
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
        self._process = self._socket = self._scratch = None

    def _begun(self, deadline: float) -> socket.socket:
        if self._socket is None:
            self._scratch = _scratch()
            self._process, self._socket = _spawn(FILES)
            _send(self._socket, {**self._start, "scratch": str(self._scratch)})
            if next(_frames(self._socket, deadline), None) is None:
                raise Unavailable("the process that looks at files does not start: see `tre doctor`")
        return self._socket

    def _death(self, deadline: float) -> Died:
        """Say how it ended."""
        if time.monotonic() >= deadline:
            return Died("takes too long to look at: damaged, or made to be slow")
        code = self._process.wait(5) if self._process is not None else 0
        if code == -signal.SIGXCPU:
            return Died("takes too long to look at: damaged, or made to be slow")
        return Died("damaged: the process that looked at it broke down")


def _raise(kind: int, payload: bytes) -> None:
    if kind == FAULT:
        raise Unreadable(_line(payload))
    if kind == BROKE:
        raise Unreadable(f"damaged, or not what its first bytes say ({_line(payload)})")


def _line(payload: bytes) -> str:
    """Read one line that a terminal shows as it is."""
    text = payload.decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else " " for letter in text)[:LINE]


# --- the parent, one call --------------------------------------------------------------------------------------------
def run(
    function: Callable[..., T],
    *arguments: object,
    folder: Path,
    allow: Sequence[type] = (),
    reads: Sequence[Path] = (),
    tell: Callable[[int], None] | None = None,
    memory: int = 8 << 30,
    seconds: int | None = None,
) -> T:
    """Call a function of a module, in a process that may write only below `folder`; return what it returns.

    Of the house it may read only what lies below `folder` and `reads`.
    Its arguments and the function go by pickle. A last argument named `tell` of the function hears of progress here.
    What it returns is made of plain values and the classes in `allow`. A `TREError` in it is raised here.
    """
    asked = pickle.dumps((function.__module__, function.__qualname__, arguments, tell is not None))
    scratch = _scratch()
    others = _children()
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    process, link = _spawn(4096)
    deadline = time.monotonic() + seconds if seconds else None
    try:
        with link:
            told = {"folder": str(folder), "reads": list(map(str, reads)), "scratch": str(scratch)}
            _send(link, {**told, "memory": memory, "seconds": seconds or 0})
            link.sendall(_HEAD.pack(DATA, len(asked)) + asked)
            for kind, payload in _frames(link, deadline):
                if kind == TICK and tell is not None:
                    tell(int(payload))
                elif kind == FAULT:
                    raise _fault(payload)
                elif kind == DONE:
                    found: T = _Plain(io.BytesIO(payload), allow).load()
                    return found
    except OSError as error:
        raise Unavailable("the process that makes an extract broke down; nothing was kept") from error
    finally:
        process.kill()
        process.wait()
        _end_whom_it_left(others)
        shutil.rmtree(scratch, ignore_errors=True)
    raise Unavailable("the process that makes an extract broke down; nothing was kept")


def _end_whom_it_left(others: frozenset[int]) -> None:
    """End what the process started and left behind: it could still write into what is searched next."""
    while left := _children() - others:
        for one in left:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(one, signal.SIGKILL)
                os.waitpid(one, 0)
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _children() -> frozenset[int]:
    """Return our children, and those who became ours."""
    found = (path.read_text("ascii") for path in Path("/proc/self/task").glob("*/children"))
    return frozenset(int(one) for said in found for one in said.split())


def _fault(payload: bytes) -> TREError:
    name, _, message = payload.partition(b":")
    kind = getattr(errors, name.decode("ascii", "replace"), None)
    if isinstance(kind, type) and issubclass(kind, TREError):
        return kind(_line(message))
    return Unavailable("the process that makes an extract broke down; nothing was kept")


class _Plain(pickle.Unpickler):
    """Takes values apart that are made of plain types and of those that were named."""

    PLAIN = frozenset({
        ("builtins", "set"), ("builtins", "frozenset"), ("builtins", "bytearray"), ("builtins", "complex"),
        ("collections", "Counter"), ("collections", "OrderedDict"), ("datetime", "date"), ("datetime", "datetime"),
    })  # fmt: skip

    def __init__(self, file: BinaryIO, allow: Sequence[type]) -> None:
        super().__init__(file)
        self._named = {(one.__module__, one.__qualname__) for one in allow}

    def find_class(self, module: str, name: str) -> object:
        """Find nothing else."""
        if (module, name) not in self.PLAIN | self._named:
            raise Unavailable("the process that makes an extract answered with what nobody asked for")
        return super().find_class(module, name)


def _scratch() -> Path:
    """Make an empty folder in memory: libraries want one for what they would complain of."""
    folder = Path(tempfile.mkdtemp(prefix="tre-", dir=SHARED if os.access(SHARED, os.W_OK) else None))
    if os.geteuid() == 0:
        os.chown(folder, _NOBODY, _NOBODY)
    return folder


# --- frames ----------------------------------------------------------------------------------------------------------
def _spawn(files: int) -> tuple["subprocess.Popen[bytes]", socket.socket]:
    """Start a fresh interpreter that has nothing of ours but one end of a socket."""
    if landlock.version() < 1:
        raise Unavailable("the kernel has no Landlock to shut parsers in: use one of 5.13 or newer that has it on")
    mine, theirs = socket.socketpair()
    try:
        process = subprocess.Popen(  # noqa: S603 -- ourselves
            [*PROGRAM, str(theirs.fileno()), str(files)],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"LANG": "C.UTF-8", "ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"},
            cwd="/",
        )
    except OSError:
        mine.close()
        raise
    finally:
        theirs.close()
    return process, mine


def _send(link: socket.socket, said: Mapping[str, object], handle: int | None = None) -> None:
    """Send one line of JSON, with an open file if there is one."""
    content = json.dumps(said).encode()
    frame = _HEAD.pack(SAID, len(content)) + content
    handles = [handle] if handle is not None else []
    sent = socket.send_fds(link, [frame], handles)
    link.sendall(frame[sent:])


def _frames(link: socket.socket, deadline: float | None) -> Iterator[tuple[int, bytes]]:
    """Yield frames until the other end closes, the time is over, or one is too long."""
    while head := _exactly(link, _HEAD.size, deadline):
        kind, length = _HEAD.unpack(head)
        if length > LARGEST:
            return
        payload = _exactly(link, length, deadline) if length else b""
        if len(payload) < length:
            return
        yield kind, payload


def _exactly(link: socket.socket, size: int, deadline: float | None) -> bytes:
    """Receive so many bytes, or nothing."""
    found = bytearray()
    while len(found) < size:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([link], [], [], left)
        piece = link.recv(min(size - len(found), 1 << 20)) if ready else b""
        if not piece:
            return b""
        found += piece
    return bytes(found)


# --- the child -------------------------------------------------------------------------------------------------------
def main() -> None:
    """Be the process."""
    link = socket.socket(fileno=int(sys.argv[1]))
    sys.meta_path.insert(0, _Without())
    _exclude()
    said, _ = _receive(link)
    if "serve" in said:
        _serve(link, said)
    else:
        _call(link, said)


class _Without:
    """Finds no pandas: pyarrow would import it, for half a second, to ask whether a list is one of its."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Leave all others to those that find them."""
        del path, target
        if name == "pandas":
            raise ImportError("not in a confined process")


def _serve(link: socket.socket, said: dict[str, object]) -> None:
    """Answer one file after another."""
    module, _, name = str(said["serve"]).partition(":")
    serve = getattr(importlib.import_module(module), name)(said["setup"])
    _confine(int(str(said["memory"])), int(sys.argv[2]), Path(str(said["scratch"])))

    def say(kind: int, payload: bytes) -> None:
        link.sendall(_HEAD.pack(kind, len(payload)) + payload)

    say(TICK, b"0")  # ready
    while True:
        job, handle = _receive(link)
        if handle is None:
            return
        _allow_seconds(int(str(job["seconds"])))
        with os.fdopen(handle, "rb") as file:
            file.seek(0)
            last = _answer(serve, job, file, say)
        say(*last)


def _answer(serve: Callable[..., None], job: dict[str, object], file: BinaryIO, say: Say) -> tuple[int, bytes]:
    """Look at one file; return the last frame, which is sent when the file is closed."""
    try:
        serve(job, file, say)
    except TREError as error:
        return FAULT, str(error).encode()
    except MemoryError:
        return FAULT, b"needs more memory than a look may take: damaged, or made to be large"
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 -- a parser may fail in any way; the file is refused, its text not told
        return BROKE, type(error).__name__.encode()
    return DONE, b""


def _call(link: socket.socket, said: dict[str, object]) -> None:
    """Call one function and send what it returned."""
    _, length = _HEAD.unpack(_received(link, _HEAD.size))
    module, name, arguments, told = pickle.loads(_received(link, length))  # noqa: S301 -- from our parent
    function = getattr(importlib.import_module(module), name)
    _drop_rights()
    reads = said["reads"] if isinstance(said["reads"], list) else []
    landlock.confine(Path(str(said["folder"])), Path(str(said["scratch"])), reads=tuple(map(Path, reads)))
    memory, seconds = int(str(said["memory"])), int(str(said["seconds"]))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    if seconds:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))

    def say(kind: int, payload: bytes) -> None:
        link.sendall(_HEAD.pack(kind, len(payload)) + payload)

    more = {"tell": lambda done: say(TICK, str(int(done)).encode())} if told else {}
    try:
        say(DONE, pickle.dumps(function(*arguments, **more)))
    except TREError as error:
        say(FAULT, f"{type(error).__name__}:{error}".encode())


def _receive(link: socket.socket) -> tuple[dict[str, object], int | None]:
    """Receive one line and the file that came with it; nothing when the parent is gone."""
    data, handles, _, _ = socket.recv_fds(link, _HEAD.size, 1)
    if not data:
        sys.exit(0)
    data += _received(link, _HEAD.size - len(data))
    _, length = _HEAD.unpack(data)
    return json.loads(_received(link, length)), handles[0] if handles else None


def _received(link: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        piece = link.recv(size - len(found))
        if not piece:
            sys.exit(0)
        found += piece
    return bytes(found)


# --- what a child may not --------------------------------------------------------------------------------------------
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 24, 36, 38
_CLONE_NEWNET = 0x40000000
_CAP_VERSION, _CAP_DAC_OVERRIDE, _CAPS = 0x20080522, 1, 64
_libc = ctypes.CDLL(None, use_errno=True)


def _exclude() -> None:
    """Die with the parent, leave no core, gain no rights, have no network where the kernel lets us."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if os.geteuid() == 0:
        _libc.unshare(_CLONE_NEWNET)


def _confine(memory: int, files: int, scratch: Path) -> None:
    """Allow one file's worth of memory and no file with anything in it; be nobody."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # a change of user clears it
        _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    landlock.confine(scratch)
    for limit, value in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NOFILE, files)):
        resource.setrlimit(limit, (value, value))


def _allow_seconds(seconds: int) -> None:
    """Let the next file have so many seconds of work."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    until = int(spent.ru_utime + spent.ru_stime) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))


def _drop_rights() -> None:
    """Let root be nobody in particular: no devices, no raw sockets, nothing of the machine; its own files stay its."""
    if os.geteuid() != 0:
        return
    for right in range(_CAPS):
        if right != _CAP_DAC_OVERRIDE:
            _libc.prctl(_PR_CAPBSET_DROP, right, 0, 0, 0)
    kept = 1 << _CAP_DAC_OVERRIDE
    if _libc.capset(struct.pack("=Ii", _CAP_VERSION, 0), struct.pack("=6I", kept, kept, 0, 0, 0, 0)):
        raise SystemExit("cannot give up rights")


if __name__ == "__main__":
    main()
