"""Configuration of the Hub: all of it is in `tre.rooms.hub`."""

from tre.rooms.hub import configure

configure(get_config())  # noqa: F821 -- given by traitlets
