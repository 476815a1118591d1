"""The data of a project lie in an encrypted volume of its own, open only while somebody works on it.

A volume is a file of fixed size with ext4 in it, which is the quota, and gocryptfs in that, which is the cipher. Its
key is random and lies beside it, sealed under the root key: whoever destroys that key has destroyed the data.
Extracts, imports, workspace, homes and outboxes are mounted from it to where they lie in a house without encryption.
"""

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tre.errors import Tampered, Unavailable, Unreadable
from tre.records import files
from tre.records.keys import Keys
from tre.settings import Settings, checked_name

TOOLS = ("gocryptfs", "fusermount", "mkfs.ext4", "mount", "umount", "prlimit")
DEVICES = ("/dev/fuse", "/dev/loop-control")
PURPOSE = "volume"
GONE_SECONDS = 5.0
WRONG_KEY = 12
"""Exit code of gocryptfs for a password that is not the one."""
PATIENCE = 60.0
PART = 1 << 20


def obstacles() -> tuple[str, ...]:
    """Say why this host cannot have encrypted volumes; nothing if it can."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    lacking = [f"{tool} is not installed" for tool in TOOLS if shutil.which(tool, path=path) is None]
    lacking += [f"there is no {device}" for device in DEVICES if not Path(device).exists()]
    return (*lacking, *(() if os.geteuid() == 0 else ("only root mounts",)))


def opened(settings: Settings, project: str) -> None:
    """Mount the data of a project, unless that is done; make its volume at the first time."""
    place = _place(settings, project)
    if settings.volumes == "plain":
        if place.with_suffix(".img").exists():
            raise Unavailable(f"the data of {project} lie in an encrypted volume: set TRE_VOLUMES=encrypted")
        return
    with _alone(place):
        if _answers(settings, project):
            return
        _shut(settings, project)  # what a killed process left
        if why := obstacles():
            raise Unavailable(f"the volume of {project} cannot be opened: {why[0]}")
        _none_in_clear(settings, project)
        if not place.with_suffix(".img").exists():
            _make(settings, project)
        try:
            _mount(settings, project)
        except BaseException:
            _shut(settings, project)
            raise


@contextmanager
def working(settings: Settings, project: str) -> Iterator[None]:
    """Keep the data of a project mounted while a job reads or writes them."""
    place = _place(settings, project)
    if settings.volumes == "plain":
        opened(settings, project)
        yield
        return
    files.folder(place.parent, 0o700)
    with place.with_suffix(".use").open("w") as use:
        fcntl.flock(use, fcntl.LOCK_SH)
        opened(settings, project)
        yield


def settle(settings: Settings, rooms: Callable[[], Collection[str]]) -> tuple[str, ...]:
    """Shut every volume in whose project no room is open and no job works; return their projects."""
    images = sorted((settings.home / "volumes").glob("*.img"))
    held = [image.stem for image in images if is_open(settings, image.stem)]
    return tuple(project for project in held if _settled(settings, project, rooms))


def _settled(settings: Settings, project: str, rooms: Callable[[], Collection[str]]) -> bool:
    """Look for rooms while nobody can mount: one that opens is in the records before it asks for its volume."""
    place = _place(settings, project)
    with place.with_suffix(".use").open("w") as use, suppress(BlockingIOError):
        fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with _alone(place):
            if project not in rooms():
                _shut(settings, project)
                return True
    return False


def is_open(settings: Settings, project: str) -> bool:
    """Tell whether anything of the project's volume is mounted, or a process holds its key."""
    place = _place(settings, project)
    below = {str(each) for each in (place / "disk", place / "clear", *_targets(settings, project).values())}
    return bool(below & set(_mounted())) or bool(_holders(place))


@contextmanager
def still(settings: Settings, project: str) -> Iterator[None]:
    """Keep a volume shut while the block runs; one that is open is a reason to come back later."""
    with _alone(_place(settings, project)):
        if is_open(settings, project):
            raise Unavailable(f"the volume of {project} is open: close its rooms, and try again a minute later")
        yield


def kept(settings: Settings, project: str) -> bool:
    """Tell whether the project has a volume."""
    return _place(settings, project).with_suffix(".img").exists()


def shut(settings: Settings, project: str) -> None:
    """Take the project's data down again, and see the process that held the key gone. Rooms must have ended before."""
    place = _place(settings, project)
    if settings.volumes == "plain" and not place.exists():
        return
    with _alone(place):
        _shut(settings, project)


def shredded(settings: Settings, project: str) -> Mapping[str, str | int | bool]:
    """Destroy the key of a project's volume, prove that what is left does not open, and only then delete that too."""
    place, image = _place(settings, project), _place(settings, project).with_suffix(".img")
    opened(settings, project)
    mark = secrets.token_hex(32)
    files.replace(place / "clear" / "mark", mark.encode())
    with _alone(place):
        _shut(settings, project)
        if _holds(image, mark.encode()):
            raise Tampered(f"{image} holds data in clear: keep it, and call the operator")
        _destroyed(place.with_suffix(".key"))
        _proved(settings, project)
        size = image.stat().st_size
        image.unlink()
        files.sync(image.parent)
    return {"cipher": "gocryptfs, AES-256-GCM", "bytes": size, "key_destroyed": True, "opens": False, "in_clear": False}


# --- making ---------------------------------------------------------------------------------------------------------
def _make(settings: Settings, project: str) -> None:
    """Make a volume aside; it has its name only when it is whole, and nothing is in it before."""
    place, part = _place(settings, project), _place(settings, project).with_suffix(".part")
    if place.with_suffix(".key").exists() and not part.exists():
        raise Unreadable(f"the volume of {project} is gone and its key is there: restore it from its backup")
    for left in (part, place.with_suffix(".key")):
        left.unlink(missing_ok=True)
    with part.open("xb") as file:
        part.chmod(0o600)
        file.truncate(settings.volume_gigabytes << 30)
    _run("mkfs.ext4", "-q", "-F", "-m", "0", str(part))
    key = secrets.token_hex(32).encode()
    _mount_disk(place, part)
    try:
        (place / "disk" / "cipher").mkdir(mode=0o700)
        _gocryptfs(key, "-init", "-scryptn", "10", str(place / "disk" / "cipher"))  # the key is random: no slow hash
    finally:
        _run("umount", str(place / "disk"))
    files.create(place.with_suffix(".key"), Keys.load(settings).seal(PURPOSE, key, bound_to=project))
    part.rename(place.with_suffix(".img"))
    files.sync(part.parent)


def _none_in_clear(settings: Settings, project: str) -> None:
    """Refuse to mount over data: they would be hidden, not gone."""
    for folder in _targets(settings, project).values():
        if folder.is_symlink() or (folder.is_dir() and any(folder.iterdir())):
            raise Unavailable(f"{folder} holds data in clear: move them away, open the volume, and move them in")


# --- mounting -------------------------------------------------------------------------------------------------------
def _mount(settings: Settings, project: str) -> None:
    place = _place(settings, project)
    key = _key(settings, project)
    _mount_disk(place, place.with_suffix(".img"))
    (place / "clear").mkdir(mode=0o700, exist_ok=True)
    options = ("-allow_other", "-nosyslog", "-ko", "nosuid,nodev")
    _gocryptfs(key, *options, str(place / "disk" / "cipher"), str(place / "clear"))
    for name, target in _targets(settings, project).items():
        (place / "clear" / name).mkdir(mode=0o755, exist_ok=True)
        target.mkdir(mode=0o755, exist_ok=True)
        _run("mount", "--bind", str(place / "clear" / name), str(target))


def _mount_disk(place: Path, image: Path) -> None:
    (place / "disk").mkdir(mode=0o700, exist_ok=True)
    _run("mount", "-o", "loop,nosuid,nodev,noexec", str(image), str(place / "disk"))


def _key(settings: Settings, project: str) -> bytes:
    path = _place(settings, project).with_suffix(".key")
    try:
        sealed = path.read_bytes()
    except FileNotFoundError:
        raise Unreadable(f"no key of the volume of {project}: restore {path} from its backup") from None
    return Keys.load(settings).unseal(PURPOSE, sealed, bound_to=project)


def _answers(settings: Settings, project: str) -> bool:
    """Tell whether all is mounted and alive: a killed gocryptfs leaves mounts on which nothing answers."""
    targets = {str(target) for target in _targets(settings, project).values()}
    try:
        (_place(settings, project) / "clear").stat()
    except OSError:
        return False
    return targets <= set(_mounted()) and bool(_holders(_place(settings, project)))


def _shut(settings: Settings, project: str) -> None:
    place = _place(settings, project)
    below = (*_targets(settings, project).values(), place / "clear")
    for at in below:
        _unmount(at)
    _key_gone(place)
    _unmount(place / "disk")


def _unmount(at: Path) -> None:
    """Unmount all that lies on a folder; what is busy for a moment, such as a search that looks by, is waited for."""
    until = time.monotonic() + GONE_SECONDS
    while str(at) in _mounted():
        if _run("umount", str(at), may_fail=True):
            if time.monotonic() > until:
                raise Unavailable(f"{at} is in use and cannot be unmounted: end what works in it, and try again")
            time.sleep(0.05)


def _key_gone(place: Path) -> None:
    """Wait for the process that holds the key; a room that should have ended may keep it: then it is killed."""
    until = time.monotonic() + GONE_SECONDS
    while holders := _holders(place):
        if time.monotonic() > until:
            for pid in holders:
                os.kill(pid, signal.SIGKILL)
            until = time.monotonic() + GONE_SECONDS
        time.sleep(0.02)


def _holders(place: Path) -> list[int]:
    """Return the processes that were started on this volume's cipher."""
    wanted, found = os.fsencode(place / "disk" / "cipher"), []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = each.read_bytes().split(b"\0")
        except OSError:  # it ended just now
            continue
        if wanted in words and words[0].endswith(b"gocryptfs"):
            found.append(int(each.parent.name))
    return found


def _mounted() -> tuple[str, ...]:
    lines = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    return tuple(line.split()[4].encode().decode("unicode_escape") for line in lines)


# --- destroying -----------------------------------------------------------------------------------------------------
def _destroyed(key: Path) -> None:
    """Write over a key before its name goes. Copies in backups are not reached: they go with the backups."""
    key.chmod(0o600)
    with key.open("r+b", buffering=0) as file:
        file.write(os.urandom(key.stat().st_size))
        os.fsync(file.fileno())
    key.unlink()
    files.sync(key.parent)


def _proved(settings: Settings, project: str) -> None:
    """Try to open what is left, by our own door and with the tool itself."""
    place = _place(settings, project)
    try:
        _key(settings, project)
    except Unreadable:
        pass
    else:
        raise Tampered(f"the key of {project} is still there: nothing more was deleted")
    _mount_disk(place, place.with_suffix(".img"))
    try:
        cipher = str(place / "disk" / "cipher")
        tried = _gocryptfs(secrets.token_hex(32).encode(), cipher, str(place / "clear"), may_fail=True)
        if tried != WRONG_KEY:
            raise Tampered(f"the volume of {project} answered another key with {tried}: nothing more was deleted")
    finally:
        _shut(settings, project)


def _holds(image: Path, needle: bytes) -> bool:
    """Search the written parts of a file with holes."""
    with image.open("rb") as file:
        at, end, tail = 0, image.stat().st_size, b""
        while at < end:
            try:
                start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                return False
            tail = tail if start == at else b""
            piece = os.pread(file.fileno(), PART, start)
            if needle in tail + piece:
                return True
            at, tail = start + len(piece), piece[-len(needle) :]
    return False


# --- small things ---------------------------------------------------------------------------------------------------
def _place(settings: Settings, project: str) -> Path:
    return settings.home / "volumes" / checked_name(project, "project")


def _targets(settings: Settings, project: str) -> Mapping[str, Path]:
    return {
        "extracts": settings.extracts / project,
        "imports": settings.imports / project,
        "work": settings.workspace(project).parent,
    }


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Let one process at a time mount or unmount a volume."""
    files.folder(place.parent, 0o700)
    files.folder(place, 0o700)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _gocryptfs(key: bytes, *words: str, may_fail: bool = False) -> int:
    """Run gocryptfs with the key through a pipe: it is on no command line, in no environment, on no disk."""
    out, into = os.pipe()
    try:
        os.write(into, key + b"\n")
        os.close(into)
        command = ("prlimit", "--core=0", "gocryptfs", "-q", "-passfile", f"/dev/fd/{out}", *words)
        return _run(*command, pass_fds=(out,), may_fail=may_fail)
    finally:
        os.close(out)


def _run(*words: str, pass_fds: tuple[int, ...] = (), may_fail: bool = False) -> int:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 -- our own words
            words, env=environment, pass_fds=pass_fds, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=PATIENCE, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{words[0]} did not run: {error}") from None
    if done.returncode and not may_fail:
        tool = "gocryptfs" if "gocryptfs" in words else words[0]
        raise Unavailable(f"{tool} refused (exit code {done.returncode}): nothing was changed; see `tre doctor`")
    return done.returncode
