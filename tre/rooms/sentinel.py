"""A room that may not be open any more is closed within a minute, whoever forgot to close it.

Every ten seconds, and sooner when somebody rings or a known end comes, the rules are asked again for every open room
and for what waits. A no closes a room: at once where the rule says so, else after a few seconds in which its pages save
what is open. An error in asking is a no. Only records that do not answer at all are given a little time,
`PATIENCE_SECONDS`, since a restart of the database would otherwise close every room of the house. The sentinel also
ends the sessions of suspended people, reminds people of what will lapse, sends their mail, signs the log, and looks at
the walls of every open room.

It extends nothing by being dead: each room has its own end, at which the gateway and the Hub close it without asking.
"""

import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import httpx
from sqlalchemy import select

from policies.book import POLICY_ERROR, Rule
from policies.facts import ALWAYS
from tre import settings as configuration
from tre import volumes
from tre.errors import TREError, Unavailable
from tre.governance import access, endings, nudge, reminders, rulebook
from tre.governance.applications import active
from tre.governance.nudge import Bell
from tre.records import checkpoint, cosigned
from tre.records.db import Records, opened
from tre.records.tables import PersonRow, RoomRow
from tre.rooms import control, folders, pending, postman, probing, visits
from tre.rooms.builders import choice
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
DISK_SECONDS = 1.0
DEEP_SECONDS = 300.0
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


class Ends(NamedTuple):
    """Ends of an open room that no rule tells."""

    rests: datetime
    """When what the project stands on ends."""
    age: datetime
    """When it has been open for as long as a room may be."""


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
            for task in (self._applications, self._suspended, self._waiting, self._remind, self._sign, self._volumes):
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
        longest = timedelta(hours=self._settings.room_hours)
        ends = {row.id: Ends(rests.get(row.project, ALWAYS), row.opened_at + longest) for row in rows}
        return {row.id: _one(standing[row.id], book, ends[row.id], now) for row in rows}

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

    def _volumes(self, _: datetime) -> None:
        """Shut the volumes in which nobody works."""
        for project in volumes.settle(self._settings, lambda: {row.project for row in visits.open_now(self._records)}):
            log.info("the volume of %s is shut: nobody works in it", project)

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


def _one(standing: access.Standing, book: Mapping[str, Rule], ends: Ends, now: datetime) -> Judged:
    lapse = visits.lapse_of(standing)
    if lapse is None and ends.rests <= now:
        lapse = Lapse(visits.RESTS, ("R06",))
    if lapse is None and ends.age <= now:
        lapse = Lapse(visits.AGE)
    at_once = lapse is not None and any(
        rule in AT_ONCE or (rule in book and book[rule].at_once) for rule in lapse.rules
    )
    return Judged(lapse, at_once=at_once, until=min(standing.until, *ends) if standing.until else None)


def end_container(settings: Settings, project: str, person: str) -> None:
    """Cut the browser off and kill the container, without the Hub; or say that it may live on."""
    cut_off(settings, project, person)
    try:
        choice.chosen(settings).end(container_name(settings, project, person), seconds=0)
    except Unavailable as error:
        raise Unavailable(f"the room {project} of {person} cannot be ended: {error}") from error


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


def have_cosigned(settings: Settings, stop: threading.Event) -> None:
    """Ask the witnesses for what was signed since, until told to stop; one that is slow delays nobody."""
    records = Records(settings.database_url)
    while not stop.wait(SIGN_SECONDS):
        try:
            wrong = cosigned.ask_all(records, settings, now=datetime.now(UTC))
        except TREError as error:
            wrong = [error]
        for each in wrong:
            log.warning("witness: %s", each)
    records.close()


def watch_walls(settings: Settings, stop: threading.Event) -> None:
    """Look at the walls of every open room each minute; one that does not hold closes the room, and is told."""
    records = Records(settings.database_url)
    while not stop.wait(SIGN_SECONDS):
        try:
            close_breached(settings, records, now=datetime.now(UTC))
        except TREError as error:
            log.warning("walls: %s", error)
    records.close()


def close_breached(settings: Settings, records: Records, *, now: datetime) -> None:
    """Write down which open rooms have a wall that does not hold, so that they are stopped at once."""
    for row, found in probing.breached(settings, records):
        if isinstance(found, TREError):
            log.warning("walls of %s in %s: %s", row.person, row.project, found)
        elif found and not row.closed_because:
            why = f"a wall of the room did not hold ({found[0].promise}: {found[0].what}); an admin sees to it"
            log.error("room %s of %s closes: %s", row.project, row.person, why)
            visits.lapsed(records, row, Lapse(why), until=now, actor="sentinel", now=now)
            nudge.sentinel(settings)


def watch_disk(settings: Settings, stop: threading.Event) -> None:
    """Look at the home's disk every second: a room can fill gigabytes between two rounds of the watch."""
    records = Records(settings.database_url)
    while not stop.wait(DISK_SECONDS):
        try:
            spare_disk(settings, records, now=datetime.now(UTC))
        except TREError as error:
            log.warning("disk: %s", error)
    records.close()


def spare_disk(settings: Settings, records: Records, *, now: datetime) -> None:
    """Close every open room while the disk is nearly full, so that what is left can still hold the records."""
    if not folders.full(settings):
        return
    for row in visits.open_now(records):
        if not row.closed_because:
            log.error("room %s of %s closes: %s", row.project, row.person, folders.FULL)
            visits.lapsed(records, row, Lapse(folders.FULL), until=now, actor="sentinel", now=now)
    nudge.sentinel(settings)


def try_walls(settings: Settings, stop: threading.Event) -> None:
    """Have everything tried that is safe to try, every so many hours, in a process of its own."""
    if not settings.deep_hours:
        return
    command = (sys.executable, "-m", "tre", "doctor", "--deep", "--home", str(settings.home))
    while not stop.wait(settings.deep_hours * 3600):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=DEEP_SECONDS, check=False)  # noqa: S603 -- our own
        except subprocess.TimeoutExpired:
            log.error("doctor --deep did not end")  # noqa: TRY400 -- one line says it
            continue
        log.log(logging.ERROR if done.returncode else logging.INFO, "%s", (done.stdout or done.stderr).strip())


BESIDE = (send_mail, have_cosigned, watch_walls, watch_disk, try_walls)
"""What is done beside the watch: slow, and nobody waits for it."""


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
    beside = [threading.Thread(target=work, args=(settings, stop)) for work in BESIDE]
    for thread in beside:
        thread.start()
    watch(Sentinel(settings, records, hub, began=datetime.now(UTC)), stop, lambda: datetime.now(UTC), bell)
    for thread in beside:
        thread.join()
    bell.close()
    hub.close()
    records.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
