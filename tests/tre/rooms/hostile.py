"""A room that does what it can against its gateway: any answer, byte for byte, on a real Unix socket."""

import asyncio
import os
from collections.abc import Callable
from contextlib import asynccontextmanager
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

    os.seteuid(uid)  # the kernel tells the gateway who bound the socket
    try:
        server = await asyncio.start_unix_server(serve, str(place), limit=2**20)
    finally:
        os.seteuid(0)
    try:
        yield
    finally:
        server.close()
        place.unlink(missing_ok=True)


def says(head: bytes, body: bytes = b"") -> Answer:
    """Answer every request with these bytes."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n" + body)
        await writer.drain()

    return answer
