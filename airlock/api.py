"""Everything the pages do, for programs, and what a room asks: one table of calls, which also makes the description."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airlock import exceptions, import_calls, imports, models, outbox, queries, recalls, release, requests
from airlock.login import PREFIX
from airlock.pages import analyst, approver
from airlock.pages.page import API, ROOM, house, render, visitor
from airlock.pages.show import number
from airlock.tables import RequestRow
from policies.facts import Role
from tre import __version__
from tre.errors import NotFound, Refused, Unreadable
from tre.governance import accounts, projects
from tre.settings import Settings

V1 = f"{API}v1/"
IMPORTS = f"{V1}imports"
LISTS = ("own", "queue", "decided", "projects")
MOST = 100
_FAULTS = {
    401: "no session, or not the room's token",
    403: "the rules say no",
    404: "no such thing, or none that you may know of",
    409: "not from here, or not by you",
    422: "what was sent cannot be read",
    503: "try again",
}

Body = Any  # each call takes the model that its row of the table names


class Call(NamedTuple):
    """One thing a program can ask."""

    method: str
    path: str
    does: Callable[[Request, Body], BaseModel | Response]
    about: str
    takes: type[BaseModel] | None
    gives: type[BaseModel] | str
    """A model, or the media type of a file."""
    status: int = 200


# --- for people's programs --------------------------------------------------------------------------------------------
def listed(request: Request, _: None) -> models.Exports:
    """List requests: `?list=own` (if nothing is said), `queue`, `decided` or `projects`."""
    here, who, now = house(request), visitor(request), house(request).clock()
    which = request.query_params.get("list", "own")
    if which not in LISTS:
        raise Unreadable(f"list: say one of {', '.join(LISTS)}")
    with here.records.read() as session:
        found: Sequence[RequestRow] = ()
        if which == "own":
            found = queries.own(session, who.name)
        elif which == "projects":
            mine = projects.of_person(session, who.name, now=now)
            found = [row for p in mine for row in queries.of_project(session, p.name, who.name, now=now)]
        elif Role.APPROVER in who.roles:
            found = (
                queries.queue(session, who.name, now=now) if which == "queue" else queries.decided(session, who.name)
            )
        return models.Exports(requests=_seen(session, request, found, who.name))


def submit(request: Request, body: models.Ask) -> models.Export:
    """Ask for files to leave."""
    return _submit(request, visitor(request).name, body.project, body)


def shown(request: Request, _: None) -> models.Detailed:
    """Show a request with its votes, comments and changes, as far as they are open to you."""
    here, who, now = house(request), visitor(request), house(request).clock()
    with here.records.read() as session:
        seen = queries.detail(session, number(request), who.name, now=now)
        said = queries.as_json(session, here.settings, number(request), who.name, now=now)
    return models.Detailed.model_validate(
        {
            **said,
            "votes_in": seen.votes_in,
            "votes": [_fields(vote, models.Voted) for vote in seen.votes],
            "comments": [_fields(comment, models.Said) for comment in seen.comments],
            "changes": [_fields(change, models.Change) for change in seen.changes],
        }
    )


def findings(request: Request, _: None) -> models.Findings:
    """Show what the checks found in each file."""
    here, who, now = house(request), visitor(request), house(request).clock()
    with here.records.read() as session:
        seen = queries.detail(session, number(request), who.name, now=now)
        said = queries.as_json(session, here.settings, number(request), who.name, now=now)
    return models.Findings.model_validate({"checked": seen.round.checked_at is not None, "files": said["files"]})


def resubmit(request: Request, body: models.Files) -> models.Export:
    """Submit a returned request again, with files and reason."""
    return _resubmit(request, visitor(request).name, body)


def withdraw(request: Request, _: None) -> models.Export:
    """Take a request back."""
    return _withdraw(request, visitor(request).name)


def vote(request: Request, body: models.Vote) -> models.Export:
    """Vote, with a fresh code, on the files you saw."""
    here, who, at = house(request), visitor(request), number(request)
    each = {position: (on.verdict, on.reason) for position, on in body.files.items()}
    if bool(each) != (body.verdict == approver.EACH):
        raise Unreadable("files: say verdicts of files together with the verdict `each`, and only then")
    approver.cast(
        here, who, at, verdict=body.verdict, reason=body.reason, seen=body.manifest_sha256, code=body.code, each=each,
    )  # fmt: skip
    return _export(request, at, who.name)


def make_exception(request: Request, body: models.Except) -> models.Export:
    """Except one check of one file, with a fresh code, as a member of the committee."""
    here, who, at, now = house(request), visitor(request), number(request), house(request).clock()
    with here.records.read() as session:
        queries.detail(session, at, who.name, now=now)
    purpose = f"export/{at} except {body.check[:40]} {body.manifest_sha256}"
    accounts.check_code(here.records, here.settings, who.name, body.code, now=now, purpose=purpose)
    with here.records.act(who.name, "export.except", f"export/{at}") as session:
        exceptions.grant(
            session, request=at, person=who.name, position=body.position, check=body.check, reason=body.reason,
            seen=body.manifest_sha256, second_factor=True, now=now,
        )  # fmt: skip
    return _export(request, at, who.name)


def comment(request: Request, body: models.Comment) -> models.Detailed:
    """Say something about a request."""
    here, who, at, now = house(request), visitor(request), number(request), house(request).clock()
    with here.records.act(who.name, "export.comment", f"export/{at}") as session:
        queries.detail(session, at, who.name, now=now)
        requests.comment(session, request=at, person=who.name, text=body.text, now=now)
    return shown(request, None)


def link(request: Request, _: None) -> models.Link:
    """Make the link with which the author collects a release, once."""
    here, who, at = house(request), visitor(request), number(request)
    with here.records.act(who.name, "export.link", f"export/{at}") as session:
        token = release.link(session, here.settings, request=at, person=who.name, now=here.clock())
    return models.Link(token=token, url=f"{here.settings.airlock_origin}{PREFIX}collect/{token}")


def collect(request: Request, _: None) -> Response:
    """Collect the released files and the certificate as one archive."""
    return analyst.collect(request)


def certificate(request: Request, _: None) -> Response:
    """Get the signed certificate of a release."""
    return analyst.certificate(request)


def recall(request: Request, body: models.Recall) -> models.Export:
    """Call back, with a fresh code, all that left of a request."""
    here, who, at, now = house(request), visitor(request), number(request), house(request).clock()
    accounts.check_code(here.records, here.settings, who.name, body.code, now=now, purpose=f"export/{at} recall")
    with here.records.act(who.name, "export.recall", f"export/{at}") as session:
        recalls.recall(
            session, here.settings, request=at, person=who.name, reason=body.reason, second_factor=True, now=now
        )
        said = queries.host_json(session, here.settings, at)
    return models.Export.model_validate({**said, "may": []})


def incidents(request: Request, _: None) -> models.Incidents:
    """List what was called back, for admins and the committee."""
    here, who = house(request), visitor(request)
    if not set(recalls.ANSWER) & set(who.roles):
        raise Refused("incidents are for admins and the committee")
    with here.records.read() as session:
        return models.Incidents.model_validate({"incidents": list(recalls.listed(session))})


def close_incident(request: Request, body: models.Closing) -> models.Incidents:
    """Close an incident, with a fresh code, as one of the committee."""
    here, who, at, now = house(request), visitor(request), number(request), house(request).clock()
    accounts.check_code(here.records, here.settings, who.name, body.code, now=now, purpose=f"incident/{at} close")
    with here.records.act(who.name, "export.incident.close", f"incident/{at}") as session:
        recalls.close(session, incident=at, person=who.name, outcome=body.outcome, second_factor=True, now=now)
    return incidents(request, None)


# --- for rooms --------------------------------------------------------------------------------------------------------
def room_outbox(request: Request, _: None) -> models.Outbox:
    """List the files of this person's outbox in this room's project."""
    lying = outbox.listing(house(request).settings, request.state.project, request.state.person)
    return models.Outbox.model_validate({"files": [file._asdict() for file in lying]})


def room_listed(request: Request, _: None) -> models.Exports:
    """List what this person asked for out of this project."""
    here, now = house(request), house(request).clock()
    person, project = request.state.person, request.state.project
    with here.records.read() as session:
        found = [row for row in queries.of_project(session, project, person, now=now) if row.requester == person]
        return models.Exports(requests=_seen(session, request, found, person))


def room_submit(request: Request, body: models.Files) -> models.Export:
    """Ask for files of this room's outbox to leave."""
    return _submit(request, request.state.person, request.state.project, body)


def room_shown(request: Request, _: None) -> models.Export:
    """Show a request that was made in this room."""
    return _export(request, _of_room(request), request.state.person)


def room_resubmit(request: Request, body: models.Files) -> models.Export:
    """Submit a returned request of this room again."""
    _of_room(request)
    return _resubmit(request, request.state.person, body)


def room_withdraw(request: Request, _: None) -> models.Export:
    """Take back a request of this room."""
    _of_room(request)
    return _withdraw(request, request.state.person)


M = models
CALLS = (
    Call("GET", f"{V1}requests", listed, "List requests", None, M.Exports),
    Call("POST", f"{V1}requests", submit, "Ask for files to leave", M.Ask, M.Export, 201),
    Call("GET", f"{V1}requests/{{id:count}}", shown, "Show a request", None, M.Detailed),
    Call("GET", f"{V1}requests/{{id:count}}/findings", findings, "Show what the checks found", None, M.Findings),
    Call("POST", f"{V1}requests/{{id:count}}/resubmit", resubmit, "Submit a returned request again", M.Files, M.Export),
    Call("POST", f"{V1}requests/{{id:count}}/withdraw", withdraw, "Take a request back", None, M.Export),
    Call("POST", f"{V1}requests/{{id:count}}/vote", vote, "Vote on the files you saw", M.Vote, M.Export),
    Call("POST", f"{V1}requests/{{id:count}}/exceptions", make_exception, "Except a check", M.Except, M.Export),
    Call("POST", f"{V1}requests/{{id:count}}/comments", comment, "Comment on a request", M.Comment, M.Detailed, 201),
    Call("POST", f"{V1}requests/{{id:count}}/link", link, "Make a link to collect, once", None, M.Link, 201),
    Call("GET", f"{V1}requests/{{id:count}}/certificate", certificate, "Get the certificate", None, "application/json"),
    Call("POST", f"{V1}collect/{{token}}", collect, "Collect a release, once", None, "application/zip"),
    Call("POST", f"{V1}requests/{{id:count}}/recall", recall, "Call back what left", M.Recall, M.Export),
    Call("GET", f"{V1}incidents", incidents, "List what was called back", None, M.Incidents),
    Call("POST", f"{V1}incidents/{{id:count}}/close", close_incident, "Close an incident", M.Closing, M.Incidents),
    Call("GET", IMPORTS, import_calls.imports_listed, "List imports", None, import_calls.Comings),
    Call("POST", IMPORTS, import_calls.import_asked, "Bring files", import_calls.Bring, import_calls.Coming, 201),
    Call("GET", f"{IMPORTS}/{{id:count}}", import_calls.import_shown, "Show an import", None, import_calls.Coming),
    Call("GET", f"{IMPORTS}/{{id:count}}/files/{{position:count}}", import_calls.import_file, "Get a file of it", None,
         "application/octet-stream"),
    Call("POST", f"{IMPORTS}/{{id:count}}/vote", import_calls.import_voted, "Decide on an import", import_calls.Decide,
         import_calls.Coming),
    Call("POST", f"{IMPORTS}/{{id:count}}/withdraw", import_calls.import_withdrawn, "Take it back", None,
         import_calls.Coming),
    Call("GET", f"{ROOM}outbox", room_outbox, "List what lies in this room's outbox", None, M.Outbox),
    Call("GET", f"{ROOM}requests", room_listed, "List this room's requests", None, M.Exports),
    Call("POST", f"{ROOM}requests", room_submit, "Ask out of this room", M.Files, M.Export, 201),
    Call("GET", f"{ROOM}requests/{{id:count}}", room_shown, "Show a request of this room", None, M.Export),
    Call("POST", f"{ROOM}requests/{{id:count}}/resubmit", room_resubmit, "Submit again", M.Files, M.Export),
    Call("POST", f"{ROOM}requests/{{id:count}}/withdraw", room_withdraw, "Take a request back", None, M.Export),
)  # fmt: skip


def routes() -> list[Route]:
    """Make a route for each call, and for the description of them all."""
    made = [Route(call.path, _endpoint(call), methods=[call.method], middleware=_body(call)) for call in CALLS]
    return [*made, Route(f"{API}openapi.json", described), Route(f"{PREFIX}api", readable)]


def _body(call: Call) -> list[Middleware]:
    """Files are brought in the body of one call; no other may be as long."""
    files = call.takes is import_calls.Bring
    return [Middleware(RequestBodyLimitMiddleware, max_body_size=imports.LARGEST)] if files else []


def described(request: Request) -> Response:
    """Answer with the description for machines."""
    return JSONResponse(document(house(request).settings))


def readable(request: Request) -> Response:
    """Show the description to people, made from the same document."""
    return render(request, "api.html", document=document(house(request).settings), faults=_FAULTS)


def document(settings: Settings) -> dict[str, Any]:  # an OpenAPI document has no narrower type
    """Describe every call in OpenAPI 3.1."""
    used = [model for call in CALLS for model in (call.takes, call.gives) if isinstance(model, type)]
    wanted = [(model, "serialization") for model in dict.fromkeys([*used, models.Fault])]
    _, schemas = models_json_schema(wanted, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]  # mode is a literal
    paths: dict[str, Any] = {}
    for call in CALLS:
        path = call.path.replace(":count", "")
        paths.setdefault(path, {})[call.method.lower()] = _described(call, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hortus airlock", "version": __version__, "summary": "How results leave"},
        "servers": [{"url": settings.airlock_origin}],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "airlock"},
                "room": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _described(call: Call, path: str) -> dict[str, Any]:  # a part of the document
    media = "application/json" if isinstance(call.gives, type) else call.gives
    schema = _ref(call.gives) if isinstance(call.gives, type) else {"type": "string", "format": "binary"}
    fault = {"application/json": {"schema": _ref(models.Fault)}}
    said: dict[str, Any] = {
        "operationId": call.does.__name__,
        "summary": call.about,
        "description": call.does.__doc__,
        "security": [{"room" if path.startswith(ROOM) else "session": []}],
        "parameters": _parameters(call, path),
        "responses": {
            str(call.status): {"description": "done", "content": {media: {"schema": schema}}},
            **{str(status): {"description": about, "content": fault} for status, about in _FAULTS.items()},
        },
    }
    if call.takes:
        said["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(call.takes)}}}
    return said


def _parameters(call: Call, path: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    if "{id}" in path:
        found.append({"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}})
    if "{position}" in path:
        found.append({"name": "position", "in": "path", "required": True, "schema": {"type": "integer"}})
    if "{token}" in path:
        found.append({"name": "token", "in": "path", "required": True, "schema": {"type": "string"}})
    if call.does is listed:
        found.append({"name": "list", "in": "query", "schema": {"enum": list(LISTS), "default": LISTS[0]}})
    if path.startswith(ROOM):
        heads = ("X-Tre-Person", "X-Tre-Project")
        found += [{"name": head, "in": "header", "required": True, "schema": {"type": "string"}} for head in heads]
    return found


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _endpoint(call: Call) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = _read(call.takes, request, await request.body()) if call.takes else None
        answer = await run_in_threadpool(call.does, request, body)
        if isinstance(answer, Response):
            return answer
        return JSONResponse(answer.model_dump(mode="json"), status_code=call.status)

    return endpoint


def _read(model: type[BaseModel], request: Request, body: bytes) -> BaseModel:
    """Read what was sent; a fault names the field and never its value."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Unreadable("send JSON, with Content-Type: application/json")
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise Unreadable(f"{where[:60]}: {first['msg']}") from None


def _submit(request: Request, person: str, project: str, body: models.Ask | models.Files) -> models.Export:
    here, now = house(request), house(request).clock()
    with here.records.read() as session:
        projects.get(session, project)
    files = requests.ready(
        here.records, here.settings, project=project, person=person, paths=body.paths, about=body.about, now=now
    )
    with here.records.act(person, "export.submit", f"project/{project}") as session:
        row = requests.submit(
            session, here.settings, project=project, person=person, ready=files, why=body.why, now=now
        )
    return _export(request, row.id, person)


def _resubmit(request: Request, person: str, body: models.Files) -> models.Export:
    here, at, now = house(request), number(request), house(request).clock()
    files = requests.ready(
        here.records, here.settings, request=at, person=person, paths=body.paths, about=body.about, now=now
    )
    with here.records.act(person, "export.submit", f"export/{at}") as session:
        requests.resubmit(session, here.settings, request=at, person=person, ready=files, why=body.why, now=now)
    return _export(request, at, person)


def _withdraw(request: Request, person: str) -> models.Export:
    here, at = house(request), number(request)
    with here.records.act(person, "export.withdraw", f"export/{at}") as session:
        requests.withdraw(session, request=at, person=person, now=here.clock())
    return _export(request, at, person)


def _of_room(request: Request) -> int:
    """Return the request's number if it was made by this person in this project: a room knows of no other."""
    here, at = house(request), number(request)
    with here.records.read() as session:
        seen = queries.detail(session, at, request.state.person, now=here.clock()).request
    if (seen.requester, seen.project) != (request.state.person, request.state.project):
        raise NotFound(f"no export request {at}, or none that you may know of")
    return at


def _seen(session: Session, request: Request, rows: Sequence[RequestRow], person: str) -> list[models.Export]:
    here, found = house(request), []
    for row in rows[:MOST]:
        try:
            said = queries.as_json(session, here.settings, row.id, person, now=here.clock())
        except NotFound:  # voted on once, and no longer to be known
            continue
        found.append(models.Export.model_validate(said))
    return found


def _export(request: Request, at: int, person: str) -> models.Export:
    here = house(request)
    with here.records.read() as session:
        return models.Export.model_validate(queries.as_json(session, here.settings, at, person, now=here.clock()))


def _fields(row: object, model: type[BaseModel]) -> dict[str, object]:
    return {name: getattr(row, name) for name in model.model_fields}
