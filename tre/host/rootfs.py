"""A room's files come from Debian's and Python's own packages, each known by its hash, without an image registry.

`mmdebstrap` makes a small Debian; `uv`, run inside it by bubblewrap, adds the locked Python packages. The folder that
results serves both as the layer of a Docker image and as the root of a bubblewrap room.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tre.errors import Unavailable
from tre.host.archive import EPOCH

SUITE: Final = "bookworm"
VENV: Final = "/opt/venv"
PYTHON: Final = f"{VENV}/bin/python"
# Folders that a room mounts something on. They must be there, since its root cannot be written.
MOUNT_POINTS: Final = ("data", "workspace", "outbox", "home/analyst", "run/tre/in", "run/tre/api")
# Left by the making of it; a room has no use for them, and some change from one making to the next.
VOLATILE: Final = ("dev", "proc", "sys", "run", "tmp", "var/cache", "var/lib/apt/lists", "var/log", "var/tmp", "root")
LEFTOVERS: Final = ("etc/resolv.conf", "etc/hostname", "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-")
# Packages' own tests: large, never run in a room, and one of them brings a private key. And a checker of IRIs that
# jsonschema can do without: it parses its grammar at each import, which is half the time JupyterLab takes to start.
PRUNED: Final = ("pandas/tests", "pyarrow/tests", "statsmodels/tests", "tornado/test", "rfc3987_syntax*")
HOST_CA: Final = "/etc/ssl/certs/ca-certificates.crt"
PASSED_ON: Final = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"})


def tool(name: str, *, package: str) -> str:
    """Find a program of the host or of our virtual environment, or say what to install."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise Unavailable(f"no {name} on this host: {package}")
    return found


def debian(root: Path, packages: Sequence[str]) -> None:
    """Make a small Debian with these packages in it."""
    program = tool("mmdebstrap", package="apt-get install mmdebstrap debian-archive-keyring")
    words = [program, "--quiet", "--variant=essential", f"--include={','.join(packages)}", SUITE, str(root)]
    _run(words, {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}, log=root.with_suffix(".log"))


def python(root: Path, lock: Path, cache: Path) -> None:
    """Install exactly the packages of the lock, each with its hash, into the room's virtual environment."""
    cache.mkdir(parents=True, exist_ok=True)
    ca = os.environ.get("SSL_CERT_FILE", HOST_CA)
    binds = {
        tool("uv", package=f"{sys.executable} -m pip install uv"): "/run/uv",
        str(lock): "/run/requirements.lock",
        ca: "/run/ca.crt",
        "/etc/resolv.conf": "/etc/resolv.conf",
        "/etc/hosts": "/etc/hosts",
    }
    words = ["--bind", str(cache), "/run/cache"]
    for source, target in binds.items():
        words += ["--ro-bind-try", os.path.realpath(source), target]
    environment = {
        **_index(),
        "SSL_CERT_FILE": "/run/ca.crt",
        "UV_CACHE_DIR": "/run/cache",
        "UV_LINK_MODE": "copy",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }
    install = ["pip", "install", "--python", PYTHON, "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    inside(root, ["/run/uv", "venv", "--quiet", "--python", "/usr/bin/python3", VENV], environment, words)
    inside(root, ["/run/uv", *install, "--quiet", "-r", "/run/requirements.lock"], environment, words)
    for name in PRUNED:
        for folder in (root / VENV.lstrip("/") / "lib").glob(f"python3.*/site-packages/{name}"):
            shutil.rmtree(folder)


def compiled(root: Path, *folders: str) -> None:
    """Compile all Python files: a room's root cannot be written, and compiling at each start is slow."""
    words = [PYTHON, "-m", "compileall", "-q", "-f", "-j", "0", "--invalidation-mode", "unchecked-hash", *folders]
    # A few files of packages' own tests are wrong on purpose, and make compileall return 1.
    inside(root, words, {"PYTHONHASHSEED": "0"}, ["--unshare-net"], accept=(0, 1))


def cleaned(root: Path) -> None:
    """Remove what the making left, and every bit that gives a program another's rights."""
    for name in VOLATILE:
        for entry in (root / name).iterdir():
            _remove(entry)
    for name in LEFTOVERS:
        (root / name).unlink(missing_ok=True)
    (root / "etc/machine-id").write_bytes(b"")
    for name in MOUNT_POINTS:
        (root / name).mkdir(parents=True, exist_ok=True)
    with (root / "etc/passwd").open("a") as passwd, (root / "etc/group").open("a") as group:
        passwd.write("analyst:x:1000:1000:analyst:/home/analyst:/bin/bash\n")
        group.write("analyst:x:1000:\n")
    for folder, names, files in os.walk(root):
        for name in (*names, *files):
            _without_suid(Path(folder) / name)


def inside(
    root: Path,
    words: Sequence[str],
    environment: Mapping[str, str],
    options: Sequence[str] = (),
    *,
    accept: Sequence[int] = (0,),
) -> None:
    """Run a program with `root` as its whole file system."""
    bwrap = [tool("bwrap", package="apt-get install bubblewrap"), "--bind", str(root), "/"]
    bwrap += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/run"]  # noqa: S108 -- the new root's own
    bwrap += ["--unshare-pid", "--die-with-parent", *options, "--clearenv"]
    fixed = {"PATH": f"{VENV}/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "SOURCE_DATE_EPOCH": str(EPOCH)}  # noqa: S108
    for name, value in {**fixed, **environment}.items():
        bwrap += ["--setenv", name, value]
    _run([*bwrap, "--", *words], dict(os.environ), log=root.with_suffix(".log"), accept=accept)


def _index() -> dict[str, str]:
    """Pass on where this host finds Python packages, when its operator has said so."""
    given = {name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith("UV_")}
    if url := os.environ.get("PIP_INDEX_URL"):
        given.setdefault("UV_DEFAULT_INDEX", url)
    return given


def _run(words: Sequence[str], environment: Mapping[str, str], *, log: Path, accept: Sequence[int] = (0,)) -> None:
    with log.open("ab") as out:
        code = subprocess.run(  # noqa: S603 -- our own programs with our own words
            words, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False
        ).returncode
    if code not in accept:
        lines = log.read_text("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        raise Unavailable(f"{Path(words[0]).name} failed: {last[:200]} (whole log: {log})")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _without_suid(path: Path) -> None:
    if not path.is_symlink() and (mode := path.stat().st_mode) & 0o6000:
        path.chmod(mode & 0o1777)
