"""Who is at the browser is asked outside the room: the Hub says it, and the room never learns of it.

The cookie holds the person's Hub token, sealed for one room. The Hub is asked again every ten seconds, and our own
table of accounts as well, since a suspended person's token may live a little longer at the Hub.
"""

import base64
import json
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from cryptography.fernet import Fernet, InvalidToken
from jupyterhub.services.auth import HubOAuth
from tornado.web import HTTPError

from tre.errors import Refused, Unavailable
from tre.rooms.gateway.registry import Registration
from tre.rooms.room import CALLBACK, origin
from tre.settings import Settings

COOKIE = "tre-room"
STATE_COOKIE = "tre-room-login"
HOURS = 8
STATE_SECONDS = 600
ASK_AGAIN_SECONDS = 10


def sealer(settings: Settings) -> Fernet:
    """Return the seal of the gateway's cookies; its key is a file, so a restart keeps sessions."""
    return Fernet(base64.urlsafe_b64encode(bytes.fromhex(settings.secret("gateway-cookie"))[:32]))


class Login:
    """The sign-in of one room."""

    def __init__(self, settings: Settings, room: Registration, seal: Fernet) -> None:
        """Speak to the Hub as this room's OAuth client."""
        self._settings = settings
        self._room = room
        self._seal = seal
        self._scopes = {
            f"access:servers!server={room.person}/{room.project}",
            f"access:servers!user={room.person}",
        }
        self._callback = f"{origin(settings, room.project, room.person)}{room.prefix}{CALLBACK}"
        self._hub = HubOAuth(
            api_url=settings.hub_api,
            api_token=room.token,
            hub_host=settings.hub_origin,
            hub_prefix="/hub/",
            base_url=room.prefix,
            oauth_client_id=room.client_id,
            oauth_redirect_uri=self._callback,
            access_scopes=self._scopes,
            cache_max_age=ASK_AGAIN_SECONDS,
        )

    def token(self, request: web.Request) -> str | None:
        """Return the Hub token from the cookie, if it was sealed by us for this room and is not too old."""
        try:
            opened = json.loads(
                self._seal.decrypt(request.cookies.get(self._name(COOKIE), "").encode(), ttl=HOURS * 3600)
            )
        except (InvalidToken, UnicodeError, json.JSONDecodeError):
            return None
        if opened.get("for") != self._room.prefix or opened.get("kind") != "token":
            return None
        return str(opened["token"])

    async def allowed(self, token: str) -> bool:
        """Ask the Hub whether this is the room's own person, and may be here."""
        try:
            model = await self._hub.user_for_token(token, sync=False)
        except HTTPError as error:
            raise Unavailable("the Hub does not answer; try again in a moment") from error
        if not model or model.get("kind") != "user" or model.get("name") != self._room.person:
            return False
        return bool(self._hub.check_scopes(self._scopes, model))

    def begin(self, target: str) -> web.Response:
        """Send the browser to the Hub, and remember where it wanted to go."""
        verifier, challenge, method = self._hub.generate_pkce_code_challenge()
        state = self._hub.generate_state(next_url=target, code_verifier=verifier)
        query = urlencode(
            {
                "client_id": self._room.client_id,
                "redirect_uri": self._callback,
                "response_type": "code",
                "state": state,
                "code_challenge": challenge,
                "code_challenge_method": method,
            }
        )
        answer = web.Response(
            status=302, headers={"Location": f"{self._hub.hub_host}/hub/api/oauth2/authorize?{query}"}
        )
        self._keep(answer, STATE_COOKIE, {"kind": "state", "state": state}, STATE_SECONDS)
        return answer

    async def finish(self, request: web.Request) -> web.Response:
        """Take the Hub's answer: a code for the state that this browser began with."""
        state = request.query.get("state", "")
        begun = self._hub.get_code_verifier(state)
        if not begun or not self._began(request, state):
            return web.Response(status=302, headers={"Location": self._room.prefix})  # begin again
        if "code" not in request.query:
            raise Refused("the Hub did not let you into this room")
        target = self._hub.get_next_url(state)
        self._hub.clear_oauth_state(state)
        try:
            token = await self._hub.token_for_code(request.query["code"], code_verifier=begun, sync=False)
        except HTTPError as error:
            raise Refused("the Hub did not confirm who you are; open the room from the Hub's home page") from error
        if not await self.allowed(token):
            raise Refused("this room is another person's")
        answer = web.Response(status=302, headers={"Location": target})
        self._keep(answer, COOKIE, {"kind": "token", "token": token}, HOURS * 3600)
        answer.del_cookie(self._name(STATE_COOKIE), path=self._path, secure=self._secure)
        return answer

    def _began(self, request: web.Request, state: str) -> bool:
        try:
            opened = json.loads(
                self._seal.decrypt(request.cookies.get(self._name(STATE_COOKIE), "").encode(), ttl=STATE_SECONDS)
            )
        except (InvalidToken, UnicodeError, json.JSONDecodeError):
            return False
        return bool(opened == {"for": self._room.prefix, "kind": "state", "state": state})

    def _keep(self, answer: web.Response, name: str, value: dict[str, str], seconds: int) -> None:
        sealed = self._seal.encrypt(json.dumps({"for": self._room.prefix, **value}).encode()).decode()
        answer.set_cookie(
            self._name(name),
            sealed,
            path=self._path,
            max_age=seconds,
            httponly=True,
            samesite="Lax",
            secure=self._secure,
        )

    def _kept(self, request: web.Request, name: str, seconds: int) -> Any:  # noqa: ANN401 -- JSON that we sealed
        sealed = request.cookies.get(self._name(name), "")
        return json.loads(self._seal.decrypt(sealed.encode(), ttl=seconds))

    @property
    def _secure(self) -> bool:
        return self._settings.scheme == "https"

    @property
    def _path(self) -> str:
        """A cookie of the host alone is one for all of it, and this host is one room's."""
        return "/" if self._secure else self._room.prefix

    def _name(self, name: str) -> str:
        """Over TLS no page of another host, not even of the domain above, can put such a cookie here."""
        return f"__Host-{name}" if self._secure else name
