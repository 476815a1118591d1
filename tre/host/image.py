"""What an analyst finds in a room is one image, made here from locked packages and known by what went into it.

Two layers: the base (Debian and Python packages) and what we lay over it (configuration, `tre.notebook`).
Each is named by the SHA-256 of its inputs, made in a folder aside and renamed when whole; one that is there is not
made again.
"""

import fcntl
import hashlib
import json
import mimetypes
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import docker
import docker.errors

from tre.errors import Unavailable
from tre.host import archive, rootfs
from tre.host.archive import Layer
from tre.host.engine import Say
from tre.settings import Settings

HERE: Final = Path(__file__).parents[2]
RECIPE: Final = "4"
"""Count this up when `rootfs` or `archive` makes something else of the same inputs."""
LAB: Final = HERE / "images/notebook/tre-lab"
"""Our own part of JupyterLab, as it is: nothing is built."""
REPOSITORY: Final = "hortus/notebook"
SITE: Final = "opt/venv/lib/python3.11/site-packages"
SHARE: Final = "opt/venv/share/jupyter"
LOAD_SECONDS: Final = 600
ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}

# What a browser fetches that is the same for everybody: URL below a room's base -> folder below the image's root.
STATIC: Final = {
    "static/lab/": f"{SHARE}/lab/static",
    "lab/extensions/": f"{SHARE}/labextensions",
    "lab/api/themes/": f"{SHARE}/lab/themes",
    "static/": f"{SITE}/jupyter_server/static",
}
SERVED: Final = frozenset(
    {".js", ".css", ".woff", ".woff2", ".ttf", ".eot", ".svg", ".png", ".ico", ".gif", ".jpg", ".json", ".wasm", ".txt"}
)


@dataclass(frozen=True)
class Image:
    """One image: its id in the engine, its files on this host, and those that any browser may have."""

    id: str
    digest: str
    root: Path
    packages: int

    @cached_property
    def manifest(self) -> Mapping[str, str]:
        """Map each static URL below a room's base, e.g. `static/lab/main.js`, to the SHA-256 of its bytes."""
        listed: dict[str, str] = json.loads((self.root.parent / "static.json").read_text("utf-8"))
        return listed

    @cached_property
    def static(self) -> Mapping[str, Path]:
        """Map each static URL below a room's base to its file on this host."""
        return {url: _behind(self.root, url) for url in self.manifest}


def ensure(settings: Settings, say: Say, *, load: bool = True) -> Image:
    """Make the image if its inputs changed, load it if there is an engine that lacks it; say each step."""
    home = settings.engine_home / "images"
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    digest = wanted()
    with _alone(home, say):
        if not (home / digest).is_dir():
            _make(home, digest, say)
        image = _load(settings, home / digest, say, load=load)
    say(f"image: {REPOSITORY}:{digest[:12]} is ready, {image.packages} Python packages ({image.id[7:19]})")
    return image


def current(settings: Settings) -> Image:
    """Return the image that rooms are made of now."""
    try:
        known = json.loads((settings.engine_home / "images" / "current.json").read_text("utf-8"))
    except FileNotFoundError:
        raise Unavailable("there is no notebook image on this host: run `make setup`") from None
    root = settings.engine_home / "images" / known["digest"] / "root"
    return Image(id=known["id"], digest=known["digest"], root=root, packages=known["packages"])


def wanted() -> str:
    """Return the digest of everything an image is made from."""
    return _digest([base_digest()], [HERE / "images/notebook/overlay", LAB, HERE / "tre/notebook"])


def base_digest() -> str:
    """Return the digest of what the slow layer is made from."""
    folder = HERE / "images/notebook"
    return _digest([RECIPE, rootfs.SUITE, platform.machine()], [folder / "debian.txt", folder / "requirements.lock"])


def present(settings: Settings, image: Image) -> bool:
    """Tell whether the engine holds this image."""
    client = docker.DockerClient(base_url=settings.docker_url, timeout=60)
    try:
        client.images.get(image.id)
    except docker.errors.ImageNotFound:
        return False
    finally:
        client.close()
    return True


# --- making ---
def _make(home: Path, digest: str, say: Say) -> None:
    """Lay our own files over the base."""
    base = home / f"base-{base_digest()[:16]}"
    if not base.is_dir():
        _make_base(base, say)
    say("image: laying configuration and tre.notebook over it")
    with _aside(home / digest) as made:
        top, root = made / "top", made / "root"
        _lay(top)
        _run("cp", "-al", str(base / "root"), str(root))
        _run("cp", "-a", "--remove-destination", f"{top}/.", str(root))
        rootfs.compiled(root, f"/{SITE}/tre")
        _run("cp", "-a", f"{root / SITE / 'tre'}/.", str(top / SITE / "tre"))
        over = archive.layer(top, made / "layer.tar")
        shutil.rmtree(top)
        (made / "static.json").write_text(json.dumps(dict(_static(root)), indent=0, sort_keys=True), "utf-8")
        layers = {"layers": [[str(base / "layer.tar"), _known(base)], [str(home / digest / "layer.tar"), over.sha256]]}
        (made / "image.json").write_text(json.dumps(layers), "utf-8")


def _make_base(base: Path, say: Say) -> None:
    packages = (HERE / "images/notebook/debian.txt").read_text("ascii").split()
    began = time.monotonic()
    with _aside(base) as made:
        root = made / "root"
        say(f"image: 1/5 Debian {rootfs.SUITE} with {len(packages)} packages (about 20 s)")
        rootfs.debian(root, packages)
        say("image: 2/5 Python packages of requirements.lock, each with its hash (about 30 s)")
        rootfs.python(root, HERE / "images/notebook/requirements.lock", base.parent / "cache")
        say("image: 3/5 compiling them, since a room cannot write its root (about 25 s)")
        rootfs.compiled(root, "/usr/lib/python3.11", "/usr/share/python3", rootfs.VENV)
        say("image: 4/5 removing what the making left, and every setuid bit")
        rootfs.cleaned(root)
        say("image: 5/5 writing one layer, the same bytes from the same files (about 15 s)")
        layer = archive.layer(root, made / "layer.tar")
        (made / "layer.sha256").write_text(layer.sha256, "ascii")
    say(f"image: base made in {time.monotonic() - began:.0f} s")


def _lay(top: Path) -> None:
    """Gather our own files where they will be in the image, readable by every uid."""
    shutil.copytree(HERE / "images/notebook/overlay", top)
    shutil.copytree(LAB, top / SHARE / "labextensions" / LAB.name)
    package = top / SITE / "tre"
    shutil.copytree(HERE / "tre/notebook", package / "notebook", ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__init__.py").write_text('"""What an analyst imports inside a room."""\n', "utf-8")
    for folder, _, files in os.walk(top):
        Path(folder).chmod(0o755)
        for name in files:
            (Path(folder) / name).chmod(0o644)


def _static(root: Path) -> Iterator[tuple[str, str]]:
    for prefix, folder in STATIC.items():
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix in SERVED and mimetypes.guess_type(path.name)[0]:
                yield f"{prefix}{path.relative_to(root / folder).as_posix()}", _sha256(path)


def _behind(root: Path, url: str) -> Path:
    prefix = next(prefix for prefix in STATIC if url.startswith(prefix))
    return root / STATIC[prefix] / url.removeprefix(prefix)


# --- loading ---
def _load(settings: Settings, made: Path, say: Say, *, load: bool) -> Image:
    """Hand the image to the engine, if there is one that has it not, and remember under which id."""
    layers = [Layer(Path(path), sha) for path, sha in json.loads((made / "image.json").read_text("utf-8"))["layers"]]
    config = archive.configuration(
        layers, architecture=ARCHITECTURES.get(platform.machine(), platform.machine()), command=_command(made.name)
    )
    image = Image(f"sha256:{hashlib.sha256(config).hexdigest()}", made.name, made / "root", _count(made / "root"))
    if load:
        image = _loaded(settings, image, config, layers, say)
    _remember(made.parent / "current.json", {"digest": image.digest, "id": image.id, "packages": image.packages})
    return image


def _loaded(settings: Settings, image: Image, config: bytes, layers: Sequence[Layer], say: Say) -> Image:
    tag = f"{REPOSITORY}:{image.digest[:12]}"
    client = docker.DockerClient(base_url=settings.docker_url, timeout=LOAD_SECONDS)
    try:
        try:
            loaded = client.images.get(tag)
        except docker.errors.ImageNotFound:
            say("image: loading it into the engine (about 15 s)")
            client.images.load(archive.docker_archive(config, layers, tag=tag))
            loaded = client.images.get(tag)
    finally:
        client.close()
    # An engine with the containerd store names an image by its manifest, another by its configuration: ask it.
    return Image(str(loaded.id), image.digest, image.root, image.packages)


def _command(digest: str) -> dict[str, object]:
    return {
        "Entrypoint": ["/usr/bin/tini", "--"],
        "Env": [f"PATH={rootfs.VENV}/bin:/usr/bin:/bin"],
        "Labels": {"hortus.inputs": digest},
        "User": "1000:1000",
        "WorkingDir": "/workspace",
    }


def _remember(path: Path, known: Mapping[str, object]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(known), "utf-8")
    part.replace(path)


def _count(root: Path) -> int:
    return sum(1 for _ in (root / SITE).glob("*.dist-info"))


# --- small things ---
@contextmanager
def _alone(home: Path, say: Say) -> Iterator[None]:
    """Let one process at a time make images."""
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("image: waiting for another process that is making it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _aside(target: Path) -> Iterator[Path]:
    """Give a folder to work in, which becomes `target` when all is done and vanishes when it is begun again."""
    part = target.with_suffix(".part")
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(mode=0o755)
    yield part
    part.rename(target)


def _digest(words: Iterable[str], paths: Iterable[Path]) -> str:
    digest = hashlib.sha256("\n".join(words).encode())
    for path in paths:
        files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
        for file in files:
            if "__pycache__" not in file.parts:
                digest.update(f"\n{file.relative_to(HERE).as_posix()} {_sha256(file)}".encode())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known(base: Path) -> str:
    return (base / "layer.sha256").read_text("ascii")


def _run(*words: str) -> None:
    done = subprocess.run(words, check=False, capture_output=True, text=True)  # noqa: S603 -- cp with our own folders
    if done.returncode:
        raise Unavailable(f"{words[0]} failed: {done.stderr.strip()[:200]}")
