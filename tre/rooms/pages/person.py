"""A person's own page: what they have, what lapses when, what they were told."""

from typing import Any

from tre.errors import Unreadable
from tre.governance import notices
from tre.governance.desk import person
from tre.rooms.pages.form import Field
from tre.rooms.pages.page import Page


class Me(Page):
    """Whoever asks, as the house knows them."""

    async def get(self) -> None:
        """Show it."""
        name, now = self.person, self.now
        mine = await self.look(lambda session: person.of(session, name, now=now))
        await self.show("person.html", mine=mine)


class Notices(Page):
    """What a person was told."""

    async def post(self) -> None:
        """Note that they have read some of it, or all that stood on the page."""
        sent = self.form(Field("notice", 20, many=True)).sound()
        if not all(each.isascii() and each.isdigit() for each in sent["notice"]):
            raise Unreadable("notice: a notice has a number")
        ids, name, now = [int(each) for each in sent["notice"]], self.person, self.now
        await self.act("notice.read", f"person/{name}", lambda session: notices.read(session, name, ids, now))
        self.go("me")


HANDLERS: list[tuple[str, Any]] = [(r"/me", Me), (r"/me/notices", Notices)]
