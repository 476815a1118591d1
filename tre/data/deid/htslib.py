"""samtools and bcftools, as pysam carries them, run in a process of their own: a stream in, files or a stream out.

What they would say is about lines of the data, so nobody hears it: only whether they failed is told. The process is a
fork, for a confined process may start no program; nothing is fetched: no reference, no plug-in.
"""

import os
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import IO

import pysam
import pysam.bcftools
import pysam.samtools

from tre.errors import Unreadable

LIST = "/dev/fd/3"
"""Where a tool finds the lines given as `listed`."""
FAILED = "its records do not fit its header"
_TOOLS = {"bcftools": pysam.bcftools, "samtools": pysam.samtools}
_NOWHERE = {"REF_PATH": "/nonexistent", "REF_CACHE": "/nonexistent", "HTS_PATH": "/nonexistent"}
_MOST_FILES = 4096
Work = Callable[[], object]


def run(tool: str, *words: str, feed: Iterable[bytes] = (), listed: bytes = b"") -> None:
    """Run a tool on a stream; it writes where its words say."""
    work(partial(_use, tool, *words), feed=feed, listed=listed)


def work(what: Work, *, feed: Iterable[bytes], listed: bytes = b"") -> None:
    """Do some work of ours that reads a stream as its standard input."""
    with _started(what, listed, tells=False) as (process, into, _):
        _pour(feed, into)
        done = process.ended()
    if not done:
        raise Unreadable(FAILED)


@contextmanager
def output(tool: str, *words: str, feed: Iterable[bytes]) -> Iterator[IO[bytes]]:
    """Run a tool on a stream and read what it writes; a fault in either is told when the reading is done."""
    faults: list[Unreadable] = []
    with _started(partial(_use, tool, *words), b"", tells=True) as (process, into, out):
        feeder = Thread(target=_pour_apart, args=(feed, into, faults), daemon=True)
        feeder.start()
        later: list[Unreadable] = []
        try:
            yield out
        except Unreadable as fault:  # perhaps only because what was fed broke off
            later.append(fault)
        finally:
            out.close()
            feeder.join()
        done = process.ended()
    if faults or later or not done:
        raise [*faults, *later, Unreadable(FAILED)][0]


@dataclass
class _Process:
    """A process of ours until it has ended."""

    pid: int
    status: int | None = None

    def ended(self) -> bool:
        """Wait for the process; say whether it did what it was to do."""
        if self.status is None:
            self.status = os.waitpid(self.pid, 0)[1]
        return self.status == 0

    def end(self) -> None:
        """Stop it if it still runs."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.ended()


@contextmanager
def _started(what: Work, listed: bytes, *, tells: bool) -> Iterator[tuple[_Process, IO[bytes], IO[bytes]]]:
    (theirs_in, into), (out, theirs_out), notes = os.pipe(), os.pipe(), _notes(listed)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # a fork beside threads: the child takes none of their locks
        pid = os.fork()
    if not pid:
        _become(what, theirs_in, theirs_out if tells else notes, notes)
    for handle in (theirs_in, theirs_out, notes):
        os.close(handle)
    process, writer, reader = _Process(pid), os.fdopen(into, "wb"), os.fdopen(out, "rb")
    try:
        yield process, writer, reader
    finally:
        process.end()
        reader.close()
        with suppress(BrokenPipeError):
            writer.close()


def _notes(listed: bytes) -> int:
    """Return a file in memory; what is not to be heard goes to /dev/null, opened so that no write succeeds."""
    if not listed:
        return os.open(os.devnull, os.O_RDONLY)
    notes = os.memfd_create("listed")
    os.write(notes, listed)
    return notes


def _become(what: Work, source: int, target: int, notes: int) -> None:
    """Be the one who works, and end."""
    status = 1
    try:
        wanted = (source, target, os.open(os.devnull, os.O_RDONLY), notes)
        high = max(*wanted, 3) + 1
        for place, handle in enumerate(wanted):
            os.dup2(handle, high + place)
        for place in range(len(wanted)):
            os.dup2(high + place, place)
        os.closerange(len(wanted), _MOST_FILES)
        os.environ.update(_NOWHERE)
        pysam.set_verbosity(0)
        what()
        status = 0
    finally:
        os._exit(status)


def _use(tool: str, command: str, *words: str) -> None:
    getattr(_TOOLS[tool], command)(*words, catch_stdout=False)


def _pour(feed: Iterable[bytes], pipe: IO[bytes]) -> None:
    """Feed a process; one that went away has a reason of its own, which its end tells."""
    with suppress(BrokenPipeError):
        for piece in feed:
            pipe.write(piece)
    with suppress(BrokenPipeError):
        pipe.close()


def _pour_apart(feed: Iterable[bytes], pipe: IO[bytes], faults: list[Unreadable]) -> None:
    try:
        _pour(feed, pipe)
    except Unreadable as fault:
        faults.append(fault)
        with suppress(BrokenPipeError):
            pipe.close()
