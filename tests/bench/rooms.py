"""Twenty rooms and a Hub that only say what is expected of them: what is measured is the gateway between them."""

import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from tests.house import packed
from tre.rooms.room import prefix
from tre.settings import Settings

KERNEL = "0b1f3a52-9c1d-4b73-8a55-5f4a1f0e9c11"
FIRST_UID = 64_000
NOTEBOOK = json.dumps({"type": "notebook", "format": "json", "content": {"cells": ["x" * 1_000_000]}})
PICTURE = packed([b"iopub", b'{"msg_type": "display_data"}', b"{}", b"{}", b'{"data": "' + b"x" * 100_000 + b'"}'])


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[web.AppRunner]:
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


@asynccontextmanager
async def hub(settings: Settings, people: Sequence[str]) -> AsyncIterator[None]:
    """A Hub where each person's token is their name."""

    async def user(request: web.Request) -> web.Response:
        name = request.headers["Authorization"].removeprefix("token ")
        if name not in people:
            return web.json_response({"message": "no"}, status=403)
        scopes = [f"access:servers!server={name}/of-{name}"]
        return web.json_response({"name": name, "kind": "user", "scopes": scopes})

    app = web.Application()
    app.router.add_get("/hub/api/user", user)
    async with served(app) as runner:
        await web.TCPSite(runner, "127.0.0.1", settings.hub_port).start()
        yield


@asynccontextmanager
async def rooms(settings: Settings, people: Sequence[str]) -> AsyncIterator[dict[str, int]]:
    """A room's server for each person, on a socket of the room's own user; whose is whose."""
    uids = {person: FIRST_UID + nth for nth, person in enumerate(people)}
    async with AsyncExitStack() as open_rooms:
        for person, uid in uids.items():
            folder = settings.room_sockets(f"of-{person}", person)
            for name in ("in", "api"):
                (folder / name).mkdir(parents=True)
            os.chown(folder / "in", uid, uid)
            runner = await open_rooms.enter_async_context(served(_room(prefix(f"of-{person}", person))))
            await _listen(runner, folder / "in", uid)
        yield uids


async def _listen(runner: web.AppRunner, folder, uid: int) -> None:
    at = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    os.seteuid(uid)  # the kernel tells the gateway who listens
    try:
        await web.UnixSite(runner, f"/proc/self/fd/{at}/jupyter.sock").start()
    finally:
        os.seteuid(0)
        os.close(at)


def _room(below: str) -> web.Application:
    async def notebook(request: web.Request) -> web.Response:
        return web.Response(text=NOTEBOOK, content_type="application/json")

    async def channel(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("v1.kernel.websocket.jupyter.org",))
        await socket.prepare(request)
        async for _ in socket:
            await socket.send_bytes(PICTURE)
        return socket

    app = web.Application()
    app.router.add_get(f"{below}api/contents/a.ipynb", notebook)
    app.router.add_get(f"{below}api/kernels/{KERNEL}/channels", channel)
    return app
