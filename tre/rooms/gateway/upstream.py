"""The gateway's side of a room's socket: opened anew for each connection, never through a link."""

import asyncio
import socket
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
from aiohttp.client_exceptions import UnixClientConnectorError
from aiohttp.client_proto import ResponseHandler

from tre.rooms import sockets
from tre.rooms.room import SOCKET

NAME = Path(SOCKET).name
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=300)
CONNECTIONS = 64
PAUSE_SECONDS = 0.05


class RoomConnector(aiohttp.UnixConnector):
    """Connects to `jupyter.sock` of one room, if it is a socket of the room's own user."""

    def __init__(self, folder: Path, uid: int) -> None:
        """Name the folder that is mounted as /run/tre/in."""
        super().__init__(path=NAME, limit=CONNECTIONS, force_close=False, keepalive_timeout=5)
        self._folder = folder
        self._uid = uid

    async def _create_connection(
        self,
        req: Any,  # noqa: ANN401 -- aiohttp's own, as in the parent
        traces: Any,  # noqa: ANN401
        timeout: Any,  # noqa: ANN401, ASYNC109
    ) -> ResponseHandler:
        """Do what the parent does, on a socket that we opened. A documented private method; the version is pinned."""
        del traces, timeout
        try:
            door = await self._door()
        except OSError as error:
            raise UnixClientConnectorError(NAME, req.connection_key, error) from error
        try:
            _, protocol = await self._loop.create_unix_connection(self._factory, sock=door)
        except BaseException:  # also when the browser left in this moment
            door.close()
            raise
        return protocol

    async def _door(self) -> socket.socket:
        """Open the room's door without a thread: a room that lets callers wait would take the threads of all rooms."""
        until = monotonic() + sockets.CONNECT_SECONDS
        while True:
            try:
                return sockets.connect(self._folder, NAME, uid=self._uid, seconds=0)
            except BlockingIOError:  # as many wait at the door as the room allows
                if monotonic() > until:
                    raise
                await asyncio.sleep(PAUSE_SECONDS)


def session(folder: Path, uid: int) -> aiohttp.ClientSession:
    """Speak HTTP with one room: no cookies kept, nothing decompressed."""
    return aiohttp.ClientSession(
        connector=RoomConnector(folder, uid),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=TIMEOUT,
        max_field_size=8190,
        max_line_size=8190,
    )
