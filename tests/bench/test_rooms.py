"""How long a person waits for a room, beside a plain DockerSpawner that checks, walls off and records nothing."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from statistics import median

import pytest

from tests.bench.peer import a_peer
from tests.builders import a_project
from tre.rooms import visits

pytestmark = [pytest.mark.bench, pytest.mark.docker, pytest.mark.timeout(900)]
ROUNDS = 7


def opened(visitor, project) -> float:
    """Open a room; return the seconds until the Hub says that it is ready."""
    home = visitor.page(f"{visitor.hub}/hub/home")
    headers = {"Origin": visitor.hub, "X-XSRFToken": re.search(r'xsrf_token: "([^"]+)"', home.text)[1]}
    began = time.perf_counter()
    answer = visitor.http.post(f"{visitor.hub}/hub/api/users/{visitor.name}/servers/{project}", headers=headers)
    while answer.status_code == 202 and not visitor.ready(project):
        time.sleep(0.05)
    took = time.perf_counter() - began
    assert answer.status_code in {201, 202}, answer.text
    return took


TARGETS = {"docker": 1.2, "bubblewrap": 0.8}


def test_a_room_is_ready_nearly_as_soon_as_a_plain_server(any_house, report):
    house, kind = any_house, any_house.builder.kind
    alice, ours, plain = house.person("alice"), [], []
    with a_peer(house.settings) as peer:
        for _ in range(ROUNDS + 1):  # the first of each warms the disk's cache, and is not counted
            ours.append(opened(alice, "sunrise"))
            assert alice.page(alice.url("sunrise", "lab")).status_code == 200
            alice.leave("sunrise")
            plain.append(peer.open())
            peer.close()
    room, server = median(ours[1:]), median(plain[1:])
    print("\nours ", *(f"{took:.2f}" for took in ours), "\nplain", *(f"{took:.2f}" for took in plain))
    report(f"room by {kind}: spawn to ready", room, "s")
    peer_said = f"DockerSpawner + jupyterhub-singleuser {server:.2f} s"
    report(f"room by {kind}: spawn to ready, ratio", room / server, "x", TARGETS[kind], peer_said)


MANY = 50


def test_fifty_rooms_at_once_are_ready_or_refused_with_a_reason_and_none_is_half_made(any_house, report):
    """Each is open everywhere (Hub, records, gateway, builder), or nowhere."""
    house, kind = any_house, any_house.builder.kind
    names = [f"many{at}" for at in range(MANY)]
    for name in names:
        house.add(name)
    with house.act() as session:
        a_project(session, "crowd", names, now=datetime.now(UTC))
    visitors = [house.person(name) for name in names]
    before = {row.person for row in visits.open_now(house.records)}
    began = time.perf_counter()
    with ThreadPoolExecutor(MANY) as pool:
        answers = list(pool.map(lambda visitor: tried(visitor, "crowd"), visitors))
    took = time.perf_counter() - began
    ready = {name for name, said in zip(names, answers, strict=True) if said == ""}
    assert all(said for name, said in zip(names, answers, strict=True) if name not in ready)
    opened_now = {row.person for row in visits.open_now(house.records)} - before
    registered = json.loads((house.settings.sockets / "gateway.json").read_text())
    at_gateway = {room["person"] for room in registered if room["project"] == "crowd"}
    built = {name for name in names if house.running("crowd", name)}
    ended = [entry for entry in house.entries("session.close") if entry["subject"].startswith("room/crowd/")]
    assert ready == opened_now == at_gateway == built, ended
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda visitor: visitor.leave("crowd"), (v for v in visitors if v.name in ready)))
    assert not {name for name in names if house.running("crowd", name)}
    report(f"{MANY} rooms at once by {kind}: ready", len(ready), "rooms")
    report(f"{MANY} rooms at once by {kind}: all settled", took, "s")


def tried(visitor, project) -> str:
    """Open a room; return why it was refused, nothing if it is ready."""
    home = visitor.page(f"{visitor.hub}/hub/home")
    headers = {"Origin": visitor.hub, "X-XSRFToken": re.search(r'xsrf_token: "([^"]+)"', home.text)[1]}
    url = f"{visitor.hub}/hub/api/users/{visitor.name}/servers/{project}"
    answer = visitor.http.post(url, headers=headers, timeout=240)
    until = time.perf_counter() + 240
    while answer.status_code == 202 and time.perf_counter() < until:
        if visitor.ready(project):
            return ""
        if project not in visitor._servers():
            return "it did not start"
        time.sleep(0.5)
    return "" if answer.status_code == 201 else answer.json().get("message", answer.text)
