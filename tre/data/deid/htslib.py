"""samtools and bcftools, as pysam carries them, run in a process of their own: a clear stream in, files or a stream out.

What they would say is about lines of the data, so nobody hears it: only whether they failed is told.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import IO

from tre.errors import Unreadable

# No reference is fetched from anywhere, and no plug-in is loaded.
QUIET = {"REF_PATH": "/nonexistent", "REF_CACHE": "/nonexistent", "HTS_PATH": "/nonexistent"}


def run(tool: str, *words: str, feed: Iterable[bytes], fds: tuple[int, ...] = ()) -> None:
    """Run a tool on a stream; it writes where its words say."""
    with _started(tool, words, fds, subprocess.DEVNULL) as process:
        _pour(feed, _pipe(process.stdin))
        done = process.wait() == 0
    if not done:
        raise Unreadable("its records do not fit its header")


@contextmanager
def output(tool: str, *words: str, feed: Iterable[bytes]) -> Iterator[IO[bytes]]:
    """Run a tool on a stream and read what it writes; a fault in either is told when the reading is done."""
    faults: list[Unreadable] = []
    with _started(tool, words, (), subprocess.PIPE) as process:
        feeder = Thread(target=_pour_into, args=(feed, _pipe(process.stdin), faults), daemon=True)
        feeder.start()
        yield _pipe(process.stdout)
        _pipe(process.stdout).close()
        feeder.join()
        done = process.wait() == 0
    if faults or not done:
        raise faults[0] if faults else Unreadable("its records do not fit its header")


@contextmanager
def _started(tool: str, words: tuple[str, ...], fds: tuple[int, ...], out: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", __name__, tool, *words]
    environment = {**os.environ, **QUIET}
    process = subprocess.Popen(  # noqa: S603 -- ourselves, with words of our own
        command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL, pass_fds=fds, env=environment
    )
    try:
        yield process
    finally:
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None and not pipe.closed:
                with _unbroken():
                    pipe.close()
        process.wait()


def _pour(feed: Iterable[bytes], pipe: IO[bytes]) -> None:
    with _unbroken():
        for piece in feed:
            pipe.write(piece)
        pipe.close()


def _pour_into(feed: Iterable[bytes], pipe: IO[bytes], faults: list[Unreadable]) -> None:
    try:
        _pour(feed, pipe)
    except Unreadable as fault:
        faults.append(fault)
        with _unbroken():
            pipe.close()


@contextmanager
def _unbroken() -> Iterator[None]:
    """A reader that went away has a reason of its own, which its exit tells."""
    try:
        yield
    except (BrokenPipeError, ValueError):
        return


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise Unreadable("no pipe")
    return pipe


def _main(tool: str, *words: str) -> int:
    import pysam.bcftools
    import pysam.samtools

    pysam.set_verbosity(0)
    module = {"bcftools": pysam.bcftools, "samtools": pysam.samtools}[tool]
    try:
        getattr(module, words[0])(*words[1:], catch_stdout=False)
    except pysam.SamtoolsError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
