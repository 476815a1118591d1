"""Lay out what a room may see, become its user, and start bubblewrap: run as root by `bubblewrap.py`.

    python -I -S launch.py TOLD HEARD

TOLD is a descriptor from which the room's specification is read, as JSON; HEARD is where bubblewrap says which process
is the first of the room. It needs nothing but what Python brings, so that it starts quickly.
"""

import ctypes
import json
import os
import resource
import sys
from typing import Any

NEW_MOUNTS = 0x00020000
READ_ONLY, NOSUID, NODEV, NOEXEC = 0x1, 0x2, 0x4, 0x8
REMOUNT, BIND, RECURSIVE, PRIVATE = 0x20, 0x1000, 0x4000, 0x40000
LIBC = ctypes.CDLL(None, use_errno=True)
HIDDEN = (
    "kcore", "keys", "key-users", "kallsyms", "timer_list", "sched_debug", "latency_stats", "config.gz", "cmdline",
    "diskstats", "partitions", "interrupts", "kmsg", "sysrq-trigger",
)  # fmt: skip
"""What a room need not know of the kernel below it."""
EMPTIED = ("acpi", "scsi", "fs", "bus", "irq", "asound")


def main(told: int, heard: int) -> None:
    """Do all of it; what goes wrong ends this process before anything of the room runs."""
    with os.fdopen(told, "rb") as file:
        spec = json.load(file)
    for group in spec["groups"]:
        with open(group, "w") as file:
            file.write(str(os.getpid()))
    _checked(LIBC.unshare(NEW_MOUNTS))
    _mount(None, "/", flags=PRIVATE | RECURSIVE)
    words = [*_laid_out(spec), *_rest(spec)]
    arguments = _memory("\0".join(words).encode() + b"\0")
    rules = _memory(bytes.fromhex(spec["filter"]))
    if os.fork():  # bubblewrap is nobody's child, so that the room lives on when whoever opened it ends
        os._exit(0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.setgroups([])
    os.setresgid(spec["uid"], spec["uid"], spec["uid"])
    os.setresuid(spec["uid"], spec["uid"], spec["uid"])
    for descriptor in (arguments, rules, heard):
        os.set_inheritable(descriptor, True)
    program = (
        "bwrap",
        "--args",
        str(arguments),
        "--seccomp",
        str(rules),
        "--info-fd",
        str(heard),
        "--",
        *spec["command"],
    )
    os.execve("/usr/bin/bwrap", program, {})  # noqa: S606 -- this is what the program is for


def _laid_out(spec: dict[str, Any]) -> list[str]:
    """Mount what the room may see below one folder that its user can reach; return bubblewrap's words for it."""
    stage = spec["stage"]
    _mount("tmpfs", stage, kind="tmpfs", flags=NOSUID | NODEV, data="mode=0755,size=1m")
    words = []
    for at, (source, target, writable) in enumerate(spec["binds"]):
        place = f"{stage}/{at}"
        os.mkdir(place)
        _mount(source, place, flags=BIND)
        _mount(None, place, flags=REMOUNT | BIND | NOSUID | NODEV | (0 if writable else READ_ONLY))
        words += ["--bind" if writable else "--ro-bind", place, target]
    os.mkdir(f"{stage}/tmp")
    _mount("tmpfs", f"{stage}/tmp", kind="tmpfs", flags=NOSUID | NODEV | NOEXEC, data=f"mode=1777,size={spec['tmp']}")
    os.mkdir(f"{stage}/root")
    _mount(spec["root"], f"{stage}/root", flags=BIND)
    _mount(None, f"{stage}/root", flags=REMOUNT | BIND | NOSUID | NODEV | READ_ONLY)
    ours = {target.split("/")[1] for _, target, _ in spec["binds"]} | {"tmp", "proc", "dev", "sys"}
    image = []
    for name in sorted(os.listdir(f"{stage}/root")):
        path = f"{stage}/root/{name}"
        if os.path.islink(path):
            image += ["--symlink", os.readlink(path), f"/{name}"]
        elif os.path.isdir(path) and name not in ours:
            image += ["--ro-bind", path, f"/{name}"]
    return [*image, "--bind", f"{stage}/tmp", "/tmp", *words]


def _rest(spec: dict[str, Any]) -> list[str]:
    words = ["--unshare-all", "--unshare-user", "--disable-userns", "--as-pid-1", "--new-session", "--cap-drop", "ALL"]
    words += ["--hostname", "room", "--proc", "/proc", "--dev", "/dev", "--dir", "/sys"]
    for name in HIDDEN:
        if os.path.exists(f"/proc/{name}"):
            words += ["--ro-bind", "/dev/null", f"/proc/{name}"]
    for name in EMPTIED:
        if os.path.isdir(f"/proc/{name}"):
            words += ["--tmpfs", f"/proc/{name}", "--remount-ro", f"/proc/{name}"]
    words += ["--remount-ro", "/", "--chdir", "/workspace", "--clearenv"]
    for name, value in spec["environment"].items():
        words += ["--setenv", name, value]
    return words


def _mount(source: str | None, target: str, *, kind: str = "", flags: int = 0, data: str = "") -> None:
    given = (one.encode() if one else None for one in (source, target, kind))
    source_, target_, kind_ = given
    _checked(LIBC.mount(source_, target_, kind_, ctypes.c_ulong(flags), data.encode() or None))


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _memory(content: bytes) -> int:
    """Put bytes where only a descriptor leads."""
    descriptor = os.memfd_create("room", 0)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
