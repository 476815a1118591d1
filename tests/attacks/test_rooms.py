"""Attempts from inside a room: to reach anything but the two sockets it was given."""

import textwrap

import pytest

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def house(any_house):
    """On either builder."""
    return any_house


@pytest.fixture(scope="module")
def alice(house):
    alice = house.person("alice")
    alice.open("sunrise")
    yield alice
    alice.leave("sunrise")


@pytest.fixture(scope="module")
def bob(house):
    bob = house.person("bob")
    bob.open("sunset")
    yield bob
    bob.leave("sunset")


def tried(visitor, code: str, project: str = "sunrise") -> list[str]:
    return visitor.run(project, textwrap.dedent(code)).splitlines()


def test_a_room_has_no_interface_but_loopback(alice):
    assert tried(alice, "import socket; print([name for _, name in socket.if_nameindex()])") == ["['lo']"]


@pytest.mark.parametrize(
    ("address", "port"),
    [("1.1.1.1", 443), ("169.254.169.254", 80), ("172.17.0.1", 22), ("10.0.0.1", 53), ("192.168.0.1", 80)],
)
def test_no_tcp_leaves_a_room(alice, address, port):
    said = tried(
        alice,
        f"""
        import socket
        try:
            socket.create_connection(({address!r}, {port}), timeout=3)
        except OSError as error:
            print(error.errno)
    """,
    )
    assert said == ["101"]  # network is unreachable


def test_the_houses_own_ports_are_not_on_a_rooms_loopback(alice, house):
    ports = [house.settings.port + nth for nth in range(5)]
    said = tried(
        alice,
        f"""
        import socket
        for port in {ports}:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=3)
            except OSError as error:
                print(error.errno)
    """,
    )
    assert said == ["111"] * 5  # connection refused


def test_no_udp_leaves_a_room(alice):
    said = tried(
        alice,
        """
        import socket
        for address in (("8.8.8.8", 53), ("169.254.169.254", 80), ("255.255.255.255", 67), ("224.0.0.251", 5353)):
            try:
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"out", address)
            except OSError as error:
                print(type(error).__name__)
    """,
    )
    assert said == ["OSError"] * 4


def test_no_name_resolves_in_a_room(alice):
    said = tried(
        alice,
        """
        import socket
        for name in ("example.org", "localhost.example.org", "metadata.google.internal", "hub"):
            try:
                print(socket.getaddrinfo(name, 80))
            except OSError as error:
                print("no")
    """,
    )
    assert said == ["no"] * 4


def test_the_only_sockets_in_a_room_are_its_own_two(alice):
    said = tried(
        alice,
        """
        import os, stat
        for top, folders, names in os.walk("/"):
            folders[:] = [name for name in folders if top != "/" or name not in ("proc", "sys")]
            for name in names:
                try:
                    found = os.lstat(os.path.join(top, name))
                except OSError:
                    continue
                if stat.S_ISSOCK(found.st_mode):
                    print(os.path.join(top, name))
    """,
    )
    assert sorted(said) == ["/run/tre/api/tre.sock", "/run/tre/in/jupyter.sock"]


def test_another_rooms_folders_are_not_there(alice, bob):
    assert tried(alice, "import os; print(sorted(os.listdir('/run/tre')), sorted(os.listdir('/data')))") == [
        "['api', 'in'] ['trial']"
    ]
    alice.run("sunrise", "open('/workspace/mine.txt', 'w').write('of sunrise')")
    assert tried(bob, "import os; print(os.path.exists('/workspace/mine.txt'))", "sunset") == ["False"]
    assert tried(bob, "import pandas as pd; print(set(pd.read_parquet('/data/trial').project))", "sunset") == [
        "{'sunset'}"
    ]


def test_no_token_url_or_secret_of_the_house_is_in_a_room(alice, house):
    """Every file a room can read and every process's memory map of variables, searched for what must not be there."""
    secrets = [file.read_text().strip() for file in house.settings.secrets.iterdir()]
    registered = (house.settings.sockets / "gateway.json").read_text()
    import json

    tokens = [room["token"] for room in json.loads(registered)]
    wanted = [
        *secrets,
        *tokens,
        "JUPYTERHUB_",
        "JPY_API_TOKEN",
        f":{house.settings.hub_port}",
        str(house.settings.secrets),
    ]
    digests = [word.encode().hex()[::-1] for word in wanted]  # reversed: the search must not find itself
    said = tried(
        alice,
        f"""
        import os
        words = [bytes.fromhex(word[::-1]) for word in {digests!r}]
        pids = [name for name in os.listdir("/proc") if name.isdigit()]
        places = [f"/proc/{{pid}}/{{what}}" for pid in pids for what in ("environ", "cmdline")]
        for top in ("/home", "/workspace", "/outbox", "/run", "/tmp", "/etc", "/data"):
            for folder, _, names in os.walk(top):
                places += [os.path.join(folder, name) for name in names if os.path.isfile(os.path.join(folder, name))]
        looked, found = 0, set()
        for place in places:
            try:
                content = open(place, "rb").read()
            except OSError:
                continue
            if place.startswith("/home/analyst/.ipython") or "history" in place:
                continue
            looked += 1
            found |= {{(place, nth) for nth, word in enumerate(words) if word in content}}
        print(looked > 50, sorted(found))
    """,
    )
    assert said == ["True []"]


def test_tre_sock_cannot_be_replaced_from_inside(alice):
    said = tried(
        alice,
        """
        import os
        ours = "/run/tre/api/tre.sock"
        for step in (lambda: os.unlink(ours), lambda: os.rename(ours, "/run/tre/in/x"), lambda: os.chmod(ours, 0o777),
                     lambda: os.symlink("/run/tre/in/jupyter.sock", "/run/tre/api/y")):
            try:
                step()
                print("done")
            except OSError as error:
                print(error.errno)
    """,
    )
    assert set(said) <= {"30", "18", "1", "13"}
    assert len(said) == 4


def test_the_socket_says_who_asks_and_nothing_in_the_question_does(alice, bob):
    question = """
        import http.client, json, socket
        class Door(http.client.HTTPConnection):
            def connect(self):
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.connect("/run/tre/api/tre.sock")
        door = Door("tre")
        claims = {"X-Tre-Person": "carol", "X-Tre-Project": "moon", "Authorization": "Bearer x"}
        door.request("GET", "/v1/me", headers=claims)
        me = json.loads(door.getresponse().read())
        print(me["person"], me["project"], [one["path"] for one in me["datasets"]])
    """
    assert tried(alice, question) == ["alice sunrise ['/data/trial']"]
    assert tried(bob, question, "sunset") == ["bob sunset ['/data/trial']"]


def test_nothing_but_the_known_questions_passes_the_socket(alice):
    said = tried(
        alice,
        """
        import http.client, socket
        class Door(http.client.HTTPConnection):
            def connect(self):
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.connect("/run/tre/api/tre.sock")
        asked = ("GET /", "GET /v1/requests/../../hub/api", "DELETE /v1/requests/1", "POST /v1/requests/1/vote",
                 "GET /v1/requests/1%2Fvote", "GET /services/airlock/api/requests", "POST /v1/me")
        for method, path in (line.split() for line in asked):
            door = Door("tre")
            door.request(method, path)
            print(door.getresponse().status)
    """,
    )
    assert said == ["404"] * 7


def test_a_process_of_a_room_cannot_become_root(alice):
    said = tried(
        alice,
        """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        status = open("/proc/self/status").read()
        wanted = ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp:")
        print(libc.setuid(0), [line.split()[1] for line in status.splitlines() if line.startswith(wanted)])
        found = []
        for top, _, names in os.walk("/usr"):
            files = [os.path.join(top, name) for name in names]
            found += [file for file in files if os.path.isfile(file) and os.stat(file).st_mode & 0o6000]
        print(found)
    """,
    )
    assert said == ["-1 ['0000000000000000', '0000000000000000', '1', '2']", "[]"]
