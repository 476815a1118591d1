"""The doctor says no where something is wrong, and what to do about it."""

import json
import socket

import pytest

import tre.settings
from tre import doctor
from tre.cli import build, run
from tre.data import landlock
from tre.host import engine


def of(settings, name):
    return [check for check in doctor.checks(settings) if check.name == name]


def test_before_init_the_home_is_what_lacks(tmp_path):
    settings = tre.settings.load(tmp_path / "none", engine_home=tmp_path / "engine")
    assert [(check.ok, check.remedy[:14]) for check in of(settings, "home")] == [(False, "run `tre init`")]


@pytest.mark.parametrize(("version", "ok"), [(1, True), (7, True), (0, False), (-1, False)])
def test_a_kernel_that_cannot_shut_parsers_in_is_a_fault(settings, monkeypatch, version, ok):
    monkeypatch.setattr(landlock, "version", lambda: version)
    assert [check.ok for check in of(settings, "landlock")] == [ok]


def test_a_fresh_home_has_no_fault(settings):
    names = {"home", "keys", "records", "audit", "house"}
    found = [check for check in doctor.checks(settings) if check.name in names]
    assert {check.name for check in found} == names
    assert [check for check in found if not check.ok] == []


@pytest.mark.parametrize(("place", "mode"), [("keys", 0o755), ("keys/root.key", 0o444), ("silo", 0o750)])
def test_what_others_can_open_is_a_fault(settings, place, mode):
    (settings.home / place).chmod(mode)
    assert any(place in check.says and "chmod" in check.remedy for check in doctor.checks(settings) if not check.ok)


def test_a_port_that_another_program_has_is_a_fault(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings = tre.settings.load(tmp_path, port=min(other.getsockname()[1], 65_520), engine_home=tmp_path)
        assert [check.ok for check in of(settings, "ports")] == [False]


def test_a_host_without_engine_image_or_proxy_hears_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "program", lambda: None)
    settings = tre.settings.load(tmp_path / "none", engine_home=tmp_path / "engine", rooms="docker")
    said = {check.name: check.remedy for check in doctor.checks(settings) if not check.ok}
    assert "docker.io" in said["engine"]
    assert "make setup" in said["image"]
    assert "make setup" in said["proxy"]


def test_a_host_without_engine_hears_that_bubblewrap_builds_its_rooms(tmp_path):
    settings = tre.settings.load(tmp_path / "none", engine_home=tmp_path / "engine")
    (builder,) = of(settings, "builder")
    assert builder.ok
    assert builder.says.startswith("bubblewrap ")


def test_the_command_ends_with_1_on_a_fault_and_speaks_json(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TRE_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("TRE_ENGINE_HOME", str(tmp_path / "engine"))
    assert run(build(), ["doctor"]) == 1
    assert "NO  home" in capsys.readouterr().out
    assert run(build(), ["doctor", "--json"]) == 1
    assert {"name", "ok", "says", "remedy"} == set(json.loads(capsys.readouterr().out)[0])
