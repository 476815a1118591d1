"""What rooms are measured beside: an ordinary JupyterHub with DockerSpawner and jupyterhub-singleuser, no gateway.

It runs the rooms' own image with a layer of JupyterHub on top, on the same engine, behind the same kind of proxy. The
engine has no bridge, so its containers use the host's network on loopback: that spares them the virtual cable and the
address that a bridge would cost, and so is in the peer's favour.
"""

import io
import os
import secrets
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import docker
import httpx

from tests.house import free_ports
from tre.host import image, rootfs
from tre.host.proxy import command
from tre.settings import Settings

REPOSITORY = "hortus/bench-peer"
LAYER = "2"
"""Count this up when `_layer` makes something else."""
READY_SECONDS = 60
CONFIG = """
import os
from dockerspawner import DockerSpawner

class Plain(DockerSpawner):
    async def get_ip_and_port(self):  # as its documentation says for the host's network
        return self.host_ip, self.port

port = int(os.environ["PEER_PORT"])
c.JupyterHub.bind_url = f"http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{port + 2}"
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{port + 1}"
c.ConfigurableHTTPProxy.auth_token = os.environ["CONFIGPROXY_AUTH_TOKEN"]
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.services = [{"name": "bench", "api_token": os.environ["PEER_TOKEN"], "admin": True}]
c.JupyterHub.spawner_class = Plain
c.DockerSpawner.client_kwargs = {"base_url": os.environ["PEER_DOCKER"], "timeout": 30}
c.DockerSpawner.image = os.environ["PEER_IMAGE"]
c.DockerSpawner.prefix = f"bench-peer-{port}"
c.DockerSpawner.network_name = "host"
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.remove = True
c.DockerSpawner.cmd = ["/opt/venv/bin/python", "-m", "jupyterhub.singleuser"]
c.DockerSpawner.mem_limit = os.environ["PEER_MEMORY"]
c.DockerSpawner.cpu_limit = float(os.environ["PEER_CPUS"])
c.Spawner.ip = "127.0.0.1"
c.Spawner.port = port + 3
c.Spawner.environment = {"HOME": "/tmp"}
c.Spawner.notebook_dir = "/tmp"
"""


class Peer:
    """A plain Hub with one person, ann."""

    def __init__(self, port: int, token: str, log: Path) -> None:
        self.log = log
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"token {token}"}, timeout=90
        )

    def open(self) -> float:
        """Open a server; return the seconds until the Hub says that it is ready."""
        began = time.perf_counter()
        answer = self.http.post("/hub/api/users/ann/server")
        while answer.status_code == 202 and not self.server().get("ready"):
            time.sleep(0.05)
        took = time.perf_counter() - began
        assert answer.status_code in {201, 202}, self.said()
        assert self.http.get("/user/ann/api/status").status_code == 200
        return took

    def close(self) -> None:
        self.http.delete("/hub/api/users/ann/server")
        while self.server():
            time.sleep(0.2)

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")[-3000:]

    def server(self) -> dict:
        return self.http.get("/hub/api/users/ann").json()["servers"].get("", {})


@contextmanager
def a_peer(settings: Settings) -> Iterator[Peer]:
    """Run the plain Hub beside the house."""
    token, port, made_of = secrets.token_hex(16), free_ports(), peer_image(settings)
    folder = Path(tempfile.mkdtemp(prefix="peer-"))
    (folder / "config.py").write_text(CONFIG)
    words, environment = command(settings.model_copy(update={"port": port}))
    words = [word for word in words if word != "--host-routing"]
    environment = {
        **os.environ,
        **environment,
        "PATH": f"{environment['PATH']}:{os.environ['PATH']}",
        "PEER_PORT": str(port),
        "PEER_TOKEN": token,
        "PEER_DOCKER": settings.docker_url,
        "PEER_IMAGE": made_of,
        "PEER_MEMORY": settings.room_memory,
        "PEER_CPUS": str(settings.room_cpus),
    }
    hub = [sys.executable, "-m", "jupyterhub", "-f", str(folder / "config.py")]
    peer = Peer(port, token, folder / "log")
    with (folder / "log").open("wb") as log:
        running = [subprocess.Popen(each, cwd=folder, env=environment, stdout=log, stderr=log) for each in (words, hub)]
    try:
        _wait(peer)
        yield peer
    finally:
        peer.http.close()
        for process in reversed(running):
            process.terminate()
            process.wait(30)
        with _docker(settings) as client:
            for left in client.containers.list(all=True, filters={"name": f"bench-peer-{port}"}):
                left.remove(force=True)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(peer: Peer) -> None:
    until = time.monotonic() + READY_SECONDS
    while True:
        try:
            if peer.http.post("/hub/api/users/ann").status_code == 201:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < until, peer.said()
        time.sleep(0.2)


# --- its image ------------------------------------------------------------------------------------------------------
def peer_image(settings: Settings) -> str:
    """Lay JupyterHub over the rooms' image, once for each of its versions."""
    ours = image.current(settings)
    tag = f"{LAYER}-{version('jupyterhub')}-{ours.digest[:12]}"
    with _docker(settings) as client:
        if not client.images.list(f"{REPOSITORY}:{tag}"):
            made = client.api.create_container(ours.id, ["true"])["Id"]
            try:
                client.api.put_archive(made, "/", _layer(ours))
                client.api.commit(made, REPOSITORY, tag)
            finally:
                client.api.remove_container(made, force=True)
    return f"{REPOSITORY}:{tag}"


def _layer(ours: image.Image) -> bytes:
    """Return JupyterHub and what it needs beyond the image, compiled as the image's own packages are."""
    site = ours.root / image.SITE
    lock = image.HERE / "images/notebook/requirements.lock"
    with tempfile.TemporaryDirectory(prefix="peer-") as folder:
        top = Path(folder)
        words = ["pip", "install", "--quiet", "--target", folder, "--python-version", "3.11"]
        words += ["--constraint", str(lock), "--only-binary", ":all:", f"jupyterhub=={version('jupyterhub')}"]
        subprocess.run([rootfs.tool("uv", package="uv"), *words], check=True)
        for name in rootfs.PRUNED:  # what rooms are spared is spared the peer alike
            _remove(*top.glob(name))
        _remove(*(entry for entry in top.iterdir() if (site / entry.name).exists()))
        compiling = [rootfs.PYTHON, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/run/top"]
        rootfs.inside(ours.root, compiling, {}, ["--bind", folder, "/run/top"], accept=(0, 1))
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(top, arcname=image.SITE, filter=_of_root)
        return packed.getvalue()


def _remove(*entries: Path) -> None:
    for entry in entries:
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.mode |= 0o755 if member.isdir() else 0o644
    return member


@contextmanager
def _docker(settings: Settings) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=settings.docker_url, timeout=300)
    try:
        yield client
    finally:
        client.close()
