"""One root key, from which every other key of the house is derived, and one key that signs.

The root key seals (second factors, data keys) and makes the projects' pseudonym and date keys. Keys of different
purposes, projects or epochs have nothing in common, so that one of them tells nothing about another.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tre.errors import Tampered, Unreadable
from tre.records import files, note
from tre.settings import Settings, checked_name

SIZE = 32
SEALED = b"\x01"
"""First byte of what `seal` makes: AES-256-GCM, 12 bytes of nonce, then ciphertext and tag."""
PURPOSE = re.compile(r"[a-z0-9-]+(?:/[a-z0-9.-]+)*")
ProjectPurpose = Literal["pseudonym", "date"]


def init(settings: Settings) -> None:
    """Make the root key and the signing key, unless they are there. Each is a file of its own, 0400."""
    files.folder(settings.keys, 0o700)
    files.create(settings.keys / "root.key", os.urandom(SIZE))
    name = f"{settings.domain}/audit/{os.urandom(4).hex()}"
    files.create(settings.keys / "signing.key", note.private_line(name, Ed25519PrivateKey.generate()).encode())


def present(settings: Settings) -> bool:
    """Whether both keys are there."""
    return all((settings.keys / name).exists() for name in ("root.key", "signing.key"))


@dataclass(frozen=True)
class Keys:
    """What the root key can do; the root itself is never given out."""

    _root: bytes = field(repr=False)

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Read the root key, and refuse a file that others may read or that is no key."""
        path = settings.keys / "root.key"
        root = _read(path)
        if len(root) != SIZE:
            raise Tampered(f"{path} has {len(root)} bytes, not {SIZE}: restore it from its backup")
        return cls(root)

    def seal(self, purpose: str, plain: bytes, *, bound_to: str) -> bytes:
        """Encrypt for one purpose; it opens only under the same `bound_to`."""
        nonce = os.urandom(12)
        return SEALED + nonce + AESGCM(self._purpose(purpose)).encrypt(nonce, plain, bound_to.encode())

    def unseal(self, purpose: str, sealed: bytes, *, bound_to: str) -> bytes:
        """Open what `seal` made, or say that it is not what was sealed."""
        broken = Tampered(f"the seal on {purpose} of {bound_to} is broken: restore it from its backup")
        if sealed[:1] != SEALED or len(sealed) < 1 + 12 + 16:
            raise broken
        try:
            return AESGCM(self._purpose(purpose)).decrypt(sealed[1:13], sealed[13:], bound_to.encode())
        except InvalidTag:
            raise broken from None

    def project_key(self, project: str, purpose: ProjectPurpose, *, epoch: int = 1) -> bytes:
        """Key of one project for pseudonyms or for date shifts; a new epoch is a new key."""
        if purpose not in {"pseudonym", "date"} or epoch < 1:
            raise ValueError(f"no project key for {purpose!r}, epoch {epoch}")
        of_project = _derive(self._root, f"tre/v1/project/{checked_name(project, 'project')}/epoch/{epoch}")
        return _derive(of_project, purpose)

    def mark_key(self, what: str) -> bytes:
        """Key of marks by which something is known again without being kept; opens nothing."""
        return self._purpose(f"mark/{what}")

    def _purpose(self, purpose: str) -> bytes:
        if not PURPOSE.fullmatch(purpose) or purpose.partition("/")[0] == "project":
            raise ValueError(f"not a purpose of a seal: {purpose!r}")
        return _derive(self._root, f"tre/v1/{purpose}")


def signer(settings: Settings) -> tuple[str, Ed25519PrivateKey]:
    """Name and key under which checkpoints and certificates are signed."""
    path = settings.keys / "signing.key"
    try:
        return note.private_key(_read(path).decode("ascii"))
    except ValueError:
        raise Tampered(f"{path} is not a signing key: restore it from its backup") from None


def visa_signer(settings: Settings) -> ec.EllipticCurvePrivateKey:
    """Key under which the house's visas are signed, made when it is first asked for.

    Visas last a day, so that one that was lost may be followed by another: whoever trusts us brings its public half in.
    """
    path = settings.keys / "visa.key"
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        files.create(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Tampered(f"{path} is not a key of visas: restore it from its backup, or remove it to have another")
    return key


def _derive(key: bytes, info: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=SIZE, salt=None, info=info.encode()).derive(key)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o7777
            if mode != files.READ_ONLY:
                raise Unreadable(f"{path} has mode {mode:04o}, so that others may have read it: chmod 0400 it")
            return file.read(4096)
    except FileNotFoundError:
        raise Unreadable(f"no key at {path}: run `tre init`, or restore it from its backup") from None
    except PermissionError:
        raise Unreadable(f"{path} is not readable for this user: run as the user who owns it") from None
