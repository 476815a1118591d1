"""One room against the gateway that all rooms share."""

import asyncio
import socket
import time
from pathlib import Path

import pytest

from tests.tre.rooms.hostile import a_door, as_user
from tests.tre.rooms.test_gateway import UID, records, settings, tried  # noqa: F401 -- fixtures
from tre.rooms import api
from tre.rooms.gateway import filter as paths


def test_a_room_that_lets_callers_wait_takes_no_thread_from_the_others(settings, records, monkeypatch):  # noqa: F811
    async def story(there):
        monkeypatch.chdir(there.folder / "in")  # a test's own path is too long for a socket's
        place = Path("jupyter.sock")
        with a_door(place, UID) as door:
            with as_user(UID):
                door.listen(0)
            with socket.socket(socket.AF_UNIX) as only:
                only.connect(str(place))  # the one who may wait
                asks = [asyncio.ensure_future(there.ask()) for _ in range(40)]
                await asyncio.sleep(0.5)
                began = time.monotonic()
                await asyncio.to_thread(lambda: None)
                took = time.monotonic() - began
                for ask in asks:
                    ask.cancel()
                await asyncio.gather(*asks, return_exceptions=True)
        return took

    assert tried(settings, records, story) < 1


def test_a_room_cannot_use_up_the_gateways_connections(settings, records, monkeypatch):  # noqa: F811
    async def story(there):
        monkeypatch.chdir(there.folder / "api")  # as the room's user, who may not go through the test's own folders
        place = "tre.sock"
        with as_user(UID):
            held = [await asyncio.open_unix_connection(place) for _ in range(4 * api.CONNECTIONS)]
        await asyncio.sleep(0.3)
        hung_up = sum(reader.at_eof() for reader, _ in held)
        for _, writer in held:
            writer.close()
        await asyncio.sleep(0.3)
        with as_user(UID):
            reader, writer = await asyncio.open_unix_connection(place)
        writer.write(b"GET /v1/me HTTP/1.1\r\nHost: tre\r\nConnection: close\r\n\r\n")
        answered = await reader.read()
        writer.close()
        return hung_up, answered.partition(b"\r\n")[0]

    hung_up, answered = tried(settings, records, story)
    assert hung_up == 3 * api.CONNECTIONS
    assert answered == b"HTTP/1.1 200 OK"


def test_a_room_cannot_write_the_log_full(settings, records, monkeypatch):  # noqa: F811
    monkeypatch.setattr(api, "ASKS_A_MINUTE", 3)

    async def story(there):
        monkeypatch.chdir(there.folder / "api")
        said = []
        for _ in range(5):
            with as_user(UID):
                reader, writer = await asyncio.open_unix_connection("tre.sock")
            writer.write(b"POST /v1/requests HTTP/1.1\r\nHost: tre\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            said.append((await reader.read()).split()[1])
            writer.close()
        return said

    assert tried(settings, records, story) == [b"503"] * 3 + [b"429"] * 2  # there is no airlock here


@pytest.mark.parametrize("target", ["api/sessions?x=\udcff", "api/sessions?\udcff=1", "api/contents/\udcff"])
def test_bytes_in_an_address_that_are_no_text(target):
    with pytest.raises(paths.Denied):
        paths.judge("GET", f"/user/ann/sunrise/{target}", "/user/ann/sunrise/")
