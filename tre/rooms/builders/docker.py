"""A room as a container of Docker."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import docker
import requests
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container

from tre.errors import Unavailable
from tre.host import engine
from tre.rooms.builders import State
from tre.rooms.room import TMP_SIZE, Bind, Room, seccomp
from tre.settings import Settings

SILENT = "Docker does not answer, so no room can be opened; an admin can see why with `tre doctor`"
REFUSED = "Docker would not build this room; an admin can see why in the log hub.log"
SECONDS = 30.0
ENTRYPOINT = ("/usr/bin/tini", "-g", "--")
TMP = f"rw,nosuid,nodev,noexec,size={TMP_SIZE},mode=1777"
LOG = {"max-size": "5m", "max-file": "2"}


class Docker:
    """Builds rooms on one engine."""

    kind = "docker"

    def __init__(self, settings: Settings) -> None:
        """Know where the engine is; connect when asked."""
        self._settings = settings

    def answers(self) -> str:
        """Say which engine answers."""
        version = engine.answers(self._settings)
        if not version:
            raise Unavailable(SILENT)
        return f"Docker {version}"

    def build(self, room: Room) -> None:
        """Create and start the container; one of the same name is a leftover."""
        with self._client() as client:
            self._removed(client, room.name)
            _made(client, room).start()

    def state(self, name: str) -> State | None:
        """Tell whether a room runs."""
        with self._client() as client:
            try:
                found = client.containers.get(name)
            except NotFound:
                return None
            said = found.attrs["State"]
            if not said.get("Running"):
                return None
            uid = str(found.attrs["Config"]["User"]).partition(":")[0]
            return State(int(said["Pid"]), str(found.attrs["Image"]), int(uid))

    def end(self, name: str, *, seconds: float) -> None:
        """Stop a container and remove it."""
        with self._client() as client:
            if seconds:
                with suppress(NotFound):
                    client.containers.get(name).stop(timeout=int(seconds))
            self._removed(client, name)

    def names(self, house: str) -> frozenset[str]:
        """Return what there is of a house, running or not."""
        with self._client() as client:
            found = client.containers.list(all=True, filters={"label": f"tre.house={house}"})
            return frozenset(str(one.name) for one in found)

    def run(self, room: Room, look: Callable[[int], None], *, seconds: float) -> bytes:
        """Run a room until it ends, and return what it said."""
        with self._client(seconds) as client:
            self._removed(client, room.name)
            made = _made(client, room, auto_remove=False)
            try:
                made.start()
                made.reload()
                look(int(made.attrs["State"]["Pid"]))
                made.wait(timeout=seconds)
                return bytes(made.logs(stdout=True, stderr=False))
            finally:
                self._removed(client, room.name)

    @contextmanager
    def _client(self, seconds: float = SECONDS) -> Iterator[docker.DockerClient]:
        try:
            client = docker.DockerClient(base_url=self._settings.docker_url, timeout=seconds)
            try:
                yield client
            finally:
                client.close()
        except APIError as error:
            raise Unavailable(REFUSED) from error
        except (DockerException, requests.RequestException) as error:
            raise Unavailable(SILENT) from error

    @staticmethod
    def _removed(client: docker.DockerClient, name: str) -> None:
        try:
            client.containers.get(name).remove(force=True)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != requests.codes.conflict:  # it is going already
                raise


def _made(client: docker.DockerClient, room: Room, **other: object) -> Container:
    walls = client.api.create_host_config(**{**host_config(room), **other})
    return client.containers.get(client.api.create_container(**container(room), host_config=walls)["Id"])


def container(room: Room) -> dict[str, object]:
    """Arguments for Docker's `create_container`, without the host's part."""
    return {
        "image": room.image,
        "name": room.name,
        "entrypoint": list(ENTRYPOINT),
        "command": list(room.command),
        "environment": dict(room.environment),
        "user": f"{room.uid}:{room.uid}",
        "hostname": "room",
        "working_dir": "/workspace",
        "labels": {"tre.house": room.house, "tre.project": room.project, "tre.person": room.person},
    }


def host_config(room: Room) -> dict[str, object]:
    """Arguments for Docker's `create_host_config`: the walls."""
    return {
        "network_mode": "none",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true", f"seccomp={seccomp()}"],
        "read_only": True,
        "ipc_mode": "private",
        "pids_limit": room.pids,
        "mem_limit": room.memory,
        "memswap_limit": room.memory,
        "nano_cpus": int(room.cpus * 1_000_000_000),
        "tmpfs": {"/tmp": TMP},  # noqa: S108 -- inside the room
        "mounts": [_mount(bind) for bind in room.binds],
        "ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
        "log_config": {"type": "json-file", "config": dict(LOG)},
        "restart_policy": {"Name": ""},
        "auto_remove": True,
    }


def _mount(bind: Bind) -> dict[str, object]:
    return {
        "Type": "bind",
        "Source": str(bind.source),
        "Target": bind.target,
        "ReadOnly": not bind.writable,
        "BindOptions": {"Propagation": "rprivate"},
    }
