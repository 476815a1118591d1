"""The demo's own TRE, running, and its people at their browsers."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.browser.chromium import Window
from tests.house import House, a_house
from tre import demo


@pytest.fixture(scope="module")
def garden() -> Iterator[House]:
    """A house of its own with what `tre demo` puts in."""
    with a_house(filled=lambda house: demo.seed(house.settings, say=print)) as made:
        made.start()
        yield made


@pytest.fixture(scope="module")
def at(garden, chromium) -> Iterator[Callable[[str], Window]]:
    """Somebody at their own browser, signed in; the same browser each time."""
    passwords = json.loads((garden.settings.secrets / "demo-passwords.json").read_text("utf-8"))
    windows: dict[str, Window] = {}

    def window(name: str) -> Window:
        if name not in windows:
            windows[name] = Window(chromium, garden, name, passwords[name])
            windows[name].sign_in()
        return windows[name]

    yield window
    for each in windows.values():
        each.close()
