"""What the way through proxy and gateway costs a person who works, and what twenty rooms cost the host."""

import asyncio
import json
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from itertools import chain, pairwise
from statistics import median

import aiohttp
import psutil
import pytest
from aiohttp import web

from tests.bench.rooms import KERNEL, hub, rooms
from tests.builders import a_person, a_project
from tests.house import ROOT, a_house, packed
from tre.rooms import control
from tre.rooms.gateway import frames
from tre.rooms.gateway.login import COOKIE, sealer
from tre.rooms.gateway.static import files
from tre.rooms.room import origin, prefix
from tre.up import parts

pytestmark = [pytest.mark.bench, pytest.mark.docker]
PREFIX = "/user/alice/sunrise/"
BLOCKS, BLOCK = 25, 10
SIZE, FILES = 4_000_000, 8
Way = tuple[aiohttp.ClientSession, str, dict[str, str]]


@pytest.fixture(scope="module")
def alice(house):
    alice = house.person("alice").open("sunrise")
    yield alice
    alice.leave("sunrise")


@asynccontextmanager
async def ways(alice) -> AsyncIterator[tuple[Way, Way]]:
    """Two ways to the same room: straight to its socket, as only this host's root may; and as its person goes."""
    settings = alice.house.settings
    door = aiohttp.UnixConnector(str(settings.room_sockets("sunrise", "alice") / "in" / "jupyter.sock"))
    through = {"Host": alice.origin("sunrise").partition("://")[2], "Origin": alice.origin("sunrise")}
    through["Cookie"] = alice.cookies(alice.url("sunrise"))
    async with aiohttp.ClientSession(connector=door) as near, aiohttp.ClientSession() as far:
        yield (
            (near, f"http://localhost{PREFIX}", {"Host": "localhost"}),
            (far, f"http://127.0.0.1:{settings.port}{PREFIX}", through),
        )


def beside(alice, work: Callable[[Way], Awaitable[list[float]]], *, blocks: int = BLOCKS) -> tuple[float, ...]:
    """Do the same work on both ways, in turns; return the median of each, and its ratio in the median of turns and in
    the calmest, since a busy machine lets each further process on the way wait for its turn.
    """

    async def run() -> tuple[float, ...]:
        direct, through = [], []
        async with ways(alice) as (near, far):
            await work(near), await work(far)
            for _ in range(blocks):
                direct.append(await work(near))
                through.append(await work(far))
        ratios = [median(slow) / median(fast) for fast, slow in zip(direct, through, strict=True)]
        calm = min(map(min, through)) / min(map(min, direct))
        return median(chain.from_iterable(direct)), median(chain.from_iterable(through)), median(ratios), calm

    return asyncio.run(run())


async def timed(times: int, work: Callable[[], Awaitable[object]]) -> list[float]:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await work()
        taken.append(time.perf_counter() - began)
    return taken


def test_a_cell_takes_hardly_longer_through_proxy_and_gateway(alice, report):
    kernel = alice.ask("POST", "sunrise", "api/kernels", json={"name": "python3"}).json()["id"]

    async def cells(way: Way) -> list[float]:
        session, url, headers = way
        address = f"{url}api/kernels/{kernel}/channels?session_id={uuid.uuid4()}"
        async with session.ws_connect(address, headers=headers, protocols=(frames.PROTOCOL,)) as channel:
            await cell(channel)
            return await timed(BLOCK, lambda: cell(channel))

    direct, through, ratio, calm = beside(alice, cells)
    alice.ask("DELETE", "sunrise", f"api/kernels/{kernel}")
    report("cell: request, reply, idle", through * 1e3, "ms")
    report("cell: round trip, ratio of the fastest", calm, "x")
    report("cell: round trip, ratio", ratio, "x", 1.3, f"straight to the socket {direct * 1e3:.2f} ms")


async def cell(channel: aiohttp.ClientWebSocketResponse) -> None:
    """Run one cell and wait for its reply and for the kernel to be idle again."""
    asked, waiting = uuid.uuid4().hex, {"execute_reply", "status idle"}
    await channel.send_bytes(execute(asked))
    while waiting:
        parts = split(await channel.receive_bytes(timeout=60))
        header, parent, content = (json.loads(parts[nth]) for nth in (1, 2, 4))
        if parent.get("msg_id") == asked:
            assert content.get("status", "ok") == "ok"
            waiting.discard(f"{header['msg_type']} {content.get('execution_state', '')}".strip())


def execute(asked: str) -> bytes:
    header = {"msg_id": asked, "msg_type": "execute_request", "username": "", "session": "bench", "version": "5.3"}
    header["date"] = datetime.now(UTC).isoformat()
    content = {"code": "6 * 7", "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    return packed([b"shell", *(json.dumps(part).encode() for part in (header, {}, {}, content))])


def split(frame: bytes) -> list[bytes]:
    count = int.from_bytes(frame[:8], "little")
    at = [int.from_bytes(frame[8 * nth : 8 * nth + 8], "little") for nth in range(1, count + 1)]
    return [frame[start:end] for start, end in pairwise(at)]


def test_a_small_request_through_proxy_and_gateway(alice, report):
    async def asks(way: Way) -> list[float]:
        session, url, headers = way

        async def ask() -> None:
            async with session.get(f"{url}api/kernels", headers=headers) as answer:
                assert isinstance(await answer.json(), list)

        return await timed(BLOCK, ask)

    direct, through, *_ = beside(alice, asks)
    report("GET api/kernels", through * 1e3, "ms", None, f"straight to the socket {direct * 1e3:.2f} ms")


def test_much_text_through_proxy_and_gateway(alice, report):
    """Files as long as may be shown in a browser: a longer one is not."""
    names = [f"bench{nth}.txt" for nth in range(FILES)]
    said = alice.run("sunrise", f"for name in {names}: _ = open('/home/analyst/' + name, 'w').write('x' * {SIZE})")
    assert said == ""

    async def reads(way: Way) -> list[float]:
        session, url, headers = way

        async def read(name: str) -> None:
            async with session.get(f"{url}api/contents/{name}", headers=headers) as answer:
                assert len((await answer.json())["content"]) == SIZE

        return [sum([took for name in names for took in await timed(1, lambda name=name: read(name))])]

    direct, through, *_ = beside(alice, reads, blocks=2)
    for name in names:
        alice.ask("DELETE", "sunrise", f"api/contents/{name}")
    megabytes = SIZE * FILES / 1e6
    straight = f"straight to the socket {megabytes / direct:.0f} MB/s"
    report(f"{megabytes:.0f} MB of text by api/contents", megabytes / through, "MB/s", None, straight)


# --- many rooms -----------------------------------------------------------------------------------------------------
ROOMS, TABS, TURNS = 20, 2, 15
PEOPLE = [f"ann{nth}" for nth in range(ROOMS)]


def twenty_rooms(made) -> None:
    with made.act() as session:
        for person in PEOPLE:
            a_person(session, person, settings=made.settings, now=datetime.now(UTC))
            a_project(session, f"of-{person}", (person,), now=datetime.now(UTC))


def test_the_gateway_stays_small_with_twenty_rooms(report):
    with a_house(filled=twenty_rooms) as made, a_gateway(made.settings) as gateway:
        empty, _ = memory(gateway)
        peak, rss = map(max, zip(*asyncio.run(at_work(made.settings, gateway)), strict=True))
    report("gateway: memory, no room", empty, "MB PSS")
    report(f"gateway: memory, {ROOMS} rooms at work", peak, "MB PSS", 120, f"RSS {rss:.0f} MB")


@contextmanager
def a_gateway(settings) -> Iterator[psutil.Process]:
    """The process that `tre up` would start."""
    (part,) = (part for part in parts(settings) if part.name == "gateway")
    environment = {**part.environment, "TRE_PORT": str(settings.port)}
    with (settings.logs / "gateway.log").open("wb") as log:
        process = subprocess.Popen(part.words, env=environment, cwd=ROOT, stderr=log)
    try:
        while not control.alive(settings):
            assert process.poll() is None
            time.sleep(0.2)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


async def at_work(settings, gateway: psutil.Process) -> list[tuple[float, float]]:
    """Let each of twenty rooms serve two browser tabs at once; return the gateway's memory over that time."""
    async with hub(settings, PEOPLE), rooms(settings, PEOPLE) as uids:
        for person, uid in uids.items():
            await control.put(settings, person, f"of-{person}", uid=uid, token="t", client_id="c", until=None)
        seen = []
        watching = asyncio.create_task(watch(gateway, seen))
        await asyncio.gather(*(work(settings, person) for person in PEOPLE for _ in range(TABS)))
        watching.cancel()
        return seen


def memory(process: psutil.Process) -> tuple[float, float]:
    found = process.memory_full_info()
    return found.pss / 1e6, found.rss / 1e6


async def watch(process: psutil.Process, seen: list[tuple[float, float]]) -> None:
    while True:
        seen.append(memory(process))
        await asyncio.sleep(0.1)


async def work(settings, person: str) -> None:
    """A tab of JupyterLab: its own files, a notebook of 1 MB, a channel that stays open and shows pictures."""
    below, host = prefix(f"of-{person}", person), origin(settings, f"of-{person}", person)
    sealed = sealer(settings).encrypt(json.dumps({"for": below, "kind": "token", "token": person}).encode()).decode()
    headers = {"Host": host.partition("://")[2], "Origin": host, "Cookie": f"{COOKIE}={sealed}"}
    url = f"http://127.0.0.1:{settings.gateway_port}{below}"
    async with aiohttp.ClientSession(headers=headers) as session:
        for path in (*sorted(files(settings))[:20], "api/contents/a.ipynb"):
            async with session.get(url + path) as answer:
                assert answer.status == web.HTTPOk.status_code, await answer.text()
                await answer.read()
        address = f"{url}api/kernels/{KERNEL}/channels"
        async with session.ws_connect(address, protocols=(frames.PROTOCOL,), max_msg_size=2**24) as channel:
            for _ in range(TURNS):
                await channel.send_bytes(execute("1"))
                assert len(await channel.receive_bytes()) > 100_000
                await asyncio.sleep(0.1)
