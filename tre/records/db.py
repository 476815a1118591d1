"""One transaction per act: the change and its entry, or the refusal and its entry.

    with records.act("ann", "export.submit", "project/sunrise") as session:
        ...                                   # changes, and audit.append(session, ...)

What raises `Refused` inside is rolled back, and the refusal is recorded in a transaction of its own. A change
without an entry cannot be committed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from tre.errors import Refused, TREError, Unavailable
from tre.records import audit

BUSY_SECONDS = 20


class Records:
    """The database of one TRE: SQLite in the home, or PostgreSQL."""

    def __init__(self, url: str) -> None:
        """Connect lazily; nothing is created here (see `tre.records.schema`)."""
        self.engine = _engine(make_url(url))
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Look, and change nothing: what was added or changed is rolled back."""
        with _answering(), self._sessions() as session:
            yield session
            session.rollback()

    @contextmanager
    def act(self, actor: str, act: str, subject: str) -> Iterator[Session]:
        """Change something and record it, or record that it was refused and by which rules."""
        try:
            with _answering(), self._sessions() as session:
                _begin_writing(session)
                yield session
                _commit(session)
        except Refused as refusal:
            self._record_refusal(refusal, actor, act, subject)
            raise

    def _record_refusal(self, refusal: Refused, actor: str, act: str, subject: str) -> None:
        with _answering(), self._sessions() as session:
            _begin_writing(session)
            audit.append(
                session, f"{act}.refused", actor=actor, subject=subject, rules=list(refusal.rules), why=str(refusal)
            )
            session.commit()

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _durable(connection: Any, _record: object) -> None:  # noqa: ANN401 -- the driver's own class
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _begin_writing(session: Session) -> None:
    """Take SQLite's write lock at once, so that two acts never read the same head. PostgreSQL locks the head row."""
    session.info.clear()
    if session.get_bind().dialect.name == "sqlite":
        session.execute(text("BEGIN IMMEDIATE"))


def _commit(session: Session) -> None:
    session.flush()
    if session.info.get("wrote") and not session.info.get("recorded"):
        raise AssertionError("a change without its audit entry")
    session.commit()


@event.listens_for(Session, "after_flush")
def _note_writes(session: Session, _context: object) -> None:
    if session.new or session.dirty or session.deleted:
        session.info["wrote"] = True


@contextmanager
def _answering() -> Iterator[None]:
    """Say in one line that the database does not answer."""
    try:
        yield
    except TREError:
        raise
    except OperationalError as error:
        raise Unavailable(f"the records do not answer ({type(error.orig).__name__}); nothing was changed") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable("the records do not answer (connection lost); nothing was changed") from error
        raise
