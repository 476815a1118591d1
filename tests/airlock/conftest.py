import pytest

from tests.airlock.house import House


@pytest.fixture
def house(records, settings, now):
    """A TRE on each database."""
    return House(records, settings, now)


@pytest.fixture
def home(settings, now):
    """A TRE on SQLite alone: for what does not depend on the database."""
    from tre.records.db import opened

    records = opened(settings)
    yield House(records, settings, now)
    records.close()
