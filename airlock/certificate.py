"""A signed statement of what left, why it could, and who agreed: anyone with our public key can check it, anywhere.

Checking needs this file, the standard library and `cryptography`; no records, no network.
"""

import base64
import binascii
import json
import zipfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tre.errors import Tampered, Unreadable

FORMAT = "hortus-release/1"
NAME = "certificate.json"
FOLDER = "files/"
LARGEST = 1 << 30
_CONTEXT = b"\x00tre/v1/certificate\x00"


def sealed(statement: Mapping[str, object], signature: bytes) -> bytes:
    """Put a statement and its signature into the file that goes with a release."""
    whole = {"certificate": statement, "signature": base64.b64encode(signature).decode("ascii")}
    return json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def stated(statement: Mapping[str, object]) -> bytes:
    """Return the bytes that are signed: canonical JSON (RFC 8785 for the texts, whole numbers and lists we write)."""
    return json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def verify(path: Path, public_key: str) -> dict[str, object]:
    """Check a collected release, as the zip or unpacked; return what its certificate says."""
    held = dict(_files(path))
    if NAME not in held:
        raise Unreadable(
            f"{path.name}: holds no {NAME}: take the zip as it was collected, or the folder unpacked from it"
        )
    statement = read(held.pop(NAME), public_key)
    files = {f"{FOLDER}{file['name']}": file for file in _listed(statement)}
    for name in sorted(files.keys() | held.keys()):
        if name not in held:
            raise Tampered(f"{name!a} was released and is not here")
        if name not in files:
            raise Tampered(f"{name!a} is here and was not released")
        if sha256(held[name]).hexdigest() != files[name]["sha256"]:
            raise Tampered(f"{name!a} is not, byte for byte, what was released")
    return statement


def read(content: bytes, public_key: str) -> dict[str, object]:
    """Return what a certificate says, once its signature is checked."""
    try:
        whole = json.loads(content)
        statement, signature = whole["certificate"], base64.b64decode(whole["signature"], validate=True)
        form = statement["format"]
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise Unreadable(f"{NAME}: is no certificate of a release") from None
    try:
        _key(public_key).verify(signature, _CONTEXT + stated(statement))
    except InvalidSignature:
        raise Tampered(f"{NAME}: the signature is not that of this key, or the certificate was changed") from None
    if form != FORMAT:
        raise Unreadable(f"{NAME}: of a format this version does not know")
    return dict(statement)


def _key(public_key: str) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(public_key.encode())
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise Unreadable("not an Ed25519 public key in PEM: take the one that `tre audit key` prints")
    return key


def _listed(statement: Mapping[str, object]) -> list[dict[str, str]]:
    files = statement.get("files")
    return files if isinstance(files, list) else []


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        yield from ((at.relative_to(path).as_posix(), at.read_bytes()) for at in path.rglob("*") if at.is_file())
        return
    try:
        with zipfile.ZipFile(path) as archive:
            if len(set(archive.namelist())) < len(archive.namelist()):
                raise Tampered(f"{path.name}: two entries have one name")
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
                raise Unreadable(f"{path.name}: unpacks to more than {LARGEST} bytes; no release does")
            yield from ((name, archive.read(name)) for name in archive.namelist())
    except FileNotFoundError:
        raise Unreadable(f"{path}: no such file") from None
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError):
        raise Unreadable(f"{path.name}: is no whole zip; collect it again") from None
