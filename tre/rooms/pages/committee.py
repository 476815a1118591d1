"""The committee reads, votes and decides here; each decisive act is confirmed by a code, for exactly what was shown."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy.orm import Session

from tre.errors import NotFound, TREError, Unreadable
from tre.governance.applications import active, duties, papers, review
from tre.governance.applications import form as forms
from tre.governance.applications.form import FIELDS
from tre.governance.applications.review import Asked, Condition
from tre.governance.applications.states import Vote
from tre.governance.desk import committee as desk
from tre.governance.desk.application import duties as owed
from tre.rooms import house
from tre.rooms.pages.applications import LABELS
from tre.rooms.pages.form import Field, Sent
from tre.rooms.pages.page import Page
from tre.rooms.pages.telling import Problem

Doing = Callable[[Session, int, str, Sent, datetime], object]
LONGEST = 2_000
CODE = Field("code", 8)
WHY = Field("why", LONGEST, lines=True)
WORDS = {"why": "reason", "choice": "vote", "allows": "ruling"}
MOST_CONDITIONS = 5
VOTES = (
    (Vote.APPROVE, "Approve", "The purpose is good, these people may work with these data, until that end."),
    (Vote.REJECT, "Reject", "Not this. What a correction would help is better returned."),
)
ASKED = (
    (Asked.NONE, "nothing beside the smallest group"),
    (Asked.DIVERSE, "sensitive values must differ within each group"),
    (Asked.CLOSE, "sensitive values in each group must be spread as in all the data"),
    (Asked.PUBLIC, "as for data that are published"),
    (Asked.PARTNERS, "as for data that go to partners"),
)


@dataclass(frozen=True, kw_only=True)
class Act:
    """Something that is done with an application before the committee."""

    entry: str
    """What the log calls it."""
    fields: tuple[Field, ...]
    do: Doing
    needed: tuple[str, ...] = ()
    """Fields that must not be empty; said before a code is spent."""
    confirmed: bool = False
    """It asks for the person's code."""


class Queue(Page):
    """What is before the committee."""

    async def get(self) -> None:
        """Show whose turn it is."""
        person, now = self.person, self.now
        queue = await self.look(lambda session: desk.queue(session, person, now=now))
        await self.show("committee.html", queue=queue)


class One(Page):
    """One application before the committee."""

    async def get(self, number: str) -> None:
        """Show all that a decision needs."""
        await self.page(int(number))

    async def page(
        self, number: int, *, problem: Problem | None = None, filled: Sent | None = None, tried: str = ""
    ) -> None:
        """Show it; if something went wrong, beside the form where it did, with what was typed."""
        person, now = self.person, self.now
        before = await self.look(lambda session: desk.before(session, house.settings(), number, person, now=now))
        fields = [(each, forms.shown(before.seen.form, each.name)) for each in FIELDS]
        await self.show(
            "review.html", problem=problem, before=before, seen=before.seen, fields=fields, labels=LABELS,
            filled=filled or Sent(), tried=tried, choices=VOTES, asks=ASKED, most=MOST_CONDITIONS,
            shown=active.shown, duty_seen=duties.digest,
        )  # fmt: skip


class Doer(One):
    """What is done with it, each by a form of its own."""

    async def get(self, number: str, verb: str) -> None:  # type: ignore[override]  # an act has no page of its own
        """Lead whoever came by the address to the application."""
        del verb
        self.go(f"committee/{number}")

    async def post(self, number: str, verb: str) -> None:
        """Use up the code for exactly this, then do it; or say in the same place why not."""
        at, person, now, act = int(number), self.person, self.now, ACTS[verb]
        await self.look(lambda session: desk.before(session, house.settings(), at, person, now=now))
        sent = self.form(*act.fields, *((CODE,) if act.confirmed else ()))
        try:
            _whole(sent.sound(), act)
            if verb == "decide":
                await self.look(lambda session: review.settled(session, papers.get(session, at)))
            if act.confirmed:
                await self.confirm(sent["code"], await self.purpose(at, verb, sent))
            await self.act(act.entry, f"application/{at}", lambda session: act.do(session, at, person, sent, now))
        except NotFound:
            raise
        except TREError as error:
            await self.page(at, problem=Problem.of(error), filled=sent, tried=verb)
        else:
            self.go(f"committee/{at}#{verb}")

    async def purpose(self, number: int, verb: str, sent: Sent) -> str:
        """Say what the code confirms: the verb, the form that is on the table, and what was typed."""
        said = await self.look(lambda session: review.confirms(papers.get(session, number), verb))
        typed = {name: value for name, value in sent.items() if name != "code"}
        return f"{said} {sha256(json.dumps(typed, sort_keys=True).encode()).hexdigest()}"


def _whole(sent: Sent, act: Act) -> None:
    if lacking := [name for name in act.needed if not sent[name]]:
        raise Unreadable(f"{WORDS.get(lacking[0], lacking[0])}: is needed")


# --- the acts ---------------------------------------------------------------------------------------------------------
def _triage(session: Session, number: int, person: str, sent: Sent, now: datetime) -> None:
    if not sent["panel"]:
        raise Unreadable("panel: choose who decides")
    review.triage(session, number, person, panel=sent["panel"], now=now)


def _declare(session: Session, number: int, person: str, sent: Sent, now: datetime) -> None:
    if sent["interest"] not in {"none", "some"}:
        raise Unreadable("interest: say whether you have one")
    if sent["interest"] == "some" and not sent["conflict"].strip():
        raise Unreadable("interest: say in a line which one it is")
    review.declare(session, number, person, sent["conflict"] if sent["interest"] == "some" else "", now=now)


def _vote(session: Session, number: int, person: str, sent: Sent, now: datetime) -> None:
    review.vote(session, number, person, sent["choice"], reason=sent["reason"], seen=sent["seen"], now=now)


def _rule(session: Session, number: int, person: str, sent: Sent, now: datetime) -> None:
    if sent["allows"] not in {"yes", "no"}:
        raise Unreadable("ruling: say whether it is allowed")
    review.rule(
        session, number, person, sent["dataset"], sent["point"], allows=sent["allows"] == "yes", reason=sent["reason"],
        now=now,
    )  # fmt: skip


def _decide(session: Session, number: int, person: str, sent: Sent, now: datetime) -> None:
    if sent["seen"] != papers.get(session, number).form_sha256:
        raise Unreadable("the form was changed since you read it: read it again, then decide")
    active.decide(
        session, number, person, until=_day(sent["until"], "end") if sent["until"] else None,
        conditions=_conditions(sent), smallest_k=_count(sent["smallest_k"]), asked=_asked(sent["asked"]),
        why=sent["why"], now=now,
    )  # fmt: skip


def _conditions(sent: Sent) -> tuple[Condition, ...]:
    texts = [(sent[f"condition{at}"], sent[f"due{at}"]) for at in range(MOST_CONDITIONS)]
    return tuple(
        Condition(" ".join(text.split()), _day(due, "condition") if due else None)
        for text, due in texts
        if text.strip()
    )


def _day(said: str, what: str) -> datetime:
    found = forms.moment(said.strip())
    if found is None:
        raise Unreadable(f"{what}: write the day as 2028-06-30")
    return found


def _count(said: str) -> int | None:
    if not said.strip():
        return None
    if not said.strip().isascii() or not said.strip().isdigit():
        raise Unreadable("smallest group: write a number of persons")
    return int(said)


def _asked(said: str) -> Asked:
    try:
        return Asked(said or Asked.NONE)
    except ValueError:
        raise Unreadable("asked of the extract: choose one of the list") from None


def _accept(session: Session, number: int, person: str, sent: Sent, now: datetime) -> None:
    mine = {str(one.id): one.id for one in papers.conditions(session, number)}
    if sent["condition"] not in mine:
        raise NotFound("there is no such condition of this application")
    if not sent["seen"]:
        raise Unreadable("the condition that you read is not named: read it again")
    active.accept(session, mine[sent["condition"]], person, seen=sent["seen"], now=now)


def _duty(session: Session, number: int, person: str, sent: Sent, now: datetime) -> None:
    mine = {str(one.id): one.id for one in owed(session, number)}
    if sent["duty"] not in mine:
        raise NotFound("there is no such duty of this application")
    duties.accept(session, mine[sent["duty"]], person, seen=sent["seen"], now=now)


def _by(verb: Callable[..., object]) -> Doing:
    return lambda session, number, person, sent, now: verb(session, number, person, why=sent["why"], now=now)


SEEN = Field("seen", 64)
DECISION = (
    SEEN, Field("until", 10), Field("smallest_k", 5), Field("asked", 20), WHY,
    *(field for at in range(MOST_CONDITIONS) for field in (Field(f"condition{at}", 1_000), Field(f"due{at}", 10))),
)  # fmt: skip
ACTS: Mapping[str, Act] = {
    "triage": Act(entry="committee.triage", fields=(Field("panel", 30, many=True),), do=_triage),
    "return": Act(entry="committee.return", fields=(WHY,), do=_by(review.send_back), needed=("why",)),
    "declare": Act(entry="committee.declare", fields=(Field("interest", 5), Field("conflict", 1_000)), do=_declare),
    "vote": Act(
        entry="committee.vote",
        fields=(Field("choice", 10), Field("reason", LONGEST, lines=True), SEEN),
        do=_vote,
        needed=("choice", "reason"),
        confirmed=True,
    ),
    "rule": Act(
        entry="committee.rule",
        fields=(Field("dataset", 30), Field("point", 40), Field("allows", 3), Field("reason", LONGEST, lines=True)),
        do=_rule,
        needed=("allows", "reason"),
        confirmed=True,
    ),
    "decide": Act(entry="committee.decide", fields=DECISION, do=_decide, confirmed=True),
    "accept": Act(entry="committee.accept", fields=(Field("condition", 12), SEEN), do=_accept),
    "duty": Act(entry="duty.accept", fields=(Field("duty", 12), SEEN), do=_duty),
    "suspend": Act(entry="committee.suspend", fields=(WHY,), do=_by(active.suspend), needed=("why",), confirmed=True),
    "resume": Act(entry="committee.resume", fields=(WHY,), do=_by(active.resume), needed=("why",), confirmed=True),
    "revoke": Act(entry="committee.revoke", fields=(WHY,), do=_by(active.revoke), needed=("why",), confirmed=True),
}
HANDLERS: list[tuple[str, Any]] = [
    (r"/committee", Queue),
    (r"/committee/([0-9]{1,9})", One),
    (rf"/committee/([0-9]{{1,9}})/({'|'.join(ACTS)})", Doer),
]
