"""Both builders build the same specification, and the choice between them is made once."""

import json
import os
import struct
from pathlib import Path

import pytest

import tre.settings
from tre.errors import Unavailable
from tre.rooms.builders import bpf, choice, launch
from tre.rooms.builders.bubblewrap import Bubblewrap
from tre.rooms.builders.docker import Docker
from tre.rooms.room import seccomp


def at(tmp_path, **given):
    return tre.settings.load(tmp_path / "home", engine_home=tmp_path / "engine", **given)


@pytest.mark.parametrize(("rooms", "kind"), [("docker", Docker), ("bubblewrap", Bubblewrap), ("auto", Bubblewrap)])
def test_without_an_engine_auto_means_bubblewrap(tmp_path, rooms, kind):
    assert isinstance(choice.chosen(at(tmp_path, rooms=rooms)), kind)


def test_what_was_settled_stays_though_an_engine_comes_or_goes(tmp_path, monkeypatch):
    settings = at(tmp_path)
    assert choice.settle(settings).kind == "bubblewrap"
    monkeypatch.setattr(Docker, "answers", lambda self: "Docker 99")
    assert choice.chosen(settings).kind == "bubblewrap"
    assert choice.settle(settings).kind == "docker"
    monkeypatch.undo()
    assert choice.chosen(settings).kind == "docker"


def test_what_the_operator_chose_is_not_changed_by_what_was_settled(tmp_path):
    choice.settle(at(tmp_path))
    assert choice.chosen(at(tmp_path, rooms="docker")).kind == "docker"


@pytest.mark.parametrize("lacks", ["program", "root", "groups"])
def test_where_bubblewrap_cannot_build_it_says_what_lacks(tmp_path, monkeypatch, lacks):
    from tre.rooms.builders import bubblewrap

    if lacks == "program":
        monkeypatch.setattr(bubblewrap.shutil, "which", lambda _: None)
    if lacks == "root":
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
    if lacks == "groups":
        monkeypatch.setattr(bubblewrap, "GROUPS", tmp_path)
    with pytest.raises(Unavailable) as no:
        Bubblewrap(at(tmp_path)).answers()
    assert "\n" not in str(no.value)


def test_a_note_of_another_process_is_no_room(tmp_path):
    """The number of a process that ended may be given again."""
    builder = Bubblewrap(at(tmp_path))
    place = builder._place("tre-x-sunrise--ann")
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps({"pid": os.getpid(), "born": 1, "image": "sha256:0", "uid": 70_000}))
    assert builder.state("tre-x-sunrise--ann") is None
    assert builder.names("x") == {"tre-x-sunrise--ann"}
    builder.end("tre-x-sunrise--ann", seconds=0)
    assert builder.names("x") == frozenset()


def test_a_note_that_cannot_be_read_is_no_room(tmp_path):
    builder = Bubblewrap(at(tmp_path))
    place = builder._place("tre-x-sunrise--ann")
    place.parent.mkdir(parents=True)
    place.write_text("{")
    assert builder.state("tre-x-sunrise--ann") is None


def test_the_filter_is_whole_instructions_and_ends_in_refusal_or_leave():
    """Each is eight bytes (struct sock_filter); the last ones return what is decided."""
    rules = bpf.compiled()
    assert len(rules) % 8 == 0
    returned = {value for code, _, _, value in struct.iter_unpack("<HBBI", rules) if code == 0x06}
    refused, allowed, no_such_call = bpf.ERRNO | 1, bpf.ALLOW, bpf.ERRNO | 38
    assert {refused, allowed, no_such_call} <= returned <= {refused, allowed, no_such_call, 0, 0x80000000}


def test_every_condition_of_the_filter_is_one_that_is_translated():
    used = {arg["op"] for rule in json.loads(seccomp())["syscalls"] for arg in rule.get("args") or ()}
    assert used <= set(bpf.OPERATIONS)


def test_the_launcher_imports_nothing_of_the_house():
    words = Path(launch.__file__).read_text()
    assert "import tre" not in words
    assert "from tre" not in words
