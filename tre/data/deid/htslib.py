"""samtools and bcftools, as pysam carries them, run in a process of their own: a clear stream in, files or a stream out.

What they would say is about lines of the data, so nobody hears it: only whether they failed is told. The process is a
fork, for a confined process may start no program; nothing is fetched: no reference, no plug-in.
"""

import os
import signal
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
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


def run(tool: str, *words: str, feed: Iterable[bytes], listed: bytes = b"") -> None:
    """Run a tool on a stream; it writes where its words say."""
    with _started(tool, words, listed, tells=False) as (pid, into, _):
        _pour(feed, into)
        done = _ended(pid)
    if not done:
        raise Unreadable(FAILED)


@contextmanager
def output(tool: str, *words: str, feed: Iterable[bytes]) -> Iterator[IO[bytes]]:
    """Run a tool on a stream and read what it writes; a fault in either is told when the reading is done."""
    faults: list[Unreadable] = []
    with _started(tool, words, b"", tells=True) as (pid, into, out):
        feeder = Thread(target=_pour_apart, args=(feed, into, faults), daemon=True)
        feeder.start()
        try:
            yield out
        finally:
            out.close()
            feeder.join()
        done = _ended(pid)
    if faults or not done:
        raise faults[0] if faults else Unreadable(FAILED)


@contextmanager
def _started(
    tool: str, words: tuple[str, ...], listed: bytes, *, tells: bool
) -> Iterator[tuple[int, IO[bytes], IO[bytes]]]:
    (theirs_in, into), (out, theirs_out), notes = os.pipe(), os.pipe(), _notes(listed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads: the child calls C alone
        pid = os.fork()
    if not pid:
        _become(tool, words, theirs_in, theirs_out if tells else notes, notes)
    for handle in (theirs_in, theirs_out, notes):
        os.close(handle)
    with os.fdopen(into, "wb") as writer, os.fdopen(out, "rb") as reader:
        try:
            yield pid, writer, reader
        finally:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
            _ended(pid)
            with suppress(BrokenPipeError):
                writer.close()


def _notes(listed: bytes) -> int:
    """Return a file in memory; what is not to be heard goes to /dev/null, opened so that no write succeeds."""
    if not listed:
        return os.open(os.devnull, os.O_RDONLY)
    notes = os.memfd_create("listed")
    os.write(notes, listed)
    return notes


def _become(tool: str, words: tuple[str, ...], source: int, target: int, notes: int) -> None:
    """Be the tool, and end."""
    status = 1
    try:
        kept = [os.dup(handle) for handle in (source, target, os.open(os.devnull, os.O_RDONLY), notes)]
        high = max(*kept, 3) + 1
        kept = [os.dup2(handle, high + place) for place, handle in enumerate(kept)]
        for place, handle in enumerate(kept):
            os.dup2(handle, place)
        os.closerange(4, _MOST_FILES)
        os.environ.update(_NOWHERE)
        pysam.set_verbosity(0)
        getattr(_TOOLS[tool], words[0])(*words[1:], catch_stdout=False)
        status = 0
    finally:
        os._exit(status)


def _ended(pid: int) -> bool:
    """Wait for the process; say whether it did what it was to do."""
    try:
        return os.waitpid(pid, 0)[1] == 0
    except ChildProcessError:
        return False


def _pour(feed: Iterable[bytes], pipe: IO[bytes]) -> None:
    """Feed a process; one that went away has a reason of its own, which its end tells."""
    for piece in feed:
        try:
            pipe.write(piece)
        except BrokenPipeError:
            break
    with suppress(BrokenPipeError):
        pipe.close()


def _pour_apart(feed: Iterable[bytes], pipe: IO[bytes], faults: list[Unreadable]) -> None:
    try:
        _pour(feed, pipe)
    except Unreadable as fault:
        faults.append(fault)
        with suppress(BrokenPipeError):
            pipe.close()
