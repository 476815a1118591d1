"""The log: an auditor reads all of it, a project's lead what was done in the project; that they looked is an entry."""

from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from tre.errors import Unreadable
from tre.governance import access
from tre.governance.desk import log
from tre.governance.desk.log import Filter, Shown
from tre.records import audit
from tre.rooms.pages.page import Page
from tre.rooms.pages.project import NAME


class Log(Page):
    """All of it."""

    verb = "view_log"

    async def get(self, project: str = "") -> None:
        """Show a page of it to whom the rules let look, and write down that they did."""
        wanted = self._wanted()
        subject = f"project/{project}" if project else "audit/log"
        shown = await self.act("log.view", subject, partial(self._looked, wanted, project, subject))
        await self.show("log.html", shown=shown, wanted=wanted, project=project)

    def _looked(self, wanted: Filter, project: str, subject: str, session: Session) -> Shown:
        now = self.now
        asked = access.ask(session, self.verb, self.person, now=now, second_factor=True, project=project)
        access.require(session, asked)
        shown = log.page(session, wanted, project=project)
        narrowed = {name: str(value) for name, value in vars(wanted).items() if value}
        audit.append(session, "log.view", actor=self.person, subject=subject, at=now, narrowed=narrowed)
        return shown

    def _wanted(self) -> Filter:
        before = self.asked("before", 20)
        if before and not (before.isascii() and before.isdigit()):
            raise Unreadable("before: give the number of an entry")
        actor, act, subject, day = (self.asked(name).strip() for name in ("actor", "act", "subject", "day"))
        return Filter(actor=actor, act=act, subject=subject, day=day, before=int(before) if before else None)


class ProjectLog(Log):
    """What was done in one project."""

    verb = "view_project_log"


HANDLERS: list[tuple[str, Any]] = [(r"/audit", Log), (rf"/projects/{NAME}/log", ProjectLog)]
