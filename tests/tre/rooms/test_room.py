import json
from types import SimpleNamespace

import pytest

from tre.errors import Tampered, Unavailable, Unreadable
from tre.governance.access import Mount
from tre.governance.accounts import PROCESSES
from tre.rooms import folders, room
from tre.rooms.builders.docker import container, host_config
from tre.rooms.room import in_bytes, room_for, seccomp
from tre.rooms.spawner import NOTEBOOKS
from tre.settings import NAME

SUNRISE = SimpleNamespace(name="sunrise", uid=64_001)


@pytest.fixture
def made(settings):
    for dataset, number in (("trial", 3), ("scans", 1)):
        settings.extract("sunrise", dataset, number).mkdir(parents=True)
    return room_for(settings, "sha256:1", SUNRISE, "ann", (Mount("trial", 1, 3), Mount("scans", 2, 1)))


def test_a_room_mounts_what_was_allowed_and_its_own_folders(made, settings):
    home = settings.home
    assert [(str(bind.source.relative_to(home)), bind.target, bind.writable) for bind in made.binds] == [
        ("extracts/sunrise/trial/3", "/data/trial", False),
        ("extracts/sunrise/scans/1", "/data/scans", False),
        ("imports/sunrise", "/imports", False),
        ("projects/sunrise/workspace", "/workspace", True),
        ("projects/sunrise/people/ann/home", "/home/analyst", True),
        ("projects/sunrise/people/ann/outbox", "/outbox", True),
        ("run/rooms/sunrise--ann/in", "/run/tre/in", True),
        ("run/rooms/sunrise--ann/api", "/run/tre/api", False),
    ]


def test_a_room_has_no_network_and_no_privilege(made):
    walls = host_config(made)
    assert walls["network_mode"] == "none"
    assert walls["cap_drop"] == ["ALL"]
    assert walls["read_only"] is True
    assert "no-new-privileges:true" in walls["security_opt"]
    assert (
        not {"privileged", "binds", "devices", "port_bindings", "links", "cap_add", "volumes_from", "pid_mode"}
        & walls.keys()
    )


def test_a_room_never_runs_as_root(settings):
    with pytest.raises(Unreadable):
        room_for(settings, "sha256:1", SimpleNamespace(name="sunrise", uid=0), "ann", ())


def test_a_rooms_variables_are_a_list_and_not_the_hosts(made, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "secret")
    assert not [name for name in container(made)["environment"] if name.startswith(("JUPYTERHUB", "JPY_"))]
    assert "secret" not in json.dumps(container(made))


@pytest.mark.parametrize(("size", "number"), [("512M", 2**29), ("2G", 2**31), ("1g", 2**30), ("64k", 2**16)])
def test_a_size_is_read(size, number):
    assert in_bytes(size) == number


@pytest.mark.parametrize("size", ["2", "G", "-1G", "0G", "2T", "2.5G", " 2G"])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(Unreadable):
        in_bytes(size)


def test_homes_on_one_engine_keep_their_rooms_apart(settings):
    other = settings.model_copy(update={"home": settings.home / "other"})
    assert room.container_name(settings, "sunrise", "ann") != room.container_name(other, "sunrise", "ann")


def test_the_profile_is_a_list_of_what_is_allowed():
    profile = json.loads(seccomp())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = {name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}
    never = {
        "ptrace", "process_vm_readv", "process_vm_writev", "io_uring_setup", "io_uring_enter", "io_uring_register",
        "keyctl",
        "add_key", "request_key", "userfaultfd", "bpf", "perf_event_open", "mount", "umount2", "move_mount",
        "fsopen", "unshare",
        "setns", "pivot_root", "chroot", "init_module", "finit_module", "kexec_load", "reboot", "swapon",
        "open_by_handle_at",
        "name_to_handle_at", "pidfd_getfd", "kcmp", "acct", "quotactl", "settimeofday", "clock_settime", "syslog",
        "clone3",
        "sethostname", "iopl", "ioperm", "mknod", "mknodat",
    }  # fmt: skip
    assert not never & allowed


def test_a_socket_is_of_a_family_that_is_named():
    rules = [rule["args"] for rule in json.loads(seccomp())["syscalls"] if rule["names"] == ["socket"]]
    assert [[(arg["index"], arg["value"]) for arg in args] for args in rules] == [
        [(0, 1)],
        [(0, 2)],
        [(0, 10)],
        [(0, 16), (2, 0)],
    ]


# --- folders --------------------------------------------------------------------------------------------------------
def test_folders_belong_to_the_project_and_their_parents_to_root(made, settings):
    folders.make(settings, made)
    for place in (
        settings.workspace("sunrise"),
        settings.person_home("sunrise", "ann"),
        settings.outbox("sunrise", "ann"),
    ):
        found = place.stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (64_001, 64_001, 0o700)
        assert (place.parent.stat().st_uid, place.parent.stat().st_mode & 0o7777) == (0, 0o711)
    came_in = settings.imports / "sunrise"
    assert (came_in.stat().st_uid, came_in.stat().st_mode & 0o7777) == (0, 0o755)
    assert (settings.imports.stat().st_uid, settings.imports.stat().st_mode & 0o7777) == (0, 0o700)
    sockets = settings.room_sockets("sunrise", "ann")
    assert ((sockets / "in").stat().st_uid, (sockets / "api").stat().st_uid) == (64_001, 0)


def test_an_extract_that_is_not_there_is_named(made, settings):
    settings.extract("sunrise", "trial", 3).rmdir()
    with pytest.raises(Unavailable, match="trial/3"):
        folders.make(settings, made)


def test_a_second_start_keeps_what_the_person_wrote(made, settings, tmp_path):
    welcome = tmp_path / "welcome.ipynb"
    welcome.write_text("{}")
    folders.make(settings, made, notebooks=[welcome])
    mine = settings.person_home("sunrise", "ann") / "welcome.ipynb"
    mine.write_text("changed")
    folders.make(settings, made, notebooks=[welcome])
    assert mine.read_text() == "changed"
    assert mine.stat().st_uid == 64_001


def test_a_new_home_holds_the_houses_notebooks(made, settings):
    folders.make(settings, made, notebooks=NOTEBOOKS)
    home = settings.person_home("sunrise", "ann")
    assert sorted(file.name for file in home.glob("*.ipynb")) == ["one-person.ipynb", "welcome.ipynb"]
    assert {file.stat().st_uid for file in home.glob("*.ipynb")} == {64_001}


def test_a_new_start_empties_the_rooms_socket_folder_without_following_links(made, settings, tmp_path):
    folders.make(settings, made)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    incoming = settings.room_sockets("sunrise", "ann") / "in"
    (incoming / "jupyter.sock").symlink_to(precious)
    (incoming / "deep").mkdir()
    (incoming / "deep" / "link").symlink_to(precious)
    folders.make(settings, made)
    assert list(incoming.iterdir()) == []
    assert (precious / "file").read_text() == "x"


def test_a_link_in_place_of_a_folder_is_not_taken(made, settings, tmp_path):
    folders.make(settings, made)
    outbox = settings.outbox("sunrise", "ann")
    outbox.rmdir()
    outbox.symlink_to(tmp_path)
    with pytest.raises(Tampered):
        folders.make(settings, made)
    assert tmp_path.stat().st_uid == 0


def test_each_room_has_a_host_name_of_its_own_that_dns_can_hold(settings):
    names = ("a", "a-b", "b", "b-a", "x" * 30)
    hosts = [room.host(settings, project, person) for project in names for person in names]
    assert len(set(hosts)) == len(hosts)
    assert max(len(host.partition(".")[0]) for host in hosts) <= 63
    assert f"//{room.host(settings, 'service', 'airlock')}:" in settings.airlock_origin  # and nobody is called airlock
    assert "airlock" in PROCESSES


def test_a_name_is_never_longer_than_its_share_of_a_host_name():
    assert NAME.fullmatch("a-" * 14 + "ab")
    assert not NAME.fullmatch("a-" * 15 + "a")
    assert not NAME.fullmatch("a--b")
