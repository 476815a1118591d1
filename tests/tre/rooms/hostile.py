"""A room that does what it can against its gateway: any answer, byte for byte, on a real Unix socket."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@asynccontextmanager
async def hostile_room(folder: Path, uid: int, answer: Answer):
    """Serve `in/jupyter.sock` as this user would, with `answer` for every connection."""
    place = folder / "in" / "jupyter.sock"

    async def serve(reader, writer):
        try:
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            writer.close()

    door = a_door(place, uid)
    with as_user(uid):
        server = await asyncio.start_unix_server(serve, sock=door, limit=2**20)
    try:
        yield
    finally:
        server.close()
        place.unlink(missing_ok=True)


def a_door(place: Path, uid: int) -> socket.socket:
    """A socket that belongs to this user."""
    door = socket.socket(socket.AF_UNIX)
    folder = os.open(place.parent, os.O_PATH)
    try:
        door.bind(f"/proc/self/fd/{folder}/{place.name}")  # a test's own path is too long for a socket's
    finally:
        os.close(folder)
    os.chown(place, uid, uid)
    return door


@contextmanager
def as_user(uid: int):
    """Be another user; the kernel tells whoever connects who listened."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


def says(head: bytes, body: bytes = b"") -> Answer:
    """Answer every request with these bytes."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n" + body)
        await writer.drain()

    return answer
