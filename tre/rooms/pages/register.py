"""Everybody may know what research is done here: a page and a file that need no sign-in."""

import json
from datetime import datetime, timedelta
from typing import Any, ClassVar

from tre.governance.register import Project, Register, as_json, register
from tre.rooms.pages.page import Page

KEPT = timedelta(minutes=1)
"""How long an answer is given again, so that strangers cannot keep the records busy."""
_last: dict[str, Register] = {}


class Shelf(Page):
    """The register for people."""

    public: ClassVar[bool] = True

    async def get(self) -> None:
        """Show all of it, or what the words find."""
        found = await self.found()
        words = self.asked("q").casefold().split()
        shown = [each for each in found.projects if all(word in _text(each) for word in words)]
        await self.show("register.html", found=found, projects=shown, words=self.asked("q"), share=share)

    async def found(self) -> Register:
        """Return the register, at most a minute old."""
        now = self.now
        last = _last.get("register")
        if last is None or not last.at <= now < last.at + KEPT:
            last = _last["register"] = await self.look(lambda session: register(session, now=now))
        return last


class File(Shelf):
    """The register for machines."""

    async def get(self) -> None:
        """Send all of it."""
        found = as_json(await self.found())
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(found, ensure_ascii=False, indent=2))


def share(project: Project, now: datetime) -> float:
    """Return which part of a project's time is left, from 0 to 1."""
    whole = (project.until - project.since) / timedelta(seconds=1)
    rest = (project.until - now) / timedelta(seconds=1)
    return min(max(rest / whole, 0), 1) if whole > 0 and project.state not in {"closed", "ended"} else 0


def _text(project: Project) -> str:
    return " ".join(
        (project.name, project.title, project.summary, project.institution, project.lead, *project.datasets)
    ).casefold()


HANDLERS: list[tuple[str, Any]] = [(r"/register", Shelf), (r"/register\.json", File)]
