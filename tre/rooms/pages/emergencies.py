"""Break-glass at a browser: ask, second, end, review; everyone concerned is told in the same act."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from tre.errors import NotFound, TREError, Unreadable
from tre.governance import emergencies
from tre.governance.desk import glass
from tre.rooms.pages.doing import CODE, WHY, Doing
from tre.rooms.pages.form import Field, Sent
from tre.rooms.pages.page import Page
from tre.rooms.pages.telling import Problem

NUMBER = r"([0-9]{1,9})"


class Emergencies(Page):
    """All emergencies, to those who open and review them; to others what opened their own door."""

    async def get(self) -> None:
        """Show them."""
        await self.told()

    async def told(self, problem: Problem | None = None, typed: Sent | None = None) -> None:
        """Show them, with what went wrong and what was typed."""
        reader, now = self.person, self.now

        def seen(session: Session) -> tuple[tuple[glass.Glass, ...], bool]:
            return glass.listed(session, reader, now=now), glass.may_ask(session, reader)

        listed, may_ask = await self.look(seen)
        if not listed and not may_ask and not self.roles & emergencies.REVIEWS:
            raise NotFound("there is nothing here for you")
        most = emergencies.MOST_HOURS
        await self.show(
            "emergencies.html", listed=listed, may_ask=may_ask, most=most, problem=problem, typed=typed or {}
        )


class Act(Emergencies, Doing):
    """A step of an emergency; who may take it, its verb says."""

    async def get(self, *words: str) -> None:
        """Show nothing here: looking changes nothing."""
        del words
        self.go("emergencies")

    async def post(self, number: str = "0") -> None:
        """Take it, or say in place why not."""
        sent = self.form(*self.fields)
        try:
            subject, do = self.doing(int(number), sent.sound(), self.person, self.now)
            await self.done(subject, sent, do)
        except TREError as error:
            await self.told(Problem.of(error), sent)
            return
        self.go("emergencies")

    def asked_first(self, session: Session, *, actor: str, now: datetime) -> None:
        """Refuse at once whoever is of none of those; the verb asks for more."""
        del now
        if not glass.listed(session, actor, now=self.now) and not glass.may_ask(session, actor):
            raise NotFound("there is nothing here for you")

    def doing(self, number: int, sent: Sent, actor: str, now: datetime) -> tuple[str, Callable[[Session], object]]:
        """Return what it is about, and what is to be done."""
        raise NotImplementedError


class Ask(Act):
    """Ask that a closed door be opened."""

    fields: ClassVar[tuple[Field, ...]] = (
        CODE, Field("project", 40), Field("person", 40), Field("hours", 2), Field("why", 2000),
    )  # fmt: skip
    verb = "emergency.ask"

    def doing(self, number: int, sent: Sent, actor: str, now: datetime) -> tuple[str, Callable[[Session], object]]:
        """Ask; nothing opens yet."""
        del number
        if not sent["hours"].isascii() or not sent["hours"].isdigit():
            raise Unreadable(f"hours: a number from 1 to {emergencies.MOST_HOURS}")
        do = partial(
            emergencies.ask,
            project=sent["project"],
            person=sent["person"],
            hours=int(sent["hours"]),
            why=sent["why"],
            actor=actor,
            now=now,
        )
        return f"project/{sent['project']}", do


class Second(Act):
    """Open the door as the second of two."""

    fields: ClassVar[tuple[Field, ...]] = (CODE, Field("say", 200))
    verb = "emergency.open"

    def doing(self, number: int, sent: Sent, actor: str, now: datetime) -> tuple[str, Callable[[Session], object]]:
        """Open exactly what was seen."""

        def seconded(session: Session) -> object:
            if sent["say"] != emergencies.confirms(emergencies.get(session, number), "second"):
                raise Unreadable("this emergency is not the one that you saw: read it again")
            return emergencies.second(session, number, actor=actor, now=now)

        return f"emergency/{number}", seconded


class End(Act):
    """Close the door before its time."""

    verb = "emergency.end"

    def doing(self, number: int, sent: Sent, actor: str, now: datetime) -> tuple[str, Callable[[Session], object]]:
        """Close it."""
        del sent
        return f"emergency/{number}", partial(emergencies.end, number=number, actor=actor, now=now)


class Review(Act):
    """Say afterwards whether it was right."""

    fields: ClassVar[tuple[Field, ...]] = (CODE, WHY._replace(longest=4000))
    verb = "emergency.review"

    def doing(self, number: int, sent: Sent, actor: str, now: datetime) -> tuple[str, Callable[[Session], object]]:
        """Write it down."""
        do = partial(emergencies.review, number=number, actor=actor, said=sent["why"], now=now)
        return f"emergency/{number}", do


HANDLERS: list[tuple[str, Any]] = [
    (r"/emergencies", Emergencies),
    (r"/emergencies/ask", Ask),
    (rf"/emergencies/{NUMBER}/second", Second),
    (rf"/emergencies/{NUMBER}/end", End),
    (rf"/emergencies/{NUMBER}/review", Review),
]
