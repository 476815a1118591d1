"""The author's side: ask, correct, withdraw, comment, collect."""

import json
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from airlock import outbox, queries, release, requests
from airlock.pages import asking
from airlock.pages.page import field, go, house, render, visitor
from airlock.pages.show import Problem, number, page
from airlock.queries import Detail
from airlock.states import FileState
from airlock.tables import FileRow, ReleaseRow
from tre.errors import NotFound, TREError, Unreadable
from tre.governance import projects


def fresh(request: Request) -> Response:
    """Show the form for a new request."""
    return _ask(request, request.query_params.get("project", ""))


def submit(request: Request, sent: FormData) -> Response:
    """Ask for files to leave."""
    here, who, now = house(request), visitor(request), house(request).clock()
    project, paths, why = field(sent, "project"), asking.paths(sent), field(sent, "why")
    try:
        said = asking.read(sent)
        with here.records.read() as session:
            projects.get(session, project)
        files = requests.ready(
            here.records, here.settings, project=project, person=who.name, paths=paths, now=now, about=said
        )
        with here.records.act(who.name, "export.submit", f"project/{project}") as session:
            row = requests.submit(
                session, here.settings, project=project, person=who.name, ready=files, why=why, now=now
            )
    except TREError as error:
        return _ask(request, project, problem=Problem.of(error), sent=sent)
    return go(f"requests/{row.id}")


def again(request: Request) -> Response:
    """Show the form to submit a returned request again, with the files of the last round chosen."""
    return _again(request)


def resubmit(request: Request, sent: FormData) -> Response:
    """Submit a returned request again."""
    here, who, at = house(request), visitor(request), number(request)
    paths, why = asking.paths(sent), field(sent, "why")
    try:
        now, said = here.clock(), asking.read(sent)
        files = requests.ready(
            here.records, here.settings, request=at, person=who.name, paths=paths, now=now, about=said
        )
        with here.records.act(who.name, "export.submit", f"export/{at}") as session:
            requests.resubmit(session, here.settings, request=at, person=who.name, ready=files, why=why, now=now)
    except TREError as error:
        return _again(request, problem=Problem.of(error), sent=sent)
    return go(f"requests/{at}")


def withdraw(request: Request) -> Response:
    """Take a request back."""
    here, who, at = house(request), visitor(request), number(request)
    with here.records.act(who.name, "export.withdraw", f"export/{at}") as session:
        requests.withdraw(session, request=at, person=who.name, now=here.clock())
    return go(f"requests/{at}")


def comment(request: Request, sent: FormData) -> Response:
    """Say something about a request that this person may see."""
    here, who, at, now = house(request), visitor(request), number(request), house(request).clock()
    try:
        with here.records.act(who.name, "export.comment", f"export/{at}") as session:
            queries.detail(session, at, who.name, now=now)
            requests.comment(session, request=at, person=who.name, text=field(sent, "text"), now=now)
    except NotFound:
        raise
    except TREError as error:
        return page(request, at, problem=Problem.of(error))
    return go(f"requests/{at}#comments")


def link(request: Request, sent: FormData) -> Response:
    """Make the link with which the author collects what left in a round (the newest unless it is named), once."""
    here, who, at = house(request), visitor(request), number(request)
    this = number_in(sent, "round")
    with here.records.act(who.name, "export.link", f"export/{at}") as session:
        token = release.link(session, here.settings, request=at, person=who.name, now=here.clock(), number=this)
    return go(f"collect/{token}")


def collecting(request: Request) -> Response:
    """Show what a link leads to: a button. Looking at it uses nothing up."""
    return render(request, "collect.html")


def collect(request: Request) -> Response:
    """Send the released files, once."""
    here, who = house(request), visitor(request)
    token = str(request.path_params["token"])
    with here.records.act(who.name, "export.collect", f"person/{who.name}") as session:
        bundle = release.collect(session, here.settings, token=token, person=who.name, now=here.clock())
    return StreamingResponse(
        release.stream(here.settings, bundle),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{bundle.name}"'},
    )


def certificate(request: Request) -> Response:
    """Send the signed certificate of a release to whoever may see the request."""
    here, who, at = house(request), visitor(request), number(request)
    this = number_in(request.query_params, "round")
    with here.records.read() as session:
        detail = queries.detail(session, at, who.name, now=here.clock())
        found = session.get(ReleaseRow, (at, this)) if this else _newest(session, at)
    if found is None:
        raise NotFound(f"nothing of request {detail.request.id} is released: there is no certificate yet")
    name = f"certificate-{at}-{found.round}.json"
    return Response(
        found.certificate,
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _newest(session: Session, at: int) -> ReleaseRow | None:
    """Return the last release of a request; rounds after it may have ended without one."""
    query = select(ReleaseRow).where(ReleaseRow.request == at).order_by(ReleaseRow.round.desc())
    return session.scalars(query.limit(1)).first()


def _ask(request: Request, project: str, *, problem: Problem | None = None, sent: FormData | None = None) -> Response:
    here, who = house(request), visitor(request)
    with here.records.read() as session:
        mine = projects.of_person(session, who.name, now=here.clock())
    names = [row.name for row in mine]
    project = project or (names[0] if len(names) == 1 else "")
    if project and project not in names:
        raise NotFound("no such project of yours")
    return _form(request, project, mine, problem=problem, sent=sent)


def _again(request: Request, *, problem: Problem | None = None, sent: FormData | None = None) -> Response:
    here, who, at = house(request), visitor(request), number(request)
    with here.records.read() as session:
        detail = queries.detail(session, at, who.name, now=here.clock())
        mine = projects.of_person(session, who.name, now=here.clock())
        out = frozenset(session.scalars(_LEFT.where(FileRow.request == at)))
    if "submit" not in detail.may:
        return page(
            request,
            at,
            problem=problem or Problem("only its author submits a request again, once it is returned", status=409),
        )
    return _form(request, detail.request.project, mine, again=detail, out=out, problem=problem, sent=sent)


_LEFT = select(FileRow.name).where(FileRow.state == FileState.RELEASED)


def _form(
    request: Request,
    project: str,
    mine: Sequence[object],
    *,
    again: Detail | None = None,
    out: frozenset[str] = frozenset(),
    problem: Problem | None,
    sent: FormData | None,
) -> Response:
    """Show the form; of a request of which a part has left, only what has not."""
    here, who = house(request), visitor(request)
    lying = outbox.listing(here.settings, project, who.name) if project else ()
    lying = tuple(file for file in lying if file.name not in out)
    files = again.files if again else ()
    chosen = asking.paths(sent) if sent is not None else tuple(file.name for file in files)
    before = {file.name: json.loads(file.about) for file in files}
    why = field(sent, "why") if sent is not None else again.round.why if again else ""
    return render(
        request, "ask.html", status=problem.status if problem else 200, projects=mine, project=project,
        lines=asking.lines(lying, chosen, before, sent), described=asking.DESCRIBED, sorts=asking.SORTS,
        out=sorted(out),
        again=again.request.id if again else 0, problem=problem, why=why,
    )  # fmt: skip


def number_in(sent: FormData | QueryParams, name: str) -> int | None:
    """Read a small number that was sent; nothing if none was."""
    given = str(sent.get(name, ""))
    if given and not (given.isascii() and given.isdigit() and len(given) <= 9):  # noqa: PLR2004 -- more there are not
        raise Unreadable(f"{name}: give a number")
    return int(given) if given else None
