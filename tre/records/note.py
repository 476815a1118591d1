"""A signed note: a few lines of text, and under them who says so (C2SP signed-note, Ed25519).

A witness does not sign a checkpoint but co-signs it (C2SP tlog-cosignature): with the moment, and for this alone.

Nothing here needs the rest of the house: whoever holds a note and a public key can check it anywhere.
"""

import base64
import binascii
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
COSIGNER = b"\x04"
"""First byte of an Ed25519 key that only co-signs."""
MARK = "\N{EM DASH} "
HASH_SIZE = 32
DIGITS = 18
LAST_SECOND = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


class BadNote(ValueError):
    """Not a note, or not signed by this key; says which."""


class NotSigned(BadNote):
    """A note, and perhaps a good one, but not signed by this key."""


class Verifier(NamedTuple):
    """A public key under its name."""

    name: str
    key: Ed25519PublicKey
    kind: bytes = ED25519
    """What it does: sign notes, or co-sign checkpoints."""

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + self.kind + self.key.public_bytes_raw()).digest()[:4]

    def __str__(self) -> str:
        """Written as `name+hash+base64`, as C2SP does."""
        return f"{self.name}+{self.id.hex()}+{_b64(self.kind + self.key.public_bytes_raw())}"


class Checkpoint(NamedTuple):
    """How long a log was, and its root then (C2SP tlog-checkpoint)."""

    origin: str
    size: int
    root: bytes


def verifier(line: str, *, kind: bytes = ED25519) -> Verifier:
    """Read a public key written as `name+hash+base64`: the first line of what `tre audit key` prints."""
    name, _, rest = line.strip().partition("\n")[0].strip().partition("+")
    stated, _, coded = rest.partition("+")
    raw = _unb64(coded)
    if len(raw) != 33 or raw[:1] != kind:  # noqa: PLR2004 -- one byte of algorithm, 32 of key
        raise BadNote(f"not an Ed25519 public key of a {'witness' if kind == COSIGNER else 'note'}")
    found = Verifier(_name(name), Ed25519PublicKey.from_public_bytes(raw[1:]), kind)
    if found.id.hex() != stated:
        raise BadNote("the public key does not have the hash it states")
    return found


def private_line(name: str, key: Ed25519PrivateKey, kind: bytes = ED25519) -> str:
    """Write a private key as one line, name and all."""
    of = Verifier(_name(name), key.public_key(), kind)
    return f"PRIVATE+KEY+{name}+{of.id.hex()}+{_b64(kind + key.private_bytes_raw())}\n"


def private_key(line: str, *, kind: bytes = ED25519) -> tuple[str, Ed25519PrivateKey]:
    """Read what `private_line` wrote."""
    words = line.strip().split("+", 4)
    if len(words) != 5 or words[:2] != ["PRIVATE", "KEY"]:  # noqa: PLR2004 -- the five parts of the line
        raise BadNote("not a private key of a note")
    raw = _unb64(words[4])
    key = Ed25519PrivateKey.from_private_bytes(raw[1:])
    if raw[:1] != kind or Verifier(_name(words[2]), key.public_key(), kind).id.hex() != words[3]:
        raise BadNote("the private key does not have the hash it states")
    return words[2], key


def sign(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """Put a signature under `text`, which ends with a line end."""
    if not text.endswith("\n"):
        raise BadNote("the text of a note ends with a line end")
    of = Verifier(_name(name), key.public_key())
    return f"{text}\n{MARK}{name} {_b64(of.id + key.sign(text.encode()))}\n"


def cosign(note: str, name: str, key: Ed25519PrivateKey, at: datetime) -> str:
    """Return the line with which a witness says that a checkpoint was, at this moment, the longest it knew."""
    seconds = int(at.timestamp())
    of = Verifier(_name(name), key.public_key(), COSIGNER)
    signature = key.sign(_cosigned(_parted(note)[0], seconds))
    return f"{MARK}{name} {_b64(of.id + seconds.to_bytes(8, 'big') + signature)}\n"


def cosigned(note: str, by: Verifier) -> datetime:
    """Return when the witness `by` co-signed a checkpoint; whether the log signed it is for `checkpoint` to say."""
    text, raw = _by(note, by)
    seconds = int.from_bytes(raw[:8], "big")
    _check(by, raw[8:], _cosigned(text, seconds))
    if seconds >= LAST_SECOND:
        raise BadNote(f"{by.name} co-signed it at no moment that there is")
    return datetime.fromtimestamp(seconds, UTC)


def opened(note: str, by: Verifier) -> str:
    """Return the text over the signatures, if `by` signed it. Signatures of others are passed over."""
    text, raw = _by(note, by)
    _check(by, raw, text.encode())
    return text


def with_lines(note: str, lines: str) -> str:
    """Put more signature lines under a note; one that is there already is not put there twice."""
    return note + "".join(f"{line}\n" for line in lines.splitlines() if line and f"\n{line}\n" not in note)


def _by(note: str, by: Verifier) -> tuple[str, bytes]:
    """Text of a note, and the first signature of this key under it."""
    text, lines = _parted(note)
    for line in lines:
        name, _, coded = line.removeprefix(MARK).partition(" ")
        raw = _unb64(coded)
        if name == by.name and raw[:4] == by.id:
            return text, raw[4:]
    raise NotSigned(f"not {'co-' if by.kind == COSIGNER else ''}signed by {by.name}+{by.id.hex()}")


def _parted(note: str) -> tuple[str, list[str]]:
    text, blank, signatures = note.rpartition("\n\n")
    lines = signatures.splitlines()
    if not blank or not signatures.endswith("\n") or not all(line.startswith(MARK) for line in lines):
        raise BadNote("not a signed note")
    return f"{text}\n", lines


def _check(by: Verifier, signature: bytes, signed: bytes) -> None:
    try:
        by.key.verify(signature, signed)
    except InvalidSignature:
        raise BadNote(f"the signature of {by.name} does not match the text") from None


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def statement(checkpoint: Checkpoint) -> str:
    """Write a checkpoint as the text of a note."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{_b64(checkpoint.root)}\n"


def checkpoint(note: str, by: Verifier) -> Checkpoint:
    """Read a checkpoint that `by` signed about its own log."""
    origin, said, root, *_extensions = (*opened(note, by).splitlines(), "", "", "")
    size = number(said)
    if size is None or len(_unb64(root)) != HASH_SIZE:
        raise BadNote("not a checkpoint")
    if origin != by.name:
        raise BadNote(f"a checkpoint of another log than {by.name}")
    return Checkpoint(origin, size, _unb64(root))


def number(text: str) -> int | None:
    """Read a size as notes write it, with no sign and no zero before it; None if it is none."""
    good = text.isascii() and text.isdecimal() and len(text) <= DIGITS and (text == "0" or text[0] != "0")
    return int(text) if good else None


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
