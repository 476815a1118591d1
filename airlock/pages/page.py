"""What every page stands on: the house behind it, its template, and how a fault is told to a person or a program."""

import dataclasses
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from jupyterhub.services.auth import HubOAuth
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from airlock.login import PREFIX, Visitor
from policies.book import Rule, book
from policies.facts import Role
from tre.errors import Refused, TREError
from tre.records.db import Records
from tre.settings import Settings

ROOM = "/room/v1/"
API = f"{PREFIX}api/"
MOST_FIELDS = 500
"""Of one form: what is said of fifty files has most."""
HERE = Path(__file__).parent.parent

# status -> what a person reads at the head of the page, and what they can do if nobody said so
FAULTS = {
    400: ("That cannot be read", "Go back and try again."),
    401: ("Sign in first", "Open the airlock's first page; it leads you to the sign-in."),
    403: ("The rules say no", "Ask an admin of this environment which rule applies and who can change the facts."),
    404: ("Nothing here", "Check the address. A request that is not yours to know of looks the same as none."),
    405: ("That cannot be done here", "Use the buttons on the page."),
    409: ("Not possible from here", "Look at where the request stands now; somebody may have been faster."),
    413: ("Too much at once", "Send less: shorter texts, smaller files. What leaves is taken from the outbox."),
    421: ("Wrong host name", "Open the airlock by the address that the Hub links to."),
    422: ("Something in the form is missing", "Go back, correct it and send it again."),
    500: ("Something broke here", "Nothing was changed. Tell an admin of this research environment when it happened."),
    503: ("Not available at the moment", "Nothing was changed. Try again in a minute."),
}  # fmt: skip


@dataclass(frozen=True)
class House:
    """What the pages work with. `clock` is the rim: nothing below it asks what time it is."""

    settings: Settings
    records: Records
    hub: HubOAuth
    clock: Callable[[], datetime]
    seen: dict[str, datetime] = dataclasses.field(default_factory=dict)
    """When each session was last used."""


def house(request: Request) -> House:
    """Return the house that answers this request."""
    found: House = request.app.state.house
    return found


def visitor(request: Request) -> Visitor:
    """Return who asks; the gate has put them there."""
    found: Visitor = request.state.visitor
    return found


def render(request: Request, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
    """Fill in a template. Everything a person made is text in it: escaping is never off."""
    who: Visitor | None = getattr(request.state, "visitor", None)
    home = request.app.state.house.settings.hub_origin
    common = {"prefix": PREFIX, "who": who, "hub": f"{home}/hub/home", "path": request.url.path, "Role": Role}
    return HTMLResponse(ENVIRONMENT.get_template(template).render(**common, **values), status_code=status)


def go(path: str) -> RedirectResponse:
    """After a change, look at the result: a reload repeats nothing."""
    return RedirectResponse(PREFIX + path, status_code=303)


def fault(request: Request, error: TREError) -> Response:
    """Tell what cannot be done, by which rules, and what helps."""
    rules = error.rules if isinstance(error, Refused) else ()
    remedies = error.remedies if isinstance(error, Refused) else ()
    return told(request, error.status, str(error), rules, remedies)


def told(
    request: Request, status: int, message: str, rules: Iterable[str] = (), remedies: Iterable[str] = ()
) -> Response:
    """Answer with a fault: JSON for a program, a page for a person."""
    if request.url.path.startswith((API, ROOM)):
        body = {"error": message, "rules": list(rules), "remedies": list(remedies)}
        return JSONResponse(body, status_code=status)
    head, helps = FAULTS.get(status, FAULTS[500])
    said = list(remedies) or [helps]
    return render(
        request, "fault.html", status=status, head=head, message=message, rules=list(rules), remedies=said, book=_book()
    )


def form(act: Callable[[Request, FormData], Response], *, files: int = 0) -> Callable[[Request], Awaitable[Response]]:
    """Read the fields of a form, and act in a thread: the records may wait for a lock."""

    async def endpoint(request: Request) -> Response:
        async with request.form(max_files=files, max_fields=MOST_FIELDS) as sent:
            return await run_in_threadpool(act, request, sent)

    return endpoint


def field(sent: FormData, name: str) -> str:
    """Return one field's text; empty if it was not sent."""
    value = sent.get(name, "")
    return value if isinstance(value, str) else ""


@cache
def _book() -> dict[str, Rule]:
    return book()


def _age(moment: datetime, now: datetime) -> str:
    """How long ago, in the unit a person would use."""
    minutes = int((now - moment).total_seconds() // 60)
    for size, unit in ((60 * 24, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size:
            count = minutes // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _size(count: int) -> str:
    """Bytes, in the unit a person would use."""
    if count < 1000:  # noqa: PLR2004 -- the step between units
        return f"{count} bytes"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"  # noqa: PLR2004 -- the same


def _moment(moment: datetime) -> str:
    return moment.strftime("%d %b %Y, %H:%M UTC")


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(age=_age, size=_size, moment=_moment, segment=lambda text: quote(str(text), safe=""))
    return made


ENVIRONMENT = _environment()
