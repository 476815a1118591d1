"""Nobody passes unless a line here lets them: the right host, the right origin, a session that still holds.

It stands before every route, so a new page needs a sign-in because nobody wrote otherwise.
"""

import hmac

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airlock import login
from airlock.login import CALLBACK, PREFIX, Visitor
from airlock.pages import door
from airlock.pages.page import API, ROOM, House, fault, told
from tre.errors import NotFound, Refused, TREError, Unreadable
from tre.settings import checked_name

HEALTH = f"{PREFIX}healthz"
STATIC = f"{PREFIX}static/"
# Needs no session: the way in, the sheet and the script, and whether we are alive.
OPEN = (HEALTH, CALLBACK, STATIC)
SAFE = frozenset({"GET", "HEAD"})


class Gate:
    """Stands before the application."""

    def __init__(self, app: ASGIApp, house: House) -> None:
        """Know the house and what lies behind."""
        self.app = app
        self.house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let pass, or answer instead."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            instead = await self._stop(request)
        except TREError as error:
            instead = fault(request, error)
        await (instead or self.app)(scope, receive, _with_headers(send, self.house))

    async def _stop(self, request: Request) -> Response | None:
        path = request.url.path
        if path.startswith(ROOM):
            return _room(request, self.house.settings.secret("rooms-airlock"))
        if path == HEALTH:
            return None
        if request.headers.get("host") != _authority(self.house.settings.airlock_origin):
            return told(request, 421, "this host name is not the airlock's")
        if not path.startswith(PREFIX):
            raise NotFound("there is no such page")
        _refuse_foreign(request, self.house)
        if path.startswith(OPEN):
            return None
        return await self._session(request)

    async def _session(self, request: Request) -> Response | None:
        """Find the session, and ask the Hub whether it still knows this person."""
        found = await self._visitor(request)
        if found is not None:
            request.state.visitor = found
            return None
        if request.method not in SAFE or request.url.path.startswith(API):
            return told(request, 401, "your session is over: sign in again", remedies=[f"open {PREFIX} in a browser"])
        return door.begin(request, self.house)

    async def _visitor(self, request: Request) -> Visitor | None:
        house = self.house
        number = request.cookies.get(login.cookie_name(house.settings))
        if not number:
            return None
        found = await run_in_threadpool(
            login.visitor, house.records, house.settings, number, seen=house.seen, now=house.clock()
        )
        if found is None:
            return None
        name = await login.name_for(house.hub, found.token, fresh=request.method not in SAFE)
        return found if name == found.name else None


def _room(request: Request, secret: str) -> Response | None:
    """Know the rooms' side by its bearer; it says for whom it speaks."""
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {secret}".encode()):
        return JSONResponse({"error": "not for you", "rules": [], "remedies": []}, status_code=401)
    try:
        request.state.person = checked_name(request.headers.get("x-tre-person", ""), "person")
        request.state.project = checked_name(request.headers.get("x-tre-project", ""), "project")
    except Unreadable as error:
        return fault(request, error)
    return None


def _refuse_foreign(request: Request, house: House) -> None:
    """Answer nothing that another site made the browser ask. `Origin: null` is another site."""
    site = request.headers.get("sec-fetch-site")
    if request.method in SAFE:
        foreign = site in ("cross-site", "same-site") and request.headers.get("sec-fetch-mode") != "navigate"
    else:
        known = site == "same-origin" or (site is None and house.settings.scheme == "http")
        foreign = request.headers.get("origin") != house.settings.airlock_origin or not known
    if foreign:
        raise Refused(
            "this did not come from a page of the airlock", remedies=("open the airlock itself and try again",)
        )


def _authority(origin: str) -> str:
    """Host and port as a browser names them: without the port that the scheme implies."""
    scheme, _, authority = origin.partition("://")
    return authority.removesuffix(":443" if scheme == "https" else ":80")


def _with_headers(send: Send, house: House) -> Send:
    """Every answer carries the rules for the browser; a preview has stricter ones of its own."""
    rules = {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            f"form-action 'self' {house.settings.hub_origin}; base-uri 'none'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cache-Control": "no-store",
    }
    if house.settings.scheme == "https":
        rules["Strict-Transport-Security"] = "max-age=31536000"

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in rules.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
