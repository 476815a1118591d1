"""Coming in by the Hub, and going out again."""

import hmac
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from airlock import login
from airlock.login import CALLBACK, PREFIX
from airlock.pages.page import House, house, render
from tre.errors import Refused
from tre.settings import Settings

STATE_SECONDS = 600
AGAIN = ("go to the airlock's first page; the sign-in starts anew",)


def begin(request: Request, house: House) -> Response:
    """Send the browser to the Hub, and remember in a short-lived cookie that it was this browser."""
    hub = house.hub
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    verifier, challenge, method = hub.generate_pkce_code_challenge()
    state = hub.generate_state(wanted, code_verifier=verifier)
    asks = {
        "client_id": hub.oauth_client_id,
        "redirect_uri": hub.oauth_redirect_uri,
        "response_type": "code",
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": method,
    }
    answer = RedirectResponse(f"{hub.oauth_authorization_url}?{urlencode(asks)}", status_code=302)
    answer.set_cookie(
        _state_cookie(state), state, max_age=STATE_SECONDS, path=CALLBACK, httponly=True, samesite="lax",
        secure=house.settings.scheme == "https",
    )  # fmt: skip
    return answer


async def callback(request: Request) -> Response:
    """Make sure that the Hub sent back the same browser, and open its session."""
    here = house(request)
    state, verifier = _state(request, here)
    wanted = here.hub.get_next_url(state) or PREFIX
    here.hub.clear_oauth_state(state)
    token = await login.token_for(here.hub, request.query_params.get("code", ""), verifier)
    name = await login.name_for(here.hub, token, fresh=True)
    if name is None:
        raise Refused("the Hub does not let this account into the airlock", remedies=AGAIN)
    number = await run_in_threadpool(login.open_session, here.records, here.settings, name, token, now=here.clock())
    # A cookie that is Strict is not sent on a redirect which another site began: a page of ours goes on.
    answer = render(request, "go_on.html", wanted=wanted)
    _set(answer, here.settings, number)
    answer.delete_cookie(_state_cookie(state), path=CALLBACK, httponly=True, samesite="lax")
    return answer


def leave(request: Request) -> Response:
    """End the session here, then at the Hub; else the next page would sign in again by itself."""
    here = house(request)
    login.close_session(here.records, request.cookies[login.cookie_name(here.settings)], now=here.clock())
    answer = RedirectResponse(f"{here.settings.hub_origin}/hub/logout", status_code=303)
    answer.delete_cookie(login.cookie_name(here.settings), path=_path(here.settings), httponly=True, samesite="strict")
    return answer


def _state(request: Request, here: House) -> tuple[str, str]:
    """Return the state and its PKCE verifier, or refuse a callback that this browser did not begin."""
    if error := request.query_params.get("error"):
        raise Refused(f"the Hub did not sign you in ({error[:40]})", remedies=AGAIN)
    state = request.query_params.get("state", "")
    kept = request.cookies.get(_state_cookie(state), "")
    verifier = here.hub.get_code_verifier(state)
    if not state or not hmac.compare_digest(state.encode(), kept.encode()) or not verifier:
        raise Refused("this sign-in was not begun here, or took too long", remedies=AGAIN)
    return state, verifier


def _state_cookie(state: str) -> str:
    """One cookie for each sign-in, so that two tabs do not disturb each other."""
    return f"airlock-state-{state[:8]}"


def _set(answer: Response, settings: Settings, number: str) -> None:
    answer.set_cookie(
        login.cookie_name(settings), number, max_age=int(login.LONGEST.total_seconds()), path=_path(settings),
        httponly=True, samesite="strict", secure=settings.scheme == "https",
    )  # fmt: skip


def _path(settings: Settings) -> str:
    """`__Host-` wants the root; without TLS the cookie stays below our prefix."""
    return "/" if settings.scheme == "https" else PREFIX
