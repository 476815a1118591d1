"""A room is what one person may work in for one project: these mounts, these limits, no network, no key.

`room_for` says what a room is; the modules in `tre.rooms.builders` say it in Docker's words or in bubblewrap's. What is
not written here is not in the room.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from tre.errors import Unreadable
from tre.governance.access import Mount
from tre.records.tables import ProjectRow
from tre.settings import Settings

CALLBACK = "oauth_callback"
"""Last word of the address at which a room's sign-in ends."""
SOCKET = "/run/tre/in/jupyter.sock"
ENTRYPOINT = ("/usr/bin/tini", "-g", "--")
# Nothing of the Hub is in here: no URL, no token. A variable is in a room only if it stands in this table.
ENVIRONMENT = {
    "PATH": "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin",
    "HOME": "/home/analyst",
    "LANG": "C.UTF-8",
    "JUPYTER_PREFER_ENV_PATH": "1",
    "PYTHONNOUSERSITE": "1",
    "MPLCONFIGDIR": "/tmp/matplotlib",  # noqa: S108 -- inside the room, on its own tmpfs
}
# Who asks is checked outside, by the gateway; no cookie, token or Origin ever gets as far as this server.
LAB = (
    "/opt/venv/bin/jupyter",
    "lab",
    "--no-browser",
    f"--ServerApp.sock={SOCKET}",
    "--ServerApp.sock_mode=0600",
    "--ServerApp.root_dir=/home/analyst",
    "--ServerApp.disable_check_xsrf=True",
    "--ServerApp.terminals_enabled=False",
    "--ServerApp.quit_button=False",
    "--IdentityProvider.token=",
    "--FileContentsManager.delete_to_trash=False",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)
TMP_SIZE = "512m"
SIZES = {"K": 2**10, "M": 2**20, "G": 2**30}


@dataclass(frozen=True, kw_only=True)
class Bind:
    """A folder of the host, and where the room sees it."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, kw_only=True)
class Room:
    """Everything a room is made of."""

    project: str
    person: str
    uid: int
    image: str
    binds: tuple[Bind, ...]
    environment: dict[str, str]
    command: tuple[str, ...]
    memory: int
    cpus: float
    pids: int
    name: str
    house: str
    mounts: tuple[Mount, ...] = field(default=())

    @property
    def subject(self) -> str:
        """What the audit calls this room."""
        return subject(self.project, self.person)


def subject(project: str, person: str) -> str:
    """Name the room of a person in a project, for the audit."""
    return f"room/{project}/{person}"


def prefix(project: str, person: str) -> str:
    """Path under which the browser finds a room."""
    return f"/user/{person}/{project}/"


def host(settings: Settings, project: str, person: str) -> str:
    """Host name of one room, and of nothing else: what two rooms of one person serve are strangers to each other.

    No name holds two hyphens, so this is one room's; nobody is called `airlock`, so it is not the airlock's.
    """
    return f"{person}--{project}.{settings.rooms_below}"


def landing(settings: Settings) -> str:
    """Host name to which the Hub sends a browser for any room; the gateway sends it on to the room's own."""
    return f"rooms.{settings.rooms_below}"


def origin(settings: Settings, project: str, person: str) -> str:
    """Origin of one room, as the browser sees it."""
    return f"{settings.scheme}://{host(settings, project, person)}:{settings.port}"


def house_of(settings: Settings) -> str:
    """Tell containers of one home from those of another on the same engine."""
    return sha256(str(settings.home).encode()).hexdigest()[:12]


def container_name(settings: Settings, project: str, person: str) -> str:
    """Name of a room's container on the engine."""
    return f"tre-{house_of(settings)}-{project}--{person}"


def room_for(settings: Settings, image: str, project: ProjectRow, person: str, mounts: Sequence[Mount]) -> Room:
    """Say what the room of a person in a project is, with exactly these datasets."""
    if project.uid <= 0:
        raise Unreadable(f"project {project.name} has no user id of its own: a room never runs as root")
    return Room(
        project=project.name,
        person=person,
        uid=project.uid,
        image=image,
        binds=_binds(settings, project.name, person, mounts),
        environment={**ENVIRONMENT, "TRE_PROJECT": project.name, "TRE_PERSON": person},
        command=(*LAB, f"--ServerApp.base_url={prefix(project.name, person)}"),
        memory=in_bytes(settings.room_memory),
        cpus=settings.room_cpus,
        pids=settings.room_pids,
        name=container_name(settings, project.name, person),
        house=house_of(settings),
        mounts=tuple(mounts),
    )


def _binds(settings: Settings, project: str, person: str, mounts: Sequence[Mount]) -> tuple[Bind, ...]:
    data = (
        Bind(source=settings.extract(project, mount.dataset, mount.number), target=f"/data/{mount.dataset}")
        for mount in mounts
    )
    sockets = settings.room_sockets(project, person)
    return (
        *data,
        Bind(source=settings.imports / project, target="/imports"),
        Bind(source=settings.workspace(project), target="/workspace", writable=True),
        Bind(source=settings.person_home(project, person), target="/home/analyst", writable=True),
        Bind(source=settings.outbox(project, person), target="/outbox", writable=True),
        Bind(source=sockets / "in", target="/run/tre/in", writable=True),
        Bind(source=sockets / "api", target="/run/tre/api"),
    )


def in_bytes(size: str) -> int:
    """Read a size such as 512M or 2G."""
    number, unit = size[:-1], size[-1:].upper()
    if unit not in SIZES or not number.isdigit() or int(number) == 0:
        raise Unreadable(f"setting room_memory: {size!r} is not a size such as 512M or 2G")
    return int(number) * SIZES[unit]


@cache
def seccomp() -> str:
    """System calls that a room may make; all others get EPERM."""
    profile = json.loads((files("tre.rooms") / "seccomp.json").read_text("utf-8"))
    return json.dumps(profile, separators=(",", ":"))
