"""Stand-ins for what looks at a file and what makes from one, imported by the confined process."""

import os
import resource
import signal
import socket
import sys
import time
from collections import Counter
from pathlib import Path

from tre.data import confined
from tre.data.deid.stored import Look, Summary
from tre.data.deid.who import Id
from tre.errors import Refused, Unreadable

SECRET = "Secret Quillfeather"


def look(file, part):
    """Do what the file's second line says; else find the ids of its third."""
    lines = file.read().split(b"\n")
    word, rest = lines[1].decode("latin-1"), lines[2].decode("latin-1") if len(lines) > 2 else ""
    ids = tuple(Id(part.system, part.sample, one) for one in rest.split(",") if one)
    return DEEDS.get(word, _plain)(ids)


def _plain(ids):
    return Look(ids, len(ids), {"build": "GRCh38"})


def _held(ids):
    return Look(ids, len(ids), {}, {"picture": "possible burned-in text"})


def _unreadable(ids):
    raise Unreadable("cut off in the middle\nof a line \x1b[31m")


def _breaks(ids):
    raise ValueError(SECRET)


def _segfault(ids):
    os.kill(os.getpid(), signal.SIGSEGV)


def _forever(ids):
    while True:
        pass


def _sleeps(ids):
    time.sleep(3600)


def _eats(ids):
    return Look((), len(bytearray(20 << 30)))


def _writes(ids):
    for place in ("/tmp", "/var/tmp", "/dev/shm", "/"):
        try:
            Path(place, f"hortus-{os.getpid()}").write_bytes(b"x")
        except OSError:
            continue
        return Look((), 1)
    raise Unreadable("nothing could be written")


def _who(ids):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE), resource.getrlimit(resource.RLIMIT_CORE)
    raise Unreadable(f"{os.geteuid()} {limits} {sorted(os.environ)}")


def _calls(ids):
    with socket.socket() as link:
        link.settimeout(2)
        link.connect(("127.0.0.1", 9))
    return Look((), 1)


def _nonsense(ids):
    return Look(ids, -1)


DEEDS = {name[1:]: deed for name, deed in list(globals().items()) if name.startswith("_") and callable(deed)}


def seen(monkeypatch):
    """Let the confined process see the tests too."""
    from tre.data import ingest

    root = str(Path(__file__).parents[3])
    program = f"import sys; sys.path.insert(0, {root!r}); from tre.data.confined import main; main()"
    monkeypatch.setattr(confined, "PROGRAM", (sys.executable, "-I", "-c", program))
    monkeypatch.setattr(ingest, "LOOKS", dict.fromkeys(("vcf", "bcf"), ("variants", "tests.tre.data.standing")))


# --- what `run` is given ---------------------------------------------------------------------------------------------
class Stranger:
    """A class that nobody named."""


def make(folder, word, *, tell=None):
    """Make as `word` says."""
    if word == "writes":
        Path(folder, "x").mkdir()
        Path(folder, "x", "made").write_text("made", "utf-8")
        Path(folder, "x", "made").rename(Path(folder, "moved"))
        for done in (3, 4):
            tell(done)
        return Summary(files=["moved"], persons={"tre1-A"}, counts=Counter(keep=2))
    if word == "outside":
        Path(folder).with_name("outside").write_text("x", "utf-8")
    if word == "stranger":
        return Stranger()
    if word == "refuses":
        raise Refused("no, for a reason")
    if word == "dies":
        os._exit(3)
    if word == "eats":
        return len(bytearray(20 << 30))
    return word
