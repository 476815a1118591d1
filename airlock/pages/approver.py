"""The approver's side: one vote, bound to the bytes that were shown, confirmed by a fresh code."""

from collections.abc import Mapping
from contextlib import suppress

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from airlock import asks, queries, requests
from airlock.login import Visitor
from airlock.pages.page import House, field, go, house, visitor
from airlock.pages.show import Problem, number, page
from airlock.states import FileState, Verdict
from airlock.tables import RequestRow
from tre.errors import NotFound, Refused, TREError, Unreadable
from tre.governance import accounts

MOST_DIGITS = 4
EACH = "each"
"""Instead of one verdict for all: as it is said at each file."""


def vote(request: Request, sent: FormData) -> Response:
    """Vote on a request from its page: the same on all open files, or on each its own."""
    at = number(request)
    filled = {name: text for name, text in sent.items() if isinstance(text, str) and name != "code"}
    try:
        cast(
            house(request), visitor(request), at, verdict=_one(filled), reason=filled.get("reason", ""),
            seen=field(sent, "seen"), code=field(sent, "code"), each=_each(filled),
        )  # fmt: skip
    except NotFound:
        raise
    except TREError as error:
        return page(request, at, problem=Problem.of(error), filled=filled)
    return go(f"requests/{at}#votes")


def _each(filled: Mapping[str, str]) -> dict[int, tuple[str, str]]:
    """Read what is said at each file: verdict and reason by the file's position."""
    said = {}
    for name, verdict in filled.items():
        head, _, at = name.partition("-")
        if head == "verdict" and at.isascii() and at.isdigit() and len(at) < MOST_DIGITS:
            said[int(at)] = (verdict, filled.get(f"reason-{int(at)}", ""))
    return said


def _one(filled: Mapping[str, str]) -> str:
    """Return the verdict for all; who chose none and said it at the files means those."""
    said = _each(filled)
    verdict = filled.get("verdict") or (EACH if said else "")
    if verdict != EACH and (other := [at for at, (each, _) in sorted(said.items()) if each != verdict]):
        raise Unreadable(f"file {other[0] + 1} has another verdict than all: say all, or each at its file")
    return verdict


def cast(
    here: House,
    who: Visitor,
    at: int,
    *,
    verdict: str,
    reason: str,
    seen: str,
    code: str,
    each: Mapping[int, tuple[str, str]] | None = None,
) -> None:
    """Use up the code for exactly this vote, then vote. What is plainly wrong is said before a code is spent."""
    now = here.clock()
    _knows(here, who, at)
    if verdict not in {*Verdict, EACH}:
        raise Unreadable(f"verdict: choose one of {', '.join(Verdict)}")
    if not reason.strip():
        raise Unreadable("reason: write a sentence; the author and the other approver read it")
    said = None if verdict != EACH else _sound(here, at, each or {})
    purpose = f"export/{at} {_told(verdict, said)} {seen[:64]}"
    accounts.check_code(here.records, here.settings, who.name, code, now=now, purpose=purpose)
    with here.records.act(who.name, "export.vote", f"export/{at}") as session:
        said = said or requests.same(session, request=at, verdict=Verdict(verdict), reason=reason)
        requests.vote(
            session, request=at, person=who.name, verdicts=said, reason=reason, seen=seen, second_factor=True, now=now
        )


def _sound(here: House, at: int, each: Mapping[int, tuple[str, str]]) -> dict[int, tuple[Verdict, str]]:
    """Return what is said of each open file, if it is said of all of them, with its reason."""
    with here.records.read() as session:
        waiting = asks.in_state(session, session.get_one(RequestRow, at), FileState.OPEN)
    for file in waiting:
        verdict, why = each.get(file.position, ("", ""))
        if verdict not in tuple(Verdict):
            raise Unreadable(f"file {file.position + 1}: choose one of {', '.join(Verdict)}")
        if verdict != Verdict.APPROVE and not why.strip():
            raise Unreadable(f"file {file.position + 1}: say why it does not leave, and what would help")
    return {at: (Verdict(verdict), why) for at, (verdict, why) in each.items()}


def _told(verdict: str, said: Mapping[int, tuple[Verdict, str]] | None) -> str:
    """Say in the log what a code confirms."""
    return verdict if said is None else ",".join(f"{at}:{one}" for at, (one, _) in sorted(said.items()))


def _knows(here: House, who: Visitor, at: int) -> None:
    """Answer as if there were no such request to who may not know of it; the log has that they tried."""
    try:
        with here.records.read() as session:
            queries.detail(session, at, who.name, now=here.clock())
    except NotFound as none:
        with suppress(Refused), here.records.act(who.name, "export.vote", f"export/{at}"):
            raise Refused("no request that this person may know of") from none
        raise
