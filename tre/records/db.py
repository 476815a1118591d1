"""One transaction per act: the change and its entry, or the refusal and its entry.

    with records.act("ann", "export.submit", "project/sunrise") as session:
        ...                                   # changes, and audit.append(session, ...)

Acts happen one after another, whichever database and however many processes: what an act reads, nobody changes until
it ends. What raises `Refused` or `NotFound` inside is rolled back, and that is recorded in a transaction of its own. A
change without an entry cannot be committed, however the change was written.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError  # noqa: A004 -- the pool's
from sqlalchemy.orm import Session, sessionmaker

from tre.errors import NotFound, Refused, Tampered, TREError, Unavailable, Unreadable
from tre.records import audit
from tre.settings import Settings

REVISION = "0005"
"""The newest migration: what the tables of this version look like."""
SETTINGS = "settings"
"""Where a session keeps the choices of the house, of which some are facts: in which country it stands."""
BUSY_SECONDS = 20
# What a statement may begin with and still change nothing. All else counts as a change.
LOOKS = frozenset({"SELECT", "BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "PRAGMA", "SET", "SHOW", "EXPLAIN"})


CHANGES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})


class Records:
    """The database of one TRE: SQLite in the home, or PostgreSQL."""

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        """Connect lazily; nothing is created here (see `tre.records.schema`)."""
        self.engine = _engine(make_url(url))
        self._sessions = sessionmaker(self.engine, expire_on_commit=False, info={SETTINGS: settings})

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Look at one moment of the records; a change is refused by the database."""
        with answering(), self._sessions() as session:
            _begin_reading(session)
            yield session
            session.expunge_all()  # rows stay readable after the block
            session.rollback()

    @contextmanager
    def act(self, actor: str, act: str, subject: str) -> Iterator[Session]:
        """Change something and record it, or record that it was refused and by which rules."""
        try:
            with answering(), self._sessions() as session:
                _begin_writing(session)
                yield session
                _commit(session)
        except (Refused, NotFound) as refusal:  # what is not theirs to know of is not found
            self._record_refusal(refusal, actor, act, subject)
            raise

    def _record_refusal(self, refusal: Refused | NotFound, actor: str, act: str, subject: str) -> None:
        rules = list(refusal.rules) if isinstance(refusal, Refused) else []
        with answering(), self._sessions() as session:
            _begin_writing(session)
            audit.append(session, f"{act}.refused", actor=actor, subject=subject, rules=rules, why=str(refusal))
            session.commit()

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


def opened(settings: Settings) -> Records:
    """Open the records that `tre init` made."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise Unreadable(f"no records in {settings.home}: run `tre init`")
    records = Records(settings.database_url, settings)
    try:
        _check_revision(records, settings)
    except TREError:
        records.close()
        raise
    return records


def _check_revision(records: Records, settings: Settings) -> None:
    with answering(), records.engine.connect() as connection:
        if not connection.dialect.has_table(connection, "alembic_version"):
            raise Unreadable(f"the records of {settings.home} have no tables: run `tre init`")
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    if found != REVISION:
        raise Unreadable(f"the records are of revision {found}, this version needs {REVISION}: run its `tre init`")


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _durable)
        event.listen(engine, "checkin", _writable)
    else:
        engine = create_engine(url, pool_pre_ping=True)
    event.listen(engine, "before_cursor_execute", _note_write)
    return engine


def _durable(connection: Any, _record: object) -> None:  # noqa: ANN401 -- the driver's own class
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _writable(connection: Any, _record: object) -> None:  # noqa: ANN401 -- the driver's own class
    if connection is not None:
        connection.execute("PRAGMA query_only=OFF")


def _begin_reading(session: Session) -> None:
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only=ON")
        connection.exec_driver_sql("BEGIN")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


def _begin_writing(session: Session) -> None:
    """Take the one lock of those who write, so that no act decides on what another is changing."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(BUSY_SECONDS * 1000)}")
        audit.lock(session)
    connection.info["wrote"] = False


def _commit(session: Session) -> None:
    session.flush()
    # An entry that a rolled-back savepoint took with it is no longer persistent.
    recorded = any(inspect(entry).persistent for entry in session.info.get(audit.RECORDED, ()))
    if session.connection().info["wrote"] and not recorded:
        raise AssertionError("a change without its audit entry")
    session.commit()


def _note_write(connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
    """Note on the connection that a statement may change something, whoever wrote it."""
    words = statement.upper().split()
    looks = words[0] in LOOKS or (words[0] == "WITH" and CHANGES.isdisjoint(words))
    if not looks:
        connection.info["wrote"] = True


@contextmanager
def answering() -> Iterator[None]:
    """Say in one line that the database does not answer."""
    try:
        yield
    except TimeoutError as error:
        raise Unavailable("the records are too busy (no connection came free); nothing was changed") from error
    except DBAPIError as error:
        known = _known(error)
        if known is None:
            raise
        raise known from error


def _known(error: DBAPIError) -> TREError | None:
    """Name what a person can do something about; the rest is a fault of ours."""
    if type(error.orig) is sqlite3.DatabaseError:
        return Tampered("the records are damaged: restore them from their backup")
    if isinstance(error, OperationalError) or error.connection_invalidated:
        why = str(error.orig) if isinstance(error.orig, sqlite3.Error) else type(error.orig).__name__
        return Unavailable(f"the records do not answer ({why}); nothing was changed")
    return None
