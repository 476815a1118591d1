"""A room that may not be open any more is closed within a minute, whoever forgot to close it.

Every ten seconds the rules are asked again for each open room. A no closes it; an error in asking is a no. Only records
that do not answer at all are given a little time, `PATIENCE_SECONDS`, since a restart of the database would otherwise
close every room of the house; after that all known rooms are closed. The sentinel also ends the sessions of suspended
people, and signs the log once a minute when it grew.
"""

import json
import logging
import signal
import sys
import threading
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import docker
import httpx
import requests
from docker.errors import DockerException
from docker.errors import NotFound as NoContainer
from sqlalchemy import select

from tre import settings as configuration
from tre.errors import TREError, Unavailable
from tre.governance import access
from tre.governance.nudge import Bell
from tre.records import checkpoint
from tre.records.db import Records, opened
from tre.records.tables import PersonRow, RoomRow
from tre.rooms import control, visits
from tre.rooms.room import container_name
from tre.settings import Settings

ROUND_SECONDS = 10
PATIENCE_SECONDS = 25
SIGN_SECONDS = 60
SETTLE_SECONDS = 120
"""A room may be opening for this long before the Hub lists it."""
HUB_SECONDS = 20.0
SILENT = "the records did not answer, so nobody could say that the room may be open"

log = logging.getLogger("sentinel")


class Lapse(NamedTuple):
    """Why an open room may not be open."""

    because: str
    rules: tuple[str, ...]


class Hub:
    """The Hub's REST interface, as far as the sentinel may use it."""

    def __init__(self, settings: Settings) -> None:
        """Speak with the sentinel's own token."""
        headers = {"Authorization": f"token {settings.secret('sentinel-hub')}"}
        self._client = httpx.Client(base_url=settings.hub_api, headers=headers, timeout=HUB_SECONDS, trust_env=False)

    def running(self) -> frozenset[tuple[str, str]] | None:
        """Return (project, person) of every server that runs or starts; None if the Hub does not say."""
        try:
            answer = self._client.get("/users", params={"state": "active"}).raise_for_status()
        except httpx.HTTPError:
            return None
        return frozenset((name, user["name"]) for user in answer.json() for name in user.get("servers", {}))

    def stop(self, project: str, person: str) -> bool:
        """Stop a server; tell whether the Hub did."""
        try:
            answer = self._client.delete(f"/users/{person}/servers/{project}")
        except httpx.HTTPError:
            return False
        return answer.status_code in {202, 204, 404}

    def forget(self, person: str) -> None:
        """Delete every token of a person, so that no session of theirs goes on."""
        try:
            listed = self._client.get(f"/users/{person}/tokens")
            for token in listed.json().get("api_tokens", ()) if listed.status_code == httpx.codes.OK else ():
                self._client.delete(f"/users/{person}/tokens/{token['id']}")
        except httpx.HTTPError as error:
            log.warning("tokens of %s: the Hub does not answer (%s)", person, type(error).__name__)

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()


class Sentinel:
    """Asks again, and acts on a no."""

    def __init__(self, settings: Settings, records: Records, hub: Hub, *, began: datetime) -> None:
        """Watch the rooms of one house."""
        self._settings = settings
        self._records = records
        self._hub = hub
        self._known: dict[tuple[str, str], RoomRow] = {}
        self._answered = began
        self._signed = began - timedelta(seconds=SIGN_SECONDS)

    def round(self, now: datetime) -> None:
        """Look once at everything."""
        try:
            self._watch(now)
            self._suspended()
            self._sign(now)
            self._answered = now
        except Unavailable as error:
            self._without_records(error, now)

    def _watch(self, now: datetime) -> None:
        rows = visits.open_now(self._records)
        self._known = {(row.project, row.person): row for row in rows}
        lapses = [(row, lapse) for row in rows if (lapse := judged(self._records, row, now=now)) is not None]
        for row, lapse in lapses:
            visits.lapsed(self._records, row, because=lapse.because, rules=lapse.rules, now=now)
            log.info("room %s of %s closes: %s", row.project, row.person, lapse.because)
            cut_off(self._settings, row.project, row.person)  # all browsers first: stopping takes seconds for each
        for row, lapse in lapses:
            self._stop(row, lapse.because, now)
        self._reconcile(rows, now)

    def _stop(self, row: RoomRow, because: str, now: datetime) -> None:
        """Have the Hub stop a room. If the Hub does not, cut the browser off and end the container ourselves."""
        if self._hub.stop(row.project, row.person):
            return
        log.warning("the Hub does not stop room %s of %s: ending its container", row.project, row.person)
        self._end(row, because, now)

    def _end(self, row: RoomRow, because: str, now: datetime) -> None:
        """End a room without the Hub, and write it down only once it has ended."""
        try:
            end_container(self._settings, row.project, row.person)
            visits.closed(self._records, row.project, row.person, actor="sentinel", because=because, now=now)
        except Unavailable as error:  # the room stays open in the records, so the next round tries again
            log.warning("%s", error)

    def _reconcile(self, rows: Collection[RoomRow], now: datetime) -> None:
        """Write down what ended while nobody could: open in the records, and not there at the Hub."""
        old = [row for row in rows if now - row.opened_at > timedelta(seconds=SETTLE_SECONDS)]
        running = self._hub.running() if old else frozenset()
        if running is None:
            return
        for row in old:
            if (row.project, row.person) not in running:
                self._end(row, "it was found closed", now)

    def _suspended(self) -> None:
        with self._records.read() as session:
            names = tuple(session.scalars(select(PersonRow.name).where(PersonRow.suspended.is_(True))))
        for name in names:
            self._hub.forget(name)

    def _sign(self, now: datetime) -> None:
        if now - self._signed < timedelta(seconds=SIGN_SECONDS):
            return
        self._signed = now
        with self._records.act("sentinel", "audit.checkpoint", "audit/log") as session:
            checkpoint.sign(session, self._settings, now)

    def _without_records(self, error: Unavailable, now: datetime) -> None:
        log.warning("%s", error)
        if now - self._answered > timedelta(seconds=PATIENCE_SECONDS):
            for row in tuple(self._known.values()):
                log.warning("room %s of %s closes: %s", row.project, row.person, SILENT)
                self._stop(row, SILENT, now)
            self._known = {}


def judged(records: Records, row: RoomRow, *, now: datetime) -> Lapse | None:
    """Ask the rules about an open room; None if it may stay. What cannot be asked is a no."""
    try:
        with records.read() as session:
            opening = access.opening(session, row.project, row.person, now=now)
            mounts = [access.Mount(**mount) for mount in json.loads(row.mounts)]
            gone = access.lapsed(session, row.project, row.person, mounts, now=now)
    except Unavailable:
        raise
    except TREError as error:
        return Lapse(f"the rules could not be asked: {error}", ())
    if not opening.decision.allowed:
        return Lapse("; ".join(opening.decision.remedies) or "the rules say no", opening.decision.rules)
    if gone:
        rules = tuple(rule for _, decision in gone for rule in decision.rules)
        return Lapse(f"{', '.join(name for name, _ in gone)} may not be mounted any more", rules)
    return None


def end_container(settings: Settings, project: str, person: str) -> None:
    """Cut the browser off and kill the container, without the Hub; or say that it may live on."""
    cut_off(settings, project, person)
    try:
        client = docker.DockerClient(base_url=settings.docker_url, timeout=20)
        try:
            client.containers.get(container_name(settings, project, person)).remove(force=True)
        finally:
            client.close()
    except NoContainer:
        return
    except (DockerException, requests.RequestException) as error:
        raise Unavailable(f"the container of room {project} of {person} cannot be ended: {error}") from error


def cut_off(settings: Settings, project: str, person: str) -> None:
    """Close a room to every browser; a gateway that is down lets nobody through."""
    try:
        control.drop_now(settings, person, project)
    except Unavailable as error:
        log.warning("%s", error)


def watch(sentinel: Sentinel, stop: threading.Event, clock: Callable[[], datetime], bell: Bell) -> None:
    """Go round until told to stop, and at once when somebody rings. A fault in one round does not end the watch."""
    while not bell.wait(stop, ROUND_SECONDS):
        try:
            sentinel.round(clock())
        except TREError as error:
            log.error("%s", error)  # noqa: TRY400 -- one line says it


def main() -> int:
    """Run until SIGTERM, or say in one line why not."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = configuration.load()
        records = opened(settings)
    except TREError as error:
        print(f"sentinel: {error}", file=sys.stderr)
        return error.exit_code
    hub, bell = Hub(settings), Bell(settings)
    watch(Sentinel(settings, records, hub, began=datetime.now(UTC)), stop, lambda: datetime.now(UTC), bell)
    bell.close()
    hub.close()
    records.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
