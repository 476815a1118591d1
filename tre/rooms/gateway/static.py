"""JupyterLab's own files come from the image on this host: the room has no say in them, so they are not counted."""

from collections.abc import Mapping
from mimetypes import guess_type
from pathlib import Path

from aiohttp import web

from tre.host import image
from tre.settings import Settings

CACHE = "private, max-age=3600"


def files(settings: Settings) -> Mapping[str, Path]:
    """Map each static address below a room's prefix to its file on this host."""
    return image.current(settings).static


def answer(file: Path, guards: Mapping[str, str]) -> web.FileResponse:
    """Send one file of the image."""
    kind = guess_type(file.name)[0] or "application/octet-stream"
    return web.FileResponse(file, headers={**guards, "Content-Type": kind, "Cache-Control": CACHE})
