"""The golden house, walked once for everybody who asks."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from policies.facts import Role
from tests import house
from tests.builders import a_person
from tests.golden.journey import House, walked


@pytest.fixture(scope="session")
def golden(made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Give a home with the golden dataset, and extracts of it for two projects."""
    with walked(made_home, tmp_path_factory.mktemp("golden")) as house:
        assert house.extracts
        yield house


@pytest.fixture(scope="module")
def hospital(golden: House) -> Iterator[house.House]:
    """Run a copy of it: ann-sunrise and ann-harbour work in their projects, nora in none, adam is an admin."""
    with house.a_house(copied=golden.settings.home, filled=_staffed) as made:
        made.start()
        yield made


def _staffed(made: house.House) -> None:
    now = datetime.now(UTC)
    with made.act() as session:
        a_person(session, "nora", settings=made.settings, now=now)
        a_person(session, "adam", Role.ADMIN, settings=made.settings, now=now)
