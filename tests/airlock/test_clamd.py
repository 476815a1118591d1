"""A scanner that speaks clamd's protocol, rightly and in every wrong way; what it did not say is not clean."""

import contextlib
import socket
import threading
from dataclasses import replace

import pytest

from airlock import clamd
from airlock.checks import case, confined, run, scanned, thresholds
from airlock.checks.file import File

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
TEN = thresholds.load("default")


@contextlib.contextmanager
def scanner(place, answers, *, most=1 << 30):
    """Serve INSTREAM on a socket: `answers` is given the bytes that came and says what is sent back."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(place))
    listening.listen()

    def serve():
        with contextlib.suppress(OSError):
            while True:
                link, _ = listening.accept()
                with link, contextlib.suppress(OSError):
                    link.sendall(answers(_heard(link, most)))

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    try:
        yield str(place)
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        serving.join()


def _heard(link, most) -> bytes:
    heard = link.makefile("rb")
    assert heard.read(10) == b"zINSTREAM\0"
    content = b""
    while (length := int.from_bytes(heard.read(4), "big")) and len(content) + length <= most:
        content += heard.read(length)
    return content


def honest(content: bytes) -> bytes:
    return b"stream: Eicar-Test FOUND\0" if EICAR in content else b"stream: OK\0"


@pytest.mark.parametrize(
    ("answers", "content", "verdict", "detail"),
    [
        (honest, b"sex,n\n", "clean", ""),
        (honest, b"x" * 700_000 + EICAR, "found", "Eicar-Test"),
        (lambda _: b"stream: A\x1b[31m;B FOUND\0", b"x", "found", "A??31m?B"),
        (lambda _: b"INSTREAM size limit exceeded. ERROR\0", b"x", "not run", "larger than the scanner takes"),
        (lambda _: b"stream: Can't allocate memory ERROR\0", b"x", "not run", "no answer"),
        (lambda _: b"", b"x", "not run", "no answer"),
        (lambda _: b"stream: OK but not quite\0", b"x", "not run", "no answer"),
        (lambda _: b"evil: OK\0", b"x", "not run", "no answer"),
        (lambda _: b"stream: OK\0stream: A FOUND\0", b"x", "not run", "no answer"),
        (lambda _: b"y" * 100_000, b"x", "not run", "no answer"),
    ],
    ids=["clean", "found", "name", "size", "memory", "empty", "more", "other", "two", "endless"],
)
def test_an_answer_is_clean_found_or_none(tmp_path, answers, content, verdict, detail):
    with scanner(tmp_path / "clamd.ctl", answers) as place:
        said = clamd.scan(place, content)
    assert said.verdict == verdict
    assert detail in said.detail


def test_a_scanner_that_hangs_up_has_not_scanned(tmp_path):
    def answers(_):
        return b"INSTREAM size limit exceeded. ERROR\0"

    with scanner(tmp_path / "clamd.ctl", answers, most=300_000) as place:
        assert clamd.scan(place, bytes(8_000_000)).verdict == "not run"


def test_a_scanner_that_is_silent_has_not_scanned(tmp_path):
    over = threading.Event()
    with scanner(tmp_path / "clamd.ctl", lambda _: over.wait(5) and b"stream: OK\0") as place:
        said = clamd.scan(place, b"x", seconds=0.2)
        over.set()
    assert said == (clamd.Verdict.NOT_RUN, "the scanner did not answer in time")


def test_a_scanner_that_is_not_there_has_not_scanned(tmp_path):
    assert clamd.scan(str(tmp_path / "none"), b"x").verdict == "not run"
    assert clamd.scan(str(tmp_path / ("long" * 50)), b"x").verdict == "not run"
    assert clamd.scan("", b"x") == (clamd.Verdict.NOT_RUN, "this house has no scanner")


@pytest.mark.parametrize(
    ("scan", "scanner_", "said", "check", "severity"),
    [
        ("off", False, None, "scanned", "note"),
        ("off", False, ("not run", "x"), "scanned", "note"),
        ("off", True, ("not run", "x"), "scanned", "block"),
        ("off", True, ("clean", ""), None, None),
        ("off", True, ("found", "A"), "virus", "block"),
        ("exception", False, ("not run", "x"), "scanned", "block"),
        ("exception", True, ("found", "A"), "virus", "block"),
        ("required", False, None, "virus", "block"),
        ("required", True, ("not run", "x"), "virus", "block"),
        ("required", True, ("clean", ""), None, None),
        ("required", True, ("Clean", ""), "virus", "block"),
        ("exception", True, ["clean", ""], "scanned", "block"),
    ],
)
def test_what_was_not_scanned_is_never_clean(scan, scanner_, said, check, severity):
    facts = {"scanner": scanner_, **({"scanned": {"t.csv": said}} if said else {})}
    one = case.Case(
        file=File("t.csv", "csv", b"x"), look=confined.Look((), frozenset(), (), read=True),
        limits=replace(TEN, scan=scan), evidence=None, facts=facts,
    )  # fmt: skip
    found = [*scanned.found(one), *scanned.looked(one)]
    assert [(each.check, each.severity) for each in found] == ([(check, severity)] if check else [])


def test_a_virus_is_excepted_by_nobody():
    excepted = {check.name: check.excepted for check in run.CHECKS}
    assert excepted["scanned"]
    assert not excepted["virus"]
