"""What the spawner says to the gateway: this room is open, is it still, it is closed."""

import asyncio
import json
import os
from datetime import datetime
from http.client import HTTPConnection, HTTPException

from tre.errors import Unavailable
from tre.rooms import sockets
from tre.settings import Settings

NAME = "control.sock"
SECONDS = 10.0


class _Door(HTTPConnection):
    def __init__(self, settings: Settings) -> None:
        super().__init__("gateway", timeout=SECONDS)
        self._settings = settings

    def connect(self) -> None:
        self.sock = sockets.connect(self._settings.sockets, NAME, uid=os.geteuid())
        self.sock.settimeout(SECONDS)


def _ask(settings: Settings, method: str, path: str, body: object = None) -> int:
    door = _Door(settings)
    try:
        door.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        answer = door.getresponse()
        said = answer.read()
    except (OSError, HTTPException) as error:
        raise Unavailable("the gateway does not answer; see `tre up` and its log gateway.log") from error
    finally:
        door.close()
    if answer.status not in {200, 404}:
        raise Unavailable(f"the gateway refused: {json.loads(said).get('error', answer.status)}")
    return answer.status


async def put(
    settings: Settings, person: str, project: str, *, uid: int, token: str, client_id: str, until: datetime | None
) -> None:
    """Open a room to its person's browser, until its end."""
    body = {"person": person, "project": project, "uid": uid, "token": token, "client_id": client_id}
    body["until"] = until.isoformat() if until else ""
    await asyncio.to_thread(_ask, settings, "PUT", f"/rooms/{person}/{project}", body)


async def known(settings: Settings, person: str, project: str) -> bool:
    """Tell whether the gateway holds a room."""
    return await asyncio.to_thread(_ask, settings, "GET", f"/rooms/{person}/{project}") == 200  # noqa: PLR2004


async def drop(settings: Settings, person: str, project: str) -> None:
    """Close a room to every browser."""
    await asyncio.to_thread(drop_now, settings, person, project)


def move_now(settings: Settings, person: str, project: str, *, until: datetime, why: str = "") -> bool:
    """Give a room another end; `why` says that it closes then, and the person is told. False: it is not open there."""
    body = {"until": until.isoformat(), "why": why}
    return _ask(settings, "PATCH", f"/rooms/{person}/{project}", body) == 200  # noqa: PLR2004


def drop_now(settings: Settings, person: str, project: str) -> None:
    """Close a room to every browser, and wait for it."""
    _ask(settings, "DELETE", f"/rooms/{person}/{project}")


def alive(settings: Settings) -> bool:
    """Tell whether the gateway answers."""
    try:
        return _ask(settings, "GET", "/") == 200  # noqa: PLR2004
    except Unavailable:
        return False
