"""The same files always make the same image: a layer has no clock, no order and no owner's name of its own."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

EPOCH: Final = 1_700_000_000
"""The time of every file in an image."""
CREATED: Final = "2023-11-14T22:13:20Z"
BLOCK: Final = tarfile.BLOCKSIZE
CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Layer:
    """A tar file of one folder, and the SHA-256 it is known by."""

    path: Path
    sha256: str

    @property
    def entry(self) -> str:
        """Name inside a docker-archive."""
        return f"{self.sha256}.tar"


def layer(root: Path, target: Path) -> Layer:
    """Write all files under `root` as one layer, in one order and with one time."""
    with target.open("wb") as file:
        hashing = _Hashing(file)
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.GNU_FORMAT) as tar:  # type: ignore[call-overload]  # a stream is written to, no more
            for path in _sorted(root):
                _add(tar, root, path)
    return Layer(target, hashing.digest.hexdigest())


def configuration(layers: Sequence[Layer], *, architecture: str, command: dict[str, object]) -> bytes:
    """Return an image's configuration; its SHA-256 is the image's id."""
    return json.dumps(
        {
            "architecture": architecture,
            "config": command,
            "created": CREATED,
            "history": [{"created": CREATED, "created_by": "hortus"} for _ in layers],
            "os": "linux",
            "rootfs": {"diff_ids": [f"sha256:{layer.sha256}" for layer in layers], "type": "layers"},
        },
        sort_keys=True,
        separators=(",", ":"),
    ).encode()


def docker_archive(config: bytes, layers: Sequence[Layer], *, tag: str) -> Iterator[bytes]:
    """Stream what `docker load` reads, so that it need not lie on the disk a second time."""
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": [layer.entry for layer in layers]}]
    yield from _member(name, io.BytesIO(config), len(config))
    for each in layers:
        with each.path.open("rb") as file:
            yield from _member(each.entry, file, each.path.stat().st_size)
    text = json.dumps(manifest).encode()
    yield from _member("manifest.json", io.BytesIO(text), len(text))
    yield bytes(2 * BLOCK)


def _sorted(root: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(root):
        names.sort()
        links = [name for name in names if (Path(folder) / name).is_symlink()]
        for name in sorted([*files, *names]):
            yield Path(folder) / name
        names[:] = [name for name in names if name not in links]


def _add(tar: tarfile.TarFile, root: Path, path: Path) -> None:
    member = tar.gettarinfo(path, arcname=str(path.relative_to(root)))
    member.mtime, member.uname, member.gname = EPOCH, "", ""
    if member.isreg():
        with path.open("rb") as file:
            tar.addfile(member, file)
    else:
        tar.addfile(member)


def _member(name: str, content: BinaryIO, size: int) -> Iterator[bytes]:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, EPOCH, 0o644
    yield member.tobuf(tarfile.GNU_FORMAT)
    while chunk := content.read(CHUNK):
        yield chunk
    yield bytes(-size % BLOCK)


class _Hashing:
    """Pass bytes on to a file and hash them on the way."""

    def __init__(self, file: BinaryIO) -> None:
        self.digest = hashlib.sha256()
        self._file = file

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)
