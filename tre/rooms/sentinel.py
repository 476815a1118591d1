"""A room that may not be open any more is closed within a minute, whoever forgot to close it.

Every ten seconds, and sooner when somebody rings or a known end comes, the rules are asked again for every open room
and for what waits. A no closes a room: at once where the rule says so, else after a few seconds in which its pages save
what is open. An error in asking is a no. Only records that do not answer at all are given a little time,
`PATIENCE_SECONDS`, since a restart of the database would otherwise close every room of the house. The sentinel also
ends the sessions of suspended people, reminds people of what will lapse, sends their mail, and signs the log.

It extends nothing by being dead: each room has its own end, at which the gateway and the Hub close it without asking.
"""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import docker
import httpx
import requests
from docker.errors import DockerException
from docker.errors import NotFound as NoContainer
from sqlalchemy import select

from policies.book import POLICY_ERROR, Rule
from policies.facts import ALWAYS
from tre import settings as configuration
from tre.errors import TREError, Unavailable
from tre.governance import access, endings, reminders, rulebook
from tre.governance.applications import active
from tre.governance.nudge import Bell
from tre.records import checkpoint
from tre.records.db import Records, opened
from tre.records.tables import PersonRow, RoomRow
from tre.rooms import control, pending, postman, visits
from tre.rooms.room import container_name
from tre.rooms.visits import Lapse
from tre.settings import Settings

ROUND_SECONDS = 10
GRACE_SECONDS = 20
"""For so long a room that lapsed saves what is open, unless the rule closes it at once."""
SHORTLY = 0.2
SHORTEST_PAUSE = 1.0
REMIND_SECONDS = 3600
POST_SECONDS = 2.0
PATIENCE_SECONDS = 25
SIGN_SECONDS = 60
SETTLE_SECONDS = 120
"""A room may be opening for this long before the Hub lists it."""
HUB_SECONDS = 20.0
SILENT = "the records did not answer, so nobody could say that the room may be open"

AT_ONCE = frozenset({"R09", "R40", POLICY_ERROR})
"""Beside what `rules.toml` names: an approval that was taken back (one that ends by its date was known to end), a clock
that nobody can believe, rules that could not be asked.
"""

log = logging.getLogger("sentinel")


class Judged(NamedTuple):
    """What the rules say to an open room."""

    lapse: Lapse | None
    at_once: bool
    until: datetime | None
    """First known end of what the yes stands on."""


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
        self._reminded = began - timedelta(seconds=REMIND_SECONDS)
        self._told: dict[int, datetime] = {}
        """Ends that the gateway has acknowledged."""

    def round(self, now: datetime) -> None:
        """Look once at everything: at the rooms first, which need no more than to read."""
        try:
            self._watch(now)
        except Unavailable as error:
            self._without_records(error, now)
            return
        self._answered = now
        try:
            for task in (self._applications, self._suspended, self._waiting, self._remind, self._sign):
                task(now)
        except Unavailable as error:  # somebody writes for long; the next round does the rest
            log.warning("%s", error)

    def pause(self, now: datetime) -> float:
        """Return for how many seconds nothing is due: until the next round, or the first known end of a room."""
        ends = [(row.until - now).total_seconds() + SHORTLY for row in self._known.values() if row.until]
        return min((ROUND_SECONDS, *(max(end, SHORTEST_PAUSE) for end in ends)))

    def _watch(self, now: datetime) -> None:
        rows = visits.open_now(self._records)
        self._known = {(row.project, row.person): row for row in rows}
        found = self._judged(rows, now)
        over = [row for row in rows if self._is_over(row, found[row.id], now)]
        for row in over:
            log.info("room %s of %s closes: %s", row.project, row.person, row.closed_because)
            cut_off(self._settings, row.project, row.person)  # all browsers first: stopping takes seconds for each
        for row in over:
            self._stop(row, row.closed_because, now)
        self._move(rows, found, now)
        self._reconcile(rows, now)

    def _judged(self, rows: Collection[RoomRow], now: datetime) -> dict[int, Judged]:
        """Ask the rules about all rooms in one look; what cannot be asked is a no for each."""
        if not rows:
            return {}
        try:
            with self._records.read() as session:
                standing = access.standing(session, rows, now=now)
                book = rulebook.in_force(session).book
                rests = endings.rests(session, {row.project for row in rows}, now)
        except Unavailable:
            raise
        except TREError as error:
            lapse = Lapse(f"the rules could not be asked: {error}", (POLICY_ERROR,))
            return {row.id: Judged(lapse, at_once=True, until=None) for row in rows}
        return {row.id: _one(standing[row.id], book, rests.get(row.project, ALWAYS), now) for row in rows}

    def _is_over(self, row: RoomRow, judged: Judged, now: datetime) -> bool:
        """Write a lapse down when it is first seen; tell whether the room must end now."""
        if judged.lapse is not None and not row.closed_because:
            begun = row.until is not None and row.until <= now  # a known end: the person was warned
            grace = timedelta(0) if judged.at_once or begun else timedelta(seconds=GRACE_SECONDS)
            visits.lapsed(self._records, row, judged.lapse, until=now + grace, actor="sentinel", now=now)
            if grace:
                self._tell_gateway(row, now + grace, judged.lapse.because)
        return bool(row.closed_because) and (judged.at_once or row.until is None or row.until <= now)

    def _move(self, rows: Collection[RoomRow], found: Mapping[int, Judged], now: datetime) -> None:
        """Move the ends of rooms whose facts changed, and let the gateway know of every end it does not."""
        stay = {row.id: row for row in rows if not row.closed_because}
        ends = {key: end for key in stay if (end := found[key].until) is not None and end > now}
        if moved := {key: end for key, end in ends.items() if end != stay[key].until}:
            visits.moved(self._records, moved, now=now)
        self._told = {key: end for key, end in self._told.items() if key in stay}
        for key, end in ends.items():
            stay[key].until = end
            if self._told.get(key) != end and self._tell_gateway(stay[key], end, ""):
                self._told[key] = end

    def _tell_gateway(self, row: RoomRow, until: datetime, why: str) -> bool:
        try:
            return control.move_now(self._settings, row.person, row.project, until=until, why=why)
        except Unavailable as error:  # it holds the end that it was told before
            log.warning("%s", error)
            return False

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

    def _applications(self, now: datetime) -> None:
        """Write down what dates did to applications. No door waits for this: each looks at the dates itself."""
        try:
            with self._records.act("sentinel", "application.look", "applications") as session:
                active.look_round(session, now=now)
        except Unavailable:
            raise
        except TREError as error:
            log.warning("applications: %s", error)

    def _waiting(self, now: datetime) -> None:
        """Ask again about what waits for a decision."""
        pending.look(self._records, now=now)

    def _remind(self, now: datetime) -> None:
        """Tell people once of what will lapse; looked at every hour, so that a day is never missed."""
        if now - self._reminded < timedelta(seconds=REMIND_SECONDS):
            return
        self._reminded = now
        with self._records.act("sentinel", "notice.tell", "people") as session:
            reminders.send(session, now)

    def _suspended(self, now: datetime) -> None:
        del now
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


def _one(standing: access.Standing, book: Mapping[str, Rule], rests: datetime, now: datetime) -> Judged:
    lapse = visits.lapse_of(standing)
    if lapse is None and rests <= now:
        lapse = Lapse(visits.RESTS, ("R06",))
    at_once = lapse is not None and any(
        rule in AT_ONCE or (rule in book and book[rule].at_once) for rule in lapse.rules
    )
    return Judged(lapse, at_once=at_once, until=min(standing.until, rests) if standing.until else None)


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
    while not bell.wait(stop, sentinel.pause(clock())):
        try:
            sentinel.round(clock())
        except TREError as error:
            log.error("%s", error)  # noqa: TRY400 -- one line says it


def send_mail(settings: Settings, stop: threading.Event) -> None:
    """Send what is queued until told to stop, beside the watch: a mail server that is slow delays no room's end."""
    records = Records(settings.database_url)
    while not stop.wait(POST_SECONDS):
        try:
            postman.send_waiting(records, settings, now=datetime.now(UTC))
        except TREError as error:
            log.warning("mail: %s", error)
    records.close()


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
    post = threading.Thread(target=send_mail, args=(settings, stop), name="postman")
    post.start()
    watch(Sentinel(settings, records, hub, began=datetime.now(UTC)), stop, lambda: datetime.now(UTC), bell)
    post.join()
    bell.close()
    hub.close()
    records.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
