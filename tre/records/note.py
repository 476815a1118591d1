"""A signed note: a few lines of text, and under them who says so (C2SP signed-note, Ed25519).

Nothing here needs the rest of the house: whoever holds a note and a public key can check it anywhere.
"""

import base64
import binascii
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
MARK = "\N{EM DASH} "
HASH_SIZE = 32


class BadNote(ValueError):
    """Not a note, or not signed by this key; says which."""


class Verifier(NamedTuple):
    """A public key under its name."""

    name: str
    key: Ed25519PublicKey

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.key.public_bytes_raw()).digest()[:4]

    def __str__(self) -> str:
        """Written as `name+hash+base64`, as C2SP does."""
        return f"{self.name}+{self.id.hex()}+{_b64(ED25519 + self.key.public_bytes_raw())}"


class Checkpoint(NamedTuple):
    """How long a log was, and its root then (C2SP tlog-checkpoint)."""

    origin: str
    size: int
    root: bytes


def verifier(line: str) -> Verifier:
    """Read a public key written as `name+hash+base64`: the first line of what `tre audit key` prints."""
    name, _, rest = line.strip().partition("\n")[0].strip().partition("+")
    stated, _, coded = rest.partition("+")
    raw = _unb64(coded)
    if len(raw) != 33 or raw[:1] != ED25519:  # noqa: PLR2004 -- one byte of algorithm, 32 of key
        raise BadNote("not an Ed25519 public key of a note")
    found = Verifier(_name(name), Ed25519PublicKey.from_public_bytes(raw[1:]))
    if found.id.hex() != stated:
        raise BadNote("the public key does not have the hash it states")
    return found


def private_line(name: str, key: Ed25519PrivateKey) -> str:
    """Write a private key as one line, name and all."""
    of = Verifier(_name(name), key.public_key())
    return f"PRIVATE+KEY+{name}+{of.id.hex()}+{_b64(ED25519 + key.private_bytes_raw())}\n"


def private_key(line: str) -> tuple[str, Ed25519PrivateKey]:
    """Read what `private_line` wrote."""
    words = line.strip().split("+", 4)
    if len(words) != 5 or words[:2] != ["PRIVATE", "KEY"]:  # noqa: PLR2004 -- the five parts of the line
        raise BadNote("not a private key of a note")
    raw = _unb64(words[4])
    key = Ed25519PrivateKey.from_private_bytes(raw[1:])
    if raw[:1] != ED25519 or Verifier(_name(words[2]), key.public_key()).id.hex() != words[3]:
        raise BadNote("the private key does not have the hash it states")
    return words[2], key


def sign(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """Put a signature under `text`, which ends with a line end."""
    if not text.endswith("\n"):
        raise BadNote("the text of a note ends with a line end")
    of = Verifier(_name(name), key.public_key())
    return f"{text}\n{MARK}{name} {_b64(of.id + key.sign(text.encode()))}\n"


def opened(note: str, by: Verifier) -> str:
    """Return the text over the signatures, if `by` signed it. Signatures of others are passed over."""
    text, blank, signatures = note.rpartition("\n\n")
    lines = signatures.splitlines()
    if not blank or not signatures.endswith("\n") or not all(line.startswith(MARK) for line in lines):
        raise BadNote("not a signed note")
    text += "\n"
    for line in lines:
        name, _, coded = line.removeprefix(MARK).partition(" ")
        raw = _unb64(coded)
        if name != by.name or raw[:4] != by.id:
            continue
        try:
            by.key.verify(raw[4:], text.encode())
        except InvalidSignature:
            raise BadNote(f"the signature of {name} does not match the text") from None
        return text
    raise BadNote(f"not signed by {by.name}+{by.id.hex()}")


def statement(checkpoint: Checkpoint) -> str:
    """Write a checkpoint as the text of a note."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{_b64(checkpoint.root)}\n"


def checkpoint(note: str, by: Verifier) -> Checkpoint:
    """Read a checkpoint that `by` signed about its own log."""
    origin, size, root, *_extensions = (*opened(note, by).splitlines(), "", "", "")
    if not size.isascii() or not size.isdecimal() or str(int(size)) != size or len(_unb64(root)) != HASH_SIZE:
        raise BadNote("not a checkpoint")
    if origin != by.name:
        raise BadNote(f"a checkpoint of another log than {by.name}")
    return Checkpoint(origin, int(size), _unb64(root))


def _name(name: str) -> str:
    if not name or "+" in name or any(letter.isspace() for letter in name):
        raise BadNote("the name of a key has no space and no +")
    return name


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _unb64(coded: str) -> bytes:
    try:
        return base64.b64decode(coded, validate=True)
    except binascii.Error:
        raise BadNote("not base64") from None
