"""A worker in a process of its own, which is killed: at a named place, or by whoever started it."""

import ctypes
import multiprocessing
import os
import signal
from datetime import datetime
from pathlib import Path

from airlock import checking, ledger, release, requests, staging, worker
from airlock.checks import confined
from tre.records import checkpoint
from tre.records.db import opened
from tre.settings import load

BEFORE = {
    "looking into a file": (confined, "look"),
    "renaming what it wrote into the store": (staging.os, "fsync"),
    "recording what was found": (requests, "record_checks"),
    "telling whose turn it is": (worker.notify, "turn"),
    "reading again what leaves": (release, "rehashed"),
    "signing": (checkpoint, "sign_bytes"),
    "writing down what was told": (ledger, "write"),
}
AFTER = {
    "keeping what would leave": (staging, "keep"),
    "recording what was found, before it is kept": (requests, "record_checks"),
    "a round was checked": (checking, "check"),
    "a request was released, before it is kept": (release, "release"),
    "a request was released": (worker, "_release"),
}
CHECKING = (
    "before looking into a file", "before renaming what it wrote into the store", "after keeping what would leave",
    "before recording what was found", "after recording what was found, before it is kept",
    "before telling whose turn it is", "after a round was checked",
)  # fmt: skip
RELEASING = (
    "before reading again what leaves", "before signing", "before writing down what was told",
    "after a request was released, before it is kept", "before telling whose turn it is",
    "after a request was released",
)  # fmt: skip

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.airlock.killed"])


def dies(home: Path, place: str, now: datetime) -> int:
    """Have a worker work until it comes to this place; return how it ended."""
    process = _processes.Process(target=_step, args=(home, place, now))
    process.start()
    process.join(60)
    return _ended(process)


def worked(home: Path, seconds: float) -> None:
    """Have a worker work for so long, and kill it."""
    process = _processes.Process(target=_work, args=(home,))
    process.start()
    process.join(seconds)
    process.kill()
    _ended(process)


def begun(home: Path):
    """Begin a worker; whoever asked for it ends it."""
    process = _processes.Process(target=_work, args=(home,), daemon=True)
    process.start()
    return process


def _ended(process) -> int:
    process.join(10)
    code = process.exitcode
    process.close()
    return code


def _work(home: Path) -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a test that ends leaves nothing behind
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    worker.work(load(home))


def _step(home: Path, place: str, now: datetime) -> None:
    when, _, name = place.partition(" ")
    module, what = (BEFORE if when == "before" else AFTER)[name]
    real = getattr(module, what)

    def deadly(*args, **named):
        if when == "after":
            real(*args, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(module, what, deadly)
    settings = load(home)
    records = opened(settings)
    worker.step(
        records, settings, now=now, check=lambda _, request: checking.check(records, settings, request, now=now)
    )
