"""Whether this host can keep the promises, found out by looking: one line a check, and what to do about each no."""

import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import docker
import docker.errors
import httpx
import requests

from tre import settings as choices
from tre import show
from tre.data import landlock
from tre.errors import TREError
from tre.host import engine, image, proxy
from tre.records import checkpoint, export
from tre.records.db import opened
from tre.settings import Settings

OLDEST_KERNEL: Final = (5, 6)
"""Since this one there is openat2, with which the airlock opens what a room wrote."""
SECRET_FOLDER: Final = 0o700
SECRET_FILE: Final = 0o400


@dataclass(frozen=True)
class Check:
    """One question, its answer, and what to do when it is no."""

    name: str
    ok: bool
    says: str
    remedy: str = ""


def doctor() -> int:
    """Check host, configuration and promises, one line each; exit code 1 on a fault."""
    found = checks(choices.load())
    if show.as_json.get():
        show.rows([asdict(check) for check in found], none="")
    else:
        for check in found:
            remedy = "" if check.ok else f"; {check.remedy}"
            print(f"{'ok' if check.ok else 'NO':<3} {check.name:<9} {check.says}{remedy}")
    return 0 if all(check.ok for check in found) else 1


def checks(settings: Settings) -> list[Check]:
    """Ask every question that can be asked now; the home is asked about when there is one."""
    questions = [_host, _engine, _image, _proxy, _ports]
    if settings.home.is_dir():
        questions += [_folders, _keys, _records, _house]
        return [check for question in questions for check in _asked(question, settings)]
    lacking = Check(
        "home",
        ok=False,
        says=f"there is no home at {settings.home}",
        remedy="run `tre init`, or name another with --home",
    )
    return [*(check for question in questions for check in _asked(question, settings)), lacking]


def _asked(question: Callable[[Settings], Iterator[Check]], settings: Settings) -> Iterator[Check]:
    """Turn a fault of the question itself into a no."""
    try:
        yield from question(settings)
    except TREError as error:
        what, _, remedy = str(error).partition(": ")
        yield Check(question.__name__.strip("_"), ok=False, says=what, remedy=remedy or "see above")


# --- what we stand on -------------------------------------------------------------------------------------------------
def _host(_: Settings) -> Iterator[Check]:
    release = os.uname().release
    yield Check("host", sys.platform == "linux", f"{os.uname().sysname} {release}", "use a Linux host")
    kernel = tuple(int(part) for part in release.split("-")[0].split(".")[:2])
    wanted = ".".join(map(str, OLDEST_KERNEL))
    yield Check("kernel", kernel >= OLDEST_KERNEL, f"kernel {release}, {wanted} or newer is needed", "upgrade it")
    version = landlock.version()
    says = f"Landlock {version} shuts parsers in" if version > 0 else "the kernel has no Landlock to shut parsers in"
    yield Check("landlock", version > 0, says, "use a kernel of 5.13 or newer that has it switched on")
    yield Check("root", os.geteuid() == 0, f"runs as uid {os.geteuid()}", "rooms need root: use sudo")


def _engine(settings: Settings) -> Iterator[Check]:
    version = engine.answers(settings)
    if not version:
        obstacles = () if settings.docker else engine.obstacles(settings)
        remedy = obstacles[0] if obstacles else "run `make setup`"
        yield Check("engine", ok=False, says=f"no Docker Engine answers at {settings.docker_url}", remedy=remedy)
        return
    yield Check("engine", ok=True, says=f"Docker {version} answers at {settings.docker_url}")
    client = docker.DockerClient(base_url=settings.docker_url, timeout=20)
    try:
        info = client.info()
    finally:
        client.close()
    sealed = any("seccomp" in option for option in info.get("SecurityOptions") or ())
    yield Check("seccomp", sealed, "the engine filters system calls" if sealed else "the engine has no seccomp",
                "use a kernel and an engine with seccomp")  # fmt: skip
    limited = bool(info.get("MemoryLimit") and info.get("PidsLimit"))
    yield Check("limits", limited, f"memory and processes of a room are {'' if limited else 'not '}limited",
                "mount the memory and pids control groups")  # fmt: skip


def _image(settings: Settings) -> Iterator[Check]:
    found = image.current(settings)
    fresh = found.digest == image.wanted()
    says = f"rooms are made of {found.digest[:12]}" + ("" if fresh else ", older than its recipe")
    yield Check("image", fresh and found.root.is_dir(), says, "run `make setup`")
    try:
        held = image.present(settings, found)
    except (docker.errors.DockerException, requests.RequestException):
        held = False
    says = f"the engine {'holds' if held else 'does not hold'} {found.id[:19]}"
    yield Check("image", held, says, "run `make setup`")


def _proxy(settings: Settings) -> Iterator[Check]:
    there = proxy.installed(settings)
    yield Check("proxy", there, f"configurable-http-proxy is {'' if there else 'not '}installed", "run `make setup`")


def _ports(settings: Settings) -> Iterator[Check]:
    ports = range(settings.port, settings.airlock_port + 1)
    taken = [port for port in ports if _listens(port)]
    if not taken:
        yield Check("ports", ok=True, says=f"{ports[0]} to {ports[-1]} are free")
    elif _is_up(settings):
        yield Check("ports", ok=True, says=f"{ports[0]} to {ports[-1]} are ours")
    else:
        names = ", ".join(map(str, taken))
        yield Check("ports", ok=False, says=f"another program listens on {names}", remedy="stop it, or set TRE_PORT")


# --- what is ours -----------------------------------------------------------------------------------------------------
def _folders(settings: Settings) -> Iterator[Check]:
    for path in (settings.keys, settings.secrets, settings.silo, settings.released, settings.mails, settings.logs):
        says, remedy = _private(path, SECRET_FOLDER)
        yield Check("home", not remedy, says, remedy)


def _keys(settings: Settings) -> Iterator[Check]:
    for path in sorted(settings.keys.glob("*.key")):
        says, remedy = _private(path, SECRET_FILE)
        yield Check("keys", not remedy, says, remedy)
    if not (settings.keys / "root.key").exists():
        yield Check("keys", ok=False, says=f"no root key in {settings.keys}", remedy="restore it from its backup")


def _records(settings: Settings) -> Iterator[Check]:
    records = opened(settings)
    try:
        yield Check("records", ok=True, says="the database is of this version")
        with records.read() as session:
            report = export.examine(session, checkpoint.note_key(settings), {})
    finally:
        records.close()
    says = f"{report.size} entries verify, {report.signed} of them signed"
    if report.faults:
        says = report.faults[0].what
    yield Check("audit", not report.faults, says, "keep this log as it is, and compare it with its backups")


def _house(settings: Settings) -> Iterator[Check]:
    if not _is_up(settings):
        yield Check("house", ok=True, says="does not run now; `tre up` starts it")
        return
    names = {"hub": settings.hub_port, "gateway": settings.gateway_port, "airlock": settings.airlock_port}
    for name, port in names.items():
        answers = _answers(port)
        says = f"{'answers' if answers else 'does not answer'} on {port}"
        yield Check(name, answers, says, f"see {settings.logs}")


# --- small things -----------------------------------------------------------------------------------------------------
def _private(path: Path, mode: int) -> tuple[str, str]:
    """Say who may open this, and what to do if that is too many."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return f"there is no {path}", "run `tre init`"
    if stat.S_IMODE(found.st_mode) & ~mode or found.st_uid != os.geteuid():
        return f"{path} can be opened by others, or is not yours", f"chmod {mode:o}, and chown to who runs `tre up`"
    return f"{path} is closed to others", ""


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _is_up(settings: Settings) -> bool:
    """Tell whether our own proxy runs: only ours takes our token."""
    try:
        token = settings.secret("proxy")
        url = f"http://127.0.0.1:{settings.proxy_api_port}/api/routes"
        return httpx.get(url, headers={"Authorization": f"token {token}"}, timeout=5, trust_env=False).is_success
    except (TREError, httpx.HTTPError):
        return False


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=10, trust_env=False).status_code < httpx.codes.BAD_GATEWAY
    except httpx.HTTPError:
        return False
