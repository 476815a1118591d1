"""`tre emergency` opens a closed door for a few hours by two people, tells everyone, and has it reviewed."""

from cyclopts import App

from tre import show
from tre.governance import emergencies
from tre.governance.operator import As, Code, House, house
from tre.records.tables import EmergencyRow

app = App(name="emergency", help="A closed door that two people open for a few hours; everyone concerned is told.")


@app.command
def ask(project: str, person: str, /, *, hours: int, why: str, by: As, code: Code) -> None:
    """Ask, as an admin or a member of the committee, that a person may work in a project for 1 to 4 hours."""
    with house() as at:
        at.confirm(by, code, f"emergency ask {project[:30]} {person[:30]} {hours}")
        with at.records.act(by, "emergency.ask", f"project/{project[:30]}") as session:
            row = emergencies.ask(session, project, person, hours=hours, why=why, actor=by, now=at.now)
    show.one(_said(row, at), sentence=f"emergency {row.id} waits for a second person: `tre emergency second {row.id}`")


@app.command
def second(number: int, /, *, by: As, code: Code) -> None:
    """Open the door, as the second of an admin and a member of the committee; everyone concerned is told."""
    with house() as at:
        at.confirm(by, code, _about(at, number, "second"))
        with at.records.act(by, "emergency.open", f"emergency/{number}") as session:
            row = emergencies.second(session, number, actor=by, now=at.now)
    until = f"{row.until:%Y-%m-%d %H:%M} UTC" if row.until else ""
    show.one(_said(row, at), sentence=f"{row.project} is open to {row.person} until {until}; review it within 3 days")


@app.command
def end(number: int, /, *, by: As, code: Code) -> None:
    """Close the door again before its time."""
    with house() as at:
        at.confirm(by, code, _about(at, number, "end"))
        with at.records.act(by, "emergency.end", f"emergency/{number}") as session:
            row = emergencies.end(session, number, actor=by, now=at.now)
    show.one(_said(row, at), sentence=f"emergency {number} is over")


@app.command
def review(number: int, /, *, text: str, by: As, code: Code) -> None:
    """Say afterwards, as one of the committee or an auditor without a part in it, whether it was right."""
    with house() as at:
        at.confirm(by, code, _about(at, number, "review"))
        with at.records.act(by, "emergency.review", f"emergency/{number}") as session:
            row = emergencies.review(session, number, actor=by, said=text, now=at.now)
    show.one(_said(row, at), sentence=f"emergency {number} is reviewed")


@app.command(name="list")
def list_() -> None:
    """Every emergency there was."""
    with house() as at, at.records.read() as session:
        rows = [_said(row, at) for row in emergencies.listed(session)]
    show.rows(rows, none="there was no emergency yet")


def _about(at: House, number: int, verb: str) -> str:
    with at.records.read() as session:
        return emergencies.confirms(emergencies.get(session, number), verb)


def _said(row: EmergencyRow, at: House) -> dict[str, object]:
    return {
        "emergency": row.id,
        "project": row.project,
        "person": row.person,
        "state": emergencies.state(row, now=at.now),
        "hours": row.hours,
        "until": row.until.isoformat() if row.until else None,
        "asked_by": row.asked_by,
        "seconded_by": row.seconded_by,
        "reviewed_by": row.reviewed_by,
        "reason": row.reason,
    }
