"""Second look at data of every kind: attempts that nobody had tried yet, each named for itself."""

import os
import socket
import subprocess
import sys

import pytest

from tests.attacks import intruder
from tests.tre.data import standing
from tre.data import confined


# --- a parser is taken over by what it reads --------------------------------------------------------------------------
@pytest.fixture
def taken_over(monkeypatch, tmp_path):
    """Give a way to run a deed of the intruder in the process that makes an extract."""
    standing.seen(monkeypatch)
    folder = tmp_path / "made"
    folder.mkdir()
    return lambda deed, *words, **more: confined.run(deed, *words, folder=folder, **more)


def test_a_parser_reads_the_keys_and_the_records_of_the_house(taken_over, settings):
    for path in (*settings.keys.iterdir(), settings.home / "records.sqlite", settings.home / "tre.toml"):
        assert not isinstance(taken_over(intruder.reads, str(path)), bytes)
    assert taken_over(intruder.lists, str(settings.keys)) == "PermissionError"


def test_a_parser_reads_what_it_was_given_and_nothing_beside_it(taken_over, tmp_path):
    for name in ("given", "beside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x")
    given = (tmp_path / "given",)
    assert taken_over(intruder.reads, str(tmp_path / "given/file"), reads=given) == b"x"
    assert taken_over(intruder.reads, str(tmp_path / "beside/file"), reads=given) == "PermissionError"


def test_a_parser_ends_another_process(taken_over):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        assert taken_over(intruder.signals, other.pid) == "PermissionError"
        assert other.poll() is None
        other.kill()


def test_a_parser_looks_into_another_process(taken_over):
    assert taken_over(intruder.looks_into, os.getpid()) == []


def test_a_parser_calls_a_port_of_the_house(taken_over):
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert taken_over(intruder.calls, server.getsockname()[1]) != "reached"


def test_a_parser_leaves_a_device_in_the_extract(taken_over, tmp_path):
    assert taken_over(intruder.makes_a_device, str(tmp_path / "made")) is False
