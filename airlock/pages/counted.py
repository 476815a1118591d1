"""How the airlock does, on a page: to who runs the house all of it, to an approver what is about themselves."""

from collections.abc import Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from airlock import statistics
from airlock.checks import rules
from airlock.pages.page import house, render, visitor
from policies.facts import Role
from tre.errors import NotFound, Unreadable

RUN = frozenset({Role.ADMIN, Role.COMMITTEE, Role.CHAIR, Role.AUDITOR})
"""Who runs the house sees the numbers of every approver; an approver sees their own."""
SEE = RUN | {Role.APPROVER}
DAYS = (30, 90, 365)


def counted(request: Request) -> Response:
    """Show waits, review times, agreement, and what was sent back by which rule."""
    here, who = house(request), visitor(request)
    if not SEE & set(who.roles):
        raise NotFound("no such page for you: where your own requests stand is on their pages")
    days = _days(request)
    with here.records.read() as session:
        said = statistics.of(session, now=here.clock(), days=days)
    if not RUN & set(who.roles):
        said = replace(said, approvers=tuple(each for each in said.approvers if each.name == who.name))
    return render(
        request, "statistics.html", said=said, days=days, choices=DAYS, everybody=bool(RUN & set(who.roles)),
        sentences={name: one.sentence for name, one in rules.rules().items()},
        most={
            "states": _most([count for _, count in said.states]),
            "rules": _most([count for _, count in said.rules]),
            "waits": _most([wait.longest_hours or 0 for wait in said.waits]),
        },
    )  # fmt: skip


def _most(values: Sequence[float]) -> float:
    """Return what fills a bar; never nothing."""
    return max([*values, 0]) or 1


def _days(request: Request) -> int:
    given = request.query_params.get("days", "90")
    if given not in map(str, DAYS):
        raise Unreadable(f"days: choose one of {', '.join(map(str, DAYS))}")
    return int(given)
