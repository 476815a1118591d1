"""The airlock on the web: every route in one list, every fault in one place, the gate before all of them."""

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import uvicorn
from jupyterhub.httpclient import JupyterHubHTTPClient
from jupyterhub.services.auth import HubOAuth
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airlock import api, imports, login
from airlock.gate import HEALTH, STATIC, Gate
from airlock.login import CALLBACK, PREFIX
from airlock.pages import analyst, approver, counted, door, excepting, importing, incident, show
from airlock.pages.page import HERE, House, fault, form, told
from tre.errors import TREError
from tre.records.db import opened
from tre.settings import Settings

LARGEST_BODY = 256 * 1024
"""Bytes of one form or call. What leaves is never sent here: it is taken from the outbox."""


TOO_LARGE = 413


class Count(Convertor[int]):
    """A number in an address: digits, and no more than a database can hold."""

    regex = "[0-9]{1,15}"

    def convert(self, value: str) -> int:
        """Read it."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Write it."""
        return str(value)


register_url_convertor("count", Count())
_REQUEST = f"{PREFIX}requests/{{id:count}}"
_IMPORT = f"{PREFIX}imports/{{id:count}}"
_FILE = f"{_REQUEST}/rounds/{{round:count}}/files/{{position:count}}"


def _routes() -> list[BaseRoute]:
    return [
        Route(HEALTH, lambda _: PlainTextResponse("ok")),
        Route(CALLBACK, door.callback),
        Mount(STATIC.rstrip("/"), StaticFiles(directory=HERE / "static")),
        Route(f"{PREFIX}logout", door.leave, methods=["POST"]),
        Route(PREFIX, show.home),
        Route(f"{PREFIX}requests/new", analyst.fresh),
        Route(f"{PREFIX}requests/new", form(analyst.submit), methods=["POST"]),
        Route(_REQUEST, show.show),
        Route(f"{_REQUEST}/standing", show.standing),
        Route(f"{_REQUEST}/vote", form(approver.vote), methods=["POST"]),
        Route(f"{_REQUEST}/comment", form(analyst.comment), methods=["POST"]),
        Route(f"{_REQUEST}/again", analyst.again),
        Route(f"{_REQUEST}/again", form(analyst.resubmit), methods=["POST"]),
        Route(f"{_REQUEST}/withdraw", analyst.withdraw, methods=["POST"]),
        Route(f"{_REQUEST}/link", form(analyst.link), methods=["POST"]),
        Route(f"{_REQUEST}/certificate", analyst.certificate),
        Route(f"{_REQUEST}/recall", form(incident.recall), methods=["POST"]),
        Route(f"{_REQUEST}/except", form(excepting.grant), methods=["POST"]),
        Route(f"{PREFIX}incidents", incident.incidents),
        Route(f"{PREFIX}incidents/recall", form(incident.recall_by_number), methods=["POST"]),
        Route(f"{PREFIX}incidents/{{id:count}}/close", form(incident.close), methods=["POST"]),
        Route(f"{PREFIX}imports", importing.listed),
        Route(f"{PREFIX}imports/new", importing.fresh),
        Route(
            f"{PREFIX}imports/new",
            form(importing.submit, files=imports.MOST_FILES + 1),
            methods=["POST"],
            middleware=[Middleware(RequestBodyLimitMiddleware, max_body_size=imports.LARGEST)],
        ),
        Route(_IMPORT, importing.shown),
        Route(f"{_IMPORT}/vote", form(importing.vote), methods=["POST"]),
        Route(f"{_IMPORT}/withdraw", importing.withdraw, methods=["POST"]),
        Route(f"{_IMPORT}/files/{{position:count}}", importing.file),
        Route(f"{PREFIX}statistics", counted.counted),
        Route(f"{PREFIX}collect/{{token}}", analyst.collecting),
        Route(f"{PREFIX}collect/{{token}}", analyst.collect, methods=["POST"]),
        Route(_FILE, show.file),
        Route(f"{_FILE}/picture", show.picture),
        *api.routes(),
    ]


class Large:
    """Say in our words what the limit of a body below says in two."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with a page or an object of ours in place of a plain 413."""
        replaced = False

        async def say(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and message["status"] == TOO_LARGE:
                replaced = True
                await told(Request(scope), TOO_LARGE, "this is larger than the airlock takes")(scope, receive, send)
            elif not replaced:
                await send(message)

        await self._app(scope, receive, say)


def create_app(
    settings: Settings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC), hub: HubOAuth | None = None
) -> Starlette:
    """Build the application. `clock` and `hub` are its two windows on the outside."""
    house = House(settings, opened(settings), hub or login.hub_oauth(settings), clock)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await JupyterHubHTTPClient.loop_instance().close()
        house.records.close()

    app = Starlette(
        routes=_routes(),
        lifespan=lifespan,
        middleware=[
            Middleware(Gate, house=house),
            Middleware(Large),
            Middleware(RequestBodyLimitMiddleware, max_body_size=LARGEST_BODY),
        ],
        exception_handlers={TREError: _fault, HTTPException: _http, Exception: _broken},  # type: ignore[dict-item]  # each takes its own class
    )
    app.router.redirect_slashes = False
    app.state.house = house
    return app


def serve(settings: Settings) -> None:
    """Serve the airlock on loopback until told to stop."""
    uvicorn.run(
        create_app(settings), host="127.0.0.1", port=settings.airlock_port, log_level="warning", access_log=False,
        server_header=False, proxy_headers=False, ws="none", lifespan="on", timeout_graceful_shutdown=5,
    )  # fmt: skip


def _fault(request: Request, error: TREError) -> Response:
    return fault(request, error)


def _http(request: Request, error: HTTPException) -> Response:
    return told(request, error.status_code, error.detail)


def _broken(request: Request, error: Exception) -> Response:
    """Tell of what nobody foresaw, without its words, which may hold anything; the server logs where it happened."""
    del error
    return told(request, 500, "something broke here")
