"""A project's page, and what an admin does about a project; each act with a fresh code."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from tre.errors import TREError, Unreadable
from tre.governance.desk import acts, project
from tre.rooms.pages.form import Field, Sent
from tre.rooms.pages.page import Page
from tre.rooms.pages.telling import Problem

NAME = r"([a-z][a-z0-9-]{0,29})"
CODE = Field("code", 20)
WHY = Field("why", 500)


class Project(Page):
    """One project, as far as whoever asks may see it."""

    async def get(self, name: str) -> None:
        """Show it."""
        await self.told(name)

    async def told(self, name: str, problem: Problem | None = None, typed: Sent | None = None) -> None:
        """Show it, with what went wrong and what was typed."""
        reader, now = self.person, self.now
        seen = await self.look(lambda session: project.of(session, name, reader, now=now))
        await self.show("project.html", seen=seen, problem=problem, typed=typed or {})


class Act(Project):
    """Something that an admin does about a project."""

    fields: tuple[Field, ...] = (CODE,)
    act_name = ""

    async def get(self, name: str) -> None:
        """There is nothing to look at here."""
        self.go(f"projects/{name}")

    async def post(self, name: str) -> None:
        """Ask for the code, then the rules, then do it."""
        sent = self.form(*self.fields)
        try:
            do = self.doing(name, sent.sound(), self.person, self.now)
            await self.look(partial(_administers, person=self.person, now=self.now))
            await self.confirm(sent["code"], f"{self.act_name} project/{name} {self.about(sent)}".strip())
            await self.act(self.act_name, f"project/{name}", do)
        except TREError as error:
            await self.told(name, Problem.of(error), sent)
            return
        self.go(f"projects/{name}")

    def about(self, sent: Sent) -> str:
        """Say what exactly the code confirms, beside the project."""
        return " ".join(sent[field.name] for field in self.fields if field is not CODE)

    def doing(self, name: str, sent: Sent, actor: str, now: datetime) -> Callable[[Session], object]:
        """Return what is to be done in one transaction."""
        raise NotImplementedError


class AddMember(Act):
    """Make somebody a member, or a member for longer."""

    fields = (CODE, Field("person", 40), Field("until", 10))
    act_name = "member.add"

    def doing(self, name: str, sent: Sent, actor: str, now: datetime) -> Callable[[Session], object]:
        """Until the project's end, if no day is given."""
        until = last_moment(sent["until"]) if sent["until"] else None
        return partial(acts.add_member, project=name, member=sent["person"], until=until, actor=actor, now=now)


class RemoveMember(Act):
    """End a membership."""

    fields = (CODE, Field("person", 40))
    act_name = "member.remove"

    def doing(self, name: str, sent: Sent, actor: str, now: datetime) -> Callable[[Session], object]:
        """Now."""
        return partial(acts.remove_member, project=name, member=sent["person"], actor=actor, now=now)


class Suspend(Act):
    """Stop all work."""

    fields = (CODE, WHY)
    act_name = "project.suspend"

    def doing(self, name: str, sent: Sent, actor: str, now: datetime) -> Callable[[Session], object]:
        """With the reason that everybody reads."""
        return partial(acts.suspend_project, project=name, why=sent["why"], actor=actor, now=now)


class Resume(Act):
    """Let work go on."""

    act_name = "project.resume"

    def doing(self, name: str, sent: Sent, actor: str, now: datetime) -> Callable[[Session], object]:
        """As it was."""
        del sent
        return partial(acts.resume_project, project=name, actor=actor, now=now)


class Close(Act):
    """End a project for good."""

    fields = (CODE, WHY)
    act_name = "project.close"

    def doing(self, name: str, sent: Sent, actor: str, now: datetime) -> Callable[[Session], object]:
        """With the reason."""
        return partial(acts.close_project, project=name, why=sent["why"], actor=actor, now=now)


def last_moment(day: str) -> datetime:
    """Return the end of a day, or say how to write one."""
    try:
        start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Unreadable("until: write the day as 2027-06-30") from None
    return start + timedelta(days=1, seconds=-1)


def _administers(session: Session, *, person: str, now: datetime) -> None:
    """Say no before a code is used up; the act asks again, and records a refusal."""
    acts.as_admin(session, person, now=now)


HANDLERS: list[tuple[str, Any]] = [
    (rf"/projects/{NAME}", Project),
    (rf"/projects/{NAME}/add", AddMember),
    (rf"/projects/{NAME}/remove", RemoveMember),
    (rf"/projects/{NAME}/suspend", Suspend),
    (rf"/projects/{NAME}/resume", Resume),
    (rf"/projects/{NAME}/close", Close),
]
