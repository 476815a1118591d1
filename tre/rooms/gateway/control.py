"""The spawner says which rooms are open, over a socket that only the house's own user can open."""

import os

from aiohttp import web

from tre.errors import TREError
from tre.rooms import sockets
from tre.rooms.control import NAME
from tre.rooms.gateway.app import Gateway
from tre.rooms.gateway.registry import moment, read
from tre.settings import Settings


async def serve(gateway: Gateway, settings: Settings) -> web.AppRunner:
    """Listen for the spawner."""
    orders = Orders(gateway)
    app = web.Application(client_max_size=64 * 1024)
    app.router.add_get("/", orders.alive)
    app.router.add_put("/rooms/{person}/{project}", orders.put)
    app.router.add_get("/rooms/{person}/{project}", orders.get)
    app.router.add_patch("/rooms/{person}/{project}", orders.patch)
    app.router.add_delete("/rooms/{person}/{project}", orders.delete)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    await web.SockSite(runner, sockets.listen(settings.sockets, NAME, uid=os.geteuid())).start()
    return runner


class Orders:
    """Open, look, close."""

    def __init__(self, gateway: Gateway) -> None:
        """Order this gateway."""
        self._gateway = gateway

    async def alive(self, request: web.Request) -> web.Response:
        """Say that the gateway answers."""
        del request
        return web.json_response({})

    async def put(self, request: web.Request) -> web.Response:
        """Open a room."""
        try:
            given = read(await request.json())
            if given.key != (request.match_info["person"], request.match_info["project"]):
                return web.json_response({"error": "the registration is for another room"}, status=422)
            await self._gateway.register(given)
        except TREError as error:
            return web.json_response({"error": str(error)}, status=error.status)
        except (ValueError, OSError) as error:
            return web.json_response({"error": f"the room's folders cannot be used: {error}"}, status=422)
        return web.json_response({})

    async def get(self, request: web.Request) -> web.Response:
        """Tell whether a room is open."""
        known = self._gateway.registered(request.match_info["person"], request.match_info["project"])
        return web.json_response({}, status=200 if known else 404)

    async def patch(self, request: web.Request) -> web.Response:
        """Give a room another end."""
        try:
            said = await request.json()
            until, why = moment(said["until"]), str(said["why"])
            known = self._gateway.move(request.match_info["person"], request.match_info["project"], until, why)
        except (TREError, ValueError, KeyError, TypeError) as error:
            return web.json_response({"error": f"the end cannot be read: {error}"}, status=422)
        return web.json_response({}, status=200 if known else 404)

    async def delete(self, request: web.Request) -> web.Response:
        """Close a room."""
        known = await self._gateway.deregister(request.match_info["person"], request.match_info["project"])
        return web.json_response({}, status=200 if known else 404)
