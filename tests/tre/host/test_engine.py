"""Our own engine: started beside any other, found again, and mended after a crash."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import tre.settings
from tre.errors import Unavailable
from tre.host import engine


@pytest.fixture
def empty() -> Iterator[tre.settings.Settings]:
    with tempfile.TemporaryDirectory(prefix="tre-") as folder:
        yield tre.settings.load(Path(folder) / "home", engine_home=Path(folder) / "engine")
        _unmount(folder)


@pytest.fixture
def running(empty) -> Iterator[tre.settings.Settings]:
    engine.ensure(empty, print)
    yield empty
    engine.stop(empty)


@pytest.mark.docker
def test_an_engine_that_answers_is_used_as_it_is(running):
    pid = (running.engine_home / "docker.pid").read_text()
    said: list[str] = []
    engine.ensure(running, said.append)
    assert (running.engine_home / "docker.pid").read_text() == pid
    assert len(said) == 1


@pytest.mark.docker
def test_an_engine_that_crashed_is_started_again_although_its_pid_is_a_strangers_now(running):
    pid = int((running.engine_home / "docker.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (running.engine_home / "docker.pid").write_text(str(stranger.pid))
        engine.ensure(running, print)
        assert stranger.poll() is None
        stranger.kill()
    assert engine.answers(running)


@pytest.mark.docker
def test_a_stopped_engine_leaves_no_process(empty):
    engine.ensure(empty, print)
    pid = int((empty.engine_home / "docker.pid").read_text())
    assert engine.stop(empty)
    assert not Path(f"/proc/{pid}").exists()
    assert not engine.stop(empty)


def test_our_engine_touches_no_network_of_the_host(empty):
    assert {"--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-masq=false", "--ip-forward=false"} <= set(
        engine.command(empty)
    )


def test_a_path_too_long_for_a_socket_is_said_before_it_is_tried(tmp_path):
    settings = tre.settings.load(tmp_path, engine_home=tmp_path / ("x" * 107))
    assert any("TRE_ENGINE_HOME is too long" in line for line in engine.obstacles(settings))


def test_an_engine_named_by_the_operator_is_only_asked(tmp_path):
    settings = tre.settings.load(tmp_path, docker=f"unix://{tmp_path / 'none.sock'}", engine_home=tmp_path / "engine")
    with pytest.raises(Unavailable, match="TRE_DOCKER"):
        engine.ensure(settings, print)
    assert not settings.engine_home.exists()
    assert engine.stop(settings) is False


def test_a_host_without_dockerd_hears_what_to_install(empty, monkeypatch):
    monkeypatch.setattr(engine, "program", lambda: None)
    with pytest.raises(Unavailable, match=r"apt-get install docker\.io"):
        engine.ensure(empty, print)


def test_an_ordinary_user_hears_that_it_needs_root(empty, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "needs root" in engine.obstacles(empty)[0]


@pytest.mark.docker
def test_an_engine_that_cannot_start_is_one_line_with_its_log(empty, monkeypatch):
    monkeypatch.setattr(engine, "NO_NETWORK", ("--no-such-option",))
    with pytest.raises(Unavailable, match="did not start") as no:
        engine.ensure(empty, print)
    assert "docker.log" in str(no.value)


def _unmount(folder: str) -> None:
    """Take away what a killed engine left mounted."""
    places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for place in reversed([place for place in places if place.startswith(f"{folder}/")]):
        subprocess.run(["umount", "--lazy", place], check=True)
