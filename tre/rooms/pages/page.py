"""What every page of the Hub stands on: who asks, what they sent, and how a no is told.

Nobody sees a page without having signed in, unless the page says that it is public. Looking changes nothing. The
records are asked in threads of their own, so that a page which waits holds up no other.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

from jupyterhub.handlers.base import BaseHandler
from sqlalchemy.orm import Session
from tornado import web
from tornado.httputil import url_concat

from policies.facts import Role
from tre.errors import Refused, TREError, Unreadable
from tre.governance import accounts
from tre.rooms import house
from tre.rooms.pages import form
from tre.rooms.pages.form import Field, Sent
from tre.rooms.pages.telling import FAULTS, WORDS, Problem, in_words

Answer = TypeVar("Answer")
LARGEST_BODY = 256 * 1024
LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})
CSP = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self' data:; font-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# label, path below the Hub, and whom it is for: nobody named means everybody who is signed in
LINKS = (
    ("My projects", "home", frozenset[str]()),
    ("Me", "me", frozenset[str]()),
    ("Applications", "applications", frozenset[str]({Role.ANALYST, Role.APPROVER, Role.COMMITTEE, Role.CHAIR})),
    ("Committee", "committee", frozenset[str]({Role.COMMITTEE, Role.CHAIR})),
    ("Admin", "admin", frozenset[str]({Role.ADMIN})),
    ("Emergencies", "emergencies", frozenset[str]({Role.COMMITTEE, Role.CHAIR, Role.AUDITOR})),
    ("Log", "audit", frozenset[str]({Role.AUDITOR})),
    ("Catalogue", "catalogue", frozenset[str]()),
    ("Register", "register", frozenset[str]()),
)
OPEN_LINKS = (("Register", "register"),)
"""What somebody who is not signed in may look at."""
_records = ThreadPoolExecutor(max_workers=4, thread_name_prefix="page")


class Page(BaseHandler):  # type: ignore[misc]  # the Hub is not typed
    """A page; for whoever is signed in, unless it says otherwise."""

    public: ClassVar[bool] = False
    roles: frozenset[Role] = frozenset()

    @property
    def person(self) -> str:
        """Name of who asks; empty if they have not signed in."""
        return str(self.current_user.name) if self.current_user else ""

    @property
    def now(self) -> datetime:
        """The moment of the request; nothing below a page asks what time it is."""
        return clock()

    # --- before anything else ----------------------------------------------------------------------------------------
    async def prepare(self) -> None:
        """Turn away what is foreign, too large, or of nobody."""
        self._not_foreign()
        if len(self.request.body) > LARGEST_BODY:
            raise web.HTTPError(413, "the form is too large")
        await super().prepare()
        if not self.current_user:
            self._to_the_door()
            return
        active, self.roles = await self.look(lambda session: _standing(session, self.person))
        if not active and not self.public:
            no = Refused("this account is suspended", rules=("R01",))
            raise await off_loop(lambda: in_words(house.records(), no))

    def _to_the_door(self) -> None:
        if self.public:
            return
        if self.request.method not in LOOKING:
            raise web.HTTPError(403, "you are signed out: sign in and send it again")
        self.redirect(url_concat(self.get_login_url(), {"next": self.request.uri}))

    def _not_foreign(self) -> None:
        """Refuse what somebody else's page sends in a person's name; the Hub looks at its token besides."""
        if self.request.method in LOOKING:
            return
        origin, site = self.request.headers.get("Origin"), self.request.headers.get("Sec-Fetch-Site")
        if (origin and origin != house.settings().hub_origin) or (site and site not in {"same-origin", "none"}):
            raise web.HTTPError(403, "this was sent by a page that is not of this house")

    # --- the records -------------------------------------------------------------------------------------------------
    async def look(self, ask: Callable[[Session], Answer]) -> Answer:
        """Look at one moment of the records."""

        def looking() -> Answer:
            with house.records().read() as session:
                return ask(session)

        return await off_loop(looking)

    async def act(self, act: str, subject: str, do: Callable[[Session], Answer]) -> Answer:
        """Change something in one transaction, or record that it was refused."""
        person = self.person

        def acting() -> Answer:
            with house.records().act(person, act, subject) as session:
                return do(session)

        return await off_loop(acting)

    async def confirm(self, code: str, purpose: str) -> None:
        """Use up the person's code for exactly this, e.g. `application/3 approve <sha256>`, or refuse."""
        if not code.strip():
            raise Unreadable("code: type the six digits that your authenticator app shows now")
        records, settings, person, now = house.records(), house.settings(), self.person, self.now
        await off_loop(lambda: accounts.check_code(records, settings, person, code, now=now, purpose=purpose))

    # --- what was sent -----------------------------------------------------------------------------------------------
    def form(self, *fields: Field) -> Sent:
        """Read what was sent; see `Sent.sound`."""
        return form.read(self.request.headers.get("Content-Type", ""), self.request.body_arguments, fields)

    def asked(self, name: str, longest: int = 200) -> str:
        """Return a word of the address, cut to what a person would type."""
        return str(self.get_query_argument(name, ""))[:longest]

    # --- the answer --------------------------------------------------------------------------------------------------
    def set_default_headers(self) -> None:
        """Let nothing but the house's own style and script work in a page, and nothing keep it."""
        super().set_default_headers()
        self.set_header("Content-Security-Policy", CSP)
        self.set_header("Cache-Control", "no-store")

    async def show(self, template: str, *, problem: Problem | None = None, **values: object) -> None:
        """Show a page, with what went wrong if something did."""
        if problem:
            self.set_status(problem.status)
        self.finish(await self.render_template(template, problem=problem, now=self.now, **values))

    def go(self, path: str) -> None:
        """After a change, look at the result: a reload repeats nothing."""
        self.redirect(f"{self.hub.base_url}{path}", status=303)

    @property
    def template_namespace(self) -> dict[str, Any]:
        """What templates may name; unlike the Hub's own it does not ask the rules about each of a person's projects."""
        return {
            "base_url": self.hub.base_url,
            "user": self.current_user,
            "login_url": self.settings["login_url"],
            "logout_url": self.settings["logout_url"],
            "static_url": self.static_url,
            "xsrf": self.xsrf_token.decode("ascii"),
            "here": self.request.path,
            "Role": Role,
            "tre_roles": self.roles,
            "tre_links": links(self.roles, signed_in=bool(self.current_user)),
            **WORDS,
            **house_links(),
        }

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:  # noqa: ANN401 -- tornado's own
        """Log what nobody foresaw; what a person can cause is told to the person."""
        if not isinstance(value, TREError):
            super().log_exception(typ, value, tb)

    def write_error(self, status_code: int, **kwargs: Any) -> None:  # noqa: ANN401 -- tornado's own
        """Tell a fault that no page told in its place: by which rules, what helps, whom to ask."""
        problem = _problem((kwargs.get("exc_info") or (None, None))[1], status_code)
        if not hasattr(self, "_jupyterhub_user"):  # it came before the Hub knew who asks
            self._jupyterhub_user = None
            self._resolve_roles_and_scopes()
        self.set_status(problem.status)
        head, helps = FAULTS.get(problem.status, FAULTS[500] if problem.status >= FIRST_OF_OURS else FAULTS[422])
        values = {"problem": problem, "head": head, "helps": helps, "now": self.now}
        self.finish(self.render_template("fault.html", sync=True, **values))


FIRST_OF_OURS = 500
"""From this status on the fault is the house's, not the person's."""


def clock() -> datetime:
    """Return what time it is. Only here do pages learn it."""
    return datetime.now(UTC)


def links(roles: frozenset[str], *, signed_in: bool) -> tuple[tuple[str, str], ...]:
    """Return label and path of each page that is for somebody of these roles."""
    if not signed_in:
        return OPEN_LINKS
    return tuple((label, path) for label, path, whose in LINKS if not whose or whose & roles)


def house_links() -> dict[str, str]:
    """Return where the house's other addresses are."""
    settings = house.settings()
    return {
        "tre_home": f"{settings.hub_origin}/hub/home",
        "tre_airlock": f"{settings.airlock_origin}/services/airlock/",
    }


async def off_loop(ask: Callable[[], Answer]) -> Answer:
    """Wait for the records in a thread; a no comes back in the words of the rules in force."""

    def asking() -> Answer:
        try:
            return ask()
        except Refused as no:
            in_words(house.records(), no)
            raise

    return await asyncio.get_running_loop().run_in_executor(_records, asking)


def _standing(session: Session, person: str) -> tuple[bool, frozenset[Role]]:
    return accounts.active(session, person), accounts.roles_of(session, person)


def _problem(error: BaseException | None, status: int) -> Problem:
    if isinstance(error, TREError):
        return Problem.of(error)
    said = error.get_message() if isinstance(error, web.HTTPError) else None
    return Problem(message=said or "", status=status)
