"""A release is one zip, and its bytes follow from what is in it: built again from its content it is the same.

So there is no byte in it that says nothing: whatever is changed in the archive, its parts or the order of them shows.
"""

import struct
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tre.errors import Tampered, Unreadable

if TYPE_CHECKING:
    from typing_extensions import Buffer

LARGEST = 1 << 30
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_BROKEN = (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, ValueError, struct.error)


class Part(NamedTuple):
    """One file of a package."""

    name: str
    content: bytes


class Package(Protocol):
    """A release as somebody holds it: the zip, or the folder that was unpacked from it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its parts, in their order."""

    def content(self, name: str) -> bytes:
        """Bytes of a part."""

    def settle(self, order: Iterable[str]) -> None:
        """Raise Tampered unless it is what is written of its parts in this order."""


def write(parts: Iterable[Part]) -> Iterator[bytes]:
    """Give the zip of these parts, always the same bytes; holds one part at a time."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for part in parts:
            archive.writestr(_entry(part.name), part.content)
            yield sink.taken()
    yield sink.taken()


@contextmanager
def opened(path: Path) -> Iterator[Package]:
    """Open what somebody holds; what is neither the zip nor a folder is unreadable."""
    if path.is_dir():
        yield _Folder(path)
        return
    with _whole(path):
        archive = zipfile.ZipFile(path)
    with archive:
        yield _Archive(path, archive)


class _Folder:
    def __init__(self, path: Path) -> None:
        self._parts: Mapping[str, Path] = {
            at.relative_to(path).as_posix(): at for at in sorted(path.rglob("*")) if not at.is_dir()
        }

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._parts)

    def content(self, name: str) -> bytes:
        try:
            return self._parts[name].read_bytes()
        except OSError as error:
            raise Unreadable(f"{name!a}: cannot be read ({error.strerror})") from None

    def settle(self, order: Iterable[str]) -> None:
        """Hold nothing but its parts: a folder has no order."""


class _Archive:
    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        entries = archive.infolist()
        if len({entry.filename for entry in entries}) < len(entries):
            raise Tampered(f"{path.name}: two entries have one name")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise Unreadable(f"{path.name}: is not packed as a release is; collect it again")
        if sum(entry.file_size for entry in entries) > LARGEST:
            raise Unreadable(f"{path.name}: unpacks to more than {LARGEST} bytes; no release does")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._archive.namelist())

    def content(self, name: str) -> bytes:
        with _whole(self._path, name):
            return self._archive.read(name)

    def settle(self, order: Iterable[str]) -> None:
        """Write the zip of the same parts, and compare."""
        with _whole(self._path), self._path.open("rb") as held:
            for part in write(Part(name, self.content(name)) for name in order):
                if held.read(len(part)) != part:
                    break
            else:
                if not held.read(1):
                    return
        raise Tampered(f"{self._path.name}: is not, byte for byte, the zip of what is in it")


@contextmanager
def _whole(path: Path, part: str = "") -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise Unreadable(f"{path}: no such file") from None
    except _BROKEN:
        where = f"{path.name}, {part!a}" if part else path.name
        raise Unreadable(f"{where}: is no whole zip; collect it again") from None


class _Sink(RawIOBase):
    """Holds what was written until it is taken; cannot go back, so the zip is written in one pass."""

    def __init__(self) -> None:
        self._parts = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, part: "Buffer", /) -> int:
        self._parts += bytes(part)
        return len(bytes(part))

    def taken(self) -> bytes:
        whole = bytes(self._parts)
        self._parts.clear()
        return whole


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
    entry.create_system, entry.external_attr = 3, 0o444 << 16
    return entry
