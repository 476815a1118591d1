"""Whether this host can keep the promises, found out by looking: one line a check, and what to do about each no."""

import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import docker
import docker.errors
import httpx
import requests
from sqlalchemy.orm import Session

from tre import proving, show, volumes
from tre import settings as choices
from tre.data import landlock
from tre.errors import TREError
from tre.host import engine, image, proxy, tls
from tre.records import checkpoint, cosigned, export
from tre.records.db import opened
from tre.records.opening import operator
from tre.rooms.builders import choice
from tre.rooms.builders.bpf import compiled
from tre.rooms.builders.bubblewrap import Bubblewrap
from tre.settings import Settings

OLDEST_KERNEL: Final = (5, 6)
"""Since this one there is openat2, with which the airlock opens what a room wrote."""
SECRET_FOLDER: Final = 0o700
SECRET_FILE: Final = 0o400
LATE: Final = timedelta(minutes=15)
LATE_BY_FILES: Final = timedelta(days=8)
"""A witness that is asked by files is visited once a week."""


@dataclass(frozen=True)
class Check:
    """One question, its answer, and what to do when it is no."""

    name: str
    ok: bool
    says: str
    remedy: str = ""


def doctor(*, deep: bool = False) -> int:
    """Check host, configuration and promises, one line each; exit code 1 on a fault.

    Parameters
    ----------
    deep
        Try all that is safe to try: in a room of nobody, in the rooms that are open, at the doors of the house. The
        report is signed, and in the audit log.

    """
    if deep:
        return _deep(choices.load())
    found = checks(choices.load())
    if show.as_json.get():
        show.rows([asdict(check) for check in found], none="")
    else:
        for check in found:
            remedy = "" if check.ok else f"; {check.remedy}"
            print(f"{'ok' if check.ok else 'NO':<3} {check.name:<9} {check.says}{remedy}")
    return 0 if all(check.ok for check in found) else 1


def _deep(settings: Settings) -> int:
    records = opened(settings)
    try:
        found, place = proving.proved(settings, records, actor=operator(), now=datetime.now(UTC))
    finally:
        records.close()
    if show.as_json.get():
        show.rows([asdict(one) for one in found], none="")
    else:
        print("\n".join((*proving.told(found), f"signed, and in the audit log: {place}")))
    return 0 if all(one.ok for one in found) else 1


def checks(settings: Settings) -> list[Check]:
    """Ask every question that can be asked now; the home is asked about when there is one."""
    questions = [_host, _engine, _image, _proxy, _ports]
    if settings.home.is_dir():
        questions += [_folders, _keys, _volumes, _tls, _records, _house]
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
    if settings.rooms == "bubblewrap" or (not version and settings.rooms == "auto" and not settings.docker):
        says = Bubblewrap(settings).answers()  # or says what lacks
        yield Check("builder", ok=True, says=f"{says} builds the rooms: no Docker Engine is used")
        compiled()
        yield Check("seccomp", ok=True, says="libseccomp makes the filter of system calls")
        return
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
    if choice.chosen(settings).kind != "docker":
        return
    try:
        held = image.present(settings, found)
    except (docker.errors.DockerException, requests.RequestException):
        held = False
    says = f"the engine {'holds' if held else 'does not hold'} {found.id[:19]}"
    yield Check("image", held, says, "run `make setup`")


def _proxy(settings: Settings) -> Iterator[Check]:
    there = proxy.installed(settings)
    yield Check("proxy", there, f"configurable-http-proxy is {'' if there else 'not '}installed", "run `make setup`")


def _tls(settings: Settings) -> Iterator[Check]:
    until = tls.ends(settings)
    if until is None:
        where = "on loopback only" if settings.scheme == "http" else "ends before this port"
        yield Check("tls", ok=True, says=f"{settings.scheme}: TLS {where}")
        return
    fresh = until - datetime.now(UTC) > tls.LATE
    yield Check("tls", fresh, f"the certificate is valid until {until:%Y-%m-%d}", "renew it, and restart `tre up`")


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


def _volumes(settings: Settings) -> Iterator[Check]:
    why = volumes.obstacles()
    if settings.volumes == "plain":
        could = f"cannot be encrypted here: {why[0]}" if why else "can be encrypted: `volumes` in tre.toml"
        yield Check("volumes", ok=True, says=f"projects' folders lie in clear on the disk; they {could}")
        return
    says = why[0] if why else f"each project's data are encrypted, {settings.volume_gigabytes} GB at most"
    yield Check("volumes", not why, says, "rooms stay shut until that is mended")


def _records(settings: Settings) -> Iterator[Check]:
    records = opened(settings)
    try:
        yield Check("records", ok=True, says="the database is of this version")
        with records.read() as session:
            report = export.examine(session, checkpoint.note_key(settings), {})
            seen = list(_witnesses(session, settings))
    finally:
        records.close()
    yield from seen
    says = f"{report.size} entries verify, {report.signed} of them signed"
    if report.faults:
        says = report.faults[0].what
    yield Check("audit", not report.faults, says, "keep this log as it is, and compare it with its backups")


def _witnesses(session: Session, settings: Settings) -> Iterator[Check]:
    """Tell how far the log is safe from whoever holds this machine."""
    known = cosigned.witnesses(session)
    if not known:
        says = "nobody outside co-signs the log: whoever holds this machine could write it anew"
        yield Check("witness", ok=True, says=f"{says} (`tre audit witness`)")
    for row in known:
        since = cosigned.waiting(session, settings, row)
        late = since is not None and datetime.now(UTC) - since > (LATE if row.url else LATE_BY_FILES)
        says = f"{row.name} co-signed {cosigned.reached(settings, row).size} entries"
        says += f"; {row.trouble}" if row.trouble else f"; more wait since {since:%Y-%m-%d %H:%M}" if late else ""
        yield Check("witness", not row.trouble and not late, says, f"run `tre audit witness ask {row.name}`")


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
