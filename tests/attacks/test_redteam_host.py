"""Somebody with an ordinary account on the host."""

from pathlib import Path

import pytest
from traitlets.config import Config

from tests.tre.data import made
from tests.tre.rooms.hostile import as_user
from tre.rooms import house, hub

SOMEBODY = 65_001


def test_an_extract_is_not_for_the_accounts_of_the_host(settings, records, now, tmp_path, monkeypatch):
    made.an_extract(records, settings, now, tmp_path)
    monkeypatch.chdir(settings.home)  # the way to the test's own folder is shut in any case
    place = settings.extract("sunrise", "trial", 1).relative_to(settings.home)
    assert list(place.iterdir())
    for shut in (place, "keys", "secrets", "silo", "airlock", "logs", "mail"):
        with as_user(SOMEBODY), pytest.raises(PermissionError):
            list(Path(shut).iterdir())


def test_the_databases_are_not_for_the_accounts_of_the_host(settings, records, monkeypatch):
    monkeypatch.setattr(house, "settings", lambda: settings)
    (settings.home / "hub.sqlite").touch(0o644)  # as an older version left it
    hub.configure(Config())
    monkeypatch.chdir(settings.home)
    for shut in ("hub.sqlite", *(["records.sqlite"] if not settings.database else [])):
        with as_user(SOMEBODY), pytest.raises(PermissionError):
            Path(shut).read_bytes()
