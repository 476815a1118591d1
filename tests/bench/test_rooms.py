"""How long a person waits for a room, beside a plain DockerSpawner that checks, walls off and records nothing."""

import re
import time
from statistics import median

import pytest

from tests.bench.peer import a_peer

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


def test_a_room_is_ready_nearly_as_soon_as_a_plain_server(house, report):
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
    report("room: spawn to ready", room, "s")
    report(
        "room: spawn to ready, ratio", room / server, "x", 1.2, f"DockerSpawner + jupyterhub-singleuser {server:.2f} s"
    )
