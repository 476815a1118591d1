"""A few seconds of fuzzing for each parser; `python -m tests.fuzz` looks for longer."""

import subprocess
import sys

import pytest

from tests.fuzz.targets import TARGETS

SECONDS = 1
BREAKS = """
import sys
from tests.fuzz import __main__ as program, targets

def once(data):
    if len(data) > 2:
        raise KeyError("not refused")

targets.TARGETS["broken"] = targets.Target(once, lambda: iter([b"a"]))
sys.argv = ["fuzz", "broken", "--runs", "100000", "--folder", sys.argv[1]]
program.main()
"""


def run(*words):
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=False, timeout=200)


@pytest.mark.parametrize("target", TARGETS)
def test_any_bytes_are_read_or_refused(target, tmp_path):
    done = run("-m", "tests.fuzz", target, "--seconds", SECONDS, "--folder", tmp_path)
    assert not done.returncode, done.stderr[-3000:]
    assert "number_of_executed_units" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_what_is_neither_read_nor_refused_is_found(tmp_path):
    done = run("-c", BREAKS, tmp_path)
    assert done.returncode
    (found,) = tmp_path.glob("crash-*")
    assert len(found.read_bytes()) > 2
