"""The home is made whole or not at all, and a second call mends a first."""

import os
import stat

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

import tre.settings
from tre.errors import Tampered, Unavailable, Unreadable
from tre.records import db, files, guards, schema
from tre.records.db import opened

MODES = {
    ".": 0o711,
    "keys": 0o700,
    "secrets": 0o700,
    "silo": 0o700,
    "airlock": 0o700,
    "mail": 0o700,
    "logs": 0o700,
    "extracts": 0o700,
    "imports": 0o700,
    "run": 0o711,
    "projects": 0o711,
    "keys/root.key": 0o400,
    "keys/signing.key": 0o400,
    "records.sqlite": 0o600,
    **{f"secrets/{name}": 0o400 for name in schema.SECRETS},
}


@pytest.fixture
def home(tmp_path):
    return tre.settings.load(tmp_path / "new" / "home")


def content(settings):
    return {path: path.read_bytes() for path in settings.home.rglob("*") if path.is_file()}


def test_the_home_holds_exactly_this_with_these_modes(home):
    before = os.umask(0)  # the modes do not hang on who calls
    try:
        schema.initialise(home)
    finally:
        os.umask(before)
    found = {str(path.relative_to(home.home)): stat.S_IMODE(path.stat().st_mode) for path in home.home.rglob("*")}
    assert {**found, ".": stat.S_IMODE(home.home.stat().st_mode)} == MODES


def test_secrets_are_64_hex_digits_and_all_different(home):
    schema.initialise(home)
    found = [home.secret(name) for name in schema.SECRETS]
    assert len({*found}) == len(found) == 9
    assert all(len(bytes.fromhex(secret)) == 32 for secret in found)


def test_two_homes_have_nothing_in_common(home, settings):
    schema.initialise(home)
    assert home.secret("cookie") != settings.secret("cookie")
    assert (home.keys / "root.key").read_bytes() != (settings.keys / "root.key").read_bytes()


def test_a_second_init_changes_nothing(home):
    schema.initialise(home)
    before = content(home)
    schema.initialise(home)
    assert content(home) == before


@pytest.mark.parametrize("name", ["create", "_make_database"])
def test_what_a_broken_init_left_the_next_one_mends(home, monkeypatch, name):
    def broken(*_):
        raise Unavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(schema, name, broken)
        with pytest.raises(Unavailable):
            schema.initialise(home)
    assert not (home.home / "records.sqlite").exists()
    schema.initialise(home)
    opened(home).close()
    assert not list(home.home.rglob(".*"))


def test_no_new_root_key_is_put_beside_old_records(home):
    schema.initialise(home)
    (home.keys / "root.key").unlink()
    with pytest.raises(Unreadable, match="restore"):
        schema.initialise(home)
    assert not (home.keys / "root.key").exists()


def test_no_new_root_key_is_put_beside_old_records_on_a_server(records, settings, happen):
    happen(1)
    (settings.keys / "root.key").unlink()
    with pytest.raises(Unreadable, match="restore"):
        schema.initialise(settings)
    assert not (settings.keys / "root.key").exists()


def test_a_home_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot write") as error:
        schema.initialise(tre.settings.load(tmp_path / "file" / "home"))
    assert "\n" not in str(error.value)


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    def broken(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(Unavailable, match="No space left"):
        files.create(tmp_path / "key", b"x")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    files.create(tmp_path / "key", b"first")
    files.create(tmp_path / "key", b"second")
    assert (tmp_path / "key").read_bytes() == b"first"


# --- migrations -------------------------------------------------------------------------------------------------------
def test_the_tables_go_up_and_down_and_up_again(records):
    schema.remove(records)
    assert inspect(records.engine).get_table_names() == ["alembic_version"]
    schema.create(records)
    assert {*inspect(records.engine).get_table_names()} == {*schema.metadata().tables, "alembic_version"}


def test_going_down_leaves_no_guard_behind(records):
    schema.remove(records)
    with records.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            left = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'"
        else:
            left = "SELECT count(*) FROM pg_proc WHERE proname LIKE 'audit%%'"
        assert connection.exec_driver_sql(left).scalar() == 0


def test_what_migrations_make_is_what_the_code_expects(records):
    with records.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, schema.metadata())
    assert differences == [], f"write a migration: {schema.DRAFT}"


def test_the_newest_migration_is_the_one_the_code_asks_for():
    assert ScriptDirectory(str(schema.MIGRATIONS)).get_heads() == [db.REVISION]


def test_a_migration_that_breaks_leaves_the_tables_as_they_were(records, monkeypatch):
    schema.remove(records)

    def broken(_):
        raise Tampered("half way")

    monkeypatch.setattr(guards, "put_up", broken)
    with pytest.raises(Tampered):
        schema.create(records)
    assert inspect(records.engine).get_table_names() == ["alembic_version"]


def test_making_the_tables_twice_makes_them_once(records):
    schema.create(records)


def test_airlock_tables_are_found_by_entry_point():
    assert {"person", "audit_entry", "export_request"} <= {*schema.metadata().tables}
