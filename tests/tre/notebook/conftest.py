"""A house on the other side of the room's door: a real HTTP server on a real Unix socket."""

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from tre.notebook import door, exports


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


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    folder = Path(tempfile.mkdtemp(prefix="tre-"))
    house, stop, ready = House(), threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(house, folder / "tre.sock", ready, stop)))
    thread.start()
    assert ready.wait(10)
    monkeypatch.setattr(door, "SOCKET", folder / "tre.sock")
    yield house
    stop.set()
    thread.join(10)
    shutil.rmtree(folder)


async def _serve(house: House, path: Path, ready: threading.Event, stop: threading.Event) -> None:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", house.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    ready.set()
    await asyncio.to_thread(stop.wait)
    await runner.cleanup()


@pytest.fixture
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "outbox"
    folder.mkdir()
    monkeypatch.setattr(exports, "OUTBOX", folder)
    return folder
