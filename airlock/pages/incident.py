"""What left and should not have: called back on a page, looked into on another."""

from sqlalchemy import select
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from airlock import recalls
from airlock.pages.page import field, go, house, render, visitor
from airlock.pages.show import Problem, number, page
from airlock.tables import IncidentRow, RequestRow
from policies.facts import Role
from tre.errors import NotFound, TREError, Unreadable
from tre.governance import accounts, projects

WATCH = frozenset({Role.ADMIN, Role.COMMITTEE, Role.CHAIR, Role.AUDITOR})
"""Who answers for the house sees every incident; others see those of their requests on these requests' pages."""
CLOSE = frozenset({Role.COMMITTEE, Role.CHAIR})


def recall(request: Request, sent: FormData) -> Response:
    """Call back what left of a request, from its page."""
    at, filled = number(request), {"recall": field(sent, "recall")}
    try:
        _recall(request, at, filled["recall"], field(sent, "code"))
    except NotFound:
        raise
    except TREError as error:
        return page(request, at, problem=Problem.of(error), filled=filled)
    return go(f"requests/{at}#left")


def incidents(request: Request) -> Response:
    """Show every incident, and the form with which who answers for the house calls a release back."""
    return _incidents(request)


def recall_by_number(request: Request, sent: FormData) -> Response:
    """Call back what left of a request that one may not otherwise see."""
    filled = {name: field(sent, name) for name in ("request", "recall")}
    try:
        given = filled["request"].strip()
        if not given.isascii() or not given.isdigit() or len(given) > 9:  # noqa: PLR2004 -- more there are not
            raise Unreadable("request: give the number of the export request")
        _recall(request, int(given), filled["recall"], field(sent, "code"))
    except TREError as error:
        return _incidents(request, problem=Problem.of(error), filled=filled)
    return go("incidents")


def close(request: Request, sent: FormData) -> Response:
    """Say what came of an incident."""
    here, who, at = house(request), visitor(request), number(request)
    outcome = field(sent, "outcome")
    _watches(request)
    try:
        _said(outcome, "outcome")
        code, now = field(sent, "code"), here.clock()
        accounts.check_code(here.records, here.settings, who.name, code, now=now, purpose=f"incident/{at} close")
        with here.records.act(who.name, "export.incident.close", f"incident/{at}") as session:
            recalls.close(session, incident=at, person=who.name, outcome=outcome, second_factor=True, now=now)
    except TREError as error:
        return _incidents(request, problem=Problem.of(error), filled={f"outcome-{at}": outcome})
    return go("incidents")


def _recall(request: Request, at: int, reason: str, code: str) -> None:
    here, who = house(request), visitor(request)
    now = here.clock()
    _said(reason, "reason")
    accounts.check_code(here.records, here.settings, who.name, code, now=now, purpose=f"export/{at} recall")
    with here.records.act(who.name, "export.recall", f"export/{at}") as session:
        recalls.recall(session, here.settings, request=at, person=who.name, reason=reason, second_factor=True, now=now)


def _said(text: str, name: str) -> None:
    """Say what is missing before a code is spent."""
    if not text.strip():
        raise Unreadable(f"{name}: write a sentence")


def _watches(request: Request) -> None:
    if not WATCH & set(visitor(request).roles):
        raise NotFound("no such page for you: incidents of your requests are on their pages")


def _incidents(request: Request, *, problem: Problem | None = None, filled: dict[str, str] | None = None) -> Response:
    here, who = house(request), visitor(request)
    _watches(request)
    with here.records.read() as session:
        asked = select(IncidentRow, RequestRow).join(RequestRow, RequestRow.id == IncidentRow.request)
        rows = session.execute(asked.order_by(IncidentRow.closed_at.is_not(None), IncidentRow.id.desc())).all()
        closes = bool(CLOSE & set(who.roles))
        mine = {
            one.id
            for one, row in rows
            if closes and one.closed_at is None and who.name != row.requester
            and not projects.ever_member(session, row.project, who.name)
        }  # fmt: skip
    return render(
        request, "incidents.html", status=problem.status if problem else 200, rows=rows, mine=mine, problem=problem,
        calls=bool((WATCH - {Role.AUDITOR}) & set(who.roles)), filled={"request": "", "recall": "", **(filled or {})},
    )  # fmt: skip
