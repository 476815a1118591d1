"""Whoever suspends a person rings for the sentinel, which looks at once instead of at its next round.

A ring says nothing, so that nobody can order anything with it; one that is lost costs ten seconds.
"""

import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tre.settings import Settings

NAME = "sentinel.sock"
SLICE_SECONDS = 0.5
"""How long a wish to stop may wait for being seen."""
PAUSE_SECONDS = 1.0
"""Between two rounds at least, however often somebody rings."""


def sentinel(settings: Settings) -> bool:
    """Ring; tell whether anybody was there to hear it."""
    with suppress(OSError), _beside(settings) as path, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.setblocking(False)
        bell.sendto(b"\n", path)
        return True
    return False


class Bell:
    """What the sentinel listens to between its rounds."""

    def __init__(self, settings: Settings) -> None:
        """Take the place of an older sentinel's bell, which nobody hears any more."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._heard = 0.0
        with _beside(settings) as path:
            with suppress(FileNotFoundError):
                Path(path).unlink()
            before = os.umask(0o177)
            try:
                self._socket.bind(path)
            finally:
                os.umask(before)

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait until somebody rings, or for so long; tell whether to stop."""
        until = time.monotonic() + seconds
        while not stop.is_set() and (rest := until - time.monotonic()) > 0:
            if select.select([self._socket], [], [], min(rest, SLICE_SECONDS))[0]:
                self._quiet()
                stop.wait(max(0.0, self._heard + PAUSE_SECONDS - time.monotonic()))
                self._heard = time.monotonic()
                break
        return stop.is_set()

    def _quiet(self) -> None:
        """Many rings are one."""
        with suppress(BlockingIOError):
            while True:
                self._socket.recv(16)

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


@contextmanager
def _beside(settings: Settings) -> Iterator[str]:
    """Yield a path of the bell that is short enough for a socket, however deep the home lies."""
    folder = os.open(settings.sockets, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{NAME}"
    finally:
        os.close(folder)
