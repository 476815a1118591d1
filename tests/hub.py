"""The Hub alone, in a thread of the test: its real handlers, sign-in and cookies, but no proxy, no room, no Docker.

    with a_hub(filled) as hub:
        ann = hub.person("ann")
        ann.page("/hub/applications")           # GET, as one follows a link
        ann.send("/hub/applications", title="…") # POST, as one sends the form of that page

It is a house of its own; `filled` says with whom and what.
"""

import asyncio
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
from jupyterhub.app import JupyterHub
from sqlalchemy import update
from tornado.httpserver import HTTPServer
from traitlets.config import Config

import tre.settings
from tests.builders import HOST
from tests.house import Visitor, _from, free_ports
from tre.governance import accounts
from tre.records import audit, schema
from tre.records.db import Records, opened
from tre.records.tables import PersonRow
from tre.rooms import house as at_home
from tre.rooms import hub as configuration
from tre.settings import Settings


class Hub:
    """A Hub that answers, and the house behind it."""

    def __init__(self, settings: Settings, records: Records) -> None:
        self.settings, self.records = settings, records
        self._people: dict[str, Guest] = {}

    def person(self, name: str) -> "Guest":
        """Somebody at a browser, signed in; the same browser each time."""
        if name not in self._people:
            self._people[name] = Guest(self)
            self._people[name].sign_in(name)
        return self._people[name]

    def stranger(self) -> "Guest":
        self._people[f"?{len(self._people)}"] = found = Guest(self)
        return found

    def code(self, name: str) -> str:
        """A code that works now. The house forgets that another was used: no test need wait for half a minute."""
        now = datetime.now(UTC)
        with self.changed() as session:
            session.execute(update(PersonRow).where(PersonRow.name == name).values(totp_step=0))
            return accounts.code_now(session, self.settings, name, now)

    @contextmanager
    def changed(self):
        """Change something behind the pages' back."""
        with self.records.act(HOST, "test.build", "home") as session:
            yield session
            audit.append(session, "test.build", actor=HOST, subject="home", at=datetime.now(UTC))

    def close(self) -> None:
        for each in self._people.values():
            each.close()


class Guest(Visitor):
    """A browser that has no JavaScript: it follows links and sends forms."""

    def page(self, path: str) -> httpx.Response:
        return super().page(path if path.startswith("http") else f"{self.hub}{path}")

    def send(self, path: str, *, code: bool | str | None = None, **fields: str | list[str]) -> httpx.Response:
        """Send a form; with a code if it asks for one: a fresh one, or the one that is given."""
        said = self.house.code(self.name) if code is True else code
        given = {"_xsrf": self.token(), **fields} | ({"code": said} if isinstance(said, str) else {})
        return self.http.post(f"{self.hub}{path}", data=given, headers=_from(self.hub, "navigate"))

    def token(self) -> str:
        found = re.search(r'name="_xsrf" value="([^"]+)"', self.page("/hub/applications").text)
        found = found or re.search(r'xsrf_token: "([^"]+)"', self.page("/hub/home").text)
        return found[1] if found else ""


@contextmanager
def a_hub(filled: Callable[[Hub], None]) -> Iterator[Hub]:
    """Make a home, fill it, and let a Hub answer for it."""
    home = Path(tempfile.mkdtemp(prefix="hub-")) / "home"
    settings = tre.settings.load(home, port=free_ports())
    schema.initialise(settings)
    before = {name: os.environ.get(name) for name in ("TRE_HOME", "TRE_PORT")}
    os.environ.update(TRE_HOME=str(home), TRE_PORT=str(settings.port))
    made = Hub(settings, opened(settings))
    try:
        filled(made)
        with _answering(settings):
            yield made
    finally:
        made.close()
        made.records.close()
        at_home.settings.cache_clear()
        at_home.records.cache_clear()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        shutil.rmtree(home.parent, ignore_errors=True)


@contextmanager
def _answering(settings: Settings) -> Iterator[None]:
    """Run the Hub's loop in a thread, on the port that a proxy would have."""
    at_home.settings.cache_clear()
    at_home.records.cache_clear()
    loop, ready, ended = asyncio.new_event_loop(), threading.Event(), threading.Event()
    faults: list[BaseException] = []

    async def answer() -> None:
        config = Config()
        configuration.configure(config)
        config.JupyterHub.log_level = "CRITICAL"
        app = JupyterHub(config=config)
        await app.initialize([])
        server = HTTPServer(app.tornado_application)
        server.listen(settings.port, address="127.0.0.1")
        ready.set()
        await loop.run_in_executor(None, ended.wait)
        server.stop()
        await server.close_all_connections()
        app.db.close()

    def run() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(answer())
        except BaseException as fault:  # noqa: BLE001 -- told to the test
            faults.append(fault)
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=run, name="hub")
    thread.start()
    ready.wait(60)
    try:
        if faults:
            raise faults[0]
        yield
    finally:
        ended.set()
        thread.join(30)
        JupyterHub.clear_instance()
