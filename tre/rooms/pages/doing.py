"""An act on a page: what was sent is read, the rules are asked, a code is used up for exactly this, and it is done."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import ClassVar

from sqlalchemy.orm import Session

from tre.governance.desk import acts
from tre.rooms.pages.form import Field, Sent
from tre.rooms.pages.page import Page

CODE = Field("code", 20)
WHY = Field("why", 500)


class Doing(Page):
    """A page whose form does something; an admin alone may, unless the page says otherwise."""

    fields: ClassVar[tuple[Field, ...]] = (CODE,)
    verb: ClassVar[str] = ""
    """What the log calls it."""

    async def done(self, subject: str, sent: Sent, do: Callable[[Session], object]) -> object:
        """Do it, or refuse; a no by the rules comes before the code is used up, and is recorded."""
        actor, now = self.person, self.now
        await self.act(self.verb, subject, partial(self.asked_first, actor=actor, now=now))
        said = (str(sent[field.name]) for field in self.fields if field.name not in {"code", "text"})
        await self.confirm(sent["code"], " ".join((self.verb, subject, *filter(None, said))))
        return await self.act(self.verb, subject, do)

    def asked_first(self, session: Session, *, actor: str, now: datetime) -> None:
        """Ask the rules before a code is used up."""
        acts.as_admin(session, actor, now=now)
