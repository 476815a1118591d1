"""A room is exactly what `tre.rooms.room` says, as Docker itself tells it; one thing more fails here."""

import hashlib
import json
import textwrap

import pytest

from tre.host import image
from tre.records.tables import ProjectRow
from tre.rooms.room import LAB, seccomp

pytestmark = pytest.mark.docker

# Docker's own; what a room hides of the host's kernel.
MASKED = {
    "/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
    "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
}  # fmt: skip
READ_ONLY = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}


@pytest.fixture(scope="module")
def alice(house):
    alice = house.person("alice")
    alice.open("sunrise")
    yield alice
    alice.leave("sunrise")


@pytest.fixture(scope="module")
def room(house, alice):
    return house.inspect("sunrise", "alice")


@pytest.fixture(scope="module")
def uid(house):
    with house.records.read() as session:
        return session.get(ProjectRow, "sunrise").uid


def test_code_runs_in_a_kernel_through_proxy_and_gateway(alice):
    assert alice.run("sunrise", "print(6 * 7)") == "42\n"


def test_a_room_has_exactly_these_mounts(house, room):
    settings = house.settings
    sockets = settings.room_sockets("sunrise", "alice")
    expected = {
        (str(settings.extract("sunrise", "trial", 1)), "/data/trial", False),
        (str(settings.imports / "sunrise"), "/imports", False),
        (str(settings.workspace("sunrise")), "/workspace", True),
        (str(settings.person_home("sunrise", "alice")), "/home/analyst", True),
        (str(settings.outbox("sunrise", "alice")), "/outbox", True),
        (str(sockets / "in"), "/run/tre/in", True),
        (str(sockets / "api"), "/run/tre/api", False),
    }
    assert {(one["Source"], one["Destination"], one["RW"]) for one in room["Mounts"]} == expected
    assert all((one["Type"], one["Propagation"]) == ("bind", "rprivate") for one in room["Mounts"])


def test_a_room_has_exactly_these_walls(room, house):
    host = room["HostConfig"]
    options = host.pop("SecurityOpt")
    mounts = host.pop("Mounts")
    said = {key: value for key, value in host.items() if value not in (None, [], {}, "", 0, False)}
    assert set(said.pop("MaskedPaths")) >= MASKED - {"/proc/latency_stats"}
    assert set(said.pop("ReadonlyPaths")) >= READ_ONLY
    assert said.pop("ConsoleSize", [0, 0]) == [0, 0]
    assert said.pop("CgroupnsMode") in {"host", "private"}  # cgroup v1 knows host alone
    assert said == {
        "AutoRemove": True,
        "CapDrop": ["ALL"],
        "IpcMode": "private",
        "LogConfig": {"Type": "json-file", "Config": {"max-file": "2", "max-size": "5m"}},
        "Memory": 2 * 2**30,
        "MemorySwap": 2 * 2**30,
        "NanoCpus": 1_000_000_000,
        "NetworkMode": "none",
        "PidsLimit": 256,
        "ReadonlyRootfs": True,
        "RestartPolicy": {"Name": "", "MaximumRetryCount": 0},
        "Runtime": "runc",
        "ShmSize": 64 * 2**20,
        "Tmpfs": {"/tmp": "rw,nosuid,nodev,noexec,size=512m,mode=1777"},
        "Ulimits": [{"Name": "core", "Hard": 0, "Soft": 0}],
    }
    assert len(mounts) == 7
    assert len(options) == 2
    assert "no-new-privileges:true" in options
    (profile,) = (option.removeprefix("seccomp=") for option in options if option.startswith("seccomp="))
    assert hashlib.sha256(profile.encode()).digest() == hashlib.sha256(seccomp().encode()).digest()


def test_a_room_runs_as_its_projects_user_from_the_image_of_the_house(room, house, uid):
    assert uid > 0
    assert room["Config"]["User"] == f"{uid}:{uid}"
    assert room["Image"] == image.current(house.settings).id
    assert room["Config"]["Entrypoint"] == ["/usr/bin/tini", "-g", "--"]
    assert room["Config"]["Cmd"] == [*LAB, "--ServerApp.base_url=/user/alice/sunrise/"]
    assert room["NetworkSettings"]["Networks"].keys() == {"none"}
    assert not room["NetworkSettings"]["Ports"]


def test_a_room_has_exactly_these_variables(room):
    assert set(room["Config"]["Env"]) >= {"TRE_PROJECT=sunrise", "TRE_PERSON=alice"}
    assert {variable.partition("=")[0] for variable in room["Config"]["Env"]} == {
        "PATH", "HOME", "LANG", "JUPYTER_PREFER_ENV_PATH", "PYTHONNOUSERSITE", "MPLCONFIGDIR", "TRE_PROJECT",
        "TRE_PERSON",
    }  # fmt: skip


def test_a_room_cannot_write_where_it_may_only_read(alice):
    for place in ("/data/trial", "/run/tre/api", "/", "/opt/venv", "/etc"):
        said = alice.run("sunrise", f"open({place!r} + '/x', 'w')")
        assert "Read-only file system" in said or "Permission denied" in said, (place, said)


def test_a_room_can_write_where_its_people_work(alice):
    for place in ("/workspace", "/home/analyst", "/outbox", "/tmp"):
        said = alice.run("sunrise", f"p = {place!r} + '/x.txt'; open(p, 'w').write('x'); print(open(p).read())")
        assert said == "x\n", (place, said)


def test_a_room_reads_its_own_projects_extract(alice):
    said = alice.run("sunrise", "import pandas as pd; print(set(pd.read_parquet('/data/trial').project))")
    assert said == "{'sunrise'}\n"


def test_the_kernel_forbids_what_the_profile_does_not_name(alice):
    code = """
        import ctypes, socket
        libc = ctypes.CDLL(None, use_errno=True)
        def call(*words):
            ctypes.set_errno(0)
            return libc.syscall(*words), ctypes.get_errno()
        # io_uring_setup, userfaultfd, keyctl, ptrace, bpf, perf_event_open, unshare(NEWUSER), mount, process_vm_readv
        print([call(*words)[1] for words in ((425, 1, 0), (323, 0), (250, 0, 0), (101, 0, 0, 0, 0), (321, 0, 0, 0),
               (298, 0, 0, -1, -1, 0), (272, 0x10000000), (165, 0, 0, 0, 0, 0), (310, 1, 0, 0, 0, 0, 0))])
        def family(*words):
            try:
                socket.socket(*words).close()
            except OSError as error:
                return error.errno
            return 0
        print([family(40, 1), family(17, 3), family(16, 3, 12), family(16, 3, 0), family(2, 3, 1)])
    """
    first, second = alice.run("sunrise", textwrap.dedent(code)).splitlines()
    assert json.loads(first) == [1] * 9
    assert json.loads(second) == [1, 1, 1, 0, 1]  # vsock, packet, netfilter: no; route: yes, zmq needs it; raw: no


def test_libraries_of_an_analyst_work_under_the_profile(alice):
    code = (
        "import duckdb, numpy, scipy.stats, statsmodels.api, sklearn.ensemble\n"
        "import lifelines, matplotlib.pyplot, pysam, pydicom\n"
        "f = sklearn.ensemble.RandomForestClassifier(n_jobs=2, n_estimators=4).fit([[0], [1]] * 9, [0, 1] * 9)\n"
        "print(duckdb.sql(\"select count(*) from '/data/trial/*.parquet'\").fetchall()[0][0], f.score([[0]], [0]))"
    )
    assert alice.run("sunrise", code, seconds=180).splitlines()[-1] == "60 1.0"


def test_a_new_home_has_the_ways_to_data_and_outbox(alice):
    said = alice.run(
        "sunrise",
        "import os; print(*(os.readlink('/home/analyst/' + n) for n in ('data', 'imports', 'workspace', 'outbox')))",
    )
    assert said == "/data /imports /workspace /outbox\n"


def test_the_opening_is_in_the_log_with_mounts_and_image(house, alice):
    entry = house.entries("session.open")[-1]
    assert (entry["actor"], entry["subject"]) == ("alice", "room/sunrise/alice")
    assert entry["facts"]["mounts"] == [{"dataset": "trial", "version": 1, "number": 1}]
    assert entry["facts"]["image"] == image.current(house.settings).id


def test_a_room_can_ask_for_an_export_and_hear_whose_turn_it_is(alice):
    code = """
        import http.client, json, socket
        class Door(http.client.HTTPConnection):
            def connect(self):
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.connect("/run/tre/api/tre.sock")
        open("/outbox/table.csv", "w").write("sex,n\\nf,30\\nm,30\\n")
        door = Door("tre")
        door.request("POST", "/v1/requests", json.dumps({"paths": ["/outbox/table.csv"], "why": "for the paper"}))
        answer = door.getresponse()
        said = json.loads(answer.read())
        print(answer.status, said.get("state"), bool(said.get("says")), said)
    """
    said = alice.run("sunrise", textwrap.dedent(code))
    assert said.startswith("201 "), said
    assert " True " in said
