"""What programs ask about imports: bring files, look at them, decide."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from airlock import brought, imports
from airlock.models import Sent
from airlock.pages import importing
from airlock.pages.page import house, visitor
from airlock.pages.show import number
from airlock.states import ImportState, Verdict
from airlock.tables import ImportRow
from tre.errors import Unreadable
from tre.governance import accounts


class Carried(Sent):
    """A file that is brought."""

    name: str = Field(description="path below the import", min_length=1, max_length=255)
    content: str = Field(description="the bytes in base64")


class Bring(Sent):
    """Ask for files to come into a project."""

    project: str = Field(max_length=30)
    why: str = Field(description="what they are and what they are needed for", min_length=1, max_length=4000)
    files: Annotated[list[Carried], Field(min_length=1, max_length=imports.MOST_FILES)]


class Decide(Sent):
    """Decide on exactly the files that the list names."""

    verdict: Verdict = Field(description="approve, send_back or reject")
    reason: str = Field(min_length=1, max_length=4000)
    manifest_sha256: str = Field(description="digest of the list as you saw it", pattern="^[0-9a-f]{64}$")
    code: str = Field(description="fresh code of your authenticator app", max_length=10)


class Coming(BaseModel):
    """An import."""

    id: int
    project: str
    requester: str
    state: ImportState
    why: str
    manifest_sha256: str
    files: list[dict[str, Any]]
    checked: bool
    decided_by: str | None
    reason: str
    arrived_at: datetime | None
    place: str = Field(description="where the project's rooms see it, once it arrived")
    says: str
    may: list[str] = Field(description="what you may do with it now")


class Comings(BaseModel):
    """Imports that you asked for, newest first, and those on which you may decide."""

    own: list[Coming]
    queue: list[Coming]


def imports_listed(request: Request, _: None) -> Comings:
    """List imports: your own, and those that wait for an approver like you."""
    here, who = house(request), visitor(request)
    with here.records.read() as session:
        found = {"own": brought.own(session, who.name), "queue": brought.queue(session, who.name)}
        said = {name: [brought.as_json(session, row, who.name) for row in rows] for name, rows in found.items()}
    return Comings.model_validate(said)


def import_asked(request: Request, body: Bring) -> Coming:
    """Ask for files to come into a project."""
    here, who, now = house(request), visitor(request), house(request).clock()
    with here.records.read() as session:
        imports.may_ask(session, body.project, who.name, now=now)
    kept = imports.keep(here.settings, [(file.name, _bytes(file)) for file in body.files])
    with here.records.act(who.name, "import.submit", f"project/{body.project}") as session:
        row = imports.submit(session, project=body.project, person=who.name, files=kept, why=body.why, now=now)
        at = row.id
    return _coming(request, at)


def import_shown(request: Request, _: None) -> Coming:
    """Show an import: its files, what was found in them, what it waits for."""
    return _coming(request, number(request))


def import_file(request: Request, _: None) -> Response:
    """Get one file of an import, as it would arrive."""
    return importing.file(request)


def import_voted(request: Request, body: Decide) -> Coming:
    """Decide, with a fresh code, on the files you saw."""
    here, who, at, now = house(request), visitor(request), number(request), house(request).clock()
    with here.records.read() as session:
        brought.seen(session, at, who.name, now=now)
    purpose = f"import/{at} {body.verdict} {body.manifest_sha256}"
    accounts.check_code(here.records, here.settings, who.name, body.code, now=now, purpose=purpose)
    with here.records.act(who.name, "import.vote", f"import/{at}") as session:
        imports.vote(
            session, number=at, person=who.name, verdict=body.verdict, reason=body.reason, seen=body.manifest_sha256,
            second_factor=True, now=now,
        )  # fmt: skip
    return _coming(request, at)


def import_withdrawn(request: Request, _: None) -> Coming:
    """Take back an import that nobody decided."""
    here, who, at = house(request), visitor(request), number(request)
    with here.records.act(who.name, "import.withdraw", f"import/{at}") as session:
        imports.withdraw(session, number=at, person=who.name, now=here.clock())
    return _coming(request, at)


def _coming(request: Request, at: int) -> Coming:
    here, who = house(request), visitor(request)
    with here.records.read() as session:
        brought.seen(session, at, who.name, now=here.clock())
        return Coming.model_validate(brought.as_json(session, session.get_one(ImportRow, at), who.name))


def _bytes(file: Carried) -> bytes:
    try:
        return base64.b64decode(file.content, validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("content: is not base64") from None
