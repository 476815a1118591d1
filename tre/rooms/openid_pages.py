"""The way to an OpenID provider and back: begun here, by this browser, minutes ago, and ended once."""

import hmac
import json
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from jupyterhub.handlers.login import LoginHandler
from oauthenticator.oauth2 import OAuthCallbackHandler, OAuthLoginHandler
from sqlalchemy.orm import Session
from tornado import web
from tornado.httputil import url_concat

from tre.errors import Refused, StepRefused, TREError
from tre.governance import accounts, enrolment
from tre.records import audit
from tre.rooms import offloop
from tre.rooms.openid import BEGUN_SECONDS, OpenID, Said

Answer = TypeVar("Answer")
INVITED = "tre-enrol"
"""Cookie of somebody who accepts an invitation with a provider."""
AGAIN = "this sign-in was not begun in this browser, or is over: begin again"


class _Door(LoginHandler):  # type: ignore[misc]  # the Hub is not typed
    """What both ways share: which provider it is, and how a no is told."""

    SUPPORTED_METHODS = ("GET",)
    _of: OpenID | None = None

    @property
    def authenticator(self) -> Any:  # noqa: ANN401 -- the Hub's own class
        """The provider while it is asked; the house before and after."""
        return self._of or self.settings["authenticator"]

    def _choose(self, key: str) -> OpenID:
        found: OpenID | None = self.settings["authenticator"].providers.get(key)
        if found is None:
            raise web.HTTPError(404)
        self._of = found
        return found

    async def _no(self, error: TREError) -> None:
        """Tell it on the page from which they came, and keep it in the log."""
        why = " ".join((str(error), *(f"({each})" for each in getattr(error, "remedies", ()))))
        self._of = None
        self.set_status(error.status)
        self.finish(await self._render(login_error=why))

    async def _act(self, name: str, do: Callable[[Session], Answer]) -> Answer:
        """Do one act of a person, or of whoever they are, in the records."""
        records = self.settings["authenticator"].records

        def acting() -> Answer:
            with records.act(name, "session.sign_in", f"person/{name}") as session:
                return do(session)

        return await offloop.ask(acting)

    async def _look(self, do: Callable[[Session], Answer]) -> Answer:
        records = self.settings["authenticator"].records

        def looking() -> Answer:
            with records.read() as session:
                return do(session)

        return await offloop.ask(looking)

    async def _note(self, error: TREError, provider: OpenID, now: datetime) -> None:
        """Write down a no that came before anybody knew who asks."""
        unknown, why, key = accounts.UNKNOWN, str(error), provider.provider.key

        def noting(session: Session) -> None:
            audit.append(
                session, "session.sign_in.refused", actor=unknown, subject=f"person/{unknown}", at=now, why=why, by=key
            )

        await self._act(unknown, noting)


class Begin(_Door, OAuthLoginHandler):  # type: ignore[misc]  # the Hub is not typed
    """Send a browser to the provider, and remember what it is sent with."""

    async def get(self, key: str) -> None:
        """Begin."""
        provider = self._choose(key)
        try:
            await provider.discover()
        except TREError as error:
            await self._note(error, provider, datetime.now(UTC))
            await self._no(error)
            return
        verifier, challenge = self._generate_pkce_params()
        begun = {"id": secrets.token_urlsafe(24), "nonce": secrets.token_urlsafe(24), "code_verifier": verifier,
                 "provider": key, "at": time.time(), "next_url": self._get_next_url(),
                 "invited": self.get_query_argument("invited", "") == "1"}  # fmt: skip
        self.set_state_cookie(_packed(begun))
        asked = {"response_type": "code", "client_id": provider.client_id, "scope": " ".join(provider.scope),
                 "redirect_uri": provider.oauth_callback_url, "state": begun["id"], "nonce": begun["nonce"],
                 "code_challenge": challenge, "code_challenge_method": "S256"}  # fmt: skip
        if provider.provider.mfa_acr:
            asked["acr_values"] = " ".join(provider.provider.mfa_acr)
        self.redirect(url_concat(provider.authorize_url, asked))


class Back(_Door, OAuthCallbackHandler):  # type: ignore[misc]  # the Hub is not typed
    """Take a browser's answer from the provider."""

    async def get(self, key: str) -> None:
        """Let a person in, or say why not."""
        provider, now = self._choose(key), datetime.now(UTC)
        try:
            begun = self._begun(key, provider)
            said = await provider.said(self, begun["nonce"], now)
        except TREError as error:
            await self._note(error, provider, now)
            await self._no(error)
            return
        try:
            name = await (self._enrol if begun["invited"] else self._enter)(provider, said, now)
        except TREError as error:
            await self._no(error)
            return
        self._of = None
        user = await self.auth_to_user({"name": name, "admin": False, "auth_state": None})
        user._auth_refreshed = time.monotonic()  # noqa: SLF001 -- as the Hub's login_user does
        self.set_login_cookie(user)
        self.redirect(begun["next_url"] or f"{self.hub.base_url}home")

    def _begun(self, key: str, provider: OpenID) -> dict[str, Any]:
        """Return what this browser began with, once: a cookie that was taken is taken."""
        begun = _unpacked(self.get_state_cookie())
        given = self.get_query_argument("state", "")
        own = begun.get("provider") == key and 0 <= time.time() - float(begun.get("at", 0)) <= BEGUN_SECONDS
        if not own or not hmac.compare_digest(str(begun.get("id")), given) or not _first(str(begun["id"])):
            raise StepRefused(AGAIN)
        if self.get_query_argument("iss", provider.provider.issuer) != provider.provider.issuer:
            raise StepRefused("the answer is another provider's: begin again")
        if self.get_query_argument("error", ""):
            raise StepRefused(f"{provider.provider.name} did not sign you in: begin again, or use the other way")
        if not self.get_query_argument("code", ""):
            raise StepRefused(AGAIN)
        return begun

    async def _enter(self, provider: OpenID, said: Said, now: datetime) -> str:
        """Let in whom the house knows."""
        name = await self._look(lambda session: provider.owner(session, said))

        def entering(session: Session) -> None:
            if name is None:
                raise Refused(
                    f"nobody of this house is known by this account at {provider.provider.name}",
                    remedies=("ask an admin for an invitation, and accept it with this account",),
                )
            provider.enter(session, name, said, now=now)

        await self._act(name or accounts.UNKNOWN, entering)
        return name or accounts.UNKNOWN

    async def _enrol(self, provider: OpenID, said: Said, now: datetime) -> str:
        """Let somebody accept their invitation with this account, and come in."""
        sealed = self.get_signed_cookie(INVITED, max_age_days=BEGUN_SECONDS / 86400)
        self.clear_cookie(INVITED, path=self.hub.base_url)
        if sealed is None:
            raise StepRefused("the invitation was not opened in this browser: open its link again")
        invitation, step = json.loads(sealed)
        house = self.settings["authenticator"]

        def enrolling(session: Session, name: str) -> None:
            provider.enter(session, name, said, now=now)

        return await offloop.ask(
            lambda: enrolment.accept_with(
                house.records, house.settings, invitation, provider.markers(said)[0], step=step, now=now, also=enrolling
            )
        )


_taken: dict[str, float] = {}


def _first(state: str) -> bool:
    """Whether a sign-in comes back for the first time, though somebody kept its cookie."""
    now = time.monotonic()
    for old in [each for each, at in _taken.items() if now - at > BEGUN_SECONDS]:
        del _taken[old]
    if state in _taken:
        return False
    _taken[state] = now
    return True


def _packed(begun: dict[str, Any]) -> str:
    from oauthenticator.oauth2 import _serialize_state

    return str(_serialize_state(begun))


def _unpacked(cookie: str) -> dict[str, Any]:
    from oauthenticator.oauth2 import _deserialize_state

    found = _deserialize_state(cookie) if cookie else {}
    return found if isinstance(found, dict) else {}


HANDLERS: list[tuple[str, Any]] = [
    (r"/openid/([a-z][a-z0-9-]{0,19})", Begin),
    (r"/openid/([a-z][a-z0-9-]{0,19})/back", Back),
]
