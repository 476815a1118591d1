"""The golden house, walked once for everybody who asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.golden.journey import House, walked


@pytest.fixture(scope="session")
def golden(made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Give a home with the golden dataset, and extracts of it for two projects."""
    with walked(made_home, tmp_path_factory.mktemp("golden")) as house:
        assert house.extracts
        yield house
