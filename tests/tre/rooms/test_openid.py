"""Signing in at a real OpenID provider (the certified oidc-provider), and everything that can be wrong with it."""

import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import pyotp
import pytest
from sqlalchemy import select

from policies.facts import Role
from tests.builders import HOST, a_person
from tests.house import free_ports
from tests.hub import a_hub
from tre.errors import Unreadable
from tre.governance import accounts, enrolment, identities
from tre.records.tables import EntryRow
from tre.rooms import providers

SCRIPT = Path(__file__).resolve().parents[2] / "openid" / "provider.js"
MFA = {"acr": "mfa", "amr": ["pwd", "otp"]}
HONEST = {"account": "u-ann", "claims": {}, "skew": 0, "wrongKey": False, **MFA}
TOML = """
[[provider]]
key = "uni"
name = "Example University"
issuer = "{issuer}"
client_id = "hortus"
mfa_acr = ["mfa"]
mfa_amr = ["mfa", "otp"]
claims = {{ country = "country", institution = "ror", not_for_profit = "npo", orcid = "orcid" }}
"""


class Provider:
    """The provider's process; `tell` says what it does next."""

    def __init__(self, hub_port: int) -> None:
        self.port = free_ports()
        self.issuer, self.callback = f"http://127.0.0.1:{self.port}", f"http://localhost:{hub_port}/hub/openid/uni/back"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        node = shutil.which("node")
        words = [node or "node", SCRIPT.name, str(self.port), self.callback]
        self.process = subprocess.Popen(
            words, cwd=SCRIPT.parent, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == "listening\n", "run npm ci in tests/openid"

    def tell(self, **said) -> None:
        told = {**HONEST, **said}
        httpx.get(f"{self.issuer}/tell?{quote(json.dumps(told))}", trust_env=False).raise_for_status()

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None


@pytest.fixture(scope="module")
def world():
    if not (SCRIPT.parent / "node_modules").is_dir():
        if os.environ.get("CI") or os.environ.get("HORTUS_ALL") == "1":
            pytest.fail("the OpenID provider is not installed: npm ci --prefix tests/openid")
        pytest.skip("the OpenID provider is not installed: npm ci --prefix tests/openid")
    made = {}

    def filled(hub):
        provider = made["provider"] = Provider(hub.settings.port)
        (hub.settings.home / "openid.toml").write_text(TOML.format(issuer=provider.issuer))
        (hub.settings.secrets / "openid-uni").write_text("a-secret-of-the-tests\n")
        with hub.records.act(HOST, "test.build", "home") as session:
            for name in ("ann", "ben"):
                a_person(session, name, Role.ANALYST, settings=hub.settings, now=now())
            marker = identities.Marker(provider.issuer, "u-ann")
            identities.link(session, "ann", marker, actor=HOST, now=now())
        provider.start()

    with a_hub(filled) as hub:
        yield hub, made["provider"]
        made["provider"].stop()


@pytest.fixture
def hub(world):
    return world[0]


@pytest.fixture
def idp(world, hub):
    """The provider, honest again."""
    provider = world[1]
    if provider.process is None:
        provider.start()
    provider.tell()
    return provider


def now():
    return datetime.now(UTC)


def goes(hub, path="/hub/openid/uni?next=/hub/account"):
    """Somebody presses the provider's button; where they end."""
    browser = hub.stranger()
    return browser, browser.page(f"{browser.hub}{path}")


def told(answer):
    found = re.search(r'class="login_error[^>]*>([^<]+)<', answer.text)
    return found[1].replace("&#39;", "'") if found else ""


def last(hub, act):
    with hub.records.read() as session:
        rows = session.scalars(select(EntryRow).where(EntryRow.act == act).order_by(EntryRow.seq.desc()).limit(1))
        return json.loads(rows.one().body)


def entered(hub, browser):
    return "How I sign in" in browser.page("/hub/account").text


# --- in ---------------------------------------------------------------------------------------------------------------
def test_both_ways_in_are_on_one_page(hub, idp):
    page = hub.stranger().page("/hub/login").text
    assert 'name="otp"' in page
    assert "Sign in with Example University" in page


def test_a_person_signs_in_at_the_provider_and_comes_where_they_wanted(hub, idp):
    idp.tell(claims={"country": "DE", "ror": "https://ror.org/02nr0ka47", "npo": True})
    _, answer = goes(hub)
    assert "How I sign in" in answer.text, told(answer) or answer.text[-2000:]
    entry = last(hub, "session.sign_in")
    assert (entry["actor"], entry["facts"]["by"]) == ("ann", idp.issuer)
    with hub.records.read() as session:
        ann = accounts.person(session, "ann")
    assert (ann.country, ann.institution, ann.not_for_profit) == ("DE", "https://ror.org/02nr0ka47", True)


def test_what_the_provider_no_longer_says_is_no_longer_so(hub, idp):
    idp.tell(claims={"country": "Germany", "ror": "javascript:1", "npo": "yes"})
    goes(hub)
    with hub.records.read() as session:
        ann = accounts.person(session, "ann")
    assert (ann.country, ann.institution, ann.not_for_profit) == ("", "", False)


@pytest.mark.parametrize("mfa", [{"acr": None, "amr": ["otp"]}, {"acr": "mfa", "amr": None}])
def test_either_claim_may_say_that_two_factors_were_used(hub, idp, mfa):
    idp.tell(**mfa)
    assert entered(hub, goes(hub)[0])


# --- not in -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "mfa", [{"acr": None, "amr": None}, {"acr": "pwd", "amr": ["pwd"]}, {"acr": None, "amr": []}], ids=repr
)
def test_without_a_second_factor_nobody_comes_in_and_is_told_what_helps(hub, idp, mfa):
    idp.tell(**mfa)
    browser, answer = goes(hub)
    assert "ann cannot sign in (R02)" in told(answer)
    assert "second factor" in told(answer)
    assert not entered(hub, browser)
    assert last(hub, "session.sign_in.refused")["facts"]["rules"] == ["R02"]


def test_whom_the_house_does_not_know_does_not_come_in_and_gets_no_account(hub, idp):
    idp.tell(account="u-stranger", claims={"email": "ann@hortus.example", "email_verified": True})
    browser, answer = goes(hub)
    assert "nobody of this house is known by this account" in told(answer)
    assert "ask an admin for an invitation" in told(answer)
    assert not entered(hub, browser)


def test_a_suspended_person_does_not_come_in_by_the_other_way(hub, idp):
    with hub.changed() as session:
        accounts.person(session, "ann").suspended = True
    try:
        browser, answer = goes(hub)
        assert "R01" in told(answer)
        assert not entered(hub, browser)
    finally:
        with hub.changed() as session:
            accounts.person(session, "ann").suspended = False


@pytest.mark.parametrize("skew", [-300, -90, 90, 3600])
def test_a_wrong_clock_is_one_clear_line_and_an_entry(hub, idp, skew):
    idp.tell(skew=skew)
    browser, answer = goes(hub)
    assert re.search(rf"its clock is \d+ s {'ahead of' if skew > 0 else 'behind'} this house's", told(answer)), told(
        answer
    )
    assert not entered(hub, browser)
    assert "its clock" in last(hub, "session.sign_in.refused")["facts"]["why"]


def test_a_clock_that_differs_by_less_than_a_minute_is_borne(hub, idp):
    idp.tell(skew=-40)
    assert entered(hub, goes(hub)[0])


def test_an_answer_signed_with_another_key_is_one_clear_line_and_an_entry(hub, idp):
    idp.tell(wrongKey=True)
    browser, answer = goes(hub)
    assert "not signed with a key that it publishes" in told(answer)
    assert not entered(hub, browser)
    assert last(hub, "session.sign_in.refused")["actor"] == "?"


def test_an_answer_is_taken_once(hub, idp):
    browser = hub.stranger()
    seen = []
    browser.http.event_hooks["response"] = [lambda response: seen.append(str(response.request.url))]
    browser.page(f"{browser.hub}/hub/openid/uni")
    back = next(url for url in seen if "/hub/openid/uni/back" in url)
    assert "begun in this browser, or is over" in told(browser.page(back))
    thief = hub.stranger()
    assert "begun in this browser, or is over" in told(thief.page(back))
    assert not entered(hub, thief)


def test_a_state_or_a_code_that_somebody_made_up_is_nothing(hub, idp):
    browser = hub.stranger()
    browser.http.follow_redirects = False
    begun = browser.http.get(f"{browser.hub}/hub/openid/uni")
    state = httpx.URL(begun.headers["location"]).params["state"]
    browser.http.follow_redirects = True
    back = f"{browser.hub}/hub/openid/uni/back"
    assert "did not confirm this sign-in" in told(browser.page(f"{back}?state={state}&code=made-up"))
    for forged in ("", "?state=x&code=y", f"?state={state}&code=again", "?error=access_denied", f"?state={state}"):
        assert "begin again" in told(browser.page(f"{back}{forged}"))
    assert not entered(hub, browser)


def test_it_asks_with_pkce_and_a_nonce_of_its_own_each_time(hub, idp):
    asked = []
    for _ in range(2):
        browser = hub.stranger()
        browser.http.follow_redirects = False
        asked.append(httpx.URL(browser.http.get(f"{browser.hub}/hub/openid/uni").headers["location"]).params)
    assert all(each["code_challenge_method"] == "S256" for each in asked)
    assert all(asked[0][name] != asked[1][name] for name in ("state", "nonce", "code_challenge"))


def test_it_leads_nobody_to_another_house(hub, idp):
    _, answer = goes(hub, "/hub/openid/uni?next=https://evil.example/")
    assert answer.url.host == "localhost"
    assert all("evil.example" not in response.url.host for response in answer.history)


def test_a_provider_that_nobody_named_is_not_found(hub, idp):
    assert hub.stranger().page("/hub/openid/other").status_code == 404
    assert hub.stranger().page("/hub/openid/other/back?state=x&code=y").status_code == 404


# --- an invitation ----------------------------------------------------------------------------------------------------
def invited(hub, name):
    with hub.records.act(HOST, "person.add", f"person/{name}") as session:
        accounts.add(
            session, name, full_name=name.title(), email="", roles=[Role.ANALYST], actor=HOST, now=now(),
            settings=hub.settings, invited=True,
        )  # fmt: skip
        return enrolment.invite(session, name, actor=HOST, now=now())


def accepts(hub, token):
    """Somebody opens the link, shows their second factor, and goes on to the provider."""
    browser = hub.stranger()
    page = browser.page(f"/hub/enrol/{token}").text
    secret = re.search(r'class="tre-secret">([^<]+)<', page)[1].replace(" ", "")
    xsrf = re.search(r'name="_xsrf" value="([^"]+)"', page)[1]
    form = {"_xsrf": xsrf, "code": pyotp.TOTP(secret).now(), "with": "uni"}
    on = browser.http.post(f"{browser.hub}/hub/enrol/{token}", data=form)
    assert "Go on to Example University" in on.text, on.text[-1500:]
    return browser, browser.page("/hub/openid/uni?invited=1")


def test_an_invitation_is_accepted_by_signing_in_at_the_provider(hub, idp):
    idp.tell(account="u-zoe", claims={"email": "Zoe@uni.example", "email_verified": True})
    token = invited(hub, "zoe")
    browser, answer = accepts(hub, token)
    assert entered(hub, browser), told(answer)
    assert entered(hub, goes(hub)[0])
    with hub.records.read() as session:
        assert identities.owner(session, identities.Marker("email", "zoe@uni.example")) == "zoe"
    assert hub.stranger().page(f"/hub/enrol/{token}").status_code == 404


def test_an_invitation_without_a_second_factor_at_the_provider_stays_open(hub, idp):
    idp.tell(account="u-yan", acr=None, amr=None)
    token = invited(hub, "yan")
    browser, answer = accepts(hub, token)
    assert "R02" in told(answer)
    assert not entered(hub, browser)
    assert hub.stranger().page(f"/hub/enrol/{token}").status_code == 200


@pytest.mark.parametrize(
    ("account", "claims"),
    [("u-ann", {}), ("u-other", {"email": "ANN+work@hortus.example", "email_verified": True})],
    ids=["the same account", "another account with the same address"],
)
def test_a_second_account_of_the_same_human_is_refused(hub, idp, account, claims):
    idp.tell(account=account, claims=claims)
    name = f"annie{len(claims)}"
    browser, answer = accepts(hub, invited(hub, name))
    assert "ann's already: one person has one account" in told(answer)
    assert not entered(hub, browser)
    with hub.records.read() as session:
        assert accounts.person(session, name).enrolled_at is None


def test_an_address_that_the_provider_did_not_verify_is_nobodys(hub, idp):
    idp.tell(account="u-xia", claims={"email": "ben@hortus.example", "email_verified": False})
    browser, answer = accepts(hub, invited(hub, "xia"))
    assert entered(hub, browser), told(answer)


# --- outage -----------------------------------------------------------------------------------------------------------
def test_while_the_provider_is_out_nobody_new_comes_in_and_who_is_in_stays(hub, idp):
    inside, _ = goes(hub)
    idp.stop()
    browser, answer = goes(hub)
    assert "Example University does not answer" in told(answer)
    assert answer.status_code == 503
    assert "Traceback" not in answer.text
    assert "Sign in to Hortus" in answer.text
    assert not entered(hub, browser)
    assert entered(hub, inside)
    assert entered(hub, hub.person("ben"))


# --- the file ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("issuer =", "isuer ="), "provider isuer|provider issuer"),
        (("http://127.0.0.1:1", "http://idp.example"), "must begin with https://"),
        (('key = "uni"', 'key = "Uni!"'), "provider key"),
        (("country =", "roles ="), "the house has no roles"),
        (("[[provider]]", "[[providers]]"), "which nobody reads"),
        (('client_id = "hortus"', "client_id = hortus"), "cannot be read"),
    ],
)
def test_a_file_with_a_fault_in_it_is_one_clear_line(tmp_path, change, said):
    class Home:
        home = tmp_path

    (tmp_path / "openid.toml").write_text(TOML.format(issuer="http://127.0.0.1:1").replace(*change))
    with pytest.raises(Unreadable, match=said) as error:
        providers.load(Home)
    assert "\n" not in str(error.value)
