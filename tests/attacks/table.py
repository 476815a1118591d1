"""Every attempt there is: where it starts, which promise it is against, which statement of SATRE 2.0.1 it defends."""

from collections.abc import Iterator
from typing import NamedTuple

from tests.attacks import test_browser
from tre.rooms import attempts, perimeter

# What a script of a room tries in the browser of its own person, by a word of its name.
IN_THE_BROWSER = (
    ("token", "P2", "1.5.05"),
    ("airlock", "P6", "3.1.06"),
    ("vote", "P6", "3.1.06"),
    ("another room", "P3", "2.2.10"),
    ("", "P3", "3.1.12"),
)


class Row(NamedTuple):
    """One attempt."""

    where: str
    name: str
    promise: str
    satre: str


def rows() -> Iterator[Row]:
    """Give all attempts: from inside a room, at the doors of the house, and from a browser."""
    for one in attempts.ATTEMPTS:
        yield Row("in a room", one.name, one.promise, one.satre)
    for one in perimeter.ATTEMPTS:
        yield Row("at the doors" if one.needs_house else "another account", one.name, one.promise, one.satre)
    for name in test_browser.ATTEMPTS:
        promise, satre = next((promise, satre) for word, promise, satre in IN_THE_BROWSER if word in name)
        yield Row("script in the browser", name, promise, satre)
