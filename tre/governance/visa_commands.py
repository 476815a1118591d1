"""What the host's operator does with visas: accept what a trusted issuer says of a person, list it, take it back."""

import sys
from datetime import datetime
from pathlib import Path

from cyclopts import App

from tre import show
from tre.errors import Unreadable
from tre.governance import accounts, visas
from tre.governance.operator import house

app = App(name="visa", help="GA4GH visas: what trusted issuers vouch for.")


@app.command
def accept(person: str, file: str, /) -> None:
    """Accept a visa of a person, from a file or from standard input (`-`)."""
    try:
        token = sys.stdin.read(visas.LONGEST + 2) if file == "-" else Path(file).read_text("ascii")
    except (OSError, UnicodeDecodeError):
        raise Unreadable("the visa's file cannot be read as text") from None
    with house() as at, at.records.act(at.actor, "visa.accept", f"person/{person}") as session:
        row = visas.accept(session, at.settings, person, token, actor=at.actor, now=at.now)
        said = {"visa": row.sha256, "person": person, "type": row.type, "until": _day(row.expires_at)}
    show.one(said, sentence=f"{person}: {said['type']}, until {said['until']} (visa {row.sha256[:12]})")


@app.command(name="list")
def list_(person: str, /) -> None:
    """List every visa of a person, and whether it holds now."""
    with house() as at, at.records.read() as session:
        accounts.person(session, person)
        now = {visa.sha256 for visa in visas.holding(session, at.settings, person, now=at.now)}
        rows = [
            {
                "visa": row.sha256,
                "type": row.type,
                "value": row.value,
                "by": row.by,
                "until": _day(row.expires_at),
                "holds": row.sha256 in now,
            }
            for row in visas.of(session, person)
        ]
    show.rows(rows, none=f"nobody vouched for {person}")


@app.command
def refuse(visa: str, /, *, why: str) -> None:
    """Take a visa back for good, by its number in `tre visa list`."""
    with house() as at, at.records.act(at.actor, "visa.refuse", f"visa/{visa[:64]}") as session:
        row = visas.refuse(session, visa, why=why, actor=at.actor, now=at.now)
        person = row.person
    show.one({"visa": visa, "person": person}, sentence=f"the visa of {person} holds no more")


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
