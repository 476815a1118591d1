"""The author's side: ask, correct, withdraw, comment, collect."""

from collections.abc import Mapping, Sequence

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from airlock import outbox, queries, release, requests
from airlock.pages.page import field, go, house, render, visitor
from airlock.pages.show import Problem, number, page
from tre.errors import NotFound, TREError
from tre.governance import projects


def fresh(request: Request) -> Response:
    """Show the form for a new request."""
    return _ask(request, request.query_params.get("project", ""))


def submit(request: Request, sent: FormData) -> Response:
    """Ask for files to leave."""
    here, who, now = house(request), visitor(request), house(request).clock()
    project, paths, why = field(sent, "project"), _paths(sent), field(sent, "why")
    try:
        with here.records.read() as session:
            projects.get(session, project)
        with here.records.act(who.name, "export.submit", f"project/{project}") as session:
            row = requests.submit(
                session, here.settings, project=project, person=who.name, paths=paths, why=why, now=now
            )
    except TREError as error:
        return _ask(request, project, problem=Problem.of(error), filled={"paths": paths, "why": why})
    return go(f"requests/{row.id}")


def again(request: Request) -> Response:
    """Show the form to submit a returned request again, with the files of the last round chosen."""
    return _again(request, filled=None)


def resubmit(request: Request, sent: FormData) -> Response:
    """Submit a returned request again."""
    here, who, at = house(request), visitor(request), number(request)
    paths, why = _paths(sent), field(sent, "why")
    try:
        with here.records.act(who.name, "export.submit", f"export/{at}") as session:
            requests.resubmit(
                session, here.settings, request=at, person=who.name, paths=paths, why=why, now=here.clock()
            )
    except TREError as error:
        return _again(request, problem=Problem.of(error), filled={"paths": paths, "why": why})
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


def link(request: Request) -> Response:
    """Make the link with which the author collects, once."""
    here, who, at = house(request), visitor(request), number(request)
    with here.records.act(who.name, "export.link", f"export/{at}") as session:
        token = release.link(session, here.settings, request=at, person=who.name, now=here.clock())
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
    with here.records.read() as session:
        detail = queries.detail(session, at, who.name, now=here.clock())
    if detail.released is None:
        raise NotFound(f"request {at} is not released: there is no certificate yet")
    name = f"certificate-{at}.json"
    return Response(
        detail.released.certificate,
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _ask(
    request: Request, project: str, *, problem: Problem | None = None, filled: Mapping[str, object] | None = None
) -> Response:
    here, who = house(request), visitor(request)
    with here.records.read() as session:
        mine = projects.of_person(session, who.name, now=here.clock())
    names = [row.name for row in mine]
    project = project or (names[0] if len(names) == 1 else "")
    if project and project not in names:
        raise NotFound("no such project of yours")
    return _form(request, project, mine, again=0, problem=problem, filled=filled or {"paths": (), "why": ""})


def _again(request: Request, *, filled: Mapping[str, object] | None, problem: Problem | None = None) -> Response:
    here, who, at = house(request), visitor(request), number(request)
    with here.records.read() as session:
        detail = queries.detail(session, at, who.name, now=here.clock())
        mine = projects.of_person(session, who.name, now=here.clock())
    if "submit" not in detail.may:
        return page(
            request,
            at,
            problem=problem or Problem("only its author submits a request again, once it is returned", status=409),
        )
    filled = filled or {"paths": tuple(file.name for file in detail.files), "why": detail.round.why}
    return _form(request, detail.request.project, mine, again=at, problem=problem, filled=filled)


def _form(
    request: Request,
    project: str,
    mine: Sequence[object],
    *,
    again: int,
    problem: Problem | None,
    filled: Mapping[str, object],
) -> Response:
    here, who = house(request), visitor(request)
    lying = outbox.listing(here.settings, project, who.name) if project else ()
    return render(
        request, "ask.html", status=problem.status if problem else 200, projects=mine, project=project, lying=lying,
        again=again, problem=problem, filled=filled,
    )  # fmt: skip


def _paths(sent: FormData) -> tuple[str, ...]:
    return tuple(path for path in sent.getlist("paths") if isinstance(path, str))
