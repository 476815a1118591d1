"""Three digits of a US ZIP code are an area; where 20,000 people or fewer live in it, they become 000."""

import tomllib
from importlib import resources

_SAID = tomllib.loads((resources.files("tre.data.deid") / "zip3.toml").read_text("utf-8"))

RESTRICTED: tuple[str, ...] = tuple(sorted({area for census in _SAID.values() for area in census["areas"]}))
SOURCES: tuple[str, ...] = tuple(census["source"] for census in _SAID.values())
