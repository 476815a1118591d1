"""`tre room`: what a room would be, by the rules of this moment, and which are open."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict

from cyclopts import App

from tre import show
from tre.errors import Refused
from tre.governance import access, projects
from tre.governance.desk.reasons import why
from tre.governance.operator import house
from tre.host import image
from tre.rooms import visits
from tre.rooms.builders import choice
from tre.rooms.room import Room, container_name, host, room_for, seccomp

app = App(name="room", help="What a room is made of, and which are open.")
LOCKED: Mapping[str, str] = {
    "network": "none",
    "capabilities": "none",
    "root": "read-only",
    "new privileges": "never",
    "/tmp": "no programs, no devices",  # noqa: S108 -- the room's
}
"""What every room is shut by, beside its filter of system calls."""


@app.command(name="show")
def show_(project: str, person: str, /) -> None:
    """Show the room that a person would get in a project now: nothing else would be in it.

    Parameters
    ----------
    project:
        name of the project
    person:
        name of the person

    """
    with house() as at, at.records.read() as session:
        row = projects.get(session, project)
        opening = access.opening(session, project, person, now=at.now)
        if not opening.decision.allowed:
            reasons = why(session, opening.decision)
            raise Refused(
                f"no room of {person} in {project} would open",
                rules=[each.rule for each in reasons],
                remedies=[each.remedy for each in reasons],
            )
        room = room_for(at.settings, image.current(at.settings).id, row, person, opening.mounts)
        left = {name: list(no.rules) for name, no in opening.refused}
        kind = choice.chosen(at.settings).kind
    said = {
        **asdict(room),
        "binds": [{"source": str(one.source), "target": one.target, "writable": one.writable} for one in room.binds],
        "environment": dict(room.environment),
        "host": host(at.settings, project, person),
        "builder": kind,
        "locked": dict(LOCKED),
        "calls": len({name for rule in json.loads(seccomp())["syscalls"] for name in rule["names"]}),
        "until": opening.until.isoformat() if opening.until else None,
        "left_out": left,
    }
    show.one(said, sentence="\n".join(_lines(room, said)))


def _lines(room: Room, said: Mapping[str, object]) -> Iterator[str]:
    """Say what a room is to people."""
    yield f"{said['host']}, built by {said['builder']} of {room.image[:19]}, until {said['until']}"
    yield f"runs as {room.uid}, with {room.memory / 2**30:.1f} GiB, {room.cpus:g} processors, {room.pids} processes"
    for one in room.binds:
        yield f"  {one.target:<16} {'read, write' if one.writable else 'read'}  {one.source}"
    yield f"network {LOCKED['network']}; {said['calls']} system calls pass"
    yield f"variables: {', '.join(sorted(room.environment))}"
    for name, rules in dict(said["left_out"]).items():  # type: ignore[call-overload]  # it is a mapping
        yield f"left out: {name} ({', '.join(rules)})"


@app.command(name="list")
def list_() -> None:
    """Show the rooms that are open, and whether their processes run."""
    with house() as at:
        builder = choice.chosen(at.settings)
        rows = [
            {
                "project": row.project,
                "person": row.person,
                "since": row.opened_at,
                "until": row.until,
                "runs": builder.state(container_name(at.settings, row.project, row.person)) is not None,
            }
            for row in visits.open_now(at.records)
        ]
    show.rows(rows, none="no room is open")
