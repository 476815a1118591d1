"""Visas at the host: accept what a trusted issuer says of a person, take it back, issue our own."""

import json
import sys
from datetime import datetime
from pathlib import Path

from cyclopts import App

from tre import show
from tre.errors import Unreadable
from tre.governance import accounts, issuing, visas
from tre.governance.operator import house
from tre.records import visa_key

app = App(name="visa", help="GA4GH visas: what trusted issuers vouch for, and what this house does.")


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


@app.command
def issue(person: str, project: str, /, *, dataset: str = "") -> None:
    """Vouch for what the committee granted a person of a project: a visa for each dataset, a day at most."""
    with house() as at, at.records.act(at.actor, "visa.issue", f"person/{person[:64]}") as session:
        issued = issuing.issue(session, at.settings, person, project, dataset=dataset, actor=at.actor, now=at.now)
    rows = [
        {"dataset": one.dataset, "version": one.version, "until": _day(one.until), "jti": one.jti, "visa": one.token}
        for one in issued
    ]
    lines = (f"{one['dataset']} {one['version']}, until {one['until']}:\n{one['visa']}" for one in rows)
    show.one({"person": person, "visas": rows}, sentence="\n".join(lines))


@app.command
def keys() -> None:
    """Print the public key of this house's visas (JWK set), for those who trust them; also at /hub/visas/jwks.json."""
    with house() as at:
        found = visa_key.jwks(at.settings)
    show.one(dict(found), sentence=json.dumps(found, indent=2))


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
