"""The house as a room sees it: a real HTTP server on a Unix socket, which remembers what it was asked."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web


@dataclass
class House:
    """What it was asked, and what it answers."""

    asked: list[tuple[str, str, object]] = field(default_factory=list)
    answers: dict[tuple[str, str], tuple[int, object]] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.Response:
        text = await request.text()
        self.asked.append((request.method, request.path, await request.json() if text else None))
        status, said = self.answers.get((request.method, request.path), (404, {"error": "no such path"}))
        return (
            web.Response(status=status, text=said) if isinstance(said, str) else web.json_response(said, status=status)
        )


@contextmanager
def open_door(path: Path) -> Iterator[House]:
    """Serve at this socket while the block runs."""
    house, stop, ready = House(), threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(house, path, ready, stop)))
    thread.start()
    try:
        assert ready.wait(10)
        yield house
    finally:
        stop.set()
        thread.join(10)


async def _serve(house: House, path: Path, ready: threading.Event, stop: threading.Event) -> None:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", house.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    ready.set()
    await asyncio.to_thread(stop.wait)
    await runner.cleanup()
