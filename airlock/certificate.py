"""A signed statement of what left, why it could, and who agreed: anyone with our public key can check it, anywhere.

Checking needs the release, `tre.records.merkle` and `note`, the standard library and `cryptography`; no records, no
network. The entry of the log that records the release is in the statement, with the hashes that lead from it to the
signed checkpoint of the log; and so is the hash of the project's certificate before this one.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from airlock import package
from tre.errors import Refused, Tampered, Unreadable
from tre.records import merkle, note

FORMAT = "hortus-release/2"
FIRST = "hortus-release/1"
"""Without records, proof and chain; still checked for what it says."""
RECALLED = "hortus-recalled/1"
NAME = "certificate.json"
CRATE = "ro-crate-metadata.json"
RECORD = "disclosure-record.json"
FOLDER = "files/"
LARGEST = 16 << 20

Statement = dict[str, Any]
"""JSON that we signed, and so wrote."""


def sealed(statement: Mapping[str, object], signature: bytes, what: str = "certificate") -> bytes:
    """Put a statement and its signature into the file that goes out."""
    whole = {what: statement, "signature": base64.b64encode(signature).decode("ascii")}
    return json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def stated(statement: Mapping[str, object]) -> bytes:
    """Return the bytes that are signed: canonical JSON (RFC 8785 for the values we write)."""
    return json.dumps(
        statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()  # fmt: skip


def leaving(files: Sequence[Mapping[str, Any]]) -> str:
    """Hash of what leaves, as the log's entry says it: name, hash and size of each file."""
    told = [{key: file[key] for key in ("name", "sha256", "size")} for file in files]
    return sha256(json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def verify(
    path: Path, public_key: str, *, previous: bytes | None = None, recalled: bytes | None = None
) -> dict[str, object]:
    """Check a collected release, as the zip or unpacked; return what its certificate says.

    `previous` is the project's certificate before this one, `recalled` the house's signed list of those it took back.
    """
    with package.opened(path) as held:
        if NAME not in held.names:
            raise Unreadable(
                f"{path.name}: holds no {NAME}: take the zip as it was collected, or the folder unpacked from it"
            )
        content = held.content(NAME)
        statement = read(content, public_key)
        with _ours():
            listed = dict(parts(statement))
        for name in sorted(listed.keys() | (set(held.names) - {NAME})):
            _same(name, listed, held)
        held.settle((*listed, NAME))
    if previous is not None:
        _follows(statement, previous, public_key)
    if recalled is not None:
        _stands(content, recalled, public_key)
    return statement


def read(content: bytes, public_key: str) -> Statement:
    """Return what a certificate says, once its signature and its place in the log are checked."""
    statement = _opened(content, public_key, "certificate", NAME)
    if statement.get("format") == FORMAT:
        with _ours():
            _included(statement, _key(public_key))
    elif statement.get("format") != FIRST:
        raise Unreadable(f"{NAME}: of a format this version does not know")
    return statement


def parts(statement: Statement) -> Iterator[tuple[str, str]]:
    """Give path and hash of each part but the certificate, in the order of the zip."""
    yield from ((f"{FOLDER}{file['name']}", str(file["sha256"])) for file in statement["files"])
    yield from ((str(file["name"]), str(file["sha256"])) for file in statement.get("records", ()))


def digest(content: bytes) -> str:
    """Name a certificate by the hash of its bytes: so the next one names it, and the list of those taken back."""
    return sha256(content).hexdigest()


# --- what is signed ---------------------------------------------------------------------------------------------------
def _opened(content: bytes, public_key: str, what: str, name: str) -> Statement:
    """Return a statement under its signature; the file may say it in no other bytes than ours."""
    if len(content) > LARGEST:
        raise Unreadable(f"{name}: has more than {LARGEST} bytes; none of ours has")
    try:
        whole = json.loads(content)
        statement, signature = whole[what], base64.b64decode(whole["signature"], validate=True)
        statement["format"]
        payload, ours = stated(statement), sealed(statement, signature, what)
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise Unreadable(f"{name}: is no signed {what} of a TRE") from None
    try:
        _key(public_key).verify(signature, f"\0tre/v1/{what}\0".encode() + payload)
    except InvalidSignature:
        raise Tampered(f"{name}: the signature is not that of this key, or the {what} was changed") from None
    if ours != content:
        raise Tampered(f"{name}: is not written, byte for byte, as it was signed")
    return dict(statement)


def _key(public_key: str) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(public_key.encode())
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise Unreadable("not an Ed25519 public key in PEM: take the one that `tre audit key` prints")
    return key


@contextmanager
def _ours() -> Iterator[None]:
    """Read what the house signed; signed and still not a certificate means another version wrote it."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unreadable(f"{NAME}: is signed, and is no certificate that this version can read") from None


# --- what it says -----------------------------------------------------------------------------------------------------
def _same(name: str, listed: Mapping[str, str], held: package.Package) -> None:
    if name not in held.names:
        raise Tampered(f"{name!a} was released and is not here")
    if name not in listed:
        raise Tampered(f"{name!a} is here and was not released")
    if sha256(held.content(name)).hexdigest() != listed[name]:
        raise Tampered(f"{name!a} is not, byte for byte, what was released")


def _included(statement: Statement, key: Ed25519PublicKey) -> None:
    """Raise Tampered unless the signed log has an entry of this very release."""
    said = statement["audit"]
    try:
        origin = said["checkpoint"].partition("\n")[0]
        log = note.checkpoint(said["checkpoint"], note.Verifier(origin, key))
    except note.BadNote as error:
        raise Tampered(f"{NAME}: the checkpoint of the log is {error}") from None
    body, proof = said["body"].encode(), tuple(bytes.fromhex(step) for step in said["proof"])
    leaf = merkle.leaf_hash(body)
    if not merkle.includes(proof, leaf, index=said["entry"], size=log.size, root=log.root):
        raise Tampered(f"{NAME}: the log that was signed has no such entry at {said['entry']}")
    entry = json.loads(body)
    told = (entry["act"], entry["subject"], entry["facts"]["round"], entry["facts"]["leaving"], entry["at"])
    ours = ("export.release", f"export/{statement['request']}", statement["round"])
    if told != (*ours, leaving(statement["files"]), statement["released_at"]):
        raise Tampered(f"{NAME}: entry {said['entry']} of the log records another release")


def _follows(statement: Statement, previous: bytes, public_key: str) -> None:
    before = read(previous, public_key)
    named = statement.get("previous") or {}
    if named.get("sha256") != digest(previous) or before.get("project") != statement.get("project"):
        raise Tampered("the previous certificate is not the one that this release names")


def _stands(content: bytes, recalled: bytes, public_key: str) -> None:
    listed = _opened(recalled, public_key, "recalled", "the list of recalled releases")
    if listed["format"] != RECALLED:
        raise Unreadable("the list of recalled releases is of a format this version does not know")
    with _ours():
        taken = {one["certificate"]: one["recalled_at"] for one in listed["releases"]}
    if digest(content) in taken:
        raise Refused(f"this release was recalled at {taken[digest(content)]}: delete it, and use nothing from it")
