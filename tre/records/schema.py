"""The home of a TRE, made from nothing: folders, secrets, keys and the database, each whole or not at all."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, MetaData, insert, select

from policies import book
from tre.errors import Tampered, Unreadable
from tre.records import audit, files, keys
from tre.records.db import REVISION, Records, answering
from tre.records.tables import Base, RulebookRow
from tre.settings import Settings

if TYPE_CHECKING:
    from alembic.config import Config

SECRETS = (
    "airlock-hub",
    "sentinel-hub",
    "gateway-hub",
    "rooms-airlock",
    "proxy",
    "cookie",
    "hub-cookie",
    "airlock-cookie",
    "gateway-cookie",
)
"""Tokens between our own processes; 64 hex digits each."""


FIRST = "init"
"""Who adopts the first rules: whoever made the home."""
MIGRATIONS = Path(__file__).with_name("migrations")
DRAFT = "python -m tre.records.migrations.draft 'What changes'"
"""How a developer writes the next migration from what the tables say."""


def initialise(settings: Settings) -> None:
    """Make the home and all in it; what is there already stays as it is, so that a second call mends a first."""
    _make_folders(settings)
    _refuse_lost_keys(settings)
    keys.init(settings)
    for name in SECRETS:
        files.create(settings.secrets / name, os.urandom(32).hex().encode() + b"\n")
    _make_database(settings)


def create(records: Records) -> None:
    """Bring the tables, and the triggers that guard the log, to this version: all of them, or none."""
    from alembic import command

    with migrating(records) as config:
        command.upgrade(config, REVISION)
        _adopt_first(config.attributes["connection"])


def _adopt_first(connection: Connection) -> None:
    """Let a house begin with the rules of the package, as number 1; after that two admins change them."""
    if connection.execute(select(RulebookRow.number).limit(1)).first() is not None:
        return
    files, now = book.bundle(), datetime.now(UTC)
    first = {"number": 1, "files": audit.canonical(files).decode(), "sha256": audit.digest(files)}
    first |= {"why": "a house begins with the rules of its version", "state": "adopted"}
    first |= {"proposed_by": FIRST, "proposed_at": now, "settled_by": FIRST, "settled_at": now}
    connection.execute(insert(RulebookRow).values(first))


def remove(records: Records) -> None:
    """Take every table down again: what was remembered is gone."""
    from alembic import command

    with migrating(records) as config:
        command.downgrade(config, "base")


@contextmanager
def migrating(records: Records) -> Iterator["Config"]:
    """Hand Alembic one connection and one transaction, which is committed if the block does not fail."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("file_template", "r%%(rev)s_%%(slug)s")
    with answering(), records.engine.connect() as connection, _tables_in_the_air(connection):
        config.attributes["connection"] = connection
        yield config


@contextmanager
def _tables_in_the_air(connection: Connection) -> Iterator[None]:
    """SQLite changes a table by making it anew: what refers to it waits, and is looked at before all is kept."""
    if connection.dialect.name != "sqlite":
        yield
        connection.commit()
        return
    connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        if lost := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise Tampered(f"a row of {lost[0]} refers to none of {lost[2]}: nothing was changed; restore a backup")
        connection.commit()
    finally:
        connection.rollback()
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def metadata() -> MetaData:
    """All tables of the house: every module under the entry point `tre.tables` has added its own."""
    for found in entry_points(group="tre.tables"):
        try:
            importlib.import_module(found.value)
        except ModuleNotFoundError as error:
            if error.name != found.value:
                raise
    return Base.metadata


def _make_folders(settings: Settings) -> None:
    files.folder(settings.home, 0o711)
    closed = (settings.keys, settings.secrets, settings.silo, settings.released, settings.mails, settings.logs)
    for path in (*closed, settings.extracts, settings.imports):  # the engine mounts these; nobody else goes in
        files.folder(path, 0o700)
    for path in (settings.sockets, settings.home / "projects"):
        files.folder(path, 0o711)


def _refuse_lost_keys(settings: Settings) -> None:
    """Never put a new root key beside old records: what the old one sealed would be lost without a word."""
    if not keys.present(settings) and has_records(settings):
        raise Unreadable(f"{settings.home} has records but not their keys: restore {settings.keys} from its backup")


def has_records(settings: Settings) -> bool:
    """Tell whether there is a database that was made once."""
    if not settings.database:
        return _database_file(settings).exists()
    records = Records(settings.database_url)
    try:
        with answering(), records.engine.connect() as connection:
            return connection.dialect.has_table(connection, "audit_entry")
    finally:
        records.close()


def _make_database(settings: Settings) -> None:
    path = _database_file(settings)
    if settings.database or path.exists():
        _created(settings.database_url)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.touch(0o600)
    _created(f"sqlite:///{temporary}")
    files.sync(temporary)
    temporary.rename(path)
    files.sync(path.parent)


def _created(url: str) -> None:
    records = Records(url)
    try:
        create(records)
    finally:
        records.close()


def _database_file(settings: Settings) -> Path:
    return settings.home / "records.sqlite"
