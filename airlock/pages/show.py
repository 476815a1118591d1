"""A request, and each of its files, as the person who looks may see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from airlock import asks, queries
from airlock.pages import exhibits, parts, previews, views
from airlock.pages.page import house, render, visitor
from airlock.queries import Detail
from airlock.requests import QUORUM
from airlock.states import FileState, State, Verdict
from airlock.tables import FileRow, IncidentRow, ReleaseRow
from policies.facts import Role
from tre.errors import NotFound, Refused, TREError, Unreadable
from tre.governance import accounts, projects
from tre.records.tables import ProjectRow

MOST = 40
VERDICTS = (
    (Verdict.APPROVE, "Approve", "It may leave as it is shown.", "Approve all"),
    (Verdict.SEND_BACK, "Send back", "The author should change something and submit again.", "Send all back"),
    (Verdict.REJECT, "Reject", "It must not leave, and no change would help.", "Reject all"),
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
        asked = queries.asking(session, who.name, now=now)
        decided = queries.decided(session, who.name) if Role.APPROVER in who.roles else ()
        others = [
            row
            for project in projects.of_person(session, who.name, now=now)
            for row in queries.of_project(session, project.name, who.name, now=now)
            if row.requester != who.name
        ]
        lists = {
            name: _details(session, [row.id for row in rows[:MOST]], request)
            for name, rows in {"own": own, "queue": queue, "decided": decided, "asked": asked, "others": others}.items()
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
        around = _around(session, detail, who.name, now)
        first = "vote" in detail.may and not queries.has_opened(session, detail.request, who.name)
    if first:
        with here.records.act(who.name, "export.open", f"export/{at}") as session:
            queries.opened(session, at, who.name, now=now)
    state = State(detail.request.state)
    given = dict(filled or {})
    return render(
        request, "request.html", status=problem.status if problem else 200, detail=detail, now=now,
        bar=views.bar(state), turn=views.turn(detail), next=views.next_step(detail),
        seen=state, moving=views.moving(state), parts=parts.of(here.settings, detail, given),
        votes=detail.votes, blind=state is State.IN_REVIEW, quorum=QUORUM, verdicts=VERDICTS, problem=problem,
        resting=resting, around=around,
        voted=any(v.approver == who.name and v.round == detail.request.round for v in detail.votes),
        filled={**dict.fromkeys(("verdict", "reason", "recall", "file", "check", "exception"), ""), **given},
    )  # fmt: skip


class Left(NamedTuple):
    """What left in one round."""

    row: ReleaseRow
    files: tuple[FileRow, ...]


class Worker(NamedTuple):
    """Somebody who works, or worked, in the project."""

    name: str
    roles: str
    until: str


class Around(NamedTuple):
    """What stands around a request: who is in its project, what left of it, what came of that."""

    people: tuple[Worker, ...]
    left: tuple[Left, ...]
    incidents: tuple[IncidentRow, ...]
    known: frozenset[int]
    """Earlier requests, named by the checks, that this person may see too."""
    may_recall: bool
    excepts: dict[int, tuple[str, ...]]
    """Position of a file -> checks of which this person may make an exception."""


def _around(session: Session, detail: Detail, person: str, now: datetime) -> Around:
    row = detail.request
    rows = session.scalars(select(ReleaseRow).where(ReleaseRow.request == row.id).order_by(ReleaseRow.round))
    left = tuple(
        Left(one, asks.in_state(session, row, FileState.RELEASED, FileState.RECALLED, number=one.round)) for one in rows
    )
    incidents = session.scalars(select(IncidentRow).where(IncidentRow.request == row.id).order_by(IncidentRow.id))
    named = {one.request for file in detail.files for one in exhibits.of(file).overlaps}
    out = any(one.row.recalled_at is None for one in left)
    aside = person == row.requester or not projects.ever_member(session, row.project, person)
    return Around(
        people=_people(session, row.project, now), left=left, incidents=tuple(incidents),
        known=frozenset(each for each in named if _may_see(session, each, person, now)), may_recall=out and aside,
        excepts=_excepts(session, detail),
    )  # fmt: skip


def _excepts(session: Session, detail: Detail) -> dict[int, tuple[str, ...]]:
    if "except" not in detail.may:
        return {}
    found = {file.position: asks.exceptable(session, detail.request, file) for file in detail.files}
    return {position: checks for position, checks in found.items() if checks}


def _people(session: Session, project: str, now: datetime) -> tuple[Worker, ...]:
    """Name each person of a project once, as their newest membership says; the lead first."""
    lead = session.get_one(ProjectRow, project).lead
    newest = {row.person: row for row in projects.members(session, project)}
    found = []
    for row in sorted(newest.values(), key=lambda each: (each.person != lead, each.person)):
        over = row.removed_at or (row.until if row.until <= now else None)
        roles = sorted(accounts.roles_of(session, row.person))
        until = f"until {over:%d %b %Y}" if over else "now"
        found.append(Worker(row.person, ", ".join([*(["lead"] if row.person == lead else []), *roles]), until))
    return tuple(found)


def _may_see(session: Session, request: int, person: str, now: datetime) -> bool:
    try:
        queries.detail(session, request, person, now=now)
    except NotFound:
        return False
    return True


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
    found = parts.found_of(detail, position) if this == detail.request.round else ()
    view = parts.preview(here.settings, row, found, first=_first(request))
    return render(request, "file.html", file=row, findings=found, view=view)


def picture(request: Request) -> Response:
    """Send the pixels of a picture, and never anything else, in an answer that is a sandbox of its own."""
    here, who = house(request), visitor(request)
    with here.records.read() as session:
        row = queries.file(
            session, number(request), int(request.path_params["round"]), int(request.path_params["position"]),
            who.name, now=here.clock(),
        )  # fmt: skip
    content = parts.content(here.settings, row)
    if not previews.is_picture(row.kind, content):
        raise NotFound("this file is not a picture")
    return Response(content, media_type=previews.PICTURES[row.kind], headers=previews.SEALED)


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
