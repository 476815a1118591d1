"""Whoever comes to the Hub proves it by password and code, and is asked about again while they stay."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

from jupyterhub.auth import Authenticator
from tornado.web import HTTPError, RequestHandler
from traitlets import Bool, Instance, Unicode, default

import tre.settings
from tre.errors import Unavailable
from tre.governance import accounts
from tre.records import db
from tre.records.db import Records
from tre.settings import Settings

Answer = TypeVar("Answer")
# A hash takes 64 MiB and a tenth of a second: two at a time, so that a crowd at the door waits,
# and those who are in do not.
_door = ThreadPoolExecutor(max_workers=2, thread_name_prefix="sign-in")


class HouseAuthenticator(Authenticator):  # type: ignore[misc]  # jupyterhub has no types
    """Sign-in against the house's own people; who may do what is asked elsewhere, for every act."""

    request_otp = Bool(default_value=True)
    otp_prompt = Unicode("Code from your authenticator app")
    allow_all = Bool(default_value=True).tag(config=True)
    auto_login = Bool(default_value=False)

    settings = Instance(Settings)
    records = Instance(Records)

    @default("settings")
    def _settings(self) -> Settings:
        return tre.settings.load()

    @default("records")
    def _records(self) -> Records:
        return db.opened(self.settings)

    async def authenticate(self, handler: RequestHandler | None, data: dict[str, str]) -> dict[str, Any] | None:
        """Give the Hub a person, never an admin of the Hub; or nothing, whatever was wrong."""
        del handler
        name = self.normalize_username(data.get("username") or "")
        password, code = data.get("password") or "", data.get("otp") or ""
        records, settings, now = self.records, self.settings, datetime.now(UTC)
        may = await _off_loop(lambda: accounts.sign_in(records, settings, name, password, code, now=now), through=_door)
        return {"name": name, "admin": False} if may else None

    async def refresh_user(self, user: Any, handler: RequestHandler | None = None, **_: object) -> bool:  # noqa: ANN401 -- the Hub's own class
        """Whether who is signed in may stay: a suspended person may not."""
        del handler
        records = self.records

        def still() -> bool:
            with records.read() as session:
                return accounts.active(session, user.name)

        return await _off_loop(still)


async def _off_loop(ask: Callable[[], Answer], *, through: Executor | None = None) -> Answer:
    try:
        return await asyncio.get_running_loop().run_in_executor(through, ask)
    except Unavailable as error:
        raise HTTPError(503, str(error), reason="Try again in a moment") from None
