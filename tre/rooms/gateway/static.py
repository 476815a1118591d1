"""JupyterLab's own files come from the image on this host: the room has no say in them, so they are not counted."""

import re
from collections.abc import Mapping
from mimetypes import guess_type
from pathlib import Path

from aiohttp import web

from tre.host import image
from tre.settings import Settings

NAMED_BY_CONTENT = re.compile(r"\.[0-9a-f]{16,}\.")
"""A file whose name holds a hash never changes; another may, with the next image."""
FOREVER = "private, max-age=31536000, immutable"
A_WHILE = "private, max-age=3600"


def files(settings: Settings) -> Mapping[str, Path]:
    """Map each static address below a room's prefix to its file on this host."""
    return image.current(settings).static


def answer(file: Path, guards: Mapping[str, str]) -> web.FileResponse:
    """Send one file of the image."""
    kind = guess_type(file.name)[0] or "application/octet-stream"
    cache = FOREVER if NAMED_BY_CONTENT.search(file.name) else A_WHILE
    return web.FileResponse(file, headers={**guards, "Content-Type": kind, "Cache-Control": cache})
