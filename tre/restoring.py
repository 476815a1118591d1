"""A home is made of a backup on a machine that has none; nothing of the backup is taken on trust.

Every hash is compared with what the house signed, the log is verified against every checkpoint that came by another
way, and only then is there a home: until then it lies beside, and whatever goes wrong leaves nothing.
"""

import base64
import binascii
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tre import settings as configuration
from tre.backup import (
    CONTEXT,
    FILES,
    FORMAT,
    INFO,
    LISTED,
    MADE_ANEW,
    MANIFEST,
    RECORDS,
    SEALED,
    SUITE,
    Ticks,
    hash_of,
    stream,
)
from tre.errors import Refused, Tampered, Unavailable, Unreadable
from tre.records import audit, checkpoint, export, files, note, schema, snapshot, verify
from tre.records.db import REVISION, Records, opened
from tre.settings import Settings


def restore(
    settings: Settings,
    source: Path,
    key: str,
    *,
    house: str = "",
    kept: Mapping[str, str] | None = None,
    accept_loss: str = "",
    actor: str,
    now: datetime,
    ticks: Ticks = lambda _: None,
) -> verify.Report:
    """Make a home of a backup, on a machine that has none; return what verification says of its log.

    `house` is the public key of the house as it was given out once; `kept` are checkpoints that came by another way,
    such as a witness's last. A log that is shorter than one of these is restored only with `accept_loss`, a reason.
    """
    _refuse_full(settings.home)
    statement = _statement(source)
    kept = kept or {}
    longer = _longer(statement, kept, accept_loss)
    secret = _unsealed(source, statement, _opener(key))
    being = settings.home.with_name(f".{settings.home.name}.restoring")
    shutil.rmtree(being, ignore_errors=True)
    try:
        being.mkdir(mode=0o711, parents=True)
        _place_secret(being, secret)
        own = settings.model_copy(update={"home": being})
        _check_signed(own, source, statement, house)
        _place(source, being, ticks)
        own = own.model_copy(update={"database": settings.database or configuration.load(being).database})
        _refuse_full_database(own)
        with _tables(own):
            notes = {name: text for name, text in kept.items() if name not in longer}
            report = _records(own, source, statement, notes)
            being.rename(settings.home)
    except OSError as error:
        raise Unavailable(f"{settings.home} was not restored: {error.strerror}") from error
    finally:
        shutil.rmtree(being, ignore_errors=True)
    final = settings.model_copy(update={"database": own.database})
    _write_restored(final, statement, report, accept_loss=accept_loss, actor=actor, now=now)
    return report


def _opener(text: str) -> X25519PrivateKey:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, X25519PrivateKey):
        raise Unreadable("not a key that opens backups: take the file that `tre backup key` wrote")
    return key


def _refuse_full_database(own: Settings) -> None:
    if own.database and schema.has_records(own):
        raise Refused("the database is not empty: name another with TRE_DATABASE; nothing was changed")


def _refuse_full(home: Path) -> None:
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise Refused(f"{home} is not empty: a backup is restored beside it, with --home; nothing was changed")
    if home.exists():
        home.rmdir()


def _statement(source: Path) -> dict[str, Any]:
    try:
        said = json.loads((source / MANIFEST).read_bytes())
        statement = dict(said["statement"])
        base64.b64decode(said["signature"], validate=True)
    except (OSError, ValueError, KeyError, TypeError, binascii.Error):
        raise Unreadable(f"{source} is no backup: there is no {MANIFEST} that can be read") from None
    if statement.get("format") != FORMAT:
        raise Unreadable(f"{source} is a backup of the format {str(statement.get('format'))[:40]}, not {FORMAT}")
    if statement.get("revision") != REVISION:
        raise Unreadable(
            f"{source} was made by version {str(statement.get('version'))[:20]}: restore it with that, then update"
        )
    return statement


def _unsealed(source: Path, statement: Mapping[str, Any], key: X25519PrivateKey) -> dict[str, bytes]:
    for number, digest in enumerate(statement["sealed"]):
        try:
            content = (source / f"keys.{int(number)}.sealed").read_bytes()
        except OSError as error:
            raise Unreadable(f"{source}/keys.{number}.sealed: {error.strerror}") from None
        if sha256(content).hexdigest() != digest:
            raise Tampered(f"{source}/keys.{number}.sealed is not what was sealed; nothing was restored")
        try:
            said = json.loads(SUITE.decrypt(content, key, INFO))
        except (InvalidTag, ValueError):
            continue  # for another recipient
        return {str(name): base64.b64decode(value) for name, value in said.items()}
    raise Unreadable("this key does not open the backup: it was sealed to another; nothing was restored")


def _place_secret(home: Path, secret: Mapping[str, bytes]) -> None:
    for name, content in secret.items():
        folder, _, file = name.partition("/")
        if folder not in SEALED or not file or "/" in file or file in {".", ".."}:
            raise Tampered("the sealed keys name a file outside their folders; nothing was restored")
        files.folder(home / folder, 0o700)
        files.create(home / folder / file, content)


def _check_signed(own: Settings, source: Path, statement: Mapping[str, Any], house: str) -> None:
    signature = base64.b64decode(json.loads((source / MANIFEST).read_bytes())["signature"])
    checkpoint.verify_bytes(checkpoint.public_key(own), audit.canonical(statement), signature, CONTEXT)
    if house and str(note.verifier(house)) != checkpoint.note_key(own):
        raise Tampered(f"{source} is of another house than the key that was given; nothing was restored")
    for name, digest in ((RECORDS, statement["records"]), (LISTED, statement["files"])):
        if hash_of(source / name) != digest:
            raise Tampered(f"{source / name} is not what was signed; nothing was restored")


def _place(source: Path, home: Path, ticks: Ticks) -> None:
    """Copy each file that is listed, if it is what was listed, below a folder that was listed before it."""
    folders: dict[PurePosixPath, dict[str, Any]] = {PurePosixPath(): {}}
    with (source / LISTED).open("rb") as lines:
        for line in lines:
            one = json.loads(line)
            path = _inside(one["path"])
            if path.parent not in folders or path in folders or path.parts[0] in {*SEALED, *MADE_ANEW}:
                raise Tampered(f"{source / LISTED} names a file where none may be; nothing was restored")
            if one["kind"] == "folder":
                (home / path).mkdir(mode=0o700)
                folders[path] = one
            elif one["kind"] == "link":
                (home / path).symlink_to(one["to"])
                os.chown(home / path, one["uid"], one["gid"], follow_symlinks=False)
            else:
                _place_file(source / FILES / path, home / path, one)
                ticks(one["size"])
    for path, one in reversed(folders.items()):  # their modes last: some may not be written
        if one:
            os.chown(home / path, one["uid"], one["gid"])
            (home / path).chmod(one["mode"])


def _inside(text: str) -> PurePosixPath:
    path = PurePosixPath(text)
    if path.is_absolute() or not path.parts or ".." in path.parts:
        raise Tampered("the backup names a file outside the home; nothing was restored")
    return path


def _place_file(source: Path, to: Path, one: Mapping[str, Any]) -> None:
    try:
        handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise Tampered(f"{source} is missing ({error.strerror}); nothing was restored") from None
    with os.fdopen(handle, "rb") as content, to.open("xb") as out:
        size, digest = stream(content, out, most=one["size"] + 1)
        os.fchown(out.fileno(), one["uid"], one["gid"])
        os.fchmod(out.fileno(), one["mode"])
    if (size, digest) != (one["size"], one["sha256"]):
        raise Tampered(f"{source} is not what was backed up; nothing was restored")


def _longer(statement: Mapping[str, Any], kept: Mapping[str, str], accept_loss: str) -> frozenset[str]:
    """Return which checkpoints are over more than the backup holds; without a reason that is a no."""
    longer = {name: size for name, text in kept.items() if (size := verify.stated_size(text)) > statement["entries"]}
    if longer and not accept_loss:
        name, size = max(longer.items(), key=lambda item: item[1])
        raise Refused(
            f"{name} is over {size} entries, and the backup ends at {statement['entries']}: what happened since is not "
            "in it; take a newer one, or say why this must do with --accept-loss; nothing was restored"
        )
    return frozenset(longer)


@contextmanager
def _tables(own: Settings) -> Iterator[None]:
    """Make the tables, and take them down again if the block fails."""
    schema.initialise(own)
    try:
        yield
    except BaseException:
        records = Records(own.database_url)
        schema.remove(records)
        records.close()
        raise


def _records(own: Settings, source: Path, statement: Mapping[str, Any], kept: Mapping[str, str]) -> verify.Report:
    """Load the records, and keep them only if their log is whole and goes on from every checkpoint that was kept."""
    found = Records(own.database_url)
    own_notes = {f"what a witness co-signed ({at})": text for at, text in enumerate(statement["cosigned"], 1)}
    try:
        with (source / RECORDS).open("rb") as lines, snapshot.restoring(found, lines) as session:
            report = export.examine(session, checkpoint.note_key(own), {**own_notes, **kept})
            if report.faults or report.size != statement["entries"]:
                why = report.faults[0].what if report.faults else "its log is not as long as was signed"
                raise Tampered(f"{why}; nothing was restored")
    except (json.JSONDecodeError, note.BadNote, KeyError, TypeError) as error:
        raise Tampered(f"{source / RECORDS} cannot be read ({type(error).__name__}); nothing was restored") from None
    finally:
        found.close()
    return report


def _write_restored(
    settings: Settings,
    statement: Mapping[str, Any],
    report: verify.Report,
    *,
    accept_loss: str,
    actor: str,
    now: datetime,
) -> None:
    """Let the log say that it comes from a backup, of when, and with what loss."""
    records = opened(settings)
    try:
        with records.act(actor, "backup.restore", "house") as session:
            audit.append(
                session, "backup.restore", actor=actor, subject="house", at=now.astimezone(UTC),
                made_at=str(statement["at"]), entries=report.size, accepted_loss=accept_loss,
            )  # fmt: skip
            checkpoint.sign(session, settings, now, actor=actor)
    finally:
        records.close()
