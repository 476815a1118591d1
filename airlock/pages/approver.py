"""The approver's side: one vote, bound to the bytes that were shown, confirmed by a fresh code."""

from contextlib import suppress

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from airlock import queries, requests
from airlock.login import Visitor
from airlock.pages.page import House, field, go, house, visitor
from airlock.pages.show import Problem, number, page
from airlock.states import Verdict
from tre.errors import NotFound, Refused, TREError, Unreadable
from tre.governance import accounts


def vote(request: Request, sent: FormData) -> Response:
    """Vote on a request from its page."""
    at, filled = number(request), {name: field(sent, name) for name in ("verdict", "reason")}
    try:
        cast(
            house(request), visitor(request), at,
            verdict=filled["verdict"], reason=filled["reason"], seen=field(sent, "seen"), code=field(sent, "code"),
        )  # fmt: skip
    except NotFound:
        raise
    except TREError as error:
        return page(request, at, problem=Problem.of(error), filled=filled)
    return go(f"requests/{at}#votes")


def cast(here: House, who: Visitor, at: int, *, verdict: str, reason: str, seen: str, code: str) -> None:
    """Use up the code for exactly this vote, then vote. What is plainly wrong is said before a code is spent."""
    now = here.clock()
    _knows(here, who, at)
    if verdict not in tuple(Verdict):
        raise Unreadable(f"verdict: choose one of {', '.join(Verdict)}")
    if not reason.strip():
        raise Unreadable("reason: write a sentence; the author and the other approver read it")
    purpose = f"export/{at} {verdict} {seen[:64]}"
    accounts.check_code(here.records, here.settings, who.name, code, now=now, purpose=purpose)
    with here.records.act(who.name, "export.vote", f"export/{at}") as session:
        said = requests.same(session, request=at, verdict=Verdict(verdict), reason=reason)
        requests.vote(
            session, request=at, person=who.name, verdicts=said, reason=reason, seen=seen, second_factor=True, now=now
        )


def _knows(here: House, who: Visitor, at: int) -> None:
    """Answer as if there were no such request to who may not know of it; the log has that they tried."""
    try:
        with here.records.read() as session:
            queries.detail(session, at, who.name, now=here.clock())
    except NotFound as none:
        with suppress(Refused), here.records.act(who.name, "export.vote", f"export/{at}"):
            raise Refused("no request that this person may know of") from none
        raise
