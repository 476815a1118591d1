"""A parser that was taken over by the file it read: what it tries in the process that makes an extract."""

import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

from tre.data.confined import SAID


def reads(place):
    """Read a file of the house and answer with its beginning."""
    try:
        return Path(place).read_bytes()[:64]
    except OSError as error:
        return type(error).__name__


def lists(place):
    """See what lies in a folder of the house."""
    try:
        return sorted(path.name for path in Path(place).iterdir())
    except OSError as error:
        return type(error).__name__


def signals(process):
    """End another process."""
    try:
        os.kill(process, signal.SIGTERM)
    except OSError as error:
        return type(error).__name__
    return "sent"


def calls(port):
    """Reach a port of the house."""
    with socket.socket() as link:
        link.settimeout(2)
        try:
            link.connect(("127.0.0.1", port))
        except OSError as error:
            return type(error).__name__
    return "reached"


def makes_a_device(folder):
    """Leave a door to the machine's disk in the extract."""
    with suppress(OSError):
        os.mknod(Path(folder, "disk"), 0o60666, os.makedev(7, 0))
    return Path(folder, "disk").exists()


def stays(folder):
    """Leave a process behind that writes into the extract when it has been searched."""
    if not os.fork():
        os.setsid()
        if not os.fork():
            time.sleep(1)
            Path(folder, "late").write_text("Carla Garcia", "utf-8")
        os._exit(0)
    return "gone"


def looks_into(process):
    """Read another process's memory, environment and command line."""
    return [name for name in ("mem", "environ", "cmdline", "maps") if _opens(f"/proc/{process}/{name}")]


def _opens(place):
    try:
        with Path(place).open("rb", buffering=0) as file:
            return file.read(0) is not None
    except OSError:
        return False


def serve(setup):
    """Be the process that looks at a delivered file, and look at another."""
    return lambda job, file, say: say(SAID, str(reads(job["place"])).encode())
