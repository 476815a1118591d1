"""`python -m tre.rooms.gateway`: serve all rooms until told to stop."""

import asyncio
import logging
import signal
import sys

from aiohttp import web

from tre import settings as configuration
from tre.errors import TREError
from tre.records.db import opened
from tre.rooms.gateway import static
from tre.rooms.gateway.app import LARGEST_UPLOAD, Gateway
from tre.rooms.gateway.books import Books
from tre.rooms.gateway.control import serve
from tre.settings import Settings


async def run(settings: Settings) -> None:
    """Open the door to browsers and the one to the spawner; close both on SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    records = opened(settings)
    settings.sockets.mkdir(mode=0o711, parents=True, exist_ok=True)
    gateway = Gateway(settings, Books(records, settings), static.files(settings))
    await gateway.start()
    control = await serve(gateway, settings)
    app = web.Application(client_max_size=LARGEST_UPLOAD)
    app.router.add_route("*", "/{rest:.*}", gateway.answer)
    public = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
    await public.setup()
    await web.TCPSite(public, "127.0.0.1", settings.gateway_port).start()
    async with asyncio.TaskGroup() as tasks:
        loops = [tasks.create_task(gateway.keep_saving()), tasks.create_task(gateway.keep_telling())]
        await stop.wait()
        for loop in loops:
            loop.cancel()
    await gateway.stop()
    await public.cleanup()
    await control.cleanup()
    records.close()


def main() -> int:
    """Run, or say in one line why not."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        asyncio.run(run(configuration.load()))
    except TREError as error:
        print(f"gateway: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
