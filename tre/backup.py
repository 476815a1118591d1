"""A copy of the house from which it comes back on a bare machine, and which is worth nothing to a thief of keys.

A backup is a folder: `records.jsonl` (all records of one moment), `files/` (everything in the home but what is made
anew), `files.jsonl` (each of them with its hash), `keys.N.sealed` (root key, signing key and secrets, sealed to a
recipient whose private key is kept offline: HPKE, RFC 9180), and `manifest.json`, signed by the house. What is in
`files/` is as it lies in the home: the silo and encrypted volumes are sealed, extracts and homes without a volume are
not. So keep it in a store that encrypts, such as restic or borg. A volume is copied shut: one that is open is a reason
to come back later.

`tre.restoring` makes a home of it.
"""

import base64
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from tre import __version__, volumes
from tre.errors import Unavailable, Unreadable
from tre.records import audit, checkpoint, cosigned, files, snapshot
from tre.records.db import REVISION, Records, opened
from tre.records.tables import EntryRow
from tre.settings import Settings

FORMAT: Final = "hortus-backup/1"
CONTEXT: Final = "backup"
SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
INFO: Final = b"hortus/backup/keys/v1"
CHUNK: Final = 2**20
MANIFEST, FILES, LISTED, RECORDS = "manifest.json", "files", "files.jsonl", "records.jsonl"
SEALED: Final = ("keys", "secrets")
MADE_ANEW: Final = frozenset({"run", "logs", "hub.sqlite", "hub.sqlite-wal", "hub.sqlite-shm", "records.sqlite",
                              "records.sqlite-wal", "records.sqlite-shm"})  # fmt: skip
"""What is in a home and not in its backup: sockets, logs, sessions of the Hub; the records are written apart."""
DELETING: Final = ("delete", "deleting", "deleted", "withdraw")
"""Last words of acts after which a file may be gone that the records of the moment before still know of."""
Ticks = Callable[[int], None]
"""Is told of bytes that were copied."""


class Made(NamedTuple):
    """What a backup holds."""

    files: int
    bytes: int
    entries: int
    left_out: int
    """Sockets, pipes and devices, which are no files."""


# --- the offline key --------------------------------------------------------------------------------------------------
def new_key(to: Path) -> str:
    """Make the private key that opens backups, into a new file; return its public half."""
    if to.exists():
        raise Unreadable(f"{to} is there already: name a file that is not")
    private = X25519PrivateKey.generate()
    files.create(to, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def _recipient(text: str) -> X25519PublicKey:
    try:
        key = load_pem_public_key(text.encode())
    except ValueError:
        key = None
    if not isinstance(key, X25519PublicKey):
        raise Unreadable("a recipient is the public key that `tre backup key` printed")
    return key


# --- making -----------------------------------------------------------------------------------------------------------
def make(
    settings: Settings, to: Path, recipients: Sequence[str], *, actor: str, now: datetime, ticks: Ticks = lambda _: None
) -> Made:
    """Write a backup into a new folder; it is there whole, or not at all."""
    keys = [_recipient(text) for text in recipients]
    if not keys:
        raise Unreadable("a backup needs a recipient: `tre backup key` makes one")
    if to.exists():
        raise Unreadable(f"{to} is there already: name a folder that is not")
    if to.absolute().is_relative_to(settings.home):
        raise Unreadable(f"{to} is in the home: a backup lies elsewhere")
    being = to.with_name(f".{to.name}.{os.getpid()}")
    records = opened(settings)
    try:
        being.mkdir(mode=0o700)
        with records.act(actor, "audit.checkpoint", "audit/log") as session:
            checkpoint.sign(session, settings, now, actor=actor)
        made, manifest = _filled(settings, records, being, keys, now=now, ticks=ticks)
        with records.act(actor, "backup.make", "house") as session:
            audit.append(
                session, "backup.make", actor=actor, subject="house", at=now, files=made.files, bytes=made.bytes,
                entries=made.entries, sha256=sha256(manifest).hexdigest(),
            )  # fmt: skip
        being.rename(to)
    except OSError as error:
        raise Unavailable(f"no backup was made in {to}: {error.strerror}") from error
    finally:
        records.close()
        shutil.rmtree(being, ignore_errors=True)
    return made


@contextmanager
def _shut(settings: Settings) -> Iterator[None]:
    """Keep every volume shut, so that its file is copied as it was left."""
    names = sorted(path.stem for path in (settings.home / "volumes").glob("*.img"))
    with ExitStack() as held:
        for name in names:
            held.enter_context(volumes.still(settings, name))
        yield


def _filled(
    settings: Settings, records: Records, being: Path, keys: Sequence[X25519PublicKey], *, now: datetime, ticks: Ticks
) -> tuple[Made, bytes]:
    with records.read() as session:  # first the records: a file that they do not know of yet does no harm
        with (being / RECORDS).open("xb") as out:
            snapshot.write(session, out)
        seen = cosigned.kept(session, settings)
        size = _size(session)
    with (being / LISTED).open("xb") as out, _shut(settings):
        count, total, left = _copied(settings.home, being / FILES, out, ticks)
    with records.read() as session:
        since = session.scalars(select(EntryRow.act).where(EntryRow.seq >= size)).all()
    if any(act.endswith(DELETING) for act in since):
        raise Unavailable("something was deleted while the backup was made: make it again")
    secret = audit.canonical(_secret(settings))
    sealed = []
    for number, key in enumerate(keys):
        content = SUITE.encrypt(secret, key, INFO)
        (being / f"keys.{number}.sealed").write_bytes(content)
        sealed.append(sha256(content).hexdigest())
    statement = {
        "format": FORMAT,
        "version": __version__,
        "revision": REVISION,
        "at": audit.stamp(now),
        "key": checkpoint.note_key(settings),
        "entries": size,
        "cosigned": seen,
        "records": hash_of(being / RECORDS),
        "files": hash_of(being / LISTED),
        "sealed": sealed,
    }
    body = audit.canonical(statement)
    signature = base64.b64encode(checkpoint.sign_bytes(settings, body, CONTEXT)).decode("ascii")
    manifest = audit.canonical({"statement": statement, "signature": signature})
    (being / MANIFEST).write_bytes(manifest)
    return Made(count, total, size, left), manifest


def _size(session: Session) -> int:
    """Return how many entries the log has at the moment that the session sees."""
    last = session.scalars(select(EntryRow.seq).order_by(EntryRow.seq.desc()).limit(1)).first()
    return 0 if last is None else last + 1


def _secret(settings: Settings) -> dict[str, str]:
    """Read what opens everything: it leaves the machine sealed, or not at all."""
    found = {}
    for name in SEALED:
        for path in sorted((settings.home / name).iterdir()):
            found[f"{name}/{path.name}"] = base64.b64encode(path.read_bytes()).decode("ascii")
    return found


def _copied(home: Path, to: Path, listed: IO[bytes], ticks: Ticks) -> tuple[int, int, int]:
    """Copy the home, following no link: people write into parts of it, also while this goes on."""
    count = total = left = 0
    device = home.stat().st_dev
    to.mkdir(mode=0o700)
    for at, folders, names, here in os.fwalk(home, follow_symlinks=False):
        below = Path(at).relative_to(home)
        folders[:] = [one for one in folders if os.lstat(one, dir_fd=here).st_dev == device]  # a volume is one file
        if below == Path():
            folders[:] = [one for one in folders if _belongs(one)]
        else:
            _list(listed, below, os.fstat(here), "folder")
            (to / below).mkdir(mode=0o700)
        for name in (*names, *folders):
            try:
                size = _one(name, here, below, to, listed)
            except FileNotFoundError:  # somebody removed it just now; what they should not is looked for after
                size = None
            left += size is None and name not in folders
            count += size is not None
            total += size or 0
            ticks(size or 0)
    return count, total, left


def _belongs(name: str) -> bool:
    """Tell whether something in the home is in its backup: not what is made anew, half made, or sealed apart."""
    return name not in {*SEALED, *MADE_ANEW} and not name.startswith((".", "probe-"))


def _one(name: str, here: int, below: Path, to: Path, listed: IO[bytes]) -> int | None:
    """Copy one file or link of the open folder `here`; return its bytes, None if it is neither."""
    if below == Path() and not _belongs(name):
        return None
    found = os.lstat(name, dir_fd=here)
    if stat.S_ISLNK(found.st_mode):
        _list(listed, below / name, found, "link", to=os.readlink(name, dir_fd=here))
        return 0
    if not stat.S_ISREG(found.st_mode):
        return None
    with _reading(name, here) as source, (to / below / name).open("xb") as out:
        found = os.fstat(source.fileno())
        size, digest = stream(source, out, most=found.st_size)  # a file that grows is copied as long as it was
        _list(listed, below / name, found, "file", size=size, sha256=digest)
    return size


def _reading(name: str, here: int) -> IO[bytes]:
    return os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here), "rb")


def stream(source: IO[bytes], out: IO[bytes], *, most: int) -> tuple[int, str]:
    """Copy up to `most` bytes; return how many, and their hash."""
    digest, size = sha256(), 0
    while part := source.read(min(CHUNK, most - size)):
        if part.count(0) == len(part):  # a volume is mostly holes, and stays so
            out.seek(len(part), os.SEEK_CUR)
        else:
            out.write(part)
        digest.update(part)
        size += len(part)
    out.truncate(size)
    return size, digest.hexdigest()


def _list(listed: IO[bytes], path: Path, found: os.stat_result, kind: str, **more: object) -> None:
    line = {
        "path": str(path),
        "kind": kind,
        "mode": stat.S_IMODE(found.st_mode),
        "uid": found.st_uid,
        "gid": found.st_gid,
    }
    listed.write(json.dumps({**line, **more}, sort_keys=True).encode() + b"\n")  # ASCII: a name may be no text


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        digest = sha256()
        while part := file.read(CHUNK):
            digest.update(part)
    return digest.hexdigest()
