"""Whoever comes to the Hub proves who they are here or at a provider, and is asked about again while they stay.

A session ends twelve hours after its sign-in, sixty minutes after it was last used, and at once when the person is
suspended or has changed their password. The Hub's cookie says when a session began; when it was last used is kept by
this process, so that after a restart a session older than the idle time signs in again.
"""

import re
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar

from jupyterhub.auth import Authenticator
from tornado.web import HTTPError, RequestHandler
from traitlets import Bool, Dict, Instance, Unicode, default

import tre.settings
from tre.errors import Refused, Unavailable
from tre.governance import access, accounts, enrolment, tries
from tre.records import db
from tre.records.db import Records
from tre.rooms import offloop, openid_pages, providers
from tre.rooms.openid import OpenID
from tre.settings import Settings

Answer = TypeVar("Answer")
# A hash takes 64 MiB and a tenth of a second: two at a time, so that a crowd at the door waits,
# and those who are in do not.
_door = ThreadPoolExecutor(max_workers=2, thread_name_prefix="sign-in")
LONGEST = timedelta(hours=12)
IDLE = timedelta(minutes=60)
ASK_AGAIN_SECONDS = 1
SIGNED = re.compile(r"2\|[0-9]+:[0-9]+\|[0-9]+:([0-9]{1,12})\|")
"""How a cookie begins that tornado signed; the number is when."""


class HouseAuthenticator(Authenticator):  # type: ignore[misc]  # jupyterhub has no types
    """Sign-in against the house's own people; who may do what is asked elsewhere, for every act."""

    request_otp = Bool(default_value=True)
    otp_prompt = Unicode("Code from your authenticator app")
    allow_all = Bool(default_value=True).tag(config=True)
    auto_login = Bool(default_value=False)

    settings = Instance(Settings)
    records = Instance(Records)
    providers = Dict()
    """Key -> OpenID provider, as `openid.toml` names them."""

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 -- traitlets' own
        """Begin with no session known."""
        super().__init__(**given)
        self._used: dict[str, datetime] = {}

    @default("providers")
    def _providers(self) -> dict[str, OpenID]:
        return {each.key: OpenID.of(each, self) for each in providers.load(self.settings)}

    def get_handlers(self, app: object) -> list[tuple[str, Any]]:
        """Add the ways to the providers and back to the Hub's own form."""
        return [*super().get_handlers(app), *openid_pages.HANDLERS]

    @default("settings")
    def _settings(self) -> Settings:
        return tre.settings.load()

    @default("records")
    def _records(self) -> Records:
        return db.opened(self.settings)

    async def authenticate(self, handler: RequestHandler | None, data: dict[str, str]) -> dict[str, Any] | None:
        """Give the Hub a person, never an admin of the Hub; or nothing, whatever was wrong."""
        name = self.normalize_username(data.get("username") or "")
        password, code = data.get("password") or "", data.get("otp") or ""
        records, settings, now, address = self.records, self.settings, datetime.now(UTC), address_of(handler)

        def coming_in() -> bool:
            known = accounts.sign_in(
                records, settings, name, password, code, now=now, address=address, told=enrolment.tell_recovery
            )
            return known and may_enter(records, name, now)

        return {"name": name, "admin": False} if await _off_loop(coming_in, through=_door) else None

    async def refresh_user(self, user: Any, handler: RequestHandler | None = None, **_: object) -> bool:  # noqa: ANN401 -- the Hub's own class
        """Whether who is signed in may stay: nobody who is suspended, and no session that is over."""
        records, now = self.records, datetime.now(UTC)
        cookie = _cookie_of(handler)
        since = began(cookie) if cookie else _token_made(handler)

        def still() -> bool:
            with records.read() as session:
                return accounts.active(session, user.name, since=since)

        if not await _off_loop(still):
            return False
        return not cookie or self._in_use(cookie, since, now)

    def _in_use(self, cookie: str, since: datetime | None, now: datetime) -> bool:
        """Whether a session is used often enough to go on; note that it is."""
        if since is None:
            return False
        for old in [each for each, used in self._used.items() if now - used > LONGEST]:
            del self._used[old]
        key = sha256(cookie.encode()).hexdigest()
        if now - max(self._used.get(key, since), since) > IDLE or now - since > LONGEST:
            return False
        self._used[key] = now
        return True


def may_enter(records: Records, name: str, now: datetime) -> bool:
    """Whether the rules let somebody in whose password and code were right; a no is in the log with its reasons."""
    try:
        with records.act(name, "session.sign_in", f"person/{name}") as session:
            access.require(session, access.sign_in_ask(session, name, now=now, second_factor=True))
    except Refused:
        return False
    return True


def address_of(handler: RequestHandler | None) -> str:
    """Return the network address of a browser as our own proxy saw it; what a browser says of itself does not count.

    The proxy adds the address at the end of X-Forwarded-For; those of this host after it are of proxies before ours.
    """
    if handler is None:
        return ""
    said = ",".join(handler.request.headers.get_list("X-Forwarded-For")).split(",")
    seen = [network for each in said if (network := tries.network_of(each))]
    outside = [each for each in seen if each not in {"127.0.0.1", "::/64"}]
    return (outside or seen or ["127.0.0.1"])[-1]


def began(cookie: str) -> datetime | None:
    """Return when the session of a cookie began, which the Hub has found to be signed by itself."""
    found = SIGNED.match(cookie.strip('"'))
    return datetime.fromtimestamp(int(found[1]), UTC) if found else None


def _token_made(handler: Any) -> datetime | None:  # noqa: ANN401 -- the Hub's own class
    """Return when the token was made that somebody comes with, unless it is a room's own, which is no session."""
    token = handler.get_token() if handler is not None and getattr(handler, "_token_authenticated", False) else None
    if token is None or token.client_id == "jupyterhub" or token.created is None:
        return None
    made: datetime = token.created
    return made.replace(tzinfo=UTC)


def _cookie_of(handler: Any) -> str:  # noqa: ANN401 -- the Hub's own class
    """Return the cookie that a browser signed in with; none for who comes with a token."""
    if handler is None or getattr(handler, "_token_authenticated", False):
        return ""
    return handler.get_cookie(handler.hub.cookie_name) or ""


async def _off_loop(ask: Callable[[], Answer], *, through: Executor | None = None) -> Answer:
    try:
        return await offloop.ask(ask, through=through)
    except Unavailable as error:
        raise HTTPError(503, str(error), reason="Try again in a moment") from None
