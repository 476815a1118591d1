"""Which builder this house uses: what its operator chose, or what `tre up` found when it started."""

from contextlib import suppress
from pathlib import Path

from tre.errors import Unavailable
from tre.rooms.builders import Builder
from tre.rooms.builders.docker import Docker
from tre.settings import Settings

AUTO = "auto"


def chosen(settings: Settings) -> Builder:
    """Return the builder of this house. Of one that was not started yet: Docker if an engine answers."""
    kind = settings.rooms
    if kind == AUTO:
        with suppress(OSError):
            kind = _noted(settings).read_text("ascii").strip()
    if kind == AUTO:
        return found(settings)
    return _of(kind, settings)


def settle(settings: Settings) -> Builder:
    """Choose for as long as the house runs, so that an engine that falls silent does not change where rooms are."""
    builder = found(settings) if settings.rooms == AUTO else _of(settings.rooms, settings)
    settings.sockets.mkdir(mode=0o711, parents=True, exist_ok=True)
    _noted(settings).write_text(f"{builder.kind}\n", "ascii")
    return builder


def found(settings: Settings) -> Builder:
    """Return Docker if an engine answers, else bubblewrap."""
    docker = Docker(settings)
    try:
        docker.answers()
    except Unavailable:
        return _of("bubblewrap", settings)
    return docker


def _of(kind: str, settings: Settings) -> Builder:
    from tre.rooms.builders.bubblewrap import Bubblewrap

    return Docker(settings) if kind == "docker" else Bubblewrap(settings)


def _noted(settings: Settings) -> Path:
    return settings.sockets / "rooms.kind"
