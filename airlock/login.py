"""Who is at the browser: the Hub says so by OAuth, our own account table says whether they may still come in.

The cookie holds a random number; the database holds its SHA-256 and the Hub's token, sealed with that number, so that
neither the database nor the cookie alone is of use to a thief. A session ends after 8 hours, after 30 idle minutes,
at log-out, when the Hub ends its token, and when the person is suspended.
"""

import secrets
from base64 import b64decode, b64encode
from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jupyterhub.services.auth import HubOAuth
from sqlalchemy import delete
from sqlalchemy.orm import Session
from tornado.web import HTTPError

from airlock.tables import WebSessionRow
from policies.facts import Role
from tre.errors import Refused, Unavailable
from tre.governance import accounts
from tre.records import audit
from tre.records.db import Records
from tre.settings import Settings

SERVICE = "airlock"
PREFIX = f"/services/{SERVICE}/"
CALLBACK = f"{PREFIX}oauth_callback"
SCOPES = frozenset({f"access:services!service={SERVICE}"})
LONGEST = timedelta(hours=8)
IDLE = timedelta(minutes=30)
CACHE_SECONDS = 10


@dataclass(frozen=True)
class Visitor:
    """Who asks, what they are here to do, and the Hub's token that must still hold."""

    name: str
    roles: frozenset[Role]
    token: str


def hub_oauth(settings: Settings) -> HubOAuth:
    """Reach the Hub: it says who a person is, and never decides what they may do."""
    return HubOAuth(
        api_url=settings.hub_api,
        api_token=settings.secret("airlock-hub"),
        base_url=PREFIX,
        oauth_client_id=f"service-{SERVICE}",
        oauth_redirect_uri=settings.airlock_origin + CALLBACK,
        oauth_authorization_url=f"{settings.hub_origin}/hub/api/oauth2/authorize",
        access_scopes=set(SCOPES),
        cache_max_age=CACHE_SECONDS,
    )


async def token_for(hub: HubOAuth, code: str, verifier: str) -> str:
    """Trade the code of the redirect for the person's token."""
    try:
        token: str = await hub.token_for_code(code, code_verifier=verifier, sync=False)
    except HTTPError as error:
        raise _no_answer(error, "the Hub did not accept this sign-in; start it again") from None
    return token


async def name_for(hub: HubOAuth, token: str, *, fresh: bool) -> str | None:
    """Ask the Hub whose token this is. None: it has ended, or is not a person's, or does not lead here.

    `fresh` for everything that changes something; a look may be ten seconds old.
    """
    try:
        model: dict[str, Any] | None = await hub.user_for_token(token, use_cache=not fresh, sync=False)
    except HTTPError as error:
        raise _no_answer(error, "the Hub cannot say whether you are still signed in; try again") from None
    if model is None or model.get("kind") != "user" or not hub.check_scopes(hub.access_scopes, model):
        return None
    return str(model["name"])


def open_session(records: Records, settings: Settings, person: str, token: str, *, now: datetime) -> str:
    """Begin a session for a person whom the Hub named; return the cookie's value. Nothing of an older one is kept."""
    number = secrets.token_urlsafe(32)
    with records.act(person, "session.sign_in", f"person/{person}") as session:
        if not accounts.active(session, person):
            raise Refused(
                "your account is not active in this environment",
                rules=("R01",),
                remedies=("speak with an admin of this environment",),
            )
        _forget_old(session, now)
        session.add(
            WebSessionRow(
                id_sha256=_id(number),
                person=person,
                hub_token=_seal(settings, number, token),
                created_at=now,
            )
        )
        audit.append(session, "session.sign_in", actor=person, subject=f"person/{person}", at=now, where=SERVICE)
    return number


def visitor(
    records: Records, settings: Settings, number: str, *, seen: MutableMapping[str, datetime], now: datetime
) -> Visitor | None:
    """Return who holds this cookie, or None if its session is over.

    `seen` is this process's memory of when each session was last used: a look changes nothing in the records. After
    a restart a session that is older than the idle time goes through the Hub once more.
    """
    with records.read() as session:
        row = session.get(WebSessionRow, _id(number))
        if row is None or _over(row.created_at, seen.get(row.id_sha256, row.created_at), now):
            seen.pop(_id(number), None)
            return None
        if not accounts.active(session, row.person, since=row.created_at):
            return None
        roles = accounts.roles_of(session, row.person)
    try:
        token = _unseal(settings, number, row.hub_token)
    except InvalidTag:  # the secret was changed: every session is over
        return None
    seen[row.id_sha256] = now
    return Visitor(row.person, roles, token)


def close_session(records: Records, number: str, *, now: datetime) -> None:
    """End a session, if it is one."""
    with records.read() as session:
        row = session.get(WebSessionRow, _id(number))
    if row is None:
        return
    with records.act(row.person, "session.sign_out", f"person/{row.person}") as session:
        session.execute(delete(WebSessionRow).where(WebSessionRow.id_sha256 == row.id_sha256))
        audit.append(
            session, "session.sign_out", actor=row.person, subject=f"person/{row.person}", at=now, where=SERVICE
        )


def cookie_name(settings: Settings) -> str:
    """Under TLS the browser itself sees to it that no other host sets this cookie."""
    return "__Host-airlock" if settings.scheme == "https" else "airlock"


def _over(opened: datetime, used: datetime, now: datetime) -> bool:
    return now - opened >= LONGEST or now - used >= IDLE or now < opened


def _forget_old(session: Session, now: datetime) -> None:
    session.execute(delete(WebSessionRow).where(WebSessionRow.created_at <= now - LONGEST))


def _id(number: str) -> str:
    return sha256(number.encode()).hexdigest()


def _key(settings: Settings, number: str) -> bytes:
    secret = bytes.fromhex(settings.secret("airlock-cookie"))
    return HKDF(SHA256(), 32, salt=secret, info=b"tre/v1/airlock/session").derive(number.encode())


def _seal(settings: Settings, number: str, token: str) -> str:
    nonce = secrets.token_bytes(12)
    return b64encode(nonce + AESGCM(_key(settings, number)).encrypt(nonce, token.encode(), None)).decode()


def _unseal(settings: Settings, number: str, sealed: str) -> str:
    raw = b64decode(sealed)
    return AESGCM(_key(settings, number)).decrypt(raw[:12], raw[12:], None).decode()


def _no_answer(error: HTTPError, message: str) -> Unavailable:
    return Unavailable(f"{message} ({error.status_code})")
