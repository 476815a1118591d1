"""What a person does about their own account: enrol by a link, change how they sign in, sign the agreement.

Codes that are shown once stand in the answer to the form and nowhere else: a reload shows none.
"""

import json
from typing import Any

from jupyterhub import orm
from sqlalchemy.orm import Session

from tre.errors import TREError, Unreadable
from tre.governance import enrolment, recovery, training
from tre.records.tables import AgreementTextRow
from tre.rooms import house
from tre.rooms.openid_pages import INVITED
from tre.rooms.pages.form import Field
from tre.rooms.pages.page import Page, off_loop
from tre.rooms.pages.telling import Problem

PASSWORD = 1000
NAME = Field("username", 30)
"""Sent for the browser's own store of passwords; the house knows who it is."""
LINK = r"([A-Za-z0-9_-]{20,100})"


class _Own(Page):
    """A page about the account of whoever asks."""

    def new_sessions_only(self) -> None:
        """End every session of this person but this one: a cookie of before opens nothing, nor does a token."""
        user = self.current_user
        user.orm_user.cookie_id = orm.new_token()
        for token in list(user.orm_user.api_tokens):
            if token.client_id != "jupyterhub":  # a running room's own; the gateway asks who uses it besides
                self.db.delete(token)
        self.db.commit()
        self.set_login_cookie(user)

    def providers(self) -> tuple[tuple[str, str], ...]:
        """Key and name of each other way to sign in."""
        found = self.settings["authenticator"].providers
        return tuple((key, each.provider.name) for key, each in found.items())


class Enrol(_Own):
    """An invitation's page: for whoever holds its link, signed in or not."""

    public = True

    async def get(self, token: str) -> None:
        """Show what the link offers."""
        await self._form(token)

    async def post(self, token: str) -> None:
        """Take a password, or go on to a provider; either way the second factor is shown to work."""
        settings, records, now = house.settings(), house.records(), self.now
        sent = self.form(
            Field("password", PASSWORD), Field("again", PASSWORD), Field("code", 10), Field("with", 20), NAME
        )
        try:
            sent.sound()
            if sent["with"]:
                await self._go_on(token, sent["with"], sent["code"])
                return
            codes = await off_loop(
                lambda: enrolment.accept(
                    records, settings, token, password=sent["password"], again=sent["again"], code=sent["code"], now=now
                )
            )
        except Unreadable as error:
            await self._form(token, Problem.of(error))
            return
        await self.show("recovery.html", codes=codes, next="login", enrolled=True)

    async def _form(self, token: str, problem: Problem | None = None) -> None:
        settings, now = house.settings(), self.now
        found = await self.look(lambda session: enrolment.look(session, settings, token, now=now))
        picture = enrolment.picture(settings, found.person, found.secret)
        await self.show(
            "enrol.html", problem=problem, offered=found, picture=picture, spaced=enrolment.spaced(found.secret),
            providers=self.providers(), token=token,
        )  # fmt: skip

    async def _go_on(self, token: str, key: str, code: str) -> None:
        """Keep the invitation in the browser while its person is at the provider."""
        known = dict(self.providers())
        if key not in known:
            raise Unreadable("there is no such way to sign in: choose one of the page")
        settings, now = house.settings(), self.now
        step = await self.look(lambda session: enrolment.step_of(session, settings, token, code, now=now))
        self.set_signed_cookie(
            INVITED, json.dumps([token, step]), expires_days=None, path=self.hub.base_url, httponly=True,
            secure=settings.scheme == "https", samesite="Lax",
        )  # fmt: skip
        await self.show("enrol_on.html", key=key, provider=known[key])


class Account(_Own):
    """How a person signs in, and what they can change of it."""

    async def get(self) -> None:
        """Show it."""
        await self.form_of("account")

    async def form_of(self, what: str, problem: Problem | None = None, sealed: str = "") -> None:
        """Show the page, with the second factor that is offered."""
        settings, person = house.settings(), self.person
        offer = enrolment.offer(settings, person, sealed)
        left = await self.look(lambda session: recovery.left(session, person))
        await self.show(
            "account.html", problem=problem, what=what, left=left, sealed=offer.sealed,
            picture=enrolment.picture(settings, person, offer.secret), spaced=enrolment.spaced(offer.secret),
        )  # fmt: skip


class Password(Account):
    """A new password, from whoever knows the old one and holds the second factor."""

    async def post(self) -> None:
        """Change it; other browsers of this person are signed out."""
        settings, records, person, now = house.settings(), house.records(), self.person, self.now
        sent = self.form(*(Field(name, PASSWORD) for name in ("old", "password", "again")), Field("code", 10), NAME)
        try:
            sent.sound()
            given = {"old": sent["old"], "new": sent["password"], "again": sent["again"], "code": sent["code"]}
            await off_loop(lambda: enrolment.change_password(records, settings, person, now=now, **given))
        except TREError as error:
            await self.form_of("password", Problem.of(error))
            return
        self.new_sessions_only()
        self.go("account")


class SecondFactor(Account):
    """A new phone, from whoever still has the old one."""

    async def post(self) -> None:
        """Take it; other browsers of this person are signed out."""
        settings, records, person, now = house.settings(), house.records(), self.person, self.now
        sent = self.form(Field("sealed", 400), Field("shown", 10), Field("code", 10))
        try:
            sent.sound()
            await off_loop(
                lambda: enrolment.renew(
                    records, settings, person, sent["sealed"], shown=sent["shown"], code=sent["code"], now=now
                )
            )
        except TREError as error:
            await self.form_of("second-factor", Problem.of(error), _kept(person, sent["sealed"]))
            return
        self.new_sessions_only()
        self.go("account")


class Recovery(Account):
    """Ten new codes, shown once."""

    async def post(self) -> None:
        """Make them; older ones are worth nothing."""
        settings, records, person, now = house.settings(), house.records(), self.person, self.now
        sent = self.form(Field("code", 10))
        try:
            codes = await off_loop(
                lambda: enrolment.renew_recovery(records, settings, person, sent.sound()["code"], now=now)
            )
        except TREError as error:
            await self.form_of("recovery", Problem.of(error))
            return
        await self.show("recovery.html", codes=codes, next="account", enrolled=False)


class Agreement(Page):
    """The user agreement: its text, what changed in it, and a signature."""

    async def get(self) -> None:
        """Show it."""
        await self._form()

    async def post(self) -> None:
        """Sign exactly the text that was shown."""
        person, now = self.person, self.now
        sent = self.form(Field("seen", 64), Field("code", 10))
        try:
            sent.sound()
            await self.confirm(sent["code"], f"agreement {sent['seen']}")
            seen = sent["seen"] or "nothing"
            await self.act(
                "agreement.sign",
                f"person/{person}",
                lambda session: training.sign_agreement(session, person, actor=person, now=now, seen=seen),
            )
        except TREError as error:
            await self._form(Problem.of(error))
            return
        self.go("agreement")

    async def _form(self, problem: Problem | None = None) -> None:
        person, now = self.person, self.now

        def looking(session: Session) -> tuple[AgreementTextRow, str, tuple[str, ...]]:
            row = training.agreement(session, now)
            return row, training.standing(session, person, now), training.changes(session, person, now)

        row, standing, changes = await self.look(looking)
        await self.show("agreement.html", problem=problem, row=row, standing=standing, changes=changes)


def _kept(person: str, sealed: str) -> str:
    """Keep the offer that somebody scanned already, unless it is none."""
    try:
        return enrolment.offer(house.settings(), person, sealed).sealed
    except Unreadable:
        return ""


HANDLERS: list[tuple[str, Any]] = [
    (rf"/enrol/{LINK}", Enrol),
    (r"/account", Account),
    (r"/account/password", Password),
    (r"/account/second-factor", SecondFactor),
    (r"/account/recovery", Recovery),
    (r"/agreement", Agreement),
]
