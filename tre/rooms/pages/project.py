"""A project's page, and what an admin does about a project; each act with a fresh code."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from tre.errors import TREError, Unreadable
from tre.governance.desk import acts, project
from tre.rooms.pages.doing import CODE, WHY, Doing
from tre.rooms.pages.form import Field, Sent
from tre.rooms.pages.page import Page
from tre.rooms.pages.telling import Problem

NAME = r"([a-z][a-z0-9-]{0,29})"


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


class Deletion(Page):
    """The signed statement of what was deleted of a project."""

    async def get(self, name: str) -> None:
        """Send it as it was signed: whoever has the house's public key can check it."""
        reader, now = self.person, self.now
        proof = await self.look(lambda session: project.deletion(session, name, reader, now=now))
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(proof)


class Act(Project, Doing):
    """Something that an admin does about a project."""

    async def get(self, name: str) -> None:
        """Show nothing here: looking changes nothing."""
        self.go(f"projects/{name}")

    async def post(self, name: str) -> None:
        """Do it, or say in place why not."""
        sent = self.form(*self.fields)
        try:
            await self.done(f"project/{name}", sent, self.doing(name, sent.sound(), self.person, self.now))
        except TREError as error:
            await self.told(name, Problem.of(error), sent)
            return
        self.go(f"projects/{name}")

    def doing(self, name: str, sent: Sent, actor: str, now: datetime) -> Callable[[Session], object]:
        """Return what is to be done in one transaction."""
        raise NotImplementedError


class AddMember(Act):
    """Make somebody a member, or a member for longer."""

    fields = (CODE, Field("person", 40), Field("until", 10))
    verb = "member.add"

    def doing(self, name: str, sent: Sent, actor: str, now: datetime) -> Callable[[Session], object]:
        """Until the project's end, if no day is given."""
        until = last_moment(sent["until"]) if sent["until"] else None
        return partial(acts.add_member, project=name, member=sent["person"], until=until, actor=actor, now=now)


class RemoveMember(Act):
    """End a membership."""

    fields = (CODE, Field("person", 40), Field("until", 10))
    verb = "member.remove"

    def doing(self, name: str, sent: Sent, actor: str, now: datetime) -> Callable[[Session], object]:
        """End it now."""
        return partial(acts.remove_member, project=name, member=sent["person"], actor=actor, now=now)


class Suspend(Act):
    """Stop all work."""

    fields = (CODE, WHY)
    verb = "project.suspend"

    def doing(self, name: str, sent: Sent, actor: str, now: datetime) -> Callable[[Session], object]:
        """Stop it, with the reason that everybody reads."""
        return partial(acts.suspend_project, project=name, why=sent["why"], actor=actor, now=now)


class Resume(Act):
    """Let work go on."""

    verb = "project.resume"

    def doing(self, name: str, sent: Sent, actor: str, now: datetime) -> Callable[[Session], object]:
        """Let it go on as it was."""
        del sent
        return partial(acts.resume_project, project=name, actor=actor, now=now)


class Close(Act):
    """End a project for good."""

    fields = (CODE, WHY)
    verb = "project.close"

    def doing(self, name: str, sent: Sent, actor: str, now: datetime) -> Callable[[Session], object]:
        """End it, with the reason."""
        return partial(acts.close_project, project=name, why=sent["why"], actor=actor, now=now)


def last_moment(day: str) -> datetime:
    """Return the end of a day, or say how to write one."""
    try:
        start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Unreadable("until: write the day as 2027-06-30") from None
    return start.replace(hour=23, minute=59, second=59)


HANDLERS: list[tuple[str, Any]] = [
    (rf"/projects/{NAME}", Project),
    (rf"/projects/{NAME}/deletion.json", Deletion),
    (rf"/projects/{NAME}/add", AddMember),
    (rf"/projects/{NAME}/remove", RemoveMember),
    (rf"/projects/{NAME}/suspend", Suspend),
    (rf"/projects/{NAME}/resume", Resume),
    (rf"/projects/{NAME}/close", Close),
]
