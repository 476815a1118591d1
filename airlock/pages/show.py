"""A request, and each of its files, as the person who looks may see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from airlock import asks, queries, staging
from airlock.pages import previews, views
from airlock.pages.page import house, render, visitor
from airlock.queries import Detail
from airlock.requests import QUORUM
from airlock.states import State, Verdict
from airlock.tables import FindingRow
from policies.facts import Role
from tre.errors import NotFound, Refused, TREError, Unreadable
from tre.governance import projects
from tre.settings import Settings

MOST = 40
SMALL = 1_000_000
"""Bytes of a file that is shown on the request's own page."""
VERDICTS = (
    (Verdict.APPROVE, "Approve", "These files may leave as they are."),
    (Verdict.SEND_BACK, "Send back", "The author should change something and submit again."),
    (Verdict.REJECT, "Reject", "They must not leave, and no change would help."),
)


@dataclass(frozen=True)
class Problem:
    """What went wrong with a form; shown above it, with everything that was typed kept."""

    message: str
    rules: Sequence[str] = ()
    remedies: Sequence[str] = ()
    status: int = 422

    @classmethod
    def of(cls, error: TREError) -> "Problem":
        """Take over what an error says."""
        if isinstance(error, Refused):
            return cls(str(error), error.rules, error.remedies, error.status)
        return cls(str(error), status=error.status)


def home(request: Request) -> Response:
    """Show what waits for this person, and what they asked for."""
    here, who = house(request), visitor(request)
    now = here.clock()
    with here.records.read() as session:
        own = queries.own(session, who.name)
        queue = queries.queue(session, who.name, now=now) if Role.APPROVER in who.roles else ()
        decided = queries.decided(session, who.name) if Role.APPROVER in who.roles else ()
        others = [
            row
            for project in projects.of_person(session, who.name, now=now)
            for row in queries.of_project(session, project.name, who.name, now=now)
            if row.requester != who.name
        ]
        lists = {
            name: _details(session, [row.id for row in rows[:MOST]], request)
            for name, rows in {"own": own, "queue": queue, "decided": decided, "others": others}.items()
        }
    return render(request, "home.html", now=now, turn=views.turn, next=views.next_step, lists=lists)


def show(request: Request) -> Response:
    """Show one request."""
    return page(request, number(request))


def page(
    request: Request, at: int, *, problem: Problem | None = None, filled: Mapping[str, str] | None = None
) -> Response:
    """Show one request, with what went wrong with its form if something did."""
    here, who = house(request), visitor(request)
    now = here.clock()
    with here.records.read() as session:
        detail = queries.detail(session, at, who.name, now=now)
        resting = not asks.in_force(session, detail.request.project, now=now)
    state = State(detail.request.state)
    return render(
        request, "request.html", status=problem.status if problem else 200, detail=detail, now=now,
        bar=views.bar(state), turn=views.turn(detail), next=views.next_step(detail),
        seen=state, moving=views.moving(state), views=_views(here.settings, detail),
        votes=detail.votes, blind=state is State.IN_REVIEW, quorum=QUORUM, verdicts=VERDICTS, problem=problem,
        resting=resting,
        voted=any(v.approver == who.name and v.round == detail.request.round for v in detail.votes),
        filled={"verdict": "", "reason": "", **(filled or {})},
    )  # fmt: skip


def _views(settings: Settings, detail: Detail) -> dict[int, previews.Preview]:
    """Show each small file of the newest round in its place on the page; the others have a page of their own."""
    return {
        row.position: previews.of(
            row.kind,
            staging.kept(settings, row.sha256),
            wheres=[found.where for found in findings_of(detail, row.round, row.position)],
        )
        for row in detail.files
        if row.round == detail.request.round and row.size <= SMALL
    }


def standing(request: Request) -> Response:
    """Show where a request stands, for a page that is open and asks again."""
    here, who = house(request), visitor(request)
    now = here.clock()
    with here.records.read() as session:
        detail = queries.detail(session, number(request), who.name, now=now)
    state = State(detail.request.state)
    seen = request.query_params.get("seen", state)
    return render(
        request, "_standing.html", detail=detail, now=now, bar=views.bar(state), turn=views.turn(detail),
        next=views.next_step(detail), seen=seen, moving=views.moving(state),
    )  # fmt: skip


def file(request: Request) -> Response:
    """Show one file: what the checks say about it, and what is in it."""
    here, who = house(request), visitor(request)
    at, this = number(request), int(request.path_params["round"])
    position, now = int(request.path_params["position"]), here.clock()
    with here.records.read() as session:
        row = queries.file(session, at, this, position, who.name, now=now)
        detail = queries.detail(session, at, who.name, now=now)
    found = findings_of(detail, this, position)
    view = previews.of(
        row.kind, staging.kept(here.settings, row.sha256), wheres=[each.where for each in found], first=_first(request)
    )
    return render(request, "file.html", file=row, findings=found, view=view)


def picture(request: Request) -> Response:
    """Send the pixels of a picture, and never anything else, in an answer that is a sandbox of its own."""
    here, who = house(request), visitor(request)
    with here.records.read() as session:
        row = queries.file(
            session, number(request), int(request.path_params["round"]), int(request.path_params["position"]),
            who.name, now=here.clock(),
        )  # fmt: skip
    content = staging.kept(here.settings, row.sha256)
    if not previews.is_picture(row.kind, content):
        raise NotFound("this file is not a picture")
    return Response(content, media_type=previews.PICTURES[row.kind], headers=previews.SEALED)


def findings_of(detail: Detail, this: int, position: int) -> tuple[FindingRow, ...]:
    """Return the findings about one file, if it is of the round on the table."""
    if this != detail.request.round:
        return ()
    return tuple(found for found in detail.findings if found.position == position)


def number(request: Request) -> int:
    """Return the number of the request in the address; the route takes digits only."""
    return int(request.path_params["id"])


def _first(request: Request) -> int:
    given = request.query_params.get("first", "0")
    if not given.isascii() or not given.isdigit() or len(given) > 9:  # noqa: PLR2004 -- more than any file has lines
        raise Unreadable("first: give the number of the row to begin with")
    return int(given)


def _details(session: Session, ids: Sequence[int], request: Request) -> list[Detail]:
    """Each as this person may see it; one that they voted on and may no longer see is left out."""
    here, who = house(request), visitor(request)
    found = []
    for each in ids:
        try:
            found.append(queries.detail(session, each, who.name, now=here.clock()))
        except NotFound:
            continue
    return found
