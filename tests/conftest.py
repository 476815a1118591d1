"""A home, its records on both databases, and a moment: what most tests begin with."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import create_engine

import tre.settings
from tests import order
from tre.records import schema
from tre.records.db import Records, opened
from tre.settings import Settings

pytest_plugins = ["tests.house", "tests.browser.chromium", "tests.golden.fixtures"]  # a house, browsers, the cohort
numbers = count()

# The machine is shared: slow is not wrong.
hypothesis.settings.register_profile("shared", deadline=None, max_examples=60)
hypothesis.settings.load_profile("shared")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest; of two runs that differ by the database alone, keep one, save where it matters."""
    items.sort(key=lambda item: order.place(item.path))
    left = [item for item in items if order.is_spared(item)] if os.environ.get("HORTUS_BOTH") != "1" else []
    if left:
        spared = set(map(id, left))
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if id(item) not in spared]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> order.Together:
    """Let a house or a dataset that is dear be made by one worker."""
    config.option.loadscopereorder = False
    return order.Together(config, log)


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 2, 9, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    """URL of the test's own database; empty for SQLite in the home. A test that asks for it runs on one of
    them, by its name, and on both where records are what is tested; HORTUS_BOTH=1 runs all on both."""
    if request.param == "sqlite":
        return ""
    url: str = request.getfixturevalue("postgres_database")
    return url


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path, made_home: Path) -> Settings:
    """The settings of a home that `tre init` made; on both databases where the test asks for `records`."""
    url: str = request.getfixturevalue("database") if "database" in request.fixturenames else ""
    home = tmp_path / "home"
    shutil.copytree(made_home, home, symlinks=True)
    if url:
        (home / "records.sqlite").unlink()
    return tre.settings.load(home, database=url)


@pytest.fixture
def records(database: str, settings: Settings) -> Iterator[Records]:
    found = opened(settings)
    yield found
    found.close()


@pytest.fixture(scope="session")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home made by `schema.initialise`, which each test copies."""
    home = tmp_path_factory.mktemp("made") / "home"
    schema.initialise(tre.settings.load(home))
    return home


# --- PostgreSQL -------------------------------------------------------------------------------------------------------
@pytest.fixture
def postgres_database(postgres_server: str) -> Iterator[str]:
    """A fresh database with all tables."""
    name = f"test_{next(numbers)}"
    with _as_owner(postgres_server) as execute:
        execute(f"CREATE DATABASE {name} TEMPLATE made")
    yield postgres_server.format(name)
    with _as_owner(postgres_server) as execute:
        execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A throw-away PostgreSQL on a Unix socket; its URL with {} for the name of a database."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    user = _account()
    if user:
        shutil.chown(folder, user)

    def run(*words: str) -> None:
        subprocess.run(words, check=True, user=user, stdout=subprocess.DEVNULL, cwd="/")

    at = str(folder / "data")
    try:
        run(
            str(programs / "initdb"),
            "-D",
            at,
            "-A",
            "trust",
            "-U",
            "owner",
            "-E",
            "UTF8",
            "--no-sync",
            "--locale=C.UTF-8",
        )
        options = f"-c listen_addresses='' -c fsync=off -c unix_socket_directories='{folder}'"
        run(str(programs / "pg_ctl"), "-D", at, "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            url = f"postgresql+psycopg://owner@/{{}}?host={folder}"
            _make_template(url)
            yield url
        finally:
            run(str(programs / "pg_ctl"), "-D", at, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_template(url: str) -> None:
    with _as_owner(url) as execute:
        execute("CREATE DATABASE made")
    made = Records(url.format("made"))
    schema.create(made)
    made.close()


@contextmanager
def _as_owner(url: str):
    engine = create_engine(url.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection.exec_driver_sql
    engine.dispose()


def _programs() -> Path:
    for found in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True):
        return found.parent
    reason = "PostgreSQL is not installed: apt install postgresql"
    if os.environ.get("CI") or os.environ.get("HORTUS_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def _account() -> str | None:
    """PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"
