"""A house on the other side of the room's door, and an outbox."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.door import House, open_door
from tre.notebook import door, exports


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="tre-") as folder:
        path = Path(folder) / "tre.sock"
        monkeypatch.setattr(door, "SOCKET", path)
        with open_door(path) as house:
            yield house


@pytest.fixture
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "outbox"
    folder.mkdir()
    monkeypatch.setattr(exports, "OUTBOX", folder)
    return folder
