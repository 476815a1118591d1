"""All that is known to be tried from inside a room: refused in a room, and let through where there is no wall."""

import json
from pathlib import Path

import docker
import pytest

from tre.host import image
from tre.rooms import attempts, probing

pytestmark = pytest.mark.docker

NAMES = [attempt.name for attempt in attempts.ATTEMPTS]


@pytest.fixture(scope="module")
def tried(any_house):
    """What came of each attempt in a room."""
    return {one.name: one for one in probing.in_a_room(any_house.settings)}


@pytest.mark.parametrize("name", NAMES)
def test_in_a_room_nobody_can(tried, name):
    assert (tried[name].ok, tried[name].says) == (True, "refused")


def test_seen_from_outside_the_room_is_as_it_should_be(tried):
    assert tried["the room of doctor"].ok, tried["the room of doctor"].says


def test_nothing_of_the_probe_is_left(any_house, tried):
    assert not list(any_house.settings.home.glob("probe-*"))
    with any_house.docker() as client:
        names = [one.name for one in client.containers.list(all=True)]
    names += [path.name for path in (any_house.settings.sockets / "bubblewrap").glob("*")]
    assert not [name for name in names if "-probe--doctor" in name]


CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
)  # fmt: skip

# Without walls these get nothing on a machine whose kernel has no such thing.
NOT_ON_EVERY_MACHINE = {"speak by radio", "speak with the ports of the processor"}


def powers():
    """All that root has on this machine."""
    status = Path("/proc/self/status").read_text().splitlines()
    held = next(int(line.split()[1], 16) for line in status if line.startswith("CapBnd"))
    return [name for at, name in enumerate(CAPABILITIES) if held >> at & 1]


@pytest.fixture(scope="module")
def unwalled(house, tmp_path_factory):
    """What the same attempts get as root of a container that is none: on the host's network, unfiltered, unmasked."""
    at = tmp_path_factory.mktemp("unwalled")
    for name in ("mine", "other", "programs"):
        (at / name).mkdir()
    (at / "mine" / "key").write_text("-----BEGIN PRIVATE KEY-----")
    (at / "programs" / "suid").touch()
    (at / "programs" / "suid").chmod(0o4755)
    facts = {
        "environment": ["PATH"],
        "mounts": ["/data/mine"],
        "ports": [house.settings.port],
        "sockets": [],
        "pids": 64,
        "memory": 2**26,
    }
    client = docker.APIClient(base_url=house.settings.docker_url, timeout=60)
    walls_down = client.create_host_config(
        cap_add=powers(),
        network_mode="host",
        pid_mode="host",
        security_opt=["seccomp=unconfined"],
        extra_hosts={"example.org": "192.0.2.1"},
        devices=["/dev/zero:/dev/strange:rwm"],
        binds=[
            f"{house.settings.docker_url.removeprefix('unix://')}:/run/docker.sock",
            f"{at}/mine:/data/mine",
            f"{at}/other:/data/other",
            f"{at}/mine:/workspace",
            f"{at}/programs:/opt/programs",
            "/sys/fs/cgroup:/sys/fs/cgroup",
        ],
    )
    made = client.create_container(
        image.current(house.settings).id,
        entrypoint=[probing.PYTHON, "-I", "-c"],
        command=[Path(attempts.__file__).read_text(), json.dumps(facts)],
        user="0",
        environment={"SECRET": "x"},
        host_config={**walls_down, "MaskedPaths": [], "ReadonlyPaths": []},
    )
    try:
        client.start(made["Id"])
        client.wait(made["Id"], timeout=120)
        said = client.logs(made["Id"], stdout=True, stderr=False)
    finally:
        client.remove_container(made["Id"], force=True)
        client.close()
    return {one["name"]: one for one in map(json.loads, said.splitlines())}


@pytest.mark.parametrize("name", NAMES)
def test_without_walls_it_gets_through(unwalled, name):
    """So that an attempt which could never succeed is found out."""
    assert unwalled[name]["broke"] == ""
    assert unwalled[name]["got"] or name in NOT_ON_EVERY_MACHINE
