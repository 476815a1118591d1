"""Calling back what left, from the command line: by whom, why, and what came of it."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from airlock import recalls
from tre import show
from tre.errors import Unreadable
from tre.governance.operator import As, Code, house

incident = App(name="incident", help="What was opened by a recall, and what came of it.", result_action="return_value")

Reason = Annotated[str, Parameter(help="why it is called back; everybody concerned reads it")]
Outcome = Annotated[str, Parameter(help="what was found out and done")]
SHOWN = (
    "id", "request", "project", "opened_by", "opened_at", "reason", "collected_at", "closed_by", "outcome",
)  # fmt: skip


def recall(number: int, /, *, reason: Reason, by: As, code: Code) -> None:
    """Call back all that left of a request: nobody collects it any more, and an incident is open."""
    with house() as at:
        at.confirm(by, code, f"export/{number} recall")
        with at.records.act(by, "export.recall", f"export/{number}") as session:
            opened = recalls.recall(
                session, at.settings, request=number, person=by, reason=reason, second_factor=True, now=at.now
            )
            said = {"request": number, "incident": opened.id, "collected": opened.collected}
    was = "it had been collected" if said["collected"] else "nobody had collected it"
    show.one(said, sentence=f"export request {number} is recalled; {was}; incident {said['incident']} is open")


@incident.command(name="list")
def list_command(*, open_only: Annotated[bool, Parameter(name="--open", negative="")] = False) -> None:
    """List incidents, newest first, with when what left was collected."""
    with house() as at, at.records.read() as session:
        rows = [{name: said[name] for name in SHOWN} for said in recalls.listed(session, only_open=open_only)]
    show.rows(rows, none="no incidents")


@incident.command(name="close")
def close_command(number: int, /, *, outcome: Outcome, by: As, code: Code) -> None:
    """Close an incident as one of the committee; the project's exports go on."""
    with house() as at:
        at.confirm(by, code, f"incident/{number} close")
        with at.records.act(by, "export.incident.close", f"incident/{number}") as session:
            recalls.close(session, incident=number, person=by, outcome=outcome, second_factor=True, now=at.now)
    show.one({"incident": number, "outcome": outcome}, sentence=f"incident {number} is closed")


def recalled(*, out: Path) -> None:
    """Write the signed list of recalled releases into a file, for `airlock verify --recalled`."""
    if out.exists():
        raise Unreadable(f"{out}: is there already; name a new file")
    with house() as at, at.records.read() as session:
        signed = recalls.signed_list(session, at.settings, now=at.now)
    try:
        out.write_bytes(signed)
    except OSError as error:
        raise Unreadable(f"{out}: cannot be written ({error.strerror})") from None
    show.one({"file": str(out)}, sentence=f"the recalled releases are in {out}")
