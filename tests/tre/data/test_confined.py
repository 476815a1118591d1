import os
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.tre.data import standing
from tre.data import confined, landlock
from tre.data.confined import Child
from tre.data.deid.stored import Summary
from tre.errors import Refused, Unavailable, Unreadable

PLAN = """
linkage: {name: hospital}
variants: {system: lab, sample: sample}
quasi_identifiers: []
"""


@pytest.fixture
def seen_by_all(monkeypatch):
    standing.seen(monkeypatch)


@pytest.fixture
def child(seen_by_all):
    made = Child(
        "tre.data.looks:serve", {"plan": PLAN, "looks": {"vcf": ("variants", "tests.tre.data.standing")}}, seconds=2
    )
    yield made
    made.close()


def ask(child, path, word, ids=""):
    path.write_bytes(f"##fileformat=VCF\n{word}\n{ids}".encode())
    handle = os.open(path, os.O_RDONLY)
    try:
        with closing(child.ask({"do": "look", "kind": "vcf"}, handle, size=path.stat().st_size)) as frames:
            return [payload for kind, payload in frames if kind == confined.SAID]
    finally:
        os.close(handle)


def test_a_look_says_what_it_found(child, tmp_path):
    (said,) = ask(child, tmp_path / "x", "plain", "a,b")
    assert said == (
        b'{"ids": [["lab", "sample", "a"], ["lab", "sample", "b"]], "records": 2, '
        b'"facts": {"build": "GRCh38"}, "held": {}, "held_count": 0}'
    )


def test_one_process_looks_at_many_files(child, tmp_path):
    ask(child, tmp_path / "x", "plain")
    first = child._process.pid
    for _ in range(100):
        ask(child, tmp_path / "x", "plain")
    assert child._process.pid == first


DEATHS = [
    ("segfault", "broke down"),
    ("forever", "takes too long"),
    ("sleeps", "takes too long"),
    ("eats", "more memory"),
    ("breaks", "ValueError"),
    ("unreadable", r"^cut off in the middle of a line  \[31m$"),
    ("writes", "nothing could be written"),
    ("calls", "OSError|ConnectionRefusedError|PermissionError"),
]


@pytest.mark.parametrize(("word", "said"), DEATHS)
def test_whatever_a_look_does_is_one_line_and_the_next_file_is_looked_at(child, tmp_path, word, said):
    with pytest.raises(Unreadable, match=said) as caught:
        ask(child, tmp_path / "x", word)
    assert str(caught.value).isprintable()
    assert "Quillfeather" not in str(caught.value)
    assert ask(child, tmp_path / "x", "plain")


def test_who_looks_is_nobody_with_nothing(child, tmp_path):
    with pytest.raises(Unreadable) as caught:
        ask(child, tmp_path / "x", "who")
    uid, _, rest = str(caught.value).partition(" ")
    assert uid == str(65534 if os.geteuid() == 0 else os.geteuid())
    assert rest.startswith("((0, 0), (0, 0)) ")
    assert "TRE_HOME" not in rest


def test_a_child_holds_no_more_files_than_it_was_given(child, tmp_path):
    ask(child, tmp_path / "x", "plain")
    held = {str(one.readlink()) for one in Path(f"/proc/{child._process.pid}/fd").iterdir()}
    assert {one.partition(":")[0] for one in held} == {"/dev/null", "socket"}


# --- run -------------------------------------------------------------------------------------------------------------
def run(folder, word, **how):
    return confined.run(standing.make, folder, word, folder=folder, **how)


def test_a_call_makes_below_its_folder_and_tells(seen_by_all, tmp_path):
    (tmp_path / "made").mkdir()
    told = []
    found = run(tmp_path / "made", "writes", allow=(Summary,), tell=told.append)
    assert found == Summary(files=["moved"], persons={"tre1-A"}, counts=Counter(keep=2))
    assert (tmp_path / "made" / "moved").read_text("utf-8") == "made"
    assert told == [3, 4]


@pytest.mark.parametrize(
    ("word", "error", "said"),
    [
        ("outside", Unavailable, "broke down"),
        ("stranger", Unavailable, "what nobody asked for"),
        ("refuses", Refused, "no, for a reason"),
        ("dies", Unavailable, "broke down"),
        ("eats", Unavailable, "broke down"),
    ],
)
def test_a_call_that_does_what_it_may_not_is_one_line(seen_by_all, tmp_path, word, error, said):
    (tmp_path / "made").mkdir()
    with pytest.raises(error, match=said):
        run(tmp_path / "made", word)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_call_that_takes_too_long_is_ended(seen_by_all, tmp_path):
    with pytest.raises(Unavailable):
        confined.run(standing._forever, (), folder=tmp_path, seconds=1)


def test_without_landlock_nothing_is_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(landlock, "version", lambda: -1)
    with pytest.raises(Unavailable, match="no Landlock"):
        confined.run(len, "abc", folder=tmp_path)
