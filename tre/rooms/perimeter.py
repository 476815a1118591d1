"""What a stranger tries from outside: another account of the host, and somebody on the network who is not signed in.

All of it is safe on a running house: it is asked for, and if it is given nothing is done with it.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import httpx

from tre.errors import Unavailable
from tre.settings import Settings

NOBODY = 65534
SECONDS = 10.0
NO = frozenset({401, 403, 404, 405, 421})
# Becomes an account that is nobody's, and says which of these it can open, list or connect to.
LOOK = """
import json, os, socket, sys
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
got = []
for place in json.loads(sys.argv[1]):
    try:
        if place.endswith(".sock"):
            with socket.socket(socket.AF_UNIX) as door:
                door.connect(place)
        elif os.path.isdir(place):
            os.listdir(place)
        else:
            open(place, "rb").close()
    except OSError:
        continue
    got.append(place)
print(json.dumps(got))
"""


class Attempt(NamedTuple):
    """One way to try."""

    promise: str
    satre: str
    needs_house: bool
    does: Callable[[Settings], str | None]

    @property
    def name(self) -> str:
        """What is tried, in words."""
        return self.does.__name__.replace("_", " ")


ATTEMPTS: list[Attempt] = []


def against(promise: str, satre: str, *, running: bool) -> Callable[[Callable[[Settings], str | None]], None]:
    """Put a function into the table; `running` are those that need the house to run."""

    def put(does: Callable[[Settings], str | None]) -> None:
        ATTEMPTS.append(Attempt(promise, satre, running, does))

    return put


# --- another account of the host --------------------------------------------------------------------------------------
def _as_nobody(places: Iterable[Path]) -> str | None:
    """Try to open each of these as an account that is nobody's; say the first that opens."""
    listed = json.dumps([str(place) for place in places])
    try:
        done = subprocess.run(  # noqa: S603 -- our own words
            [sys.executable, "-I", "-c", LOOK, listed, str(NOBODY)],
            capture_output=True,
            timeout=SECONDS,
            check=True,
            cwd="/",
        )
        got: list[str] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise Unavailable(f"no other account could be tried ({type(error).__name__}): run as root") from error
    return got[0] if got else None


@against("P2", "2.8.05", running=False)
def read_a_key_as_another_account(settings: Settings) -> str | None:
    return _as_nobody([settings.keys, *settings.keys.iterdir(), settings.secrets, *settings.secrets.iterdir()])


@against("P7", "2.5.03", running=False)
def read_or_change_the_records_as_another_account(settings: Settings) -> str | None:
    return _as_nobody(settings.home / name for name in ("records.sqlite", "records.sqlite-wal", "hub.sqlite"))


@against("P4", "3.2.03", running=False)
def read_the_identifiable_data_as_another_account(settings: Settings) -> str | None:
    return _as_nobody([settings.silo, *settings.silo.glob("*"), settings.recontact])


@against("P5", "3.2.03", running=False)
def read_a_projects_data_as_another_account(settings: Settings) -> str | None:
    return _as_nobody([settings.extracts, *settings.extracts.glob("*/*/*"), settings.imports])


@against("P5", "3.2.03", running=False)
def read_an_analysts_work_as_another_account(settings: Settings) -> str | None:
    work = settings.home / "projects"
    return _as_nobody([*work.glob("*/workspace"), *work.glob("*/people/*/home"), *work.glob("*/people/*/outbox")])


@against("P6", "3.1.06", running=False)
def read_what_waits_in_the_airlock_as_another_account(settings: Settings) -> str | None:
    return _as_nobody([settings.released, *settings.released.glob("*"), settings.mails, settings.logs])


@against("P1", "2.1.14", running=False)
def order_about_the_engine_as_another_account(settings: Settings) -> str | None:
    if not settings.docker_url.startswith("unix://"):
        return None
    return _as_nobody([Path(settings.docker_url.removeprefix("unix://"))])


@against("P3", "2.1.14", running=False)
def order_about_the_gateway_as_another_account(settings: Settings) -> str | None:
    return _as_nobody([settings.sockets / "control.sock", settings.sockets / "gateway.json"])


@against("P2", "2.1.14", running=False)
def speak_as_a_room_as_another_account(settings: Settings) -> str | None:
    rooms = settings.sockets / "rooms"
    return _as_nobody([*rooms.glob("*/api/tre.sock"), *rooms.glob("*/in/jupyter.sock")])


# --- the network, not signed in ---------------------------------------------------------------------------------------
def _asked(port: int, method: str, path: str, **given: str) -> httpx.Response:
    """Ask a process of the house as nobody; `given` are headers, with _ for -."""
    headers = {name.replace("_", "-"): value for name, value in given.items()}
    try:
        return httpx.request(
            method, f"http://127.0.0.1:{port}{path}", headers=headers, timeout=SECONDS, trust_env=False
        )
    except httpx.HTTPError as error:
        raise Unavailable(f"port {port} does not answer ({type(error).__name__})") from error


def _refused(answer: httpx.Response) -> str | None:
    """Tell what was got: a no, or the way to the sign-in, is nothing."""
    where = answer.headers.get("location", "")
    sent_away = answer.is_redirect and ("/hub/login" in where or "/oauth2/authorize" in where or "login" in where)
    if answer.status_code in NO or sent_away:
        return None
    return f"{answer.request.url.path} answers {answer.status_code}"


@against("P5", "1.5.05", running=True)
def list_the_people_at_the_hub(settings: Settings) -> str | None:
    answer = _asked(settings.hub_port, "GET", "/hub/api/users")
    forged = _asked(settings.hub_port, "GET", "/hub/api/users", Authorization="token " + "0" * 64)
    return _refused(answer) or _refused(forged)


@against("P5", "1.5.05", running=True)
def open_a_room_without_signing_in(settings: Settings) -> str | None:
    return _refused(_asked(settings.hub_port, "POST", "/hub/api/users/nobody/servers/nothing"))


@against("P5", "1.5.05", running=True)
def read_the_pages_of_the_hub_without_signing_in(settings: Settings) -> str | None:
    for path in ("/hub/home", "/hub/admin", "/hub/token", "/hub/people", "/hub/log"):
        if got := _refused(_asked(settings.hub_port, "GET", path)):
            return got
    return None


@against("P3", "2.2.09", running=True)
def lead_the_rooms_traffic_elsewhere_at_the_proxy(settings: Settings) -> str | None:
    answer = _asked(settings.proxy_api_port, "GET", "/api/routes")
    forged = _asked(settings.proxy_api_port, "GET", "/api/routes", Authorization="token " + "0" * 64)
    return _refused(answer) or _refused(forged)


@against("P3", "1.5.05", running=True)
def enter_a_room_without_signing_in(settings: Settings) -> str | None:
    rooms = settings.sockets / "rooms"
    names = [path.name for path in rooms.glob("*--*")] or ["nothing--nobody"]
    for name in names[:20]:
        project, _, person = name.partition("--")
        host = f"{person}--{project}.{settings.rooms_below}"
        for path in ("lab", "api/contents", "files/x", "api/kernels"):
            answer = _asked(settings.gateway_port, "GET", f"/user/{person}/{project}/{path}", Host=host)
            if got := _refused(answer):
                return got
    return None


@against("P3", "2.2.10", running=True)
def enter_a_room_by_a_name_that_is_not_the_houses(settings: Settings) -> str | None:
    for host in ("rebound.example.org", "127.0.0.1", settings.domain):
        answer = _asked(settings.gateway_port, "GET", "/user/nobody/nothing/lab", Host=host)
        if got := _refused(answer):
            return got
    return None


@against("P6", "3.1.12", running=True)
def read_the_airlock_without_signing_in(settings: Settings) -> str | None:
    for path in ("/services/airlock/", "/services/airlock/api/requests", "/services/airlock/requests/1"):
        if got := _refused(_asked(settings.airlock_port, "GET", path)):
            return got
    return None


@against("P6", "3.1.06", running=True)
def vote_in_the_airlock_without_signing_in(settings: Settings) -> str | None:
    return _refused(_asked(settings.airlock_port, "POST", "/services/airlock/api/requests/1/vote"))


@against("P6", "3.1.12", running=True)
def collect_a_release_by_a_link_that_nobody_gave(settings: Settings) -> str | None:
    answer = _asked(settings.airlock_port, "GET", "/services/airlock/collect/" + "0" * 43)
    return _refused(answer)


@against("P1", "2.2.09", running=True)
def find_a_port_of_the_house_on_the_network(settings: Settings) -> str | None:
    inner = set(range(settings.port + 1, settings.airlock_port + 1))
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text("ascii").splitlines()[1:]:
            words = line.split()
            address, _, port = words[1].partition(":")
            if words[3] == "0A" and int(port, 16) in inner and not _is_loopback(address):
                return f"port {int(port, 16)} listens for the network"
    return None


def _is_loopback(address: str) -> bool:
    return address in {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


def reaches(settings: Settings) -> bool:
    """Tell whether the Hub answers, so that what needs the house can be tried."""
    try:
        return _asked(settings.hub_port, "GET", "/hub/health").status_code == HTTPStatus.OK
    except Unavailable:
        return False
