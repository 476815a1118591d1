"""A room is opened for nobody, with the walls that every room has, and all that is known to be tried is tried in it."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tre.errors import NotFound, TREError, Unavailable
from tre.governance.access import Mount
from tre.host import image
from tre.records.db import Records
from tre.records.tables import ProjectRow, RoomRow
from tre.rooms import attempts, folders, perimeter, visits, walls
from tre.rooms.builders import Builder, choice
from tre.rooms.room import Room, container_name, room_for
from tre.settings import Settings

PROJECT, PERSON, UID = "probe", "doctor", 64_999
"""Who nobody is: the user id is below those that projects get."""
SECONDS = 45.0
MEMORY = 256 * 2**20
PYTHON = "/opt/venv/bin/python"


@dataclass(frozen=True)
class Tried:
    """One attempt, or one look, and how it ended."""

    name: str
    promise: str
    satre: str
    ok: bool
    says: str


def in_a_room(settings: Settings) -> list[Tried]:
    """Try everything in a room of its own; what could not be tried was not refused."""
    with _home(settings) as own:
        room = _room(settings, own)
        said, found = _run(settings, room)
    tried = [_ended(attempt, said.get(attempt.name)) for attempt in attempts.ATTEMPTS]
    return [*tried, *_looks(f"the room of {PERSON}", found)]


def from_outside(settings: Settings) -> list[Tried]:
    """Try everything that a stranger can, with the house as it is; what needs it to run is not tried if it does not."""
    runs = perimeter.reaches(settings)
    tried = []
    for attempt in perimeter.ATTEMPTS:
        if attempt.needs_house and not runs:
            says, ok = "could not be tried: the house does not run", False
        else:
            try:
                got = attempt.does(settings)
                says, ok = (f"got through: {got}", False) if got else ("refused", True)
            except (TREError, OSError) as error:
                says, ok = f"could not be tried: {error}", False
        tried.append(Tried(attempt.name, attempt.promise, attempt.satre, ok=ok, says=says))
    return tried


def open_rooms(settings: Settings, records: Records) -> list[Tried]:
    """Look at every room that is open now, from outside."""
    tried = []
    for row, found in breached(settings, records):
        name = f"the room of {row.person} in {row.project}"
        if isinstance(found, TREError):
            tried.append(Tried(name, "P1", "2.4.03", ok=False, says=str(found)))
        else:
            tried += _looks(name, found)
    return tried


def breached(settings: Settings, records: Records) -> Iterator[tuple[RoomRow, list[walls.Breach] | TREError]]:
    """Give every room that is open now, with what is wrong with its walls, or why nobody could look."""
    rows = visits.open_now(records)
    if not rows:
        return
    builder, secrets, among = choice.chosen(settings), _secrets(settings), walls.processes()
    for row in rows:
        try:
            yield row, walls.breaches(*_open(settings, records, row, builder), secrets=secrets, among=among)
        except NotFound:
            continue  # it opens or closes just now
        except TREError as error:
            yield row, error


def _looks(name: str, found: list[walls.Breach]) -> list[Tried]:
    if not found:
        return [Tried(name, "P1", "2.4.03", ok=True, says="is as it should be, seen from outside")]
    return [Tried(name, each.promise, "2.4.03", ok=False, says=each.what) for each in found]


def _ended(attempt: attempts.Attempt, said: dict[str, str] | None) -> Tried:
    if said is None:
        says, ok = "could not be tried: the room ended before", False
    elif said["broke"]:
        says, ok = said["broke"], False
    elif said["got"]:
        says, ok = f"got through: {said['got']}", False
    else:
        says, ok = "refused", True
    return Tried(attempt.name, attempt.promise, attempt.satre, ok=ok, says=says)


# --- the probe room ---------------------------------------------------------------------------------------------------
@contextmanager
def _home(settings: Settings) -> Iterator[Settings]:
    """Make a home beside the house's, with one dataset of nobody; gone in the end."""
    made = Path(tempfile.mkdtemp(prefix="probe-", dir=settings.home))
    try:
        made.chmod(0o711)
        own = settings.model_copy(update={"home": made, "database": "", "volumes": "plain"})
        for path in (own.imports, own.sockets):
            path.mkdir()
        data = own.extract(PROJECT, "nothing", 1)
        data.mkdir(parents=True)
        (data / "nothing.txt").write_text("nobody\n")
        yield own
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _room(settings: Settings, own: Settings) -> Room:
    """Make the specification of a room as for everybody, and another command."""
    nobody = ProjectRow(name=PROJECT, uid=UID)
    mounts = (Mount(dataset="nothing", version=1, number=1),)
    room = room_for(own, image.current(settings).id, nobody, PERSON, mounts)
    facts = {
        "environment": sorted(room.environment),
        "mounts": [*sorted(walls.OF_THE_BUILDER | walls.OF_THE_IMAGE), *(bind.target for bind in room.binds)],
        "ports": list(range(settings.port, settings.airlock_port + 1)),
        "sockets": [],
        "pids": room.pids,
        "memory": MEMORY,
    }
    text = Path(attempts.__file__).read_text("utf-8")
    folders.make(own, room)
    return replace(room, command=(PYTHON, "-I", "-c", text, json.dumps(facts)), memory=MEMORY)


def _run(settings: Settings, room: Room) -> tuple[dict[str, dict[str, str]], list[walls.Breach]]:
    """Run the attempts, and look at the room from outside while they run."""
    found: list[walls.Breach] = []
    secrets = _secrets(settings)
    said = choice.chosen(settings).run(
        room, lambda pid: found.extend(walls.breaches(pid, room, secrets=secrets)), seconds=SECONDS
    )
    try:
        lines = [json.loads(line) for line in said.splitlines()]
    except ValueError:
        raise Unavailable("what was tried in a room could not be read: see `tre doctor`") from None
    return {one["name"]: one for one in lines}, found


# --- rooms of people --------------------------------------------------------------------------------------------------
def _open(settings: Settings, records: Records, row: RoomRow, builder: Builder) -> tuple[int, Room]:
    """Return the first process of an open room, and what the room should be."""
    state = builder.state(container_name(settings, row.project, row.person))
    if state is None:
        raise NotFound("no process")
    with records.read() as session:
        project = session.get(ProjectRow, row.project)
        assert project is not None  # noqa: S101 -- a foreign key
        mounts = tuple(Mount(**one) for one in json.loads(row.mounts))
        return state.pid, room_for(settings, state.image, project, row.person, mounts)


def _secrets(settings: Settings) -> list[bytes]:
    """Read the words that no room may hold: every token between our processes, and those of open rooms."""
    words = [path.read_bytes().strip() for path in settings.secrets.iterdir()]
    with suppress(OSError, ValueError, KeyError):
        registered = json.loads((settings.sockets / "gateway.json").read_text())
        words += [room["token"].encode() for room in registered]
    return [word for word in words if word]
