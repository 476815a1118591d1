"""A virus scanner of the house is asked through its socket (ClamAV's clamd, command INSTREAM).

Its answer is one of three: clean, found, not run. What it did not say is not clean.
"""

import re
import socket
import time
from enum import StrEnum
from typing import NamedTuple

SECONDS = 60.0
"""Within which an answer must be there."""
_CHUNK = 1 << 18
_LONGEST = 4096
_FOUND = re.compile(rb"stream: (?P<name>[^\0\n]{1,200}) FOUND\s*\0?\Z")
_CLEAN = re.compile(rb"stream: OK\s*\0?\Z")
_TOO_LARGE = b"size limit exceeded"


class Verdict(StrEnum):
    """What is known of a file."""

    CLEAN = "clean"
    FOUND = "found"
    NOT_RUN = "not run"


class Scan(NamedTuple):
    """A verdict, with the name of what was found or the reason why nothing was looked for."""

    verdict: Verdict
    detail: str = ""


def scan(place: str, content: bytes, *, seconds: float = SECONDS) -> Scan:
    """Have bytes scanned; whatever goes wrong, they were not."""
    if not place:
        return Scan(Verdict.NOT_RUN, "this house has no scanner")
    try:
        return _read(_asked(place, content, time.monotonic() + seconds))
    except TimeoutError:
        return Scan(Verdict.NOT_RUN, "the scanner did not answer in time")
    except OSError:
        return Scan(Verdict.NOT_RUN, "the scanner cannot be reached")


def _asked(place: str, content: bytes, deadline: float) -> bytes:
    with socket.socket(socket.AF_UNIX) as link:
        _wait(link, deadline)
        link.connect(place)
        try:
            link.sendall(b"zINSTREAM\0")
            for at in range(0, len(content), _CHUNK):
                piece = content[at : at + _CHUNK]
                _wait(link, deadline)
                link.sendall(len(piece).to_bytes(4, "big") + piece)
            link.sendall(bytes(4))
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has heard enough: its answer says why
        said = b""
        while not said.endswith(b"\0") and len(said) < _LONGEST:
            _wait(link, deadline)
            piece = link.recv(_LONGEST)
            if not piece:
                break
            said += piece
        return said


def _wait(link: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    link.settimeout(left)


def _read(said: bytes) -> Scan:
    if found := _FOUND.match(said):
        name = re.sub(r"[^\w.:-]", "?", found["name"].decode("ascii", "replace"))
        return Scan(Verdict.FOUND, name[:100])
    if _CLEAN.match(said):
        return Scan(Verdict.CLEAN)
    if _TOO_LARGE in said:
        return Scan(Verdict.NOT_RUN, "the file is larger than the scanner takes (StreamMaxLength of clamd.conf)")
    return Scan(Verdict.NOT_RUN, "the scanner gave no answer that can be read")
