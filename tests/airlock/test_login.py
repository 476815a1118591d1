"""Coming in by the Hub, and what ends it."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from airlock import login
from airlock.login import CALLBACK, PREFIX
from airlock.tables import WebSessionRow
from tests.airlock.web import Browser, an_airlock
from tre.errors import Refused
from tre.governance import accounts


@pytest.fixture
def airlock(settings, now):
    with an_airlock(settings, now) as found:
        yield found


def _begin(airlock, path=""):
    """A browser without a session asks for a page; returns where it is sent, and the cookie it was given."""
    answer = airlock.nobody().get(path)
    return answer.headers["location"], answer.headers["set-cookie"]


def _return(airlock, address, cookie):
    """The Hub sends the browser back."""
    parts = urlsplit(address)
    headers = {"cookie": cookie.split(";")[0], "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    return airlock.client.get(f"{parts.path}?{parts.query}", headers=headers)


def _session(answer):
    """Value of the session's cookie."""
    found = [c for c in answer.headers.get_list("set-cookie") if c.startswith("airlock=")]
    return found[0].split(";")[0].partition("=")[2] if found else None


def test_a_page_without_a_session_leads_to_the_hub_with_pkce_and_state(airlock):
    location, cookie = _begin(airlock, "requests/7?x=1")
    asked = parse_qs(urlsplit(location).query)
    assert location.startswith(f"{airlock.settings.hub_origin}/hub/api/oauth2/authorize?")
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["client_id"] == ["service-airlock"]
    assert asked["redirect_uri"] == [airlock.settings.airlock_origin + CALLBACK]
    assert asked["state"][0] in cookie
    assert {"HttpOnly", "SameSite=lax"} <= {part.strip() for part in cookie.split(";")}


def test_who_comes_back_from_the_hub_has_a_session_and_goes_on_to_the_page_they_wanted(airlock):
    location, cookie = _begin(airlock, "api?x=1")
    answer = _return(airlock, airlock.hub.authorize(location, "ann"), cookie)
    assert answer.status_code == 200
    assert f'content="0;url={PREFIX}api?x=1"' in answer.text
    assert Browser(airlock, "ann", _session(answer)).get("api").status_code == 200


def test_the_session_cookie_is_strict_and_not_for_scripts(airlock):
    location, cookie = _begin(airlock)
    answer = _return(airlock, airlock.hub.authorize(location, "ann"), cookie)
    said = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("airlock="))
    assert {"HttpOnly", "SameSite=strict", f"Path={PREFIX}", "Max-Age=28800"} <= {p.strip() for p in said.split(";")}


def test_under_tls_the_cookie_is_one_that_no_other_host_can_set(settings, now):
    with an_airlock(settings.model_copy(update={"scheme": "https"}), now) as airlock:
        location, cookie = _begin(airlock)
        answer = _return(airlock, airlock.hub.authorize(location, "ann"), cookie)
    said = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("__Host-airlock="))
    assert {"Secure", "Path=/", "HttpOnly", "SameSite=strict"} <= {part.strip() for part in said.split(";")}
    assert answer.headers["strict-transport-security"]


def test_neither_the_cookie_nor_the_hub_token_is_in_the_records(airlock):
    ann = airlock.sign_in("ann")
    with airlock.records.read() as session:
        row = session.query(WebSessionRow).one()
        kept = f"{row.id_sha256} {row.hub_token}"
    assert ann.cookie not in kept
    assert not any(token in kept for token in airlock.hub.tokens)


def test_a_callback_that_this_browser_did_not_begin_opens_nothing(airlock):
    location, _ = _begin(airlock)
    answer = _return(airlock, airlock.hub.authorize(location, "ann"), "airlock-state-x=y")
    assert answer.status_code == 403
    assert _session(answer) is None


def test_a_state_works_once(airlock):
    location, cookie = _begin(airlock)
    _return(airlock, airlock.hub.authorize(location, "ann"), cookie)
    again = _return(airlock, airlock.hub.authorize(location, "ann"), cookie)
    assert again.status_code == 403


def test_a_code_without_its_verifier_opens_nothing(airlock):
    location, cookie = _begin(airlock)
    stolen = airlock.hub.authorize(_begin(airlock)[0], "ann")
    code = parse_qs(urlsplit(stolen).query)["code"][0]
    state = parse_qs(urlsplit(location).query)["state"][0]
    answer = _return(airlock, f"{CALLBACK}?code={code}&state={state}", cookie)
    assert answer.status_code == 503
    assert _session(answer) is None


@pytest.mark.parametrize(
    ("kind", "scopes"),
    [("service", (f"access:services!service={login.SERVICE}",)), ("user", ("self",)), ("user", ())],
)
def test_a_token_that_is_no_persons_or_does_not_lead_here_is_nobody(airlock, kind, scopes):
    token = airlock.hub.token("ann", kind=kind, scopes=scopes)
    number = login.open_session(airlock.records, airlock.settings, "ann", token, now=airlock.clock())
    assert Browser(airlock, "ann", number).get().status_code == 302


def test_another_persons_token_is_nobody(airlock):
    token = airlock.hub.token("bob")
    number = login.open_session(airlock.records, airlock.settings, "ann", token, now=airlock.clock())
    assert Browser(airlock, "ann", number).get().status_code == 302


def test_a_suspended_person_is_not_let_in(airlock):
    _suspend(airlock, "ann")
    location, cookie = _begin(airlock)
    answer = _return(airlock, airlock.hub.authorize(location, "ann"), cookie)
    assert answer.status_code == 403
    assert "R01" in answer.text
    assert _session(answer) is None


def test_a_person_suspended_meanwhile_is_out_at_once(airlock):
    ann = airlock.sign_in("ann")
    _suspend(airlock, "ann")
    assert ann.get().status_code == 302


def test_somebody_the_hub_knows_and_we_do_not_is_refused(airlock):
    with pytest.raises(Refused):
        login.open_session(airlock.records, airlock.settings, "mallory", "token", now=airlock.clock())


@pytest.mark.parametrize(
    ("minutes", "steps", "status"),
    [(29, 1, 200), (30, 1, 302), (25, 19, 200), (25, 20, 302)],
    ids=["not yet idle", "idle", "busy for 7 h 55", "busy for 8 h 20"],
)
def test_a_session_ends_idle_or_old(airlock, minutes, steps, status):
    ann = airlock.sign_in("ann")
    for _ in range(steps):
        airlock.clock.later(minutes=minutes)
        answer = ann.get("api")
    assert answer.status_code == status


def test_a_session_that_the_hub_ended_is_over_for_a_change_at_once(airlock):
    ann, request = airlock.sign_in("ann"), airlock.ask()
    ann.get()
    airlock.hub.tokens.clear()
    assert ann.post(f"requests/{request}/withdraw").status_code == 401


def test_a_look_may_be_ten_seconds_old(airlock):
    ann = airlock.sign_in("ann")
    for _ in range(3):
        ann.get("api")
    assert airlock.hub.asked == 1


def test_a_hub_that_does_not_answer_lets_nobody_in(airlock):
    ann = airlock.sign_in("ann")
    airlock.hub.close()
    assert ann.get().status_code == 503


def test_signing_out_ends_the_session_here_and_goes_on_to_the_hub(airlock):
    ann = airlock.sign_in("ann")
    answer = ann.post("logout")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{airlock.settings.hub_origin}/hub/logout")
    assert ann.get().status_code == 302


def test_signing_in_and_out_is_recorded(airlock):
    airlock.sign_in("ann").post("logout")
    assert [act for act in airlock.acts() if act.startswith("session.")] == ["session.sign_in", "session.sign_out"]


def test_a_changed_secret_ends_every_session(airlock):
    ann = airlock.sign_in("ann")
    secret = airlock.settings.secrets / "airlock-cookie"
    secret.chmod(0o600)
    secret.write_text("ab" * 32)
    assert ann.get().status_code == 302


def test_old_sessions_are_forgotten_when_somebody_signs_in(airlock):
    airlock.sign_in("ann")
    airlock.clock.later(hours=9)
    airlock.sign_in("bob")
    with airlock.records.read() as session:
        assert [row.person for row in session.query(WebSessionRow)] == ["bob"]


def _suspend(airlock, name):
    with airlock.records.act("olga", "person.suspend", f"person/{name}") as session:
        accounts.suspend(session, name, why="a test", actor="olga", now=airlock.clock() - timedelta(seconds=1))
